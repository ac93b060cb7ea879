//! Refuses requests that a page of another site made a browser send, and those under a name that is not the listener's.
//!
//! A browser on this machine reaches every listener of this machine, and so does any page that it shows. It sends forms and
//! simple requests to another site without asking, and says in `Origin` and `Sec-Fetch-Site` whose page it was. A page
//! whose name was made to point at 127.0.0.1 (DNS rebinding) counts as the same site, but its name stands in `Host`.

use std::net::IpAddr;

use http::{HeaderMap, Request, Version, header, uri::Authority};
use plugin_core::{Code, PluginError, Sent};

use crate::{
    net::authority::is_whole,
    wire::{bounded::quoted, header_names::SEC_FETCH_SITE},
};

/// Refuses requests that a page of another site has made a browser send, and those for a name that is none of the listener's.
///
/// What serves a plugin has one of its own. It is here for other services that [`serve_http`](super::serve_http) serves.
///
/// ```
/// use http::Request;
/// use plugin_transports::listen::HostGuard;
///
/// let guard = HostGuard::new([127, 0, 0, 1].into());
/// let post = |name: &str, value: &str| Request::post("/").header("host", "localhost").header(name, value).body(());
/// assert!(guard.check(&post("user-agent", "curl")?).is_ok());
/// assert!(guard.check(&post("origin", "https://elsewhere.example")?).is_err());
/// # Ok::<(), http::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct HostGuard {
    listen: IpAddr,
    /// Names that it goes by besides those of this machine. Off loopback it goes by any when there are none.
    names: Vec<String>,
}

impl HostGuard {
    /// For a listener on this address: on loopback `Host` must be `localhost`, `127.0.0.1`, `[::1]` or the address, elsewhere
    /// it may be anything.
    #[must_use]
    pub const fn new(listen: IpAddr) -> Self {
        Self { listen, names: Vec::new() }
    }

    /// Names, without a port, that `Host` may have besides; with any, also a listener off loopback goes by no other.
    #[must_use]
    pub fn with_names(mut self, names: impl IntoIterator<Item = String>) -> Self {
        self.names.extend(names);
        self
    }

    /// Checks a request before anything is done for it.
    ///
    /// # Errors
    ///
    /// `AUTH_1107` for a name that is none of the listener's, and for a request from a page of another site that is not
    /// merely for looking (`GET`, `HEAD`, `OPTIONS`); `PLUGIN_1206` when it does not say for which host it is, or says two.
    pub fn check<B>(&self, request: &Request<B>) -> Result<(), PluginError> {
        let host = host(request)?;
        if let Some(host) = &host
            && (self.listen.to_canonical().is_loopback() || !self.names.is_empty())
            && !self.is_local(host.host())
            && !self.names.iter().any(|name| name.eq_ignore_ascii_case(host.host()))
        {
            let problem = format!(
                "the name {} in `Host` is none of this listener's; it serves localhost, 127.0.0.1, [::1], {} and what \
                 `allowed_hosts` lists",
                quoted(host.host()),
                self.listen
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
            || address.parse().is_ok_and(|address: std::net::IpAddr| address == self.listen)
    }
}

/// Whom the request asks for: `:authority` or the one line `Host`. Only HTTP/1.0 may say nothing.
fn host<B>(request: &Request<B>) -> Result<Option<Authority>, PluginError> {
    let mut lines = request.headers().get_all(header::HOST).iter();
    let (first, second) = (lines.next(), lines.next());
    if second.is_some() {
        return Err(refused(Code::InvalidPayload, "the request has more than one line `Host`"));
    }
    let no_host = || refused(Code::InvalidPayload, "the line `Host` is no host with or without a port");
    if let Some(authority) = request.uri().authority() {
        return if is_whole(authority) { Ok(Some(authority.clone())) } else { Err(no_host()) };
    }
    match first {
        Some(value) => match Authority::try_from(value.as_bytes()) {
            Ok(authority) if is_whole(&authority) => Ok(Some(authority)),
            Ok(_) | Err(_) => Err(no_host()),
        },
        None if request.version() <= Version::HTTP_10 => Ok(None),
        None => Err(refused(Code::InvalidPayload, "the request has no line `Host`")),
    }
}

/// Whether the request comes from a page of this very origin, or from no page.
fn is_own(headers: &HeaderMap, host: Option<&Authority>) -> bool {
    let fetched =
        headers.get_all(SEC_FETCH_SITE).iter().all(|site| matches!(site.as_bytes(), b"same-origin" | b"none"));
    let origin = headers.get_all(header::ORIGIN).iter().all(|origin| {
        let name = origin.to_str().ok().and_then(|text| text.split_once("://")).map(|(_, name)| name);
        name.zip(host).is_some_and(|(name, host)| name.eq_ignore_ascii_case(host.as_str()))
    });
    fetched && origin
}

fn refused(code: Code, problem: impl Into<std::borrow::Cow<'static, str>>) -> PluginError {
    PluginError::new(code, problem).with_sent(Sent::Nothing)
}
#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_stands_behind_a_host_is_a_port_and_nothing_else() {
        let guard = HostGuard::new([127, 0, 0, 1].into());
        let check = |host: &str| guard.check(&Request::get("/").header(header::HOST, host).body(()).expect("plain"));
        for host in ["localhost", "localhost:80", "127.0.0.1:80", "[::1]", "[::1]:80", "LOCALHOST:"] {
            assert!(check(host).is_ok(), "{host}");
        }
        for host in ["[::1]elsewhere.example", "[::1]elsewhere.example:80", "[::1]:elsewhere"] {
            assert_eq!(check(host).map_err(|error| error.code()), Err(Code::InvalidPayload), "{host}");
        }
        let uri = "http://[::1]elsewhere.example/";
        if let Ok(request) = Request::get(uri).body(()) {
            assert!(guard.check(&request).is_err(), "{uri}");
        }
    }
}
