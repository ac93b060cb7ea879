//! The fuzz target of the guard against pages of other sites.

use http::{Request, header};

use super::HostGuard;
use crate::fuzzing::headers;

/// Who passes a listener on loopback has one `Host` that is a name of this machine, and comes from no page of another site.
pub fn host_guard(bytes: &[u8]) {
    let mut request = Request::post("/").body(()).expect("plain");
    *request.headers_mut() = headers(bytes);
    if HostGuard::new([127, 0, 0, 1].into()).check(&request).is_err() {
        return;
    }
    let all = |name| request.headers().get_all(name).iter().map(|value: &http::HeaderValue| value.as_bytes());
    let hosts: Vec<&[u8]> = all(header::HOST).collect();
    let [host] = hosts[..] else { panic!("{hosts:?}") };
    let host = std::str::from_utf8(host).expect("a host is ASCII").to_ascii_lowercase();
    // Without credentials, which some write before a host, and without a port.
    let name = host.rsplit('@').next().unwrap_or_default();
    let name =
        name.rsplit_once(':').map_or(name, |(name, port)| if port.ends_with(']') { host.as_str() } else { name });
    let local = ["localhost", "127.0.0.1", "[127.0.0.1]", "::1", "[::1]"];
    assert!(
        local.iter().any(|own| name.trim_start_matches(['[']).trim_end_matches([']']) == own.trim_matches(['[', ']'])),
        "{host}"
    );
    for origin in all(header::ORIGIN) {
        let origin = std::str::from_utf8(origin).expect("ASCII").to_ascii_lowercase();
        assert!(origin.ends_with(&format!("://{host}")), "{origin} {host}");
    }
    assert!(all(header::HeaderName::from_static("sec-fetch-site")).all(|site| site != b"cross-site"));
}

#[cfg(test)]
fuzz_twins::twins!(host_guard);
