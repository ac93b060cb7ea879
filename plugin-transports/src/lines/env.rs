//! Environment variables of the protocol that both sides read or write.

pub(crate) const COOKIE: &str = "AGILIRA_PLUGIN_MAGIC_COOKIE";
pub(crate) const COOKIE_VALUE: &str = "agilira-go-plugins-v1";
pub(crate) const NAME: &str = "PLUGIN_NAME";
pub(crate) const VERSION: &str = "PLUGIN_VERSION";
pub(crate) const OPTIONS: &str = "PLUGIN_OPTIONS";
