//! The keys that configuration files have for the address of a client.

use plugin_core::{
    ConfigError,
    settings::{Given, Key, Kind, Settings, Table, Values},
};

use super::{ClientIpConfig, ForwardedBy};

static TABLE: Table = Table::new(
    "client_ip",
    "How the address of a client is found, and what part of it counts.",
    &[
        Key::new(
            "trusted_proxies",
            Kind::Texts,
            "Addresses and ranges, such as `10.0.0.0/8`, of proxies whose header is believed; without any no header is read.",
        ),
        Key::new(
            "forwarded_by",
            Kind::Word(ForwardedBy::WORDS),
            "The header that they write: `X-Forwarded-For`, or `Forwarded` of RFC 7239.",
        )
        .default("x-forwarded-for"),
        Key::new("ipv4_prefix", Kind::integer(1, 32), "Bits of an address of IPv4 that count as one client.")
            .default("32"),
        Key::new("ipv6_prefix", Kind::integer(1, 128), "Bits of an address of IPv6 that count as one client.")
            .default("64"),
    ],
);

impl ForwardedBy {
    const WORDS: &'static [&'static str] = &["x-forwarded-for", "forwarded"];

    const fn as_word(self) -> &'static str {
        match self {
            Self::XForwardedFor => "x-forwarded-for",
            Self::Forwarded => "forwarded",
        }
    }

    fn from_word(word: &str) -> Option<Self> {
        [Self::XForwardedFor, Self::Forwarded].into_iter().find(|header| header.as_word() == word)
    }
}

impl Settings for ClientIpConfig {
    const TABLE: &'static Table = &TABLE;

    fn from_values(values: &Values) -> Result<Self, ConfigError> {
        let default = Self::default();
        let header = values.word("forwarded_by").and_then(ForwardedBy::from_word).unwrap_or_default();
        Self::builder()
            .with_trusted_proxies(values.texts("trusted_proxies").unwrap_or_default())
            .with_forwarded_by(header)
            .with_ipv4_prefix(values.integer("ipv4_prefix").unwrap_or(default.ipv4_prefix()))
            .with_ipv6_prefix(values.integer("ipv6_prefix").unwrap_or(default.ipv6_prefix()))
            .build()
    }

    fn to_values(&self) -> Values {
        let proxies: Vec<String> = self.trusted_proxies().iter().map(ToString::to_string).collect();
        Values::new(&TABLE)
            .with("trusted_proxies", proxies)
            .with("forwarded_by", Given::word(self.forwarded_by().as_word()))
            .with("ipv4_prefix", u32::from(self.ipv4_prefix()))
            .with("ipv6_prefix", u32::from(self.ipv6_prefix()))
    }
}

plugin_core::serde_by_settings!(ClientIpConfig);
