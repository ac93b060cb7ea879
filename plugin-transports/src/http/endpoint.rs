//! Where a plugin is: a URL, checked.

use std::{fmt, net::IpAddr};

use http::{
    HeaderValue, Uri,
    uri::{Authority, PathAndQuery, Scheme},
};
use plugin_core::{Code, ConfigError};

/// A URL with the scheme `http` or `https`, a host, and a path.
#[derive(Clone, PartialEq, Eq)]
pub(super) struct Endpoint {
    pub(super) tls: bool,
    /// Without the brackets of an IPv6 address.
    pub(super) host: String,
    pub(super) port: u16,
    pub(super) path: PathAndQuery,
    authority: Authority,
}

impl Endpoint {
    /// Reads a URL, which is the value of `key`. Nothing is looked up.
    pub(super) fn parse(key: &'static str, text: &str) -> Result<Self, ConfigError> {
        let fault = |code: Code, problem: String| {
            let example = "such as \"http://127.0.0.1:8080/plugin\"";
            ConfigError::new(key, format!("{problem}; it must be a URL {example}")).with_code(code)
        };
        let (text, shown) = (text.trim(), shown(text));
        if text.is_empty() {
            return Err(fault(Code::MissingEndpoint, "is empty".into()));
        }
        let url = |problem: String| fault(Code::InvalidEndpointUrl, problem);
        let form = |problem: String| fault(Code::InvalidEndpointFormat, problem);
        let uri: Uri = text.parse().map_err(|error| url(format!("{shown} is not a URL: {error}")))?;
        let tls = match uri.scheme().map(Scheme::as_str) {
            Some("http") => false,
            Some("https") => true,
            Some(other) => return Err(url(format!("{shown} has the scheme {other:?}, not http or https"))),
            None => return Err(url(format!("{shown} has no scheme, http:// or https://"))),
        };
        let Some(authority) = uri.authority().cloned() else {
            return Err(form(format!("{shown} has no host")));
        };
        if authority.as_str().contains('@') {
            return Err(form(format!("{shown} holds credentials, which belong in `auth`")));
        }
        let host = authority.host().trim_start_matches('[').trim_end_matches(']').to_owned();
        if host.is_empty() {
            return Err(form(format!("{shown} has no host")));
        }
        let default_port = if tls { 443 } else { 80 };
        let port = match (authority.port(), authority.as_str().ends_with(':')) {
            (_, true) => return Err(form(format!("{shown} has a colon and no port"))),
            (Some(port), _) if port.as_u16() == 0 => return Err(form(format!("{shown} has the port 0"))),
            (Some(port), _) => port.as_u16(),
            (None, _) if has_port(authority.as_str()) => {
                return Err(form(format!("{shown} has a port that is not from 1 to 65535")));
            }
            (None, _) => default_port,
        };
        if text.contains('#') {
            return Err(form(format!("{shown} has a fragment (#), which is never sent")));
        }
        let path = uri.path_and_query().cloned().unwrap_or(PathAndQuery::from_static("/"));
        Ok(Self { tls, host, port, path, authority })
    }

    /// Where the health check is: `text` is a URL of its own or a path of this origin; empty is this path + `/health`.
    pub(super) fn health(&self, text: &str) -> Result<Self, ConfigError> {
        let text = text.trim();
        if text.starts_with("http:") || text.starts_with("https:") || text.contains("://") {
            return Self::parse(HEALTH, text);
        }
        let path = match text {
            "" => format!("{}/health", self.path.path().trim_end_matches('/')),
            absolute if absolute.starts_with('/') => absolute.to_owned(),
            relative => format!("/{relative}"),
        };
        let path = PathAndQuery::try_from(path).map_err(|error| {
            let problem = format!("{text:?} is neither a URL nor a path such as \"/health\": {error}");
            ConfigError::new(HEALTH, problem).with_code(Code::InvalidEndpointFormat)
        })?;
        Ok(Self { path, ..self.clone() })
    }

    /// Scheme, host and port: credentials stay within one.
    pub(super) fn same_origin(&self, other: &Self) -> bool {
        self.tls == other.tls && self.port == other.port && self.host.eq_ignore_ascii_case(&other.host)
    }

    /// Whether the bytes stay on this machine.
    pub(super) fn is_loopback(&self) -> bool {
        let host = self.host.trim_end_matches('.');
        host.eq_ignore_ascii_case("localhost")
            || host.parse::<IpAddr>().is_ok_and(|address| address.to_canonical().is_loopback())
    }

    /// Scheme, host and port as text.
    pub(super) fn origin(&self) -> String {
        format!("{}://{}", if self.tls { "https" } else { "http" }, self.authority)
    }

    /// The URL without its query, in which a secret may be.
    pub(super) fn without_query(&self) -> String {
        format!("{}{}", self.origin(), self.path.path())
    }

    /// Where a request of HTTP/2 goes.
    pub(super) fn uri(&self) -> Uri {
        let mut parts = http::uri::Parts::default();
        parts.scheme = Some(if self.tls { Scheme::HTTPS } else { Scheme::HTTP });
        parts.authority = Some(self.authority.clone());
        parts.path_and_query = Some(self.path.clone());
        // A scheme, an authority and a path always make a URI.
        Uri::from_parts(parts).unwrap_or_default()
    }

    /// The `Host` header.
    pub(super) fn host_header(&self) -> HeaderValue {
        // An authority is ASCII without control characters, so it is always a header's value.
        HeaderValue::try_from(self.authority.as_str()).unwrap_or(HeaderValue::from_static(""))
    }
}

/// The keys of an endpoint and of that of its health check.
pub(super) const ENDPOINT: &str = "endpoint";
pub(super) const HEALTH: &str = "health_endpoint";

/// Without the query, in which a secret may be.
impl fmt::Debug for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.without_query())?;
        f.write_str(if self.path.query().is_some() { "?***" } else { "" })
    }
}

/// A bad endpoint as it may be shown: without credentials.
fn shown(text: &str) -> String {
    match (text.find("://"), text.rfind('@')) {
        (Some(scheme), Some(at)) if scheme < at => {
            format!("{:?}", format!("{}***{}", &text[..scheme + 3], &text[at..]))
        }
        (None, Some(at)) => format!("{:?}", format!("***{}", &text[at..])),
        _ => format!("{text:?}"),
    }
}

/// Whether digits stand where a port would: `http` reads a port that does not fit as none.
fn has_port(authority: &str) -> bool {
    authority.rsplit_once(':').is_some_and(|(host, port)| !port.ends_with(']') && !host.is_empty())
        && !(authority.starts_with('[') && authority.ends_with(']'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_fault_has_its_code_and_says_what_would_be_right() {
        for (text, code, says) in [
            ("", Code::MissingEndpoint, "is empty"),
            ("  ", Code::MissingEndpoint, "is empty"),
            ("http://a b/", Code::InvalidEndpointUrl, "is not a URL"),
            ("127.0.0.1:8080", Code::InvalidEndpointUrl, "has no scheme"),
            ("/plugin", Code::InvalidEndpointUrl, "has no scheme"),
            ("grpc://host", Code::InvalidEndpointUrl, "\"grpc\""),
            ("http://host:0/", Code::InvalidEndpointFormat, "port 0"),
            ("http://host:/", Code::InvalidEndpointFormat, "no port"),
            ("http://host:99999/", Code::InvalidEndpointFormat, "not from 1 to 65535"),
            ("http://me:s3cret@host/", Code::InvalidEndpointFormat, "`auth`"),
            ("http://host/#top", Code::InvalidEndpointFormat, "fragment"),
        ] {
            let error = Endpoint::parse(ENDPOINT, text).expect_err(text);
            assert_eq!(error.code(), code, "{text:?}: {error}");
            let shown = error.to_string();
            assert!(shown.contains(says) && shown.contains("http://127.0.0.1:8080/plugin"), "{shown}");
            assert!(!shown.contains("s3cret"), "{shown}");
        }
        assert!(Endpoint::parse(ENDPOINT, "http:///x").is_err());
    }

    #[test]
    fn a_url_is_taken_apart() {
        let endpoint = Endpoint::parse(ENDPOINT, "https://[::1]/v1?x=1").expect("a URL");
        assert_eq!((endpoint.host.as_str(), endpoint.port, endpoint.tls), ("::1", 443, true));
        assert_eq!(endpoint.path, "/v1?x=1");
        assert_eq!(endpoint.uri().to_string(), "https://[::1]/v1?x=1");
        assert_eq!(Endpoint::parse(ENDPOINT, "http://host").expect("a URL").path, "/");
        assert_eq!(Endpoint::parse(ENDPOINT, "http://[::1]:81").expect("a URL").port, 81);
    }

    #[test]
    fn what_is_written_of_an_endpoint_shows_no_query() {
        let endpoint = Endpoint::parse(ENDPOINT, "http://host:81/v1?token=hunter2").expect("a URL");
        assert_eq!(format!("{endpoint:?}"), "http://host:81/v1?***");
    }

    #[test]
    fn only_what_stays_on_the_machine_is_loopback() {
        for (text, loopback) in [
            ("http://localhost:1", true),
            ("http://LocalHost./", true),
            ("http://127.8.9.1/", true),
            ("http://[::1]/", true),
            ("http://[::ffff:127.0.0.1]/", true),
            ("http://10.0.0.1/", false),
            ("http://localhost.example.com/", false),
            ("http://127.0.0.1.example.com/", false),
        ] {
            assert_eq!(Endpoint::parse(ENDPOINT, text).expect(text).is_loopback(), loopback, "{text}");
        }
    }

    #[test]
    fn a_health_path_belongs_to_the_origin() {
        let endpoint = Endpoint::parse(ENDPOINT, "http://host:81/v1/run?x=1").expect("a URL");
        let health = |text| endpoint.health(text).expect(text).uri().to_string();
        assert_eq!(health(""), "http://host:81/v1/run/health");
        assert_eq!(health("/ready?full=1"), "http://host:81/ready?full=1");
        assert_eq!(health("ready"), "http://host:81/ready");
        assert_eq!(health("https://other/up"), "https://other/up");
        assert!(!endpoint.same_origin(&endpoint.health("https://host:81/").expect("a URL")));
        assert!(endpoint.same_origin(&endpoint.health("http://HOST:81/").expect("a URL")));
        assert!(endpoint.health("/a b").is_err());
        assert_eq!(Endpoint::parse(ENDPOINT, "http://h/").expect("a URL").health("").expect("a path").path, "/health");
    }
}
