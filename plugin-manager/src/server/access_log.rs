//! A line of the log for each request of the data plane, or for those that failed.

use std::{
    net::{IpAddr, Ipv4Addr, Ipv6Addr},
    sync::{Arc, OnceLock},
};

use axum::{
    body::Body,
    extract::{Request, State},
    http::{Method, Response, StatusCode},
    middleware::Next,
};
use plugin_core::{
    Code, Rejected,
    clock::{self, Instant},
};
use plugin_ratelimit::ClientIpConfig;
use plugin_transports::{auth::Identity, listen::PeerAddr};
use tracing::Level;

use super::{lifecycle::Lifecycle, problem::ToldProblem};

/// Characters of a path in the log, at most.
const LONGEST_PATH: usize = 256;

/// Bytes of what went wrong in the log, at most.
const LONGEST_REASON: usize = 512;

/// Which requests of the data plane have a line in the log, with the target `plugin_manager::access`: at the level `warn`
/// those that were answered with a status of 500 or above, the others at `info`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum AccessLog {
    /// None.
    #[default]
    Off,
    /// Those with a status of 400 or above, and those whose client did not wait for the answer.
    Errors,
    /// All.
    All,
}

/// How much of a client's address the log has.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ClientAddress {
    /// The address.
    Full,
    /// The network: the first 24 bits of an address of IPv4 and the first 48 of one of IPv6, with zeroes behind them, which is
    /// enough to tell one site from another and not one person from another.
    #[default]
    Truncated,
    /// Nothing.
    None,
}

impl ClientAddress {
    fn shown(self, address: IpAddr) -> Option<IpAddr> {
        match (self, address.to_canonical()) {
            (Self::None, _) => None,
            (Self::Full, address) => Some(address),
            (Self::Truncated, IpAddr::V4(address)) => {
                Some(Ipv4Addr::from_bits(address.to_bits() & !0 << (32 - 24)).into())
            }
            (Self::Truncated, IpAddr::V6(address)) => {
                Some(Ipv6Addr::from_bits(address.to_bits() & !0 << (128 - 48)).into())
            }
        }
    }
}

/// What is written.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Wanted {
    pub(super) requests: AccessLog,
    pub(super) address: ClientAddress,
}

/// What is written, and where the gateway stands.
#[derive(Clone, Debug)]
pub(super) struct Writes {
    pub(super) wanted: Wanted,
    /// How the address of a client is found.
    pub(super) client_ip: Arc<ClientIpConfig>,
    pub(super) lifecycle: Arc<Lifecycle>,
}

/// Who asked for what. It stands in the extensions of a request whose line is to be written, and whoever knows it tells it, so
/// that the line has it however the request ends.
#[derive(Clone, Debug, Default)]
pub(super) struct LoggedRequest(Arc<OnceLock<KnownRequest>>);

#[derive(Debug)]
struct KnownRequest {
    request_id: String,
    who: Option<Identity>,
    plugin: Option<String>,
}

impl LoggedRequest {
    /// Who asked, and for which plugin, where there is one of that name.
    pub(super) fn tell(&self, request_id: &str, who: Option<&Identity>, plugin: Option<&str>) {
        let known =
            || KnownRequest { request_id: request_id.to_owned(), who: who.cloned(), plugin: plugin.map(str::to_owned) };
        self.0.get_or_init(known);
    }
}

/// Writes the line of a request: method, path, status, code, request id, who called, the plugin, what went wrong, and how long
/// it took until there was an answer. One that had none has its line too.
pub(super) async fn write(State(writes): State<Writes>, mut request: Request, next: Next) -> Response<Body> {
    let line = writes.begin(&mut request);
    let response = next.run(request).await;
    line.answered(&response);
    response
}

impl Writes {
    /// The line of a request, which is written when this is dropped. Who knows more of the request finds it in its extensions.
    pub(super) fn begin<B>(&self, request: &mut axum::http::Request<B>) -> AccessLine {
        let Self { wanted, client_ip, lifecycle } = self;
        // As it was sent, so that no character of it does anything in a log.
        let path = request.uri().path().chars().take(LONGEST_PATH).collect();
        let peer = request.extensions().get::<PeerAddr>();
        let client = peer.map(|peer| client_ip.client(peer.0.ip(), request.headers()));
        let client = client.and_then(|client| wanted.address.shown(client));
        let (log, method, asked) = (wanted.requests, request.method().clone(), LoggedRequest::default());
        request.extensions_mut().insert(asked.clone());
        let (began, lifecycle) = (clock::now(), Arc::clone(lifecycle));
        AccessLine { log, method, path, client, began, asked, lifecycle, answer: None }
    }
}

impl AccessLine {
    /// Writes it with what the request was answered.
    pub(super) fn answered<B>(mut self, response: &Response<B>) {
        let text = |value: &axum::http::HeaderValue| value.to_str().unwrap_or_default().to_owned();
        let (said, known) = (response.extensions().get::<ToldProblem>(), response.extensions());
        self.answer = Some(Answer {
            status: response.status(),
            code: said.map(|told| told.code).or(known.get::<Rejected>().map(Rejected::code)).map(Code::as_str),
            request_id: response.headers().get("x-request-id").map(text),
            reason: said.map(|told| Arc::clone(&told.said)),
        });
    }
}

struct Answer {
    status: StatusCode,
    code: Option<&'static str>,
    request_id: Option<String>,
    reason: Option<Arc<str>>,
}

/// Written when it is dropped.
pub(super) struct AccessLine {
    log: AccessLog,
    method: Method,
    path: String,
    client: Option<IpAddr>,
    began: Instant,
    asked: LoggedRequest,
    lifecycle: Arc<Lifecycle>,
    answer: Option<Answer>,
}

/// The status of a request whose client did not wait for the answer: it had none, and nginx writes this one.
const CLIENT_GONE: u16 = 499;

impl Drop for AccessLine {
    fn drop(&mut self) {
        let Self { log, method, path, client, began, asked, lifecycle, answer } = &*self;
        let failed = answer.as_ref().is_none_or(|answer| answer.status.as_u16() >= 400);
        if *log == AccessLog::Off || (*log == AccessLog::Errors && !failed) {
            return;
        }
        let took_ms = began.elapsed().as_micros() as f64 / 1000.0;
        let (client, asked) = (client.map(tracing::field::display), asked.0.get());
        let who = asked.and_then(|asked| asked.who.as_ref()).map(Identity::name);
        let plugin = asked.and_then(|asked| asked.plugin.as_deref());
        let answered = answer.as_ref().and_then(|answer| answer.request_id.as_deref());
        let request_id = answered.or(asked.map(|asked| asked.request_id.as_str()));
        let reason = answer.as_ref().and_then(|answer| answer.reason.as_deref());
        let reason = reason.map(|reason| &reason[..reason.floor_char_boundary(LONGEST_REASON)]);
        macro_rules! line {
            ($level:expr, $status:expr, $code:expr, $message:literal) => {
                tracing::event!(
                    target: "plugin_manager::access",
                    $level,
                    %method,
                    path,
                    status = $status,
                    code = $code,
                    request_id,
                    who,
                    plugin,
                    reason,
                    client,
                    took_ms,
                    $message
                )
            };
        }
        match answer {
            Some(Answer { status, code, .. }) if status.is_server_error() => {
                line!(Level::WARN, status.as_u16(), *code, "request");
            }
            Some(Answer { status, code, .. }) => line!(Level::INFO, status.as_u16(), *code, "request"),
            // Its client may well be there, and hears nothing.
            None if lifecycle.is_cut_off() => {
                let (status, code) = (None::<u16>, Code::ShuttingDown.as_str());
                line!(Level::WARN, status, code, "request, cut off: the gateway was told to stop at once");
            }
            None => line!(Level::INFO, CLIENT_GONE, None::<&str>, "request, client gone"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_an_address_the_log_has_as_much_as_it_is_told_to() {
        for (address, truncated) in
            [("192.0.2.77", "192.0.2.0"), ("::ffff:192.0.2.77", "192.0.2.0"), ("2001:db8:1:2:3:4:5:6", "2001:db8:1::")]
        {
            let address: IpAddr = address.parse().expect("an address");
            let shown = |how: ClientAddress| how.shown(address).map(|address| address.to_string());
            assert_eq!(shown(ClientAddress::Truncated).as_deref(), Some(truncated));
            assert_eq!(shown(ClientAddress::Full), Some(address.to_canonical().to_string()));
            assert_eq!(shown(ClientAddress::None), None);
        }
    }
}
