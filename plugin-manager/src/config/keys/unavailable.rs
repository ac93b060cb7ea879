//! Keys that are documented and whose feature this version does not have.

/// The keys of each table that are refused by name, rather than taken for a slip of the finger.
pub(in crate::config) const UNAVAILABLE: &[(&str, &[&str])] = &[
    ("config", &["discovery", "observability", "reload", "routes", "security"]),
    ("logging", &["caller", "compress", "file", "max_age", "max_backups", "max_size"]),
    ("server", &["client_rate_limit", "cors", "unix"]),
    ("admin", &["probes_listen", "tls"]),
    ("plugin", &["cache", "coalesce", "concurrency", "fallback", "ha", "hedge"]),
    ("load_balancer", &["outlier", "panic_threshold", "slow_start", "subset"]),
    ("rate_limit", &["key", "max_keys", "shared", "wait"]),
    ("circuit_breaker", &["key"]),
    ("resources", &["max_cpu_percent", "max_tasks"]),
];
