//! Reading who a request was forwarded for, from the last hop to the first.
//!
//! What stands at the right was written by the proxy that is nearest, and what stands at the left may be anything that a
//! client has sent. So everything here is read from the right: nothing that a client writes can change how the part is read
//! that proxies have added behind it.

use std::net::{IpAddr, SocketAddr};

/// The addresses of `X-Forwarded-For`, the last first; `None` for one that is not an address.
pub(super) fn x_forwarded_for(line: &str) -> impl Iterator<Item = Option<IpAddr>> {
    line.rsplit(',').map(|node| address(node.trim()))
}

/// The addresses of `Forwarded` (RFC 7239), the last first; `None` for an element whose `for` is not an address, such as
/// `unknown`, or that has none.
pub(super) fn forwarded(line: &str) -> impl Iterator<Item = Option<IpAddr>> {
    let mut rest = Some(line);
    std::iter::from_fn(move || {
        let line = rest?;
        let cut = last_outside_quotes(line, b',');
        rest = cut.map(|at| &line[..at]);
        Some(forwarded_for(&line[cut.map_or(0, |at| at + 1)..]))
    })
}

/// Where this byte stands last, but for those in quoted strings.
fn last_outside_quotes(text: &str, wanted: u8) -> Option<usize> {
    let bytes = text.as_bytes();
    let mut quoted = false;
    (0..bytes.len()).rev().find(|at| {
        if bytes[*at] == b'"' {
            let slashes = bytes[..*at].iter().rev().take_while(|byte| **byte == b'\\').count();
            quoted ^= slashes % 2 == 0;
        }
        !quoted && bytes[*at] == wanted
    })
}

/// The address in `for` of one element, which must have it once.
fn forwarded_for(element: &str) -> Option<IpAddr> {
    let mut found = None;
    let mut rest = Some(element);
    while let Some(pairs) = rest {
        let cut = last_outside_quotes(pairs, b';');
        rest = cut.map(|at| &pairs[..at]);
        let pair = pairs[cut.map_or(0, |at| at + 1)..].trim();
        if let Some((name, value)) = pair.split_once('=')
            && name.eq_ignore_ascii_case("for")
            && found.replace(value).is_some()
        {
            return None;
        }
    }
    let value = found?;
    match value.strip_prefix('"') {
        Some(quoted) => address(quoted.strip_suffix('"')?),
        // IPv6 has colons and brackets, which must be quoted; some proxies do not.
        None => address(value),
    }
}

/// An address: with a port or without, IPv6 in brackets or without.
fn address(node: &str) -> Option<IpAddr> {
    let plain = node.strip_prefix('[').and_then(|node| node.strip_suffix(']'));
    let parsed = match plain {
        Some(inside) => inside.parse().ok().filter(IpAddr::is_ipv6),
        None => node.parse().ok().or_else(|| node.parse::<SocketAddr>().ok().map(|socket| socket.ip())),
    };
    parsed.map(|address| address.to_canonical())
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    fn shown(addresses: impl Iterator<Item = Option<IpAddr>>) -> String {
        let addresses: Vec<_> =
            addresses.map(|address| address.map_or_else(|| "?".to_owned(), |address| address.to_string())).collect();
        addresses.join(" ")
    }

    #[test]
    fn x_forwarded_for_is_read_from_the_right() {
        for (line, read) in [
            ("203.0.113.7", "203.0.113.7"),
            ("1.1.1.1, 2.2.2.2,3.3.3.3", "3.3.3.3 2.2.2.2 1.1.1.1"),
            ("203.0.113.7:4711", "203.0.113.7"),
            ("2001:db8::1, [2001:db8::2], [2001:db8::3]:80", "2001:db8::3 2001:db8::2 2001:db8::1"),
            ("::ffff:203.0.113.7", "203.0.113.7"),
            ("unknown, , 1.1.1.1", "1.1.1.1 ? ?"),
            ("1.1.1.1.1, 01.2.3.4, [1.2.3.4], 1.2.3.4:70000", "? ? ? ?"),
            ("", "?"),
        ] {
            assert_eq!(shown(x_forwarded_for(line)), read, "{line}");
        }
    }

    #[test]
    fn forwarded_is_read_from_the_right() {
        for (line, read) in [
            ("for=192.0.2.60;proto=http;by=203.0.113.43", "192.0.2.60"),
            ("For=\"[2001:db8:cafe::17]:4711\"", "2001:db8:cafe::17"),
            ("for=192.0.2.43, for=198.51.100.17", "198.51.100.17 192.0.2.43"),
            ("for=192.0.2.43,for=\"198.51.100.17:80\";by=x", "198.51.100.17 192.0.2.43"),
            ("for=unknown, for=_hidden, for=\"_SEVKISEK\", proto=https", "? ? ? ?"),
            ("for=1.1.1.1;for=2.2.2.2", "?"),
            ("for=\"1.1.1.1", "?"),
            ("", "?"),
        ] {
            assert_eq!(shown(forwarded(line)), read, "{line}");
        }
    }

    #[test]
    fn nothing_that_a_client_writes_hides_or_changes_what_a_proxy_has_added() {
        for client in ["for=\"", "for=\"a, for=6.6.6.6", "\\\"", "for=6.6.6.6;host=\"", "\"\"\"", ",,;=\\", "for=\"\\"]
        {
            for added in
                ["for=7.7.7.7", "host=\"a;for=6.6.6.6,b\";for=7.7.7.7", "for=7.7.7.7;host=\"\\\"a,for=6.6.6.6\""]
            {
                let line = format!("{client}, {added}");
                assert_eq!(forwarded(&line).next(), Some(Some(IpAddr::from([7, 7, 7, 7]))), "{line}");
            }
        }
    }
}
