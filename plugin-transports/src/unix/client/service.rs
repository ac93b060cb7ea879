//! The connector, and the service that it connects.

use std::sync::Arc;

use bytes::Bytes;
use http::HeaderMap;
use plugin_core::{
    Call, Code, HealthState, HealthStatus, PluginError, PluginInfo, PluginInstance, Reply, RequestId, Sent, clock,
};
use serde_json::Value;

use super::{
    super::request::{self, MessageType},
    UnixConfig,
    exchange::{self, Outgoing, Read},
    fault,
    pool::UnixPool,
};
use crate::{
    json,
    net::{
        client::{CallTime, Client, Protocol, client_of_a_network},
        probe,
        progress::CallProgress,
        reach::Reachable,
    },
    wire::{introduction, plugin_errors},
};

/// Connects plugins that are reached over a Unix socket.
#[derive(Debug)]
pub struct UnixPlugin;

/// The name of this transport in [`PluginInfo`] and in configuration.
const TRANSPORT: &str = "unix";

impl UnixPlugin {
    /// Makes an instance out of settings. Connections are opened by the first calls.
    ///
    /// The instance's probe is `health`, over a connection of its own: `success` is healthy and its absence degraded, unless
    /// `data` has a `status`, which then says how the plugin is. Closing the instance refuses new calls (`LIFECYCLE_2101`), waits
    /// for those in flight, and cuts them off when the grace period ends.
    ///
    /// # Errors
    ///
    /// None at present: what can be wrong is wrong with the settings, or with the plugin.
    pub fn connect(config: UnixConfig) -> Result<PluginInstance<UnixClient>, PluginError> {
        let name: Arc<str> = config.name.as_str().into();
        let connection = &config.connection;
        let pool = |max| UnixPool::new(config.socket.clone(), connection, max, config.max_line);
        let (calls, probes) = (pool(connection.max_connections()), pool(1));
        let (limit, keeps_time) = (connection.request_timeout(), config.request_timeout);
        let info = PluginInfo::new(config.name.as_str(), "").with_transport(TRANSPORT);
        let mut credentials = HeaderMap::new();
        config.credentials.apply(&mut credentials);
        let client = Client::new(name, UnixProtocol { config, credentials, calls, probes }, limit, keeps_time);
        let (probed, closed) = (Arc::clone(client.state()), Arc::clone(client.state()));
        Ok(PluginInstance::new(UnixClient { client }, info)
            .with_probe(move || {
                let state = Arc::clone(&probed);
                async move { state.protocol.check().await }
            })
            .with_close(move |grace| Arc::clone(&closed).close(grace)))
    }
}

/// A plugin over a Unix socket. Clones share its connections.
///
/// It is always ready: a call waits for its turn inside its future, at most as long as the attempt may take. The limit of
/// an attempt and the call's deadline are kept by the `AttemptTimeout` of plugin-core, with one timer for both, unless
/// `UnixConfigBuilder::without_request_timeout` leaves both to a layer outside. Dropping the future gives up its place in
/// line, or closes the connection it was on, by which the plugin hears of it.
///
/// A connection has one call at a time. It is used again after a reply that could be read, with nothing behind it, and after
/// nothing else: not after a time-out, a call that was dropped, a reply with another id, or one that says that time is over.
/// Nothing is asked before it is used again, as go-plugins pings it: whether the plugin has closed it, or has written what nobody
/// asked for, is seen by a look at its read side, and costs another connection and no call. What is left of a second reply to one call therefore meets nobody.
///
/// | what happened | code | worth a second attempt | sent |
/// |---|---|---|---|
/// | the payload is not JSON | `PLUGIN_1206` | no | nothing |
/// | the request or the reply is longer than `max_line`, or the reply is nested too deep | `PLUGIN_1207` | no | nothing, or maybe |
/// | no connection: no such file, nobody listens, too slow | `PLUGIN_1205` | yes | nothing |
/// | no connection: this user may not | `PLUGIN_1205` | no | nothing |
/// | the other side speaks HTTP or TLS | `PLUGIN_1205` | yes, but where it speaks TLS | maybe |
/// | the connection closed before a reply, or in its middle | `PLUGIN_1205` | yes | maybe |
/// | the attempt took longer than `request_timeout` | `PLUGIN_1204` | yes | nothing, or maybe |
/// | the deadline passed | `PLUGIN_1204` | no | nothing, or maybe |
/// | `success` is false | `PLUGIN_1203` | no | maybe |
/// | `success` is false, and a header `X-Plugin-Code` has a code that an answer can have | that code | as `X-Plugin-Retryable` says, after `X-Plugin-Retry-After-Ms` | maybe |
/// | the code `PLUGIN_1204`, at the end of the time that the plugin was told, or under a caller in a hurry | `PLUGIN_1204`, as the limit or the deadline that it is | as above | maybe |
/// | a line that is no reply, or one to another request | `TRANSPORT_1303` | no | maybe |
/// | the plugin does not accept the credentials | `TRANSPORT_1303`, and no evidence | no | maybe |
/// | the instance was closed | `LIFECYCLE_2101` | no | nothing, or maybe when it was cut off |
///
/// ```
/// use bytes::Bytes;
/// use plugin_transports::{
///     inproc::plugin_fn,
///     json,
///     listen::{UnixSocket, UnixSocketOptions},
///     plugin_core::{Call, PluginError, PluginInfo, Reply},
///     unix::{self, UnixConfig, UnixPlugin, UnixServerOptions},
/// };
/// use tower::ServiceExt;
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let dir = tempfile::tempdir()?;
/// # let path = dir.path().join("double.sock").display().to_string();
/// let double = plugin_fn(|call: Call<u32>| async move { Ok::<_, PluginError>(Reply::new(call.into_payload() * 2)) });
/// let socket = UnixSocket::bind(&path.parse()?, UnixSocketOptions::new()).await?;
/// let options = UnixServerOptions::new().with_info(PluginInfo::new("double", "1.0.0"));
/// let server = unix::serve(json::serve(double), socket, options)?;
///
/// let plugin = UnixPlugin::connect(UnixConfig::builder("double", &path).build()?)?;
/// let mut client = plugin.service().clone();
/// assert_eq!(client.info().await?.version, "1.0.0");
/// assert_eq!(client.oneshot(Call::new(Bytes::from_static(b"21"))).await?.payload(), "42");
/// # drop(server);
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct UnixClient {
    client: Client<UnixProtocol>,
}

client_of_a_network!(UnixClient);

impl UnixClient {
    /// Asks the plugin what it says of itself, over the connection of its health checks. It takes no longer than an attempt
    /// (`request_timeout`); dropping the future closes the connection.
    ///
    /// # Errors
    ///
    /// Those of a call.
    pub async fn info(&self) -> Result<PluginInfo, PluginError> {
        let UnixProtocol { config, .. } = self.client.protocol();
        let limit = config.connection.request_timeout();
        let asked = tokio::time::timeout(limit, self.client.protocol().ask(MessageType::Info)).await;
        let named = |error: PluginError| error.with_plugin(self.name());
        let read = asked.map_err(|_| named(PluginError::attempt_timeout(limit)))?.map_err(named)?;
        let answer = read.close();
        answer.result.map_err(|fault| named(fault::said(config, fault)))?;
        match serde_json::from_slice(&answer.data) {
            Ok(Value::Object(object)) => Ok(introduction::info(&object, &config.name, TRANSPORT)),
            _ => Err(named(PluginError::new(Code::UnixTransport, "the plugin's `info` is no object"))),
        }
    }
}

struct UnixProtocol {
    config: UnixConfig,
    credentials: HeaderMap,
    calls: Arc<UnixPool>,
    /// For health checks, and `info`.
    probes: Arc<UnixPool>,
}

impl Protocol for UnixProtocol {
    async fn exchange(
        &self,
        call: &Call<Bytes>,
        time: &CallTime,
        progress: &CallProgress,
    ) -> Result<Reply<Bytes>, PluginError> {
        let (context, max) = (call.context(), self.config.max_line);
        let too_long = |length: usize| {
            let message = format!("the request has {length} bytes, and `max_line` is {max}");
            PluginError::new(Code::PayloadTooLarge, message).with_sent(Sent::Nothing)
        };
        // Before it is read as JSON, which takes time.
        let length = call.payload().len();
        if length > max {
            return Err(too_long(length));
        }
        let payload = match json::on_one_line(call, self.config.json).map_err(|flaw| json::refused(&flaw))? {
            std::borrow::Cow::Borrowed(_) => call.payload().clone(),
            std::borrow::Cow::Owned(flat) => flat.into(),
        };
        let id = context.request_id().to_string();
        let outgoing = Outgoing { kind: MessageType::Execute, id: &id, payload };
        let headers = request::headers_of(context, |name| self.is_ours(name), &self.credentials);
        let around = |at| {
            let around = request::around(outgoing.kind, &id, &headers, time.left(at), context.metadata());
            // What travels with the payload is part of the line, which the plugin bounds as a whole; its line feed is not.
            let length = around.before.len() + outgoing.payload.len() + around.behind.len() - 1;
            if length > max { Err(too_long(length)) } else { Ok(around) }
        };
        let read = exchange::send(&self.calls, &outgoing, around, self.config.json, time.began, progress).await?;
        let time = time.judged(progress, read.others_answered);
        let answer = read.finish();
        match answer.result {
            Ok(()) => Ok(Reply::new(answer.data).with_metadata(answer.headers)),
            Err(fault) => {
                let is_out_of_time = fault.code == Code::Timeout;
                let error = fault::said(&self.config, fault);
                Err(match is_out_of_time {
                    true => plugin_errors::out_of_time(error, &time, progress.stage().as_str()),
                    false => error,
                })
            }
        }
    }

    fn max_request(&self) -> usize {
        // `exchange` knows the limit of a line.
        usize::MAX
    }

    fn hidden(&self, said: &str) -> Option<String> {
        self.config.credentials.hidden(said)
    }

    fn peer(&self) -> Arc<dyn Reachable> {
        Arc::clone(&self.calls) as Arc<dyn Reachable>
    }

    fn free(&self) -> usize {
        self.calls.free()
    }

    fn stop_probing(&self) {
        self.probes.close();
    }

    fn close(&self) {
        self.calls.close();
    }
}

impl UnixProtocol {
    /// Whether the credentials overrule this header of a call.
    fn is_ours(&self, name: &str) -> bool {
        self.credentials.contains_key(name)
    }

    /// Asks something that is no call.
    async fn ask(&self, kind: MessageType) -> Result<Read, PluginError> {
        let (limit, progress, began) = (self.config.connection.request_timeout(), CallProgress::new(), clock::now());
        let id = RequestId::generate().to_string();
        let outgoing = Outgoing { kind, id: &id, payload: Bytes::from_static(b"null") };
        let context = plugin_core::CallContext::received_at(began);
        let headers = request::headers_of(&context, |_| false, &self.credentials);
        let around = |_| Ok(request::around(kind, &id, &headers, limit, None));
        exchange::send(&self.probes, &outgoing, around, self.config.json, began, &progress).await
    }

    async fn check(&self) -> HealthStatus {
        let config = &self.config;
        let limit = config.connection.request_timeout();
        let were_answered = |since| self.calls.has_answered_since(since);
        let ask = async {
            let answer = self.ask(MessageType::Health).await?.close();
            Ok(match answer.result {
                Ok(()) => introduction::health(&answer.data, HealthState::Healthy),
                Err(fault) if fault.is_stranger => HealthStatus::unhealthy(fault::said(config, fault).message()),
                Err(fault) => {
                    let mut status = introduction::health(&answer.data, HealthState::Degraded);
                    if status.message.is_empty() {
                        status.message = fault.text;
                    }
                    status
                }
            })
        };
        probe::check(|said| self.hidden(said), limit, config.check_limit, were_answered, ask).await
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_call_in_flight_is_small() {
        let size = crate::net::client::size_of_call::<UnixProtocol>();
        assert!(size <= 1800, "{size} bytes");
    }
}
