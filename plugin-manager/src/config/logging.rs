//! `logging`: what is logged, and how.

use std::collections::BTreeMap;
use std::fmt::Write;

use tracing::Level;

use plugin_core::Code;
use plugin_core::settings::{Key, Kind, Table};
use plugin_settings::Keys;

use crate::server::ClientAddress;

/// In any case; go-plugins' documentation writes them in capitals too.
pub(super) const LEVELS: &[&str] = &["trace", "debug", "info", "warn", "warning", "error"];

pub(super) static TABLE: Table = Table::new(
    "logging",
    "What is logged to standard error, and how.",
    &[
        Key::new("level", Kind::AnyCase(LEVELS), "The least level that is logged; `log_level` is another name of it.")
            .default("info"),
        Key::new("format", Kind::Word(&["text", "json"]), "Lines for people, or one JSON object per line.")
            .default("text"),
        Key::new(
            "levels",
            Kind::AnyCaseMap(LEVELS),
            "Levels of single components, by the module that logs: `plugin_breaker`, `plugin_transports::process`, `hyper`.",
        ),
        Key::new(
            "client_address",
            Kind::Word(&["full", "truncated", "none"]),
            "How much of a client's address the access log has: all of it, its network (24 bits of IPv4, 48 of IPv6), or nothing.",
        )
        .default("truncated"),
    ],
);

/// How lines are written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum LogFormat {
    /// For people.
    #[default]
    Text,
    /// One JSON object per line.
    Json,
}

/// What is logged, and how.
///
/// ```
/// use std::path::Path;
///
/// use plugin_manager::config::{self, LogFormat};
///
/// let text = "
/// plugins: [{name: billing, transport: http, endpoint: 'http://127.0.0.1:8001/'}]
/// logging: {level: warn, format: json}
/// ";
/// let config = config::from_text(Path::new("gateway.yaml"), text, None, &|_| None)?;
/// assert_eq!(config.logging().format(), LogFormat::Json);
/// assert!(config.logging().directives().contains("warn"));
/// # Ok::<(), plugin_settings::Faults>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LoggingConfig {
    level: Level,
    format: LogFormat,
    levels: BTreeMap<String, Level>,
    client_address: ClientAddress,
}

impl LoggingConfig {
    /// The least level that is logged.
    #[must_use]
    pub fn level(&self) -> Level {
        self.level
    }

    /// How lines are written.
    #[must_use]
    pub fn format(&self) -> LogFormat {
        self.format
    }

    /// Levels of single components, by module path.
    #[must_use]
    pub fn levels(&self) -> &BTreeMap<String, Level> {
        &self.levels
    }

    /// How much of a client's address the access log has.
    #[must_use]
    pub fn client_address(&self) -> ClientAddress {
        self.client_address
    }

    /// The levels as `tracing-subscriber`'s `EnvFilter` reads it: `info,plugin_breaker=debug`.
    #[must_use]
    pub fn directives(&self) -> String {
        let mut text = self.level.to_string().to_lowercase();
        for (component, level) in &self.levels {
            // Writing to a string cannot fail.
            let _ = write!(text, ",{component}={}", level.to_string().to_lowercase());
        }
        text
    }
}

impl Default for LoggingConfig {
    fn default() -> Self {
        let client_address = ClientAddress::default();
        Self { level: Level::INFO, format: LogFormat::Text, levels: BTreeMap::new(), client_address }
    }
}

/// The level of this name, in whatever case.
pub(super) fn level(name: &str) -> Option<Level> {
    if name.eq_ignore_ascii_case("warning") { Some(Level::WARN) } else { name.parse().ok() }
}

pub(super) fn read(keys: &mut Keys<'_>) -> LoggingConfig {
    let default = LoggingConfig::default();
    LoggingConfig {
        level: keys.word("level", level).unwrap_or(default.level),
        format: keys
            .word("format", |name| match name {
                "text" => Some(LogFormat::Text),
                "json" => Some(LogFormat::Json),
                _ => None,
            })
            .unwrap_or_default(),
        levels: levels(keys),
        client_address: keys
            .word("client_address", |name| match name {
                "full" => Some(ClientAddress::Full),
                "truncated" => Some(ClientAddress::Truncated),
                "none" => Some(ClientAddress::None),
                _ => None,
            })
            .unwrap_or_default(),
    }
}

fn levels(keys: &mut Keys<'_>) -> BTreeMap<String, Level> {
    let is_module = |component: &str| {
        let part =
            |part: &str| !part.is_empty() && part.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_' || b == b'-');
        component.split("::").all(part)
    };
    let mut found = BTreeMap::new();
    for (component, word) in keys.map("levels") {
        if is_module(&component) {
            found.extend(level(&word).map(|level| (component, level)));
        } else {
            let problem = "the name of a component is a module path such as `plugin_transports::process`";
            keys.fault(&format!("levels.{component}"), Code::ConfigSchema, problem);
        }
    }
    found
}
