//! The variables by which host and plugin recognise each other.

pub(crate) const COOKIE: &str = "AGILIRA_PLUGIN_MAGIC_COOKIE";
pub(crate) const COOKIE_VALUE: &str = "agilira-go-plugins-v1";
pub(crate) const PROTOCOL: &str = "PLUGIN_PROTOCOL_VERSION";
pub(crate) const PROTOCOL_VERSION: &str = "1";
pub(crate) const TYPE: &str = "PLUGIN_TYPE";
pub(crate) const NAME: &str = "PLUGIN_NAME";
pub(crate) const VERSION: &str = "PLUGIN_VERSION";
pub(crate) const OPTIONS: &str = "PLUGIN_OPTIONS";
