//! The connector, and the service that it connects.

use std::sync::Arc;

use bytes::Bytes;
use http::{HeaderMap, Method, header};
use plugin_core::{Call, Code, PluginError, PluginInfo, PluginInstance, Reply};

use super::{HttpConfig, body, fault, headers, health};
use crate::{
    http::envelope,
    json,
    net::{
        body::Parts,
        client::{CallTime, Client, Protocol, client_of_a_network, over_a_pool_of_http},
        connect::Connector,
        exchange::{self, Outgoing},
        pool::Pool,
        probe,
        progress::CallProgress,
    },
    wire::plugin_errors,
};

/// Connects plugins that are reached over HTTP.
#[derive(Debug)]
pub struct HttpPlugin;

impl HttpPlugin {
    /// Makes an instance out of settings. The files of TLS are read; connections are opened by the first calls.
    ///
    /// The instance's probe is `GET` on the health endpoint, over a connection of its own: 2xx is healthy, and a body such
    /// as `{"status":"degraded","message":"..."}` makes it degraded. 404, 405 or 501 at the default path says that the plugin has
    /// no such endpoint, is told once in the log, and healthy. Closing it refuses new calls (`LIFECYCLE_2101`), waits
    /// for those in flight, and cuts them off when the grace period ends.
    ///
    /// The files are read before this returns: where their disk may stand still, call it on a thread that may wait, such as those of
    /// `tokio::task::spawn_blocking`.
    ///
    /// # Errors
    ///
    /// `AUTH_1104` when a file of TLS is missing, unreadable, or does not hold what it should.
    pub fn connect(config: HttpConfig) -> Result<PluginInstance<HttpClient>, PluginError> {
        let name: Arc<str> = config.name.as_str().into();
        let named = |error: PluginError| error.with_plugin(Arc::clone(&name));
        let max = config.connection.max_connections();
        let pools = config.peer(|peer| {
            let connector = Connector::new(peer, &config.endpoint)?;
            let probing = connector.beside(peer, &config.endpoint, &config.health)?;
            let pool = |connector, max| Pool::new(connector, peer.connection, max);
            Ok::<_, PluginError>((pool(connector, max), pool(probing, 1)))
        });
        let (pool, probe_pool) = pools.map_err(named)?;
        let transport = if config.endpoint.tls { "https" } else { "http" };
        let info = PluginInfo::new(config.name.as_str(), "").with_transport(transport);
        let (limit, keeps_time) = (config.connection.request_timeout(), config.request_timeout);
        let template = headers::Template::new(&config, limit);
        let protocol = HttpProtocol { config, template, pool, probe_pool, health: health::KnownHealth::default() };
        let client = Client::new(name, protocol, limit, keeps_time);
        let (probed, closed) = (Arc::clone(client.state()), Arc::clone(client.state()));
        Ok(PluginInstance::new(HttpClient { client }, info)
            .with_probe(move || {
                let state = Arc::clone(&probed);
                async move {
                    let HttpProtocol { config, probe_pool, pool, health, .. } = &state.protocol;
                    let ask = health::ask(config, probe_pool, state.protocol.probe_headers(), health);
                    probe::check(
                        |said| state.protocol.hidden(said),
                        config.connection.request_timeout(),
                        config.check_limit,
                        |then| pool.has_answered_since(then),
                        ask,
                    )
                    .await
                }
            })
            .with_close(move |grace| Arc::clone(&closed).close(grace)))
    }
}

/// A plugin over HTTP. Clones share its connections.
///
/// It is always ready: a call waits for its turn inside its future, at most as long as the attempt may take. The limit of
/// an attempt and the call's deadline are kept by the `AttemptTimeout` of plugin-core, with one timer for both, unless
/// `HttpConfigBuilder::without_request_timeout` leaves both to a layer outside. Dropping the future gives up its place in
/// line, or cuts off the connection it was on; over HTTP/2, only its stream.
///
/// A plugin that ends a connection of HTTP/2 in order, or has no room on it for the moment, costs no call: what it has
/// certainly not taken is sent again at once, within the same attempt. Once: what is refused then too is for a retry, with its
/// backoff and its budget.
///
/// Connecting has limits of its own (`connection_timeout`, and a share of it for each of several addresses), and a connection
/// that was idle has a moment to show that it is alive: those timers run beside that one, while a connection is made or taken.
///
/// | what happened | code | worth a second attempt | sent |
/// |---|---|---|---|
/// | the payload is not JSON | `PLUGIN_1206` | no | nothing |
/// | the payload or the answer is too long | `PLUGIN_1207` | no | nothing, or maybe |
/// | no connection: refused, no such name, TLS, too slow | `PLUGIN_1205` | yes, but where one side does not accept the other, or one speaks TLS and the other does not | nothing; maybe, where a request of HTTP/1.1 was written before the other side spoke |
/// | over HTTP/2, not taken (`REFUSED_STREAM`, or above the last stream of a `GOAWAY`), nor when sent again | `PLUGIN_1205` | yes | nothing |
/// | the connection closed before an answer, or in its middle | `PLUGIN_1205` | yes | maybe |
/// | the attempt took longer than `request_timeout` | `PLUGIN_1204` | yes | nothing, or maybe |
/// | the deadline passed | `PLUGIN_1204` | no | nothing, or maybe |
/// | 2xx whose `error` is not empty | `PLUGIN_1203` | no | maybe |
/// | a problem document (RFC 9457) whose `code` the line protocol knows too | that code | as its `retryable` says, after its `retry_after_ms` or `Retry-After` | maybe |
/// | 400, 422; 413: the caller is at fault | `PLUGIN_1206`; `PLUGIN_1207` | no | maybe |
/// | 429 | `RATELIMIT_1501` | yes, after `Retry-After` | maybe |
/// | 504, or the code `PLUGIN_1204`, at the end of the time that the plugin was told, or under a caller in a hurry | `PLUGIN_1204`, as the limit or the deadline that it is | as above | maybe |
/// | 502, 503, another 504 | `TRANSPORT_1301` | yes, after `Retry-After` | maybe |
/// | another status; a redirect; an answer that is not HTTP, or not JSON | `TRANSPORT_1301` | no | maybe |
/// | the instance was closed | `LIFECYCLE_2101` | no | nothing, or maybe when it was cut off |
///
/// ```
/// use bytes::Bytes;
/// use plugin_transports::{
///     http::{HttpConfig, HttpPlugin, ServerOptions, serve},
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
/// let server = serve(json::serve(double), listener, ServerOptions::new())?;
///
/// let endpoint = format!("http://{}/", server.local_addr());
/// let plugin = HttpPlugin::connect(HttpConfig::builder("double", endpoint).build()?)?;
/// let reply = plugin.service().clone().oneshot(Call::new(Bytes::from_static(b"21"))).await?;
/// assert_eq!(reply.payload(), "42");
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct HttpClient {
    client: Client<HttpProtocol>,
}

client_of_a_network!(HttpClient);

#[cfg(feature = "tls")]
impl HttpClient {
    /// Its side of TLS, with the [status](crate::tls::ClientTls::status) of its files; `None` where it speaks plain text. It keeps
    /// no connection alive.
    #[must_use]
    pub fn tls(&self) -> Option<crate::tls::ClientTls> {
        let HttpProtocol { pool, probe_pool, .. } = self.client.protocol();
        pool.tls().or_else(|| probe_pool.tls()).cloned()
    }
}

struct HttpProtocol {
    config: HttpConfig,
    template: headers::Template,
    pool: Arc<Pool>,
    probe_pool: Arc<Pool>,
    health: health::KnownHealth,
}

impl Protocol for HttpProtocol {
    async fn exchange(
        &self,
        call: &Call<Bytes>,
        time: &CallTime,
        progress: &CallProgress,
    ) -> Result<Reply<Bytes>, PluginError> {
        let (context, payload) = (call.context(), call.payload());
        if !json::is_checked(call) {
            self.config.json.check(payload).map_err(|flaw| json::refused(&flaw))?;
        }

        let request_id = context.request_id().to_string();
        let hidden = |name: &http::HeaderName| headers::hidden(&self.config, name);
        let outgoing = |at| {
            let time = self.template.time(time.left(at));
            let (before, behind) = envelope::request_around(context, &request_id, &time.text, hidden);
            Outgoing {
                method: Method::POST,
                headers: headers::of_call(&self.config, &self.template, context, &request_id, time),
                body: Parts::around(before, payload, behind),
            }
        };

        let mut beside = progress.beside(self.pool.line());
        let sent = exchange::send(&self.pool, &self.config.endpoint, outgoing, time.began, progress, &mut beside);
        let answer = sent.await?;
        let status = answer.status();
        if !status.is_success() || fault::is_problem(answer.headers()) || fault::is_grpc(answer.headers()) {
            let error = Box::pin(fault::read(answer, &self.config, progress)).await;
            let is_out_of_time = status == http::StatusCode::GATEWAY_TIMEOUT || error.code() == Code::Timeout;
            return Err(match is_out_of_time {
                true => {
                    let time = time.judged(progress, beside.others_answered());
                    plugin_errors::out_of_time(error, &time, progress.stage().as_str())
                }
                false => {
                    beside.answered();
                    error
                }
            });
        }
        let (body, lease) = body::read(answer, self.config.max_response, progress).await?;
        beside.answered();
        let answer = envelope::read_answer(&body, self.config.json);
        let answer = answer.map_err(|unread| fault::no_answer(&self.config, status, &unread));
        // Now that all is done: the moment in which the connection is free is that of the call's end.
        lease.finish();
        let answer = answer?;
        match answer.result {
            Ok(data) => Ok(Reply::new(data).with_metadata(answer.metadata)),
            Err(text) => Err(PluginError::execution(self.config.credentials.hide_in(text))),
        }
    }

    fn hidden(&self, said: &str) -> Option<String> {
        self.config.credentials.hidden(said)
    }

    over_a_pool_of_http!();
}

impl HttpProtocol {
    /// What a health check sends: credentials only to where the calls go.
    fn probe_headers(&self) -> HeaderMap {
        let mut headers = headers::base(&self.config);
        headers.remove(header::CONTENT_TYPE);
        if self.config.endpoint.same_origin(&self.config.health) {
            self.config.credentials.apply(&mut headers);
        }
        headers
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_call_in_flight_is_small() {
        let size = crate::net::client::size_of_call::<HttpProtocol>();
        assert!(size <= 1800, "{size} bytes");
    }
}
