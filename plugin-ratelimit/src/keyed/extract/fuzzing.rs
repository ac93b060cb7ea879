//! The fuzz target of the address of a client.

use std::net::IpAddr;

use http::{HeaderMap, HeaderValue};

use super::{ClientIpConfig, ForwardedBy};

/// Whatever a client sends, what the nearest proxy adds to it decides, on the same line or on one behind it; and the address that
/// is found without that is the proxy's or stands in what was sent.
pub fn client_ip(bytes: &[u8]) {
    let proxy = IpAddr::from([10, 0, 0, 1]);
    let client = IpAddr::from([203, 0, 113, 7]);
    for (header, name, adds) in [
        (ForwardedBy::XForwardedFor, "x-forwarded-for", "203.0.113.7"),
        (ForwardedBy::Forwarded, "forwarded", "proto=https;For=\"203.0.113.7:80\";host=\"a;for=6.6.6.6,b\""),
    ] {
        let config = ClientIpConfig::builder().with_trusted_proxies(["10.0.0.0/8"]).with_forwarded_by(header).build();
        let config = config.expect("valid");
        let mut sent = HeaderMap::new();
        for line in bytes.split(|byte| *byte == b'\n') {
            if let Ok(value) = HeaderValue::from_bytes(line) {
                sent.append(name, value);
            }
        }
        let found = config.client(proxy, &sent);
        assert_eq!(found, found.to_canonical());
        let mut on_the_next_line = sent.clone();
        on_the_next_line.append(name, HeaderValue::from_static(adds));
        assert_eq!(config.client(proxy, &on_the_next_line), client, "{sent:?}");
        match sent.get_all(name).iter().next_back() {
            Some(last) => {
                let line = [last.as_bytes(), b", ", adds.as_bytes()].concat();
                let line = HeaderValue::from_bytes(&line).expect("what was allowed in a header still is");
                let on_the_same_line = HeaderMap::from_iter([(name.parse().expect("a name"), line)]);
                assert_eq!(config.client(proxy, &on_the_same_line), client, "{on_the_same_line:?}");
            }
            None => assert_eq!(found, proxy),
        }
    }
}
