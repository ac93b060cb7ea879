//! Where an API server listens.

use std::fmt;

use http::uri::{Scheme, Uri};

/// Where an API server listens.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Server {
    /// An address of IPv6 without brackets.
    pub(super) host: String,
    pub(super) port: u16,
    /// What stands before each path, without a slash at its end.
    pub(super) path: String,
    pub(super) is_tls: bool,
}

impl Server {
    /// The error completes a sentence that begins with the URL.
    pub(super) fn parse(url: &str) -> Result<Self, String> {
        let uri: Uri = url.trim().parse().map_err(|error| format!("must be a URL: {error}"))?;
        let is_tls = match uri.scheme() {
            Some(scheme) if *scheme == Scheme::HTTPS => true,
            Some(scheme) if *scheme == Scheme::HTTP => false,
            _ => return Err("must begin with `https://`".to_owned()),
        };
        let authority = uri.authority().ok_or("must have a host")?;
        if authority.as_str().contains('@') {
            return Err("must have no user in it".to_owned());
        }
        if uri.query().is_some() {
            return Err("must have no query".to_owned());
        }
        let host = authority.host().trim_start_matches('[').trim_end_matches(']').to_owned();
        if host.is_empty() {
            return Err("must have a host".to_owned());
        }
        // `authority.port()` takes one that is too large for none.
        let port = match authority.as_str().strip_prefix(authority.host()).and_then(|rest| rest.strip_prefix(':')) {
            Some(port) => port.parse().map_err(|_| "must have a port from 1 to 65535".to_owned())?,
            None if is_tls => 443,
            None => 80,
        };
        Ok(Self { host, port, path: uri.path().trim_end_matches('/').to_owned(), is_tls })
    }

    /// Host and port, as the header `host` has them.
    pub(super) fn authority(&self) -> String {
        let Self { host, port, .. } = self;
        if host.contains(':') { format!("[{host}]:{port}") } else { format!("{host}:{port}") }
    }
}

impl fmt::Display for Server {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let scheme = if self.is_tls { "https" } else { "http" };
        write!(f, "{scheme}://{}{}", self.authority(), self.path)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn server(url: &str) -> Result<(String, u16, String, bool), String> {
        Server::parse(url).map(|server| (server.host, server.port, server.path, server.is_tls))
    }

    #[test]
    fn a_url_says_where_and_whether_with_tls() {
        let read = |url| server(url).expect("a URL");
        assert_eq!(read("https://10.0.0.1:6443"), ("10.0.0.1".to_owned(), 6443, String::new(), true));
        assert_eq!(read(" https://[fd00::1]/ "), ("fd00::1".to_owned(), 443, String::new(), true));
        assert_eq!(
            read("https://a.example/k8s/clusters/c-1/"),
            ("a.example".to_owned(), 443, "/k8s/clusters/c-1".to_owned(), true)
        );
        assert_eq!(read("http://127.0.0.1:8001"), ("127.0.0.1".to_owned(), 8001, String::new(), false));
        let six = Server::parse("https://[fd00::1]:6443/x").expect("a URL");
        assert_eq!(
            (six.authority(), six.to_string()),
            ("[fd00::1]:6443".to_owned(), "https://[fd00::1]:6443/x".to_owned())
        );
    }

    #[test]
    fn a_url_that_cannot_be_used_is_refused_with_the_reason() {
        for (url, says) in [
            ("", "must be a URL"),
            ("10.0.0.1:6443", "must begin with `https://`"),
            ("/x", "must begin with `https://`"),
            ("ftp://a", "must begin with `https://`"),
            ("https://me:secret@a", "must have no user in it"),
            ("https://a?b=c", "must have no query"),
            ("https://a:99999", "must "),
            ("https://", "must "),
        ] {
            let problem = server(url).expect_err(url);
            assert!(problem.starts_with(says), "{url}: {problem}");
            assert!(!problem.contains("secret"), "{problem}");
        }
    }
}
