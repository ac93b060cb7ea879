//! Reading who a request was forwarded for, from the last hop to the first.
//!
//! What stands at the right was written by the proxy that is nearest, and what stands at the left may be anything that a
//! client has sent. So everything here is read from the right, and as bytes, of which only the address itself must be text:
//! nothing that a client writes can change how the part is read that proxies have added behind it.

use std::net::{IpAddr, SocketAddr};

/// The addresses of `X-Forwarded-For`, the last first; `None` for one that is not an address.
pub(super) fn x_forwarded_for(line: &[u8]) -> impl Iterator<Item = Option<IpAddr>> {
    line.rsplit(|byte| *byte == b',').map(|node| address(node.trim_ascii()))
}

/// The addresses of `Forwarded` (RFC 7239), the last first; `None` for an element whose `for` is not an address, such as
/// `unknown`, or that has none.
pub(super) fn forwarded(line: &[u8]) -> impl Iterator<Item = Option<IpAddr>> {
    let mut rest = Some(line);
    std::iter::from_fn(move || {
        let line = rest?;
        let cut = last_outside_quotes(line, b',');
        rest = cut.map(|at| &line[..at]);
        Some(forwarded_for(&line[cut.map_or(0, |at| at + 1)..]))
    })
}

/// Where this byte stands last, but for those in quoted strings.
fn last_outside_quotes(bytes: &[u8], wanted: u8) -> Option<usize> {
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
fn forwarded_for(element: &[u8]) -> Option<IpAddr> {
    let mut found = None;
    let mut rest = Some(element);
    while let Some(pairs) = rest {
        let cut = last_outside_quotes(pairs, b';');
        rest = cut.map(|at| &pairs[..at]);
        let pair = pairs[cut.map_or(0, |at| at + 1)..].trim_ascii();
        let equals = pair.iter().position(|byte| *byte == b'=');
        if let Some((name, value)) = equals.map(|at| pair.split_at(at))
            && name.eq_ignore_ascii_case(b"for")
            && found.replace(&value[1..]).is_some()
        {
            return None;
        }
    }
    let value = found?;
    match value.strip_prefix(b"\"") {
        Some(quoted) => address(quoted.strip_suffix(b"\"")?),
        // IPv6 has colons and brackets, which must be quoted; some proxies do not.
        None => address(value),
    }
}

/// An address: with a port or without, IPv6 in brackets or without.
fn address(node: &[u8]) -> Option<IpAddr> {
    let node = std::str::from_utf8(node).ok()?;
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
            assert_eq!(shown(x_forwarded_for(line.as_bytes())), read, "{line}");
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
            assert_eq!(shown(forwarded(line.as_bytes())), read, "{line}");
        }
    }

    #[test]
    fn nothing_that_a_client_writes_hides_or_changes_what_a_proxy_has_added() {
        for client in [
            &b"for=\""[..],
            b"for=\"a, for=6.6.6.6",
            b"\\\"",
            b"for=6.6.6.6;host=\"",
            b"\"\"\"",
            b",,;=\\",
            b"for=\"\\",
            b"\xe9",
            b"for=\xff\"",
        ] {
            for added in
                ["for=7.7.7.7", "host=\"a;for=6.6.6.6,b\";for=7.7.7.7", "for=7.7.7.7;host=\"\\\"a,for=6.6.6.6\""]
            {
                let line = [client, b", ", added.as_bytes()].concat();
                let shown = line.escape_ascii();
                assert_eq!(forwarded(&line).next(), Some(Some(IpAddr::from([7, 7, 7, 7]))), "{shown}");
            }
        }
    }
}
