//! Where a plugin is that is reached over HTTP: a URL or a Unix socket, checked.

use std::{fmt, net::IpAddr};

use http::{
    HeaderValue, Uri,
    uri::{Authority, PathAndQuery, Scheme},
};
use plugin_core::{Code, ConfigError};

use super::{authority::is_whole, socket_path::SocketPath};

/// What an endpoint may look like.
#[derive(Clone, Copy, Debug)]
pub(crate) struct EndpointForm {
    /// The schemes of URLs, and whether each stands for TLS.
    pub(crate) schemes: &'static [(&'static str, bool)],
    /// The scheme where none is written, as in `host:50051`.
    pub(crate) default_scheme: Option<&'static str>,
    /// Reads on from "it must be".
    pub(crate) example: &'static str,
}

/// Over HTTP.
#[cfg(feature = "http")]
pub(crate) const HTTP: EndpointForm = EndpointForm {
    schemes: &[("http", false), ("https", true)],
    default_scheme: None,
    example: "a URL such as \"http://127.0.0.1:8080/plugin\", or a socket such as \"unix:/run/plugin.sock\"",
};

/// Where a plugin listens, the path of its requests, and whether it speaks TLS.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Endpoint {
    pub(crate) tls: bool,
    pub(crate) place: Place,
    pub(crate) path: PathAndQuery,
    authority: Authority,
    host_header: HeaderValue,
    /// See [`as_written`](Self::as_written).
    written: Box<str>,
}

/// Where connections go.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Place {
    /// The host is without the brackets of an IPv6 address.
    Host {
        host: String,
        port: u16,
    },
    Socket(SocketPath),
}

impl Endpoint {
    /// Reads what is the value of `key`. Nothing is looked up.
    pub(crate) fn parse(key: &'static str, text: &str, form: &EndpointForm) -> Result<Self, ConfigError> {
        let fault = |code: Code, problem: String| {
            ConfigError::new(key, format!("{problem}; it must be {}", form.example)).with_code(code)
        };
        let (text, shown) = (text.trim(), shown(text));
        if text.is_empty() {
            return Err(fault(Code::MissingEndpoint, "is empty".into()));
        }
        let url = |problem: String| fault(Code::InvalidEndpointUrl, problem);
        let malformed = |problem: String| fault(Code::InvalidEndpointFormat, problem);
        if text.starts_with("unix:") {
            return Self::socket(text).map_err(|problem| malformed(format!("{shown} {problem}")));
        }
        let whole = match form.default_scheme {
            Some(scheme) if !text.contains("://") => &format!("{scheme}://{text}"),
            _ => text,
        };
        let uri: Uri = whole.parse().map_err(|error| url(format!("{shown} is not a URL: {error}")))?;
        let scheme = uri.scheme().map(Scheme::as_str);
        let Some((_, tls)) = form.schemes.iter().find(|(name, _)| scheme == Some(name)) else {
            let names = form.schemes.iter().map(|(name, _)| *name).collect::<Vec<_>>();
            return Err(url(match scheme {
                Some(other) => format!("{shown} has the scheme {other:?}, not {}", names.join(" or ")),
                None => format!("{shown} has no scheme, {}://", names.join(":// or ")),
            }));
        };
        let tls = *tls;
        let Some(authority) = uri.authority().cloned() else {
            return Err(malformed(format!("{shown} has no host")));
        };
        if authority.as_str().contains('@') {
            return Err(malformed(format!("{shown} holds credentials, which belong in `auth`")));
        }
        let host = authority.host().trim_start_matches('[').trim_end_matches(']').to_owned();
        if host.is_empty() {
            return Err(malformed(format!("{shown} has no host")));
        }
        if authority.as_str().starts_with('[') && !is_whole(&authority) {
            return Err(malformed(format!("{shown} has something behind its address")));
        }
        let default_port = if tls { 443 } else { 80 };
        let port = match (authority.port(), authority.as_str().ends_with(':')) {
            (_, true) => return Err(malformed(format!("{shown} has a colon and no port"))),
            (Some(port), _) if port.as_u16() == 0 => return Err(malformed(format!("{shown} has the port 0"))),
            (Some(port), _) => port.as_u16(),
            (None, _) if has_port(authority.as_str()) => {
                return Err(malformed(format!("{shown} has a port that is not from 1 to 65535")));
            }
            (None, _) if whole != text => return Err(malformed(format!("{shown} has no port"))),
            (None, _) => default_port,
        };
        if text.contains('#') {
            return Err(malformed(format!("{shown} has a fragment (#), which is never sent")));
        }
        let path = uri.path_and_query().cloned().unwrap_or(PathAndQuery::from_static("/"));
        let written = match text.split_once("://") {
            Some((scheme, _)) => format!("{scheme}://{authority}"),
            None => authority.to_string(),
        };
        let host_header = host_header(&authority);
        Ok(Self { tls, place: Place::Host { host, port }, path, authority, host_header, written: written.into() })
    }

    /// Reads `unix:/run/p.sock`, and `unix:/run/p.sock:/path` where requests go to a path.
    fn socket(text: &str) -> Result<Self, String> {
        let (socket, path) = text.rsplit_once(":/").filter(|(socket, _)| *socket != "unix").unwrap_or((text, ""));
        let path =
            PathAndQuery::try_from(format!("/{path}")).map_err(|error| format!("has a path that is none: {error}"))?;
        let socket = SocketPath::parse(socket)?;
        let (written, authority) = (socket.to_string().into(), Authority::from_static("localhost"));
        let host_header = host_header(&authority);
        Ok(Self { tls: false, place: Place::Socket(socket), path, authority, host_header, written })
    }

    /// Another path at the same place.
    #[cfg(feature = "grpc")]
    pub(crate) fn at(&self, path: &'static str) -> Self {
        Self { path: PathAndQuery::from_static(path), ..self.clone() }
    }

    /// The host whose certificate a peer over TLS is to show.
    #[cfg(feature = "tls")]
    pub(crate) fn host(&self) -> &str {
        match &self.place {
            Place::Host { host, .. } => host,
            Place::Socket(_) => "localhost",
        }
    }

    /// Where the health check is: `text` is a URL of its own or a path of this origin; empty is this path + `/health`.
    #[cfg(feature = "http")]
    pub(crate) fn health(&self, text: &str) -> Result<Self, ConfigError> {
        let text = text.trim();
        if ["http:", "https:", "unix:"].iter().any(|scheme| text.starts_with(scheme)) || text.contains("://") {
            return Self::parse(HEALTH, text, &HTTP);
        }
        let path = match text {
            "" => format!("{}/health", self.path.path().trim_end_matches('/')),
            absolute if absolute.starts_with('/') => absolute.to_owned(),
            relative => format!("/{relative}"),
        };
        let path = PathAndQuery::try_from(path).map_err(|error| {
            let problem = format!("{} is neither a URL nor a path such as \"/health\": {error}", shown(text));
            ConfigError::new(HEALTH, problem).with_code(Code::InvalidEndpointFormat)
        })?;
        Ok(Self { path, ..self.clone() })
    }

    /// Scheme, host and port: credentials stay within one.
    pub(crate) fn same_origin(&self, other: &Self) -> bool {
        self.tls == other.tls
            && match (&self.place, &other.place) {
                (Place::Host { host, port }, Place::Host { host: others, port: others_port }) => {
                    port == others_port && host.eq_ignore_ascii_case(others)
                }
                (one, another) => one == another,
            }
    }

    /// Whether the bytes stay on this machine.
    pub(crate) fn is_local(&self) -> bool {
        let Place::Host { host, .. } = &self.place else { return true };
        let host = host.trim_end_matches('.');
        host.eq_ignore_ascii_case("localhost")
            || host.parse::<IpAddr>().is_ok_and(|address| address.to_canonical().is_loopback())
    }

    /// Scheme, host and port as text; or the socket.
    pub(crate) fn origin(&self) -> String {
        match &self.place {
            Place::Host { .. } => format!("{}://{}", if self.tls { "https" } else { "http" }, self.authority),
            Place::Socket(socket) => socket.to_string(),
        }
    }

    /// The same with the scheme that was written, or none: gRPC has other names for it than HTTP.
    pub(crate) fn as_written(&self) -> &str {
        &self.written
    }

    /// The endpoint without its query, in which a secret may be.
    pub(crate) fn without_query(&self) -> String {
        match (&self.place, self.path.path()) {
            (Place::Socket(socket), "/") => socket.to_string(),
            (Place::Socket(socket), path) => format!("{socket}:{path}"),
            (Place::Host { .. }, path) => format!("{}{path}", self.origin()),
        }
    }

    /// Where a request of HTTP/2 goes.
    pub(crate) fn uri(&self) -> Uri {
        let mut parts = http::uri::Parts::default();
        parts.scheme = Some(if self.tls { Scheme::HTTPS } else { Scheme::HTTP });
        parts.authority = Some(self.authority.clone());
        parts.path_and_query = Some(self.path.clone());
        // A scheme, an authority and a path always make a URI.
        Uri::from_parts(parts).unwrap_or_default()
    }

    /// The `Host` header.
    pub(crate) fn host_header(&self) -> HeaderValue {
        self.host_header.clone()
    }
}

/// An authority is ASCII without control characters, so it is always a header's value.
fn host_header(authority: &Authority) -> HeaderValue {
    HeaderValue::try_from(authority.as_str()).unwrap_or(HeaderValue::from_static(""))
}

/// The keys of an endpoint and of that of its health check.
pub(crate) const ENDPOINT: &str = "endpoint";
#[cfg(feature = "http")]
pub(crate) const HEALTH: &str = "health_endpoint";

/// Without the query, in which a secret may be.
impl fmt::Debug for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.without_query())?;
        f.write_str(if self.path.query().is_some() { "?***" } else { "" })
    }
}

/// A bad endpoint as it may be shown: without credentials, and without its query, in which a secret may be.
fn shown(text: &str) -> String {
    let (place, query) = match text.find(['?', '#']) {
        Some(at) => (&text[..at], format!("{}***", &text[at..=at])),
        None => (text, String::new()),
    };
    let Some(at) = text.rfind('@') else { return format!("{:?}", format!("{place}{query}")) };
    let scheme = scheme(&text[..at]);
    // What is no URL may have its credentials anywhere before that.
    format!("{:?}", format!("{scheme}***{}{query}", place.get(at..).unwrap_or("@")))
}

/// The scheme in front of a text that may be a URL, with what is behind it: letters, digits and a few signs (RFC 3986). What stands
/// before another `://` may be a password.
fn scheme(text: &str) -> &str {
    let end = text.find("://").unwrap_or_default();
    let is_scheme = text[..end].bytes().all(|byte| byte.is_ascii_alphanumeric() || b"+-.".contains(&byte));
    if end > 0 && is_scheme { &text[..end + 3] } else { "" }
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
            ("http://[::1]host/", Code::InvalidEndpointFormat, "behind its address"),
            ("http://[::1]host:80/", Code::InvalidEndpointFormat, "behind its address"),
            ("http://host/#top", Code::InvalidEndpointFormat, "fragment"),
        ] {
            let error = Endpoint::parse(ENDPOINT, text, &HTTP).expect_err(text);
            assert_eq!(error.code(), code, "{text:?}: {error}");
            let shown = error.to_string();
            assert!(shown.contains(says) && shown.contains("http://127.0.0.1:8080/plugin"), "{shown}");
            assert!(!shown.contains("s3cret"), "{shown}");
        }
        assert!(Endpoint::parse(ENDPOINT, "http:///x", &HTTP).is_err());
    }

    #[test]
    fn a_url_is_taken_apart() {
        let endpoint = Endpoint::parse(ENDPOINT, "https://[::1]/v1?x=1", &HTTP).expect("a URL");
        assert_eq!(endpoint.place, Place::Host { host: "::1".into(), port: 443 });
        assert!(endpoint.tls);
        assert_eq!(endpoint.path, "/v1?x=1");
        assert_eq!(endpoint.uri().to_string(), "https://[::1]/v1?x=1");
        assert_eq!(Endpoint::parse(ENDPOINT, "http://host", &HTTP).expect("a URL").path, "/");
        assert_eq!(Endpoint::parse(ENDPOINT, "http://[::1]:81", &HTTP).expect("a URL").origin(), "http://[::1]:81");
    }

    #[test]
    fn a_socket_is_an_endpoint_with_or_without_a_path() {
        for (text, path, shown) in [
            ("unix:/run/p.sock", "/", "unix:/run/p.sock"),
            ("unix:///run/p.sock", "/", "unix:/run/p.sock"),
            ("unix:/run/p.sock:/v1?x=1", "/v1?x=1", "unix:/run/p.sock:/v1"),
            ("unix:@p:/v1", "/v1", "unix:@p:/v1"),
        ] {
            let endpoint = Endpoint::parse(ENDPOINT, text, &HTTP).expect(text);
            assert_eq!((endpoint.path.as_str(), endpoint.without_query().as_str()), (path, shown));
            assert!(endpoint.is_local() && !endpoint.tls, "{text}");
            assert_eq!(endpoint.host_header(), "localhost");
        }
        let endpoint = Endpoint::parse(ENDPOINT, "unix:/run/p.sock:/v1", &HTTP).expect("a socket");
        assert_eq!(endpoint.health("").expect("a path").without_query(), "unix:/run/p.sock:/v1/health");
        let error = Endpoint::parse(ENDPOINT, "unix://host/p", &HTTP).expect_err("a host");
        assert_eq!(error.code(), Code::InvalidEndpointFormat);
        assert!(error.to_string().contains("unix:/path"), "{error}");
    }

    #[test]
    fn what_is_written_of_an_endpoint_shows_no_query() {
        let endpoint = Endpoint::parse(ENDPOINT, "http://host:81/v1?token=hunter2", &HTTP).expect("a URL");
        assert_eq!(format!("{endpoint:?}"), "http://host:81/v1?***");
    }

    #[test]
    fn what_is_said_of_an_endpoint_has_the_scheme_that_was_written() {
        const FORM: EndpointForm =
            EndpointForm { schemes: &[("http", false), ("grpc", false)], default_scheme: Some("http"), example: "" };
        for (text, shown) in [
            ("h:50051", "h:50051"),
            ("grpc://h:50051", "grpc://h:50051"),
            ("http://[::1]:1/?x=1", "http://[::1]:1"),
            ("unix:///run/p.sock", "unix:/run/p.sock"),
        ] {
            assert_eq!(Endpoint::parse(ENDPOINT, text, &FORM).expect(text).as_written(), shown);
        }
    }

    #[test]
    fn only_what_stays_on_the_machine_is_local() {
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
            assert_eq!(Endpoint::parse(ENDPOINT, text, &HTTP).expect(text).is_local(), loopback, "{text}");
        }
    }

    #[test]
    fn a_health_path_belongs_to_the_origin() {
        let endpoint = Endpoint::parse(ENDPOINT, "http://host:81/v1/run?x=1", &HTTP).expect("a URL");
        let health = |text| endpoint.health(text).expect(text).uri().to_string();
        assert_eq!(health(""), "http://host:81/v1/run/health");
        assert_eq!(health("/ready?full=1"), "http://host:81/ready?full=1");
        assert_eq!(health("ready"), "http://host:81/ready");
        assert_eq!(health("https://other/up"), "https://other/up");
        assert!(!endpoint.same_origin(&endpoint.health("https://host:81/").expect("a URL")));
        assert!(endpoint.same_origin(&endpoint.health("http://HOST:81/").expect("a URL")));
        assert!(endpoint.health("/a b").is_err());
        assert_eq!(
            Endpoint::parse(ENDPOINT, "http://h/", &HTTP).expect("a URL").health("").expect("a path").path,
            "/health"
        );
    }
}
