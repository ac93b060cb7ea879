//! `logging`: what is logged, and how.

use std::collections::BTreeMap;
use std::fmt::Write;

use tracing::Level;

use plugin_core::settings::{Key, Kind, Table};
use plugin_settings::Keys;

/// go-plugins' documentation writes them in capitals too.
pub(super) const LEVELS: &[&str] =
    &["trace", "debug", "info", "warn", "error", "TRACE", "DEBUG", "INFO", "WARN", "ERROR"];

pub(super) static TABLE: Table = Table::new(
    "logging",
    "What is logged to standard error, and how.",
    &[
        Key::new("level", Kind::Word(LEVELS), "The least level that is logged; `log_level` is another name of it.")
            .default("info"),
        Key::new("format", Kind::Word(&["text", "json"]), "Lines for people, or one JSON object per line.")
            .default("text"),
        Key::new(
            "levels",
            Kind::WordMap(LEVELS),
            "Levels of single components, by the module that logs: `plugin_breaker`, `plugin_transports::process`, `hyper`.",
        ),
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
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LoggingConfig {
    level: Level,
    format: LogFormat,
    levels: BTreeMap<String, Level>,
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

    /// All of it as `tracing-subscriber`'s `EnvFilter` reads it: `info,plugin_breaker=debug`.
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
        Self { level: Level::INFO, format: LogFormat::Text, levels: BTreeMap::new() }
    }
}

/// The level of this name, in whatever case.
pub(super) fn level(name: &str) -> Option<Level> {
    name.parse().ok()
}

pub(super) fn read(keys: &mut Keys<'_, '_>) -> LoggingConfig {
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
        levels: levels(keys).unwrap_or_default(),
    }
}

fn levels(keys: &mut Keys<'_, '_>) -> Option<BTreeMap<String, Level>> {
    let named: Vec<_> = LEVELS.iter().filter_map(|name| Some((*name, level(name)?))).collect();
    let levels = keys.field("levels")?.entries(|component, field| {
        let is_module = !component.is_empty()
            && component.split("::").all(|part| {
                !part.is_empty() && part.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_' || b == b'-')
            });
        if !is_module {
            field.fault("the name of a component is a module path such as `plugin_transports::process`");
            return None;
        }
        field.enumeration(&named)
    })?;
    Some(levels.into_iter().collect())
}
