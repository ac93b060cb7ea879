//! A browser is not an operator, nor a caller: what a page of another site can make it send does nothing.
//!
//! A browser on this machine reaches every listener of this machine, and so does any page that it shows. It sends forms and
//! simple requests to another site without asking, and says in `Origin` and `Sec-Fetch-Site` whose page it was. A page
//! whose name was made to point at 127.0.0.1 (DNS rebinding) counts as the same site, but its name stands in `Host`.

use std::{net::SocketAddr, sync::Arc};

use axum::{
    body::Body,
    extract::{Request, State},
    http::{HeaderMap, Response, Version, header, uri::Authority},
    middleware::Next,
};
use plugin_core::{Code, PluginError, Sent};

use super::{
    context,
    problem::{self, About},
    rejections::Rejections,
};

/// What probes and scrapers ask, which need not know a name.
const PROBES: [&str; 3] = ["/healthz", "/readyz", "/metrics"];

/// Whom a listener serves.
#[derive(Clone, Debug)]
pub(super) struct Guard {
    listen: SocketAddr,
    /// Names that it goes by besides those of this machine. Off loopback it goes by any when there are none.
    names: Vec<String>,
    /// Counts what never became a call of a plugin, where plugins are called; the other plane has none.
    rejected: Option<Rejections>,
}

impl Guard {
    pub(super) fn new(listen: SocketAddr, names: Vec<String>, rejected: Option<Rejections>) -> Arc<Self> {
        Arc::new(Self { listen, names, rejected })
    }

    fn allow(&self, request: &Request) -> Result<(), PluginError> {
        let host = host(request)?;
        if let Some(host) = &host
            && (self.listen.ip().to_canonical().is_loopback() || !self.names.is_empty())
            && !self.is_local(host.host())
            && !self.names.iter().any(|name| name.eq_ignore_ascii_case(host.host()))
        {
            let problem = format!(
                "the name {:?} in `Host` is none of this listener's; it serves localhost, 127.0.0.1, [::1], {} and what \
                 `allowed_hosts` lists",
                shown(host.host()),
                self.listen.ip()
            );
            return Err(refused(Code::Forbidden, problem));
        }
        if request.method().is_safe() || is_own(request.headers(), host.as_ref()) {
            return Ok(());
        }
        let problem =
            "the request comes from a page of another site (`Origin`, `Sec-Fetch-Site`), which may not act here";
        Err(refused(Code::Forbidden, problem))
    }

    /// Whether a host is a name of this machine, or the address listened on.
    fn is_local(&self, host: &str) -> bool {
        let address = host.trim_start_matches('[').trim_end_matches(']');
        host.eq_ignore_ascii_case("localhost")
            || matches!(address, "127.0.0.1" | "::1")
            || address.parse().is_ok_and(|address: std::net::IpAddr| address == self.listen.ip())
    }
}

/// Whom the request asks for: `:authority` or the one line `Host`. Only HTTP/1.0 may say nothing.
fn host(request: &Request) -> Result<Option<Authority>, PluginError> {
    let mut lines = request.headers().get_all(header::HOST).iter();
    let (first, second) = (lines.next(), lines.next());
    if second.is_some() {
        return Err(refused(Code::InvalidPayload, "the request has more than one line `Host`"));
    }
    if let Some(authority) = request.uri().authority() {
        return Ok(Some(authority.clone()));
    }
    match first {
        Some(value) => match Authority::try_from(value.as_bytes()) {
            Ok(authority) => Ok(Some(authority)),
            Err(_) => Err(refused(Code::InvalidPayload, "the line `Host` is no host with or without a port")),
        },
        None if request.version() <= Version::HTTP_10 => Ok(None),
        None => Err(refused(Code::InvalidPayload, "the request has no line `Host`")),
    }
}

/// Whether the request comes from a page of this very origin, or from no page.
fn is_own(headers: &HeaderMap, host: Option<&Authority>) -> bool {
    let fetched =
        headers.get_all("sec-fetch-site").iter().all(|site| matches!(site.as_bytes(), b"same-origin" | b"none"));
    let origin = headers.get_all(header::ORIGIN).iter().all(|origin| {
        let name = origin.to_str().ok().and_then(|text| text.split_once("://")).map(|(_, name)| name);
        name.zip(host).is_some_and(|(name, host)| name.eq_ignore_ascii_case(host.as_str()))
    });
    fetched && origin
}

fn shown(text: &str) -> String {
    text.chars().take(100).collect()
}

fn refused(code: Code, problem: impl Into<std::borrow::Cow<'static, str>>) -> PluginError {
    PluginError::new(code, problem).with_sent(Sent::Nothing)
}

/// Lets through what comes from no page, or from a page of the listener's own. Probes are let through as they are.
///
/// It also stands outside of all that refuses a request before a call is made of it, so it counts what they refuse, and gives
/// what they say the id of the request.
pub(super) async fn check(State(guard): State<Arc<Guard>>, request: Request, next: Next) -> Response<Body> {
    let is_probe = request.method().is_safe() && PROBES.contains(&request.uri().path());
    let said = request.headers().get("x-request-id").cloned();
    let allowed = if is_probe { Ok(()) } else { guard.allow(&request) };
    let response = match allowed {
        Ok(()) => next.run(request).await,
        Err(error) => problem::respond(error),
    };
    if let Some(rejected) = &guard.rejected {
        rejected.see(&response);
    }
    if !problem::lacks_id(&response) {
        return response;
    }
    let about = if guard.rejected.is_some() { About::Call } else { About::Command };
    problem::completed(response, context::request_id(said.as_ref()), about).await
}
