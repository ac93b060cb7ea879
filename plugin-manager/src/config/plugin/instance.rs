//! One of the places where a plugin is reached.

use plugin_transports::http::HttpConfig;

/// One of the places where a plugin is reached over HTTP.
#[derive(Clone, Debug)]
pub struct InstanceConfig {
    pub(super) name: String,
    pub(super) weight: u32,
    pub(super) priority: i32,
    pub(super) enabled: bool,
    pub(super) zone: Option<String>,
    pub(super) http: HttpConfig,
}

impl InstanceConfig {
    /// Its name, unique within the plugin.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Its share of the calls, for the weighted strategies.
    #[must_use]
    pub fn weight(&self) -> u32 {
        self.weight
    }

    /// Its priority; larger is higher.
    #[must_use]
    pub fn priority(&self) -> i32 {
        self.priority
    }

    /// Whether it takes calls from the start.
    #[must_use]
    pub fn enabled(&self) -> bool {
        self.enabled
    }

    /// Where it runs.
    #[must_use]
    pub fn zone(&self) -> Option<&str> {
        self.zone.as_deref()
    }

    /// How it is reached.
    #[must_use]
    pub fn http(&self) -> &HttpConfig {
        &self.http
    }
}
