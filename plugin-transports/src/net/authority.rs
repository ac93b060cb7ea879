//! The host and the port of a URL, or of a line `Host`.

use http::uri::Authority;

/// Whether it is a host and at most a port. What the `http` crate reads may have anything between the bracket that ends an
/// address and the port, which it tells nobody of.
pub(crate) fn is_whole(authority: &Authority) -> bool {
    let text = authority.as_str();
    // Credentials, where somebody has written some, stand before it.
    let text = text.rsplit_once('@').map_or(text, |(_, behind)| behind);
    text.strip_prefix(authority.host()).is_some_and(|rest| {
        rest.is_empty() || rest.strip_prefix(':').is_some_and(|port| port.bytes().all(|byte| byte.is_ascii_digit()))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_stands_between_a_host_and_its_port() {
        let whole = |text: &str| text.parse().is_ok_and(|authority| is_whole(&authority));
        for text in ["localhost", "localhost:80", "[::1]", "[::1]:80", "10.0.0.1:", "me:secret@host:1"] {
            assert!(whole(text), "{text}");
        }
        for text in ["[::1]localhost", "[::1]localhost:80", "[::1].evil.example", "[::1]:x"] {
            assert!(!whole(text), "{text}");
        }
    }
}
