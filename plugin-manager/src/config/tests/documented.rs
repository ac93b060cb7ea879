//! What the design documents is read, or refused by name; and the reference says which.

use plugin_settings::tables;

use super::super::settings::TABLE;
use super::super::unavailable::UNAVAILABLE;
use super::*;

/// Every key of the design, by the table that has it.
const DOCUMENTED: &[(&str, &str)] = &[
    (
        "config",
        "log_level logging metrics_port default_retry default_circuit_breaker default_health_check default_connection \
         default_rate_limit plugins discovery security observability server admin reload routes shutdown_timeout \
         lame_duck start state_dir default_resources",
    ),
    ("logging", "level format levels file max_size max_backups max_age compress caller stack client_address redact"),
    (
        "server",
        "listen unix tls auth max_body max_bodies max_json_depth max_connections header_timeout body_timeout \
         write_timeout idle_timeout allowed_hosts redirect_http error_detail access_log client_ip client_rate_limit cors \
         insecure",
    ),
    ("server.tls", "cert_file key_file client_ca_file min_version"),
    ("server.auth", "name method api_key token username password role plugins"),
    (
        "admin",
        "listen tls tokens allowed_hosts max_connections header_timeout idle_timeout write_timeout probes_listen",
    ),
    ("admin.token", "name token token_sha256 role"),
    (
        "plugin",
        "name required type transport endpoint instances executable args env env_allow work_dir mode max_line max_request \
         max_response max_noise \
         stderr version build_id labels annotations options priority enabled codec timeout auth retry hedge \
         circuit_breaker health_check connection rate_limit concurrency adaptive_throttle load_balancer \
         fallback cache coalesce resources \
         restart ha",
    ),
    ("instance", "name endpoint weight priority enabled zone concurrency"),
    ("auth", "method api_key token username password cert_file key_file ca_file min_version headers"),
    ("retry", "max_retries initial_interval max_interval multiplier random_jitter jitter budget on idempotent"),
    (
        "circuit_breaker",
        "enabled failure_threshold recovery_timeout min_request_threshold success_threshold failure_rate slow \
         half_open_max half_open_timeout backoff cancelled on key",
    ),
    ("health_check", "enabled interval timeout failure_limit endpoint success_limit jitter flap_window"),
    (
        "connection",
        "max_connections max_idle_connections idle_timeout connection_timeout request_timeout keep_alive \
         disable_compression",
    ),
    ("rate_limit", "enabled requests_per_second burst_size time_window key max_keys without_key plans wait shared"),
    ("rate_limit.shared", "redis"),
    ("concurrency", "enabled max queue max_wait order adaptive"),
    ("concurrency_per_key", "enabled key max max_keys without_key"),
    ("adaptive_throttle", "enabled multiplier window"),
    ("server.client_rate_limit", "enabled requests_per_second burst_size time_window max_keys shared"),
    ("client_ip", "trusted_proxies forwarded_by ipv4_prefix ipv6_prefix"),
    ("load_balancer", "strategy outlier slow_start panic_threshold subset failover"),
    ("load_balancer.outlier", "enabled consecutive_failures success_rate failure_rate interval max_ejected_percent"),
    ("resources", "max_memory_mb max_cpu_percent max_tasks max_file_handles"),
    ("restart", "initial max window max_in_window"),
];

#[test]
fn every_documented_key_is_read_or_refused_by_name_and_never_both() {
    let tables = tables(&TABLE);
    let later = |table: &str| UNAVAILABLE.iter().find(|(name, _)| *name == table).map_or(&[][..], |(_, keys)| *keys);
    for (table, keys) in DOCUMENTED {
        let declared = tables.get(table).unwrap_or_else(|| panic!("no table is called {table}"));
        for key in keys.split_whitespace() {
            let (read, refused) = (declared.key(key).is_some(), later(table).contains(&key));
            assert!(read != refused, "{table}.{key}: read {read}, refused by name {refused}");
        }
    }
    for (table, keys) in UNAVAILABLE {
        let documented = DOCUMENTED.iter().find(|(name, _)| name == table);
        let (_, documented) = documented.unwrap_or_else(|| panic!("{table} is not documented"));
        for key in *keys {
            assert!(documented.split_whitespace().any(|name| name == *key), "{table}.{key} is not documented");
        }
    }
}

#[test]
fn the_reference_in_docs_is_what_the_program_prints() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/configuration.md");
    let right = reference();
    if std::env::var_os("UPDATE_PAGES").is_some() {
        std::fs::write(path, &right).unwrap();
    }
    let page = std::fs::read_to_string(path).unwrap();
    assert!(page == right, "`UPDATE_PAGES=1 cargo test -p plugin-manager --lib` writes docs/configuration.md");
    for (name, table) in tables(&TABLE) {
        for key in table.keys() {
            assert!(right.contains(&format!("| `{}` |", key.name())), "{name}.{} is not in it", key.name());
        }
    }
    for line in right.lines().filter(|line| line.starts_with("| `")) {
        assert_eq!(line.replace("\\|", "").matches('|').count(), 5, "{line}");
    }
    assert!(right.contains("| `work_dir` | the directory of this file | path |"), "{right}");
    assert!(right.contains("At `default_retry`, `plugins[].retry`."), "{right}");
    assert!(right.contains("At `default_retry.budget`, `plugins[].retry.budget`."), "{right}");
}
