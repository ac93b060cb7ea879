//! The connector, and the service that it connects.

use std::sync::Arc;

use bytes::Bytes;
use http::{HeaderMap, Method};
use plugin_core::{Call, CallContext, Code, PluginError, PluginInfo, PluginInstance, Reply};

use super::{
    GrpcConfig,
    answer::{self, Answered, Unanswered},
    fault, headers,
    health::{self, KnownHealth},
    init,
    methods::Methods,
};
use crate::{
    grpc::{content_type, frame, proto, status::DEADLINE_EXCEEDED},
    json::{self, JsonFault},
    net::{
        client::{CallTime, Client, Protocol, client_of_a_network, over_a_pool_of_http},
        connect::Connector,
        exchange::{self, Outgoing},
        pool::Pool,
        probe,
        progress::CallProgress,
    },
    wire::{bounded::quoted, confidential::Confidential, headers::list, plugin_errors},
};

/// Connects plugins that are reached over gRPC.
#[derive(Debug)]
pub struct GrpcPlugin;

impl GrpcPlugin {
    /// Makes an instance out of settings. The files of TLS are read; connections are opened by the first calls, and the plugin is
    /// told its options on each before any of them.
    ///
    /// The instance's probe is `grpc.health.v1.Health/Check`, over a connection of its own: under the name
    /// `plugin.v1.PluginService`, and under none where that is `NOT_FOUND`. `UNIMPLEMENTED` says that the plugin has no health
    /// check, is told once in the log, and healthy. Where it serves, `plugin.v1.PluginService/Health` may say that it is
    /// degraded. Closing the instance refuses new calls (`LIFECYCLE_2101`), waits for those in flight, and cuts them off when the
    /// grace period ends.
    ///
    /// The files are read before this returns: where their disk may stand still, call it on a thread that may wait, such as those of
    /// `tokio::task::spawn_blocking`.
    ///
    /// # Errors
    ///
    /// `AUTH_1104` when a file of TLS is missing, unreadable, or does not hold what it should.
    pub fn connect(config: GrpcConfig) -> Result<PluginInstance<GrpcClient>, PluginError> {
        let name: Arc<str> = config.name.as_str().into();
        let named = |error: PluginError| error.with_plugin(Arc::clone(&name));
        let (base, methods) = (headers::base(&config), Methods::of(&config.endpoint));
        let greeting = init::greeting(&config, &base, &methods);
        let pools = config.peer(|peer| {
            let connector = Connector::new(peer, &config.endpoint)?;
            // Where the options are refused, the plugin is not ready, and a check is to find that out too.
            let probing = connector.beside(peer, &config.endpoint, &config.endpoint)?.with_greeting(greeting.clone());
            let pool = |connector, max| Pool::new(connector, &config.connection, max);
            let max = config.connection.max_connections();
            Ok::<_, PluginError>((pool(connector.with_greeting(greeting), max), pool(probing, 1)))
        });
        let (pool, probe_pool) = pools.map_err(named)?;
        let transport = if config.endpoint.tls { "grpc-tls" } else { "grpc" };
        let info = PluginInfo::new(config.name.as_str(), "").with_transport(transport);
        let (limit, keeps_time) = (config.connection.request_timeout(), config.request_timeout);
        let (confidential, health) = (Confidential::of(&config.options, std::iter::empty()), KnownHealth::default());
        let protocol = GrpcProtocol { config, confidential, base, methods, pool, probe_pool, health };
        let client = Client::new(name, protocol, limit, keeps_time);
        let (probed, closed) = (Arc::clone(client.state()), Arc::clone(client.state()));
        Ok(PluginInstance::new(GrpcClient { client }, info)
            .with_probe(move || {
                let state = Arc::clone(&probed);
                async move {
                    let GrpcProtocol { config, pool, .. } = &state.protocol;
                    let check = state.protocol.health_check();
                    let limit = config.connection.request_timeout();
                    let were_answered = |since| pool.has_answered_since(since);
                    let hidden = |said: &str| state.protocol.hidden(said);
                    probe::check(hidden, limit, config.check_limit, were_answered, check.ask()).await
                }
            })
            .with_close(move |grace| Arc::clone(&closed).close(grace)))
    }
}

/// A plugin over gRPC. Clones share its connections.
///
/// It is always ready: a call waits for its turn inside its future, at most as long as the attempt may take. The limit of
/// an attempt and the call's deadline are kept by the `AttemptTimeout` of plugin-core, with one timer for both, unless
/// `GrpcConfigBuilder::without_request_timeout` leaves both to a layer outside; what is left of them travels as `grpc-timeout`.
/// Dropping the future gives up its place in line, or resets its stream, which the plugin hears as a cancelled call.
///
/// Calls share a connection, as many at once as the plugin says that it takes, and another is opened where it takes no more. A
/// connection that cannot be made is an attempt that failed, and nothing was sent. A plugin that ends a connection in order, or
/// has no room on it for the moment, costs no call: what it has certainly not taken is sent again once, at once.
///
/// | what happened | code | worth a second attempt | sent |
/// |---|---|---|---|
/// | the payload is not JSON, where `content_type` says so | `PLUGIN_1206` | no | nothing |
/// | the payload or the answer is too long | `PLUGIN_1207` | no | nothing, or maybe |
/// | no connection: refused, no such name, TLS, too slow | `PLUGIN_1205` | yes, but where one side does not accept the other, or one speaks TLS and the other does not | nothing |
/// | the plugin refused its options; it takes none | `PLUGIN_1203`; `CONFIG_1802` | no | nothing |
/// | not taken (`REFUSED_STREAM`, or above the last stream of a `GOAWAY`), nor when sent again | `PLUGIN_1205` | yes | nothing |
/// | the connection closed before an answer, or in its middle | `PLUGIN_1205` | yes | maybe |
/// | the attempt took longer than `request_timeout` | `PLUGIN_1204` | yes | nothing, or maybe |
/// | the deadline passed | `PLUGIN_1204` | no | nothing, or maybe |
/// | a status with an `ErrorInfo` of ours whose code an answer can have | that code | as it says, after its `RetryInfo` | maybe |
/// | `UNKNOWN` | `PLUGIN_1203` | no | maybe |
/// | `INVALID_ARGUMENT` | `PLUGIN_1206` | no | maybe |
/// | `RESOURCE_EXHAUSTED` | `OVERLOAD_2001`, or `PLUGIN_1207` where it is for the size of the request | where the plugin says when | maybe |
/// | `DEADLINE_EXCEEDED`, at the end of the time that the plugin was told, or under a caller in a hurry | `PLUGIN_1204`, as the limit or the deadline that it is | as above | maybe |
/// | `DEADLINE_EXCEEDED` with time left | `PLUGIN_1204` | no | maybe |
/// | `UNAVAILABLE`; HTTP 429, 502, 503, 504 without a status | `TRANSPORT_1302` | yes, after its `RetryInfo` or `Retry-After` | maybe |
/// | another status; an answer that is none of gRPC | `TRANSPORT_1302` | no | maybe |
/// | an answer that breaks the rules of HTTP/2 | `TRANSPORT_1302` | no | maybe |
/// | the instance was closed | `LIFECYCLE_2101` | no | nothing, or maybe when it was cut off |
///
/// ```
/// use bytes::Bytes;
/// use plugin_transports::{
///     grpc::{GrpcConfig, GrpcPlugin, GrpcServerOptions, serve},
///     inproc::plugin_fn,
///     json,
///     plugin_core::{Call, PluginError, Reply},
/// };
/// use tower::ServiceExt;
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let double = plugin_fn(|call: Call<u32>| async move { Ok::<_, PluginError>(Reply::new(call.into_payload() * 2)) });
/// let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await?;
/// let server = serve(json::serve(double), listener, GrpcServerOptions::new())?;
///
/// let endpoint = server.local_addr().to_string();
/// let plugin = GrpcPlugin::connect(GrpcConfig::builder("double", endpoint).build()?)?;
/// let reply = plugin.service().clone().oneshot(Call::new(Bytes::from_static(b"21"))).await?;
/// assert_eq!(reply.payload(), "42");
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct GrpcClient {
    client: Client<GrpcProtocol>,
}

client_of_a_network!(GrpcClient);

#[cfg(feature = "tls")]
impl GrpcClient {
    /// Its side of TLS, with the [status](crate::tls::ClientTls::status) of its files; `None` where it speaks plain text. It keeps
    /// no connection alive.
    #[must_use]
    pub fn tls(&self) -> Option<crate::tls::ClientTls> {
        self.client.protocol().pool.tls().cloned()
    }
}

struct GrpcProtocol {
    config: GrpcConfig,
    confidential: Confidential,
    base: HeaderMap,
    methods: Methods,
    pool: Arc<Pool>,
    probe_pool: Arc<Pool>,
    health: KnownHealth,
}

impl Protocol for GrpcProtocol {
    async fn exchange(
        &self,
        call: &Call<Bytes>,
        time: &CallTime,
        progress: &CallProgress,
    ) -> Result<Reply<Bytes>, PluginError> {
        let (config, context) = (&self.config, call.context());
        let is_json = content_type::is_json(&config.content_type);
        if is_json && !json::is_checked(call) {
            config.json.check(call.payload()).map_err(|flaw| json::refused(&flaw))?;
        }
        let fields = self.fields(context);
        let outgoing = |at| Outgoing {
            method: Method::POST,
            headers: headers::of_call(&self.base, context, time.left(at)),
            body: frame::around(&fields, call.payload().clone()),
        };
        let mut beside = progress.beside(self.pool.line());
        let sent = exchange::send(&self.pool, &self.methods.execute, outgoing, time.began, progress, &mut beside);
        let answer = sent.await?;
        let Answered { message, lease } = match answer::read(answer, config.max_response, progress).await {
            Ok(answered) => {
                beside.answered();
                answered
            }
            Err(unanswered) => {
                let said = match &unanswered {
                    Unanswered::Status(status) => Some(status.number),
                    Unanswered::Fault(_) => None,
                };
                let error = unanswered.into_error(config);
                return Err(match said == Some(DEADLINE_EXCEEDED) || error.code() == Code::Timeout {
                    true => {
                        let time = time.judged(progress, beside.others_answered());
                        plugin_errors::out_of_time(error, &time, progress.stage().as_str())
                    }
                    false => {
                        if said.is_some() {
                            beside.answered();
                        }
                        error
                    }
                });
            }
        };
        let reply = self.reply(message);
        // Now that all is done: the moment in which the connection is free is that of the call's end.
        lease.finish();
        reply
    }

    fn hidden(&self, said: &str) -> Option<String> {
        let without = self.config.credentials.hidden(said);
        self.confidential.hidden(without.as_deref().unwrap_or(said)).or(without)
    }

    over_a_pool_of_http!();
}

impl GrpcProtocol {
    /// All of a request but its payload.
    fn fields(&self, context: &CallContext) -> proto::ExecuteRequest {
        let own = context.headers().into_iter().flat_map(|all| all.keys().map(move |name| (all, name)));
        let headers = own.filter(|(_, name)| !self.config.credentials.sets(name));
        let said = proto::CallContext {
            request_id: context.request_id().to_string(),
            attempt: context.attempt().into(),
            max_retries: context.max_retries().map(Into::into),
            idempotent: context.idempotent(),
            affinity: context.affinity().unwrap_or_default(),
            priority: context.priority().into(),
            headers: headers.map(|(all, name)| (name.as_str().to_owned(), list(all, name).into_owned())).collect(),
            metadata: context.metadata().cloned().unwrap_or_default(),
        };
        proto::ExecuteRequest {
            payload: Bytes::new(),
            content_type: self.config.content_type.clone(),
            context: Some(said),
        }
    }

    fn reply(&self, message: Bytes) -> Result<Reply<Bytes>, PluginError> {
        let config = &self.config;
        let proto::ExecuteResponse { payload, content_type, metadata } = answer::decode(message)?;
        if !content_type.is_empty() && !content_type::is_like(&content_type, &config.content_type) {
            let (is, wants) = (quoted(&content_type), &config.content_type);
            return Err(fault::no_answer(format!("the plugin's reply is {is}, and not {wants:?}")));
        }
        if content_type::is_json(&config.content_type) {
            config.json.check(&payload).map_err(|flaw| match flaw {
                JsonFault::LimitExceeded(beyond) => {
                    PluginError::reply_too_large(format!("the plugin's reply is not passed on: {beyond}"))
                }
                flaw => fault::no_answer(format!("the plugin's reply is not JSON: {flaw}")),
            })?;
        }
        Ok(Reply::new(payload).with_metadata(metadata))
    }

    fn health_check(&self) -> health::Check<'_> {
        health::Check {
            config: &self.config,
            methods: &self.methods,
            pool: &self.probe_pool,
            headers: &self.base,
            known: &self.health,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_call_in_flight_is_small() {
        let size = crate::net::client::size_of_call::<GrpcProtocol>();
        assert!(size <= 1800, "{size} bytes");
    }
}
