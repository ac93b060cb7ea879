//! The URL that a gateway is looked for at.

use std::fmt;

use http::Uri;

use super::CommandFault;

/// Where a gateway is, as it was said. Neither `Display` nor `Debug` shows a user's name, a password or a query.
#[derive(Clone)]
pub(super) struct GatewayUrl(String);

impl From<String> for GatewayUrl {
    fn from(text: String) -> Self {
        Self(text)
    }
}

impl GatewayUrl {
    /// The path of these segments there, each percent-encoded.
    pub(super) fn at(&self, segments: &[&str]) -> Result<Uri, CommandFault> {
        let wrong = |problem: &str| CommandFault::Wrong(format!("{self:?} {problem}"));
        let no_url = "is not a URL such as http://127.0.0.1:8080";
        let base: Uri = self.0.parse().map_err(|_| wrong(no_url))?;
        let authority = match (base.scheme_str(), base.authority()) {
            (Some("http"), Some(authority)) => authority,
            (None, _) => return Err(wrong(no_url)),
            (Some("https"), _) => {
                return Err(wrong(
                    "does not begin with http://: these commands speak no TLS; to a gateway that does, `curl` does",
                ));
            }
            _ => return Err(wrong("does not begin with http://")),
        };
        if authority.as_str().contains('@') {
            let problem = "holds credentials, which a gateway has no use for: a token is given with --token or PLUGIN_MANAGER_TOKEN";
            return Err(wrong(problem));
        }
        // `http` reads a port that is none as one that is not there.
        let port = authority.as_str().strip_prefix(authority.host()).unwrap_or_default();
        if !port.is_empty() && !port.strip_prefix(':').is_some_and(is_port) {
            return Err(wrong("has a port that is not from 1 to 65535"));
        }
        if self.0.contains(['?', '#']) {
            return Err(wrong("has something behind its path, where the path of what is asked for goes"));
        }
        let mut text = self.0.trim_end_matches('/').to_owned();
        for segment in segments {
            text.push('/');
            for byte in segment.bytes() {
                match byte {
                    b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => text.push(char::from(byte)),
                    _ => text.push_str(&format!("%{byte:02X}")),
                }
            }
        }
        text.parse().map_err(|_| wrong(no_url))
    }
}

/// The scheme in front of a text that may be a URL, with what is behind it: letters, digits and a few signs (RFC 3986). What stands
/// before another `://` may be a password.
fn scheme(text: &str) -> &str {
    let end = text.find("://").unwrap_or_default();
    let is_scheme = text[..end].bytes().all(|byte| byte.is_ascii_alphanumeric() || b"+-.".contains(&byte));
    if end > 0 && is_scheme { &text[..end + 3] } else { "" }
}

fn is_port(digits: &str) -> bool {
    digits.bytes().all(|digit| digit.is_ascii_digit()) && digits.parse().is_ok_and(|port: u16| port > 0)
}

impl fmt::Display for GatewayUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let place = self.0.find(['?', '#']).map_or(&*self.0, |end| &self.0[..end]);
        let behind = if place.len() < self.0.len() { "?***" } else { "" };
        match self.0.rfind('@') {
            // Wherever it stands: what is no URL may hold credentials all the same.
            Some(at) => {
                let scheme = scheme(&self.0[..at]);
                write!(f, "{scheme}***{}{behind}", place.get(at..).unwrap_or("@"))
            }
            None => write!(f, "{place}{behind}"),
        }
    }
}

impl fmt::Debug for GatewayUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.to_string(), f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(base: &str) -> Result<Uri, String> {
        GatewayUrl::from(base.to_owned()).at(&["v1"]).map_err(|problem| match problem {
            CommandFault::Wrong(problem) => problem,
            other => panic!("{other:?}"),
        })
    }

    #[test]
    fn a_name_with_odd_characters_stays_one_segment() {
        let base = GatewayUrl::from("http://127.0.0.1:8080/".to_owned());
        let uri = base.at(&["v1", "plugins", "a b/ü?"]).expect("a URL");
        assert_eq!(uri, "http://127.0.0.1:8080/v1/plugins/a%20b%2F%C3%BC%3F");
        assert_eq!(at("http://[::1]:1/behind/a/proxy").expect("a URL"), "http://[::1]:1/behind/a/proxy/v1");
        assert_eq!(at("http://gateway").expect("a URL"), "http://gateway/v1");
    }

    #[test]
    fn what_is_no_place_of_a_gateway_is_refused() {
        for (base, says) in [
            ("127.0.0.1:8080", "is not a URL such as http://"),
            ("http://", "is not a URL such as http://"),
            ("", "is not a URL such as http://"),
            ("ftp://x", "does not begin with http://"),
            ("http://127.0.0.1:99999", "has a port that is not from 1 to 65535"),
            ("http://127.0.0.1:65536", "has a port that is not from 1 to 65535"),
            ("http://127.0.0.1:0", "has a port that is not from 1 to 65535"),
            ("http://127.0.0.1:", "has a port that is not from 1 to 65535"),
            ("http://[::1]:99999", "has a port that is not from 1 to 65535"),
            ("http://127.0.0.1:1/?x=", "has something behind its path"),
            ("http://127.0.0.1:1#a", "has something behind its path"),
        ] {
            let problem = at(base).expect_err(base);
            assert!(problem.contains(says), "{base}: {problem}");
        }
    }

    #[test]
    fn no_credentials_are_shown_wherever_they_stand() {
        for (base, shown) in [
            ("http://user:hunter2@127.0.0.1:1", "http://***@127.0.0.1:1"),
            ("https://hunter2@a/", "https://***@a/"),
            ("user:hunter2@127.0.0.1:1", "***@127.0.0.1:1"),
            ("http:/user:hunter2@a", "***@a"),
            ("user:hunter2://x@a", "***@a"),
            ("http://user:hun ter2@a", "http://***@a"),
            ("hunter2@http://a", "***@http://a"),
            ("http://user:hunter2?hunter2@a", "http://***@?***"),
            ("http://a/?token=hunter2", "http://a/?***"),
            ("http://a/#hunter2", "http://a/?***"),
        ] {
            let url = GatewayUrl::from(base.to_owned());
            assert_eq!((url.to_string(), format!("{url:?}")), (shown.to_owned(), format!("{shown:?}")));
            assert!(at(base).expect_err(base).starts_with(&format!("{shown:?} ")), "{base}");
        }
    }
}
