//! The keys that both planes have, and how they are read.

use std::net::SocketAddr;

use axum::http::uri::Authority;
use plugin_core::Code;
use plugin_core::settings::Kind;
use plugin_settings::Keys;
use plugin_transports::listen::ListenOptions;

pub(super) const CONNECTIONS: Kind = Kind::integer(1, 1_000_000);
pub(super) const MAX_CONNECTIONS: &str = "Connections at once; at the cap the one that has been unused for longest \
    makes room for each that comes, and more wait.";
pub(super) const HEADER_TIMEOUT: &str = "From a connection to the head of its first request.";
pub(super) const IDLE_TIMEOUT: &str =
    "How long a connection may be unused: from one answer to the head of the next request.";
pub(super) const WRITE_TIMEOUT: &str = "How long a client may take nothing of its answer, over HTTP/2 less than 16 KiB; \
    at most 5s when the gateway stops.";

/// A time limit of a listener.
pub(super) const TIMEOUT: Kind = Kind::time_from(ListenOptions::SHORTEST);

/// Reads the address of a plane. Port 0 is for tests, which do not write files.
pub(super) fn address(keys: &mut Keys<'_>) -> Option<SocketAddr> {
    let address: SocketAddr = keys.parsed("listen", "an address such as \"127.0.0.1:8080\"")?;
    if address.port() == 0 {
        let problem = "port 0 means any free port, and nobody would know which; expected a port from 1 to 65535";
        keys.fault("listen", Code::ConfigSchema, problem);
        return None;
    }
    Some(address)
}

/// Whether only this machine reaches the address.
pub(super) fn is_local(address: SocketAddr) -> bool {
    address.ip().to_canonical().is_loopback()
}

/// The names that a plane goes by. An address may be one; a port is none of it.
pub(super) fn hosts(keys: &mut Keys<'_>) -> Vec<String> {
    let hosts = keys.texts("allowed_hosts");
    let whole = |name: &str| name.parse::<Authority>().is_ok_and(|authority| authority.host() == name);
    if let Some(name) = hosts.iter().find(|name| !whole(name)) {
        let problem = format!("{name:?} is no name such as \"plugins.example.com\", without a port");
        keys.fault("allowed_hosts", Code::ConfigValue, problem);
    }
    hosts
}

/// What bounds the connections of a plane.
pub(super) fn connections(keys: &mut Keys<'_>) -> Option<ListenOptions> {
    let (max, head) = (keys.integer("max_connections"), keys.time("header_timeout"));
    let (idle, write) = (keys.time("idle_timeout"), keys.time("write_timeout"));
    let options = ListenOptions::new().with_max_connections(max?).with_head_timeout(head?);
    Some(options.with_idle_timeout(idle?).with_write_timeout(write?))
}
