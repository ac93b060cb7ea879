//! The keys that configuration files have for DNS.

use std::{
    net::{IpAddr, SocketAddr},
    time::Duration,
};

use plugin_core::{
    ConfigError,
    settings::{Given, Key, Kind, Settings, Table, Values},
};

use super::{DnsConfig, IpFamilies};

const SHORTEST: Duration = Duration::from_millis(1);
const LONGEST: Duration = Duration::from_secs(365 * 24 * 60 * 60);

static TABLE: Table = Table::new(
    "discovery.dns",
    "How names in DNS are asked for.",
    &[
        Key::new(
            "name_servers",
            Kind::Names(is_name_server),
            "The name servers, each an IP address with or without a port. The hosts file is not read then.",
        )
        .derived_default("those of the system"),
        Key::new("families", Kind::Word(IpFamilies::NAMES), "Which addresses of a name are asked for.").default("both"),
        Key::new(
            "min_interval",
            Kind::time_in(SHORTEST, LONGEST),
            "The shortest time after which it asks again, whatever the time to live; the first wait after a fault.",
        )
        .default("5s"),
        Key::new(
            "max_interval",
            Kind::time_in(SHORTEST, LONGEST),
            "The longest time after which it asks again, before jitter; at least `min_interval`.",
        )
        .default("60s"),
        Key::new("jitter", Kind::number(0.0, 1.0), "The share of the wait by which it may ask later.").default("0.1"),
        Key::new(
            "timeout",
            Kind::time_in(SHORTEST, LONGEST),
            "How long the answer to one question is waited for, with everything that is tried for it.",
        )
        .default("3s"),
    ],
);

/// With the port of DNS where there is none.
fn name_server(text: &str) -> Option<SocketAddr> {
    text.parse().ok().or_else(|| text.parse::<IpAddr>().ok().map(|ip| SocketAddr::new(ip, 53)))
}

fn is_name_server(text: &str) -> Result<(), String> {
    name_server(text).map(|_| ()).ok_or_else(|| "an IP address, with or without a port".to_owned())
}

impl Settings for DnsConfig {
    const TABLE: &'static Table = &TABLE;

    fn from_values(values: &Values) -> Result<Self, ConfigError> {
        let default = Self::default();
        let servers = values.texts("name_servers").unwrap_or_default();
        Self::builder()
            .with_name_servers(servers.iter().filter_map(|text| name_server(text)))
            .with_families(values.word("families").and_then(IpFamilies::parse).unwrap_or(default.families()))
            .with_min_interval(values.time("min_interval").unwrap_or(default.min_interval()))
            .with_max_interval(values.time("max_interval").unwrap_or(default.max_interval()))
            .with_jitter(values.number("jitter").unwrap_or(default.jitter()))
            .with_timeout(values.time("timeout").unwrap_or(default.timeout()))
            .build()
    }

    fn to_values(&self) -> Values {
        let servers: Vec<_> = self.name_servers().iter().map(ToString::to_string).collect();
        Values::new(&TABLE)
            .with("name_servers", Some(servers).filter(|servers| !servers.is_empty()))
            .with("families", Given::word(self.families().as_str()))
            .with("min_interval", self.min_interval())
            .with("max_interval", self.max_interval())
            .with("jitter", self.jitter())
            .with("timeout", self.timeout())
    }
}

plugin_core::serde_by_settings!(DnsConfig);
