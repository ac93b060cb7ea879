//! `connection` and `default_connection`.

use plugin_transports::ConnectionConfig;

use super::super::concerns::set;
use super::super::keys::{Key, Keys, Kind, Table};
use super::transport::{CONNECTED, HTTP};

pub(in crate::config) static TABLE: Table = Table {
    name: "connection",
    about: "How the transport connects.",
    keys: &[
        Key::new("max_connections", Kind::Integer(1, 65_536), "Connections at once; further calls wait in line.")
            .default("10")
            .only(HTTP),
        Key::new("max_idle_connections", Kind::Integer(0, 65_536), "Connections that are kept open between calls.")
            .default("5")
            .only(HTTP),
        Key::new("idle_timeout", Kind::Time, "After which an idle connection is closed.").default("30s").only(HTTP),
        Key::new(
            "connection_timeout",
            Kind::Time,
            "For one connection: name lookup, connect, TLS. For a subprocess, from its start until it is ready.",
        )
        .default("10s")
        .only(CONNECTED),
        Key::new("request_timeout", Kind::Time, "For one attempt; `timeout` is for all of them.").default("30s"),
        Key::new("keep_alive", Kind::Bool, "Whether a connection serves more than one call.")
            .default("true")
            .only(HTTP),
        Key::new("disable_compression", Kind::Bool, "Whether compressed answers are not asked for.")
            .default("false")
            .only(HTTP),
    ],
};

pub(in crate::config) fn read(keys: &mut Keys<'_, '_>) -> Option<ConnectionConfig> {
    let mut builder = ConnectionConfig::builder();
    set!(builder.with_max_connections(keys.integer("max_connections")));
    set!(builder.with_max_idle_connections(keys.integer("max_idle_connections")));
    set!(builder.with_idle_timeout(keys.time("idle_timeout")));
    set!(builder.with_connection_timeout(keys.time("connection_timeout")));
    set!(builder.with_request_timeout(keys.time("request_timeout")));
    set!(builder.with_keep_alive(keys.bool("keep_alive")));
    set!(builder.with_disable_compression(keys.bool("disable_compression")));
    keys.check(builder.build())
}
