//! Keys that are documented and whose feature this version does not have.

use plugin_settings::Unavailable;

/// The keys of each table that are refused by name, rather than taken for a slip of the finger.
pub(super) const UNAVAILABLE: Unavailable = &[
    ("config", &["default_resources", "discovery", "observability", "reload", "routes", "security", "state_dir"]),
    ("logging", &["caller", "compress", "file", "max_age", "max_backups", "max_size", "redact", "stack"]),
    ("server", &["cors", "redirect_http"]),
    ("server.auth", &["plugins", "role"]),
    ("admin", &["probes_listen", "tls"]),
    ("admin.token", &["token_sha256"]),
    ("plugin", &["build_id", "cache", "coalesce", "fallback", "ha", "hedge"]),
    ("circuit_breaker", &["key"]),
    ("resources", &["max_cpu_percent", "max_tasks"]),
];
