//! Every key that is accepted changes the settings: two documents that differ in it alone give different ones.

use std::collections::{BTreeMap, BTreeSet};

use plugin_core::settings::Table;

use super::super::settings::TABLE;
use super::*;

/// The table, the key, and the section with two values of it. A section that begins with `plugins:` is a whole document.
#[rustfmt::skip]
const EXAMPLES: &[(&str, &str, &str, &str)] = &[
    ("config", "log_level", "log_level: info", "log_level: debug"),
    ("config", "logging", "", "logging: {level: warn}"),
    ("config", "metrics_port", "", "metrics_port: 9191"),
    ("config", "default_retry", "", "default_retry: {max_retries: 7}"),
    ("config", "default_circuit_breaker", "", "default_circuit_breaker: {enabled: false}"),
    ("config", "default_health_check", "", "default_health_check: {interval: 1s}"),
    ("config", "default_connection", "", "default_connection: {max_connections: 3}"),
    ("config", "default_rate_limit", "", "default_rate_limit: {enabled: true}"),
    ("config", "plugins", "plugins: [{name: a, transport: inproc, type: x}]", "plugins: [{name: b, transport: inproc, type: x}]"),
    ("config", "server", "", "server: {max_body: 1KiB}"),
    ("config", "admin", "", "admin: {listen: '127.0.0.1:1'}"),
    ("config", "start", "", "start: {max_concurrent: 3}"),
    ("config", "lame_duck", "", "lame_duck: 5s"),
    ("config", "shutdown_timeout", "", "shutdown_timeout: 5s"),
    ("start", "max_concurrent", "", "max_concurrent: 2"),
    ("logging", "level", "level: info", "level: WARN"),
    ("logging", "format", "format: text", "format: json"),
    ("logging", "client_address", "client_address: full", "client_address: none"),
    ("logging", "levels", "", "levels: {'plugin_transports::process': debug}"),
    ("server", "listen", "", "listen: '127.0.0.1:8081'"),
    ("server", "unix", "", "unix: {path: /run/gateway.sock}"),
    ("server.unix", "path", "path: /run/a.sock", "path: /run/b.sock"),
    ("server.unix", "mode", "path: /run/a.sock", "path: /run/a.sock, mode: '0660'"),
    ("server.unix", "allowed_uids", "path: /run/a.sock", "path: /run/a.sock, allowed_uids: [33]"),
    ("server.unix", "allowed_gids", "path: /run/a.sock", "path: /run/a.sock, allowed_gids: [33]"),
    ("server", "tls", "", "tls: {cert_file: absent.pem, key_file: absent.pem}"),
    ("server", "auth", "", "auth: [{name: a, method: bearer, token: t}]"),
    ("server", "max_body", "max_body: 1MiB", "max_body: 2MiB"),
    ("server", "max_bodies", "max_bodies: 20MiB", "max_bodies: 30MiB"),
    ("server", "body_timeout", "body_timeout: 1s", "body_timeout: 2s"),
    ("server", "max_json_depth", "max_json_depth: 1", "max_json_depth: 2"),
    ("server", "max_connections", "max_connections: 1", "max_connections: 2"),
    ("server", "header_timeout", "header_timeout: 1s", "header_timeout: 2s"),
    ("server", "idle_timeout", "idle_timeout: 1s", "idle_timeout: 2s"),
    ("server", "write_timeout", "write_timeout: 1s", "write_timeout: 2s"),
    ("server", "allowed_hosts", "", "allowed_hosts: [plugins.example.com]"),
    ("server", "error_detail", "error_detail: message", "error_detail: full"),
    ("server", "access_log", "access_log: off", "access_log: errors"),
    ("server", "client_ip", "", "client_ip: {trusted_proxies: [10.0.0.1]}"),
    ("server", "client_rate_limit", "", "client_rate_limit: {}"),
    ("server", "insecure", "insecure: false", "insecure: true"),
    ("server.auth", "name", "name: a, method: bearer, token: t", "name: b, method: bearer, token: t"),
    ("server.auth", "method", "name: a, method: bearer, token: t", "name: a, method: basic, token: t"),
    ("server.auth", "api_key", "name: a, method: api-key", "name: a, method: api-key, api_key: k"),
    ("server.auth", "token", "name: a, method: bearer", "name: a, method: bearer, token: t"),
    ("server.auth", "username", "name: a, method: basic, password: p", "name: a, method: basic, username: u, password: p"),
    ("server.auth", "password", "name: a, method: basic, username: u", "name: a, method: basic, username: u, password: p"),
    ("admin", "listen", "", "listen: '127.0.0.1:9091'"),
    ("admin", "tokens", "", "tokens: [{name: a, token: t}]"),
    ("admin", "allowed_hosts", "", "allowed_hosts: [plugins.example.com]"),
    ("admin", "max_connections", "max_connections: 1", "max_connections: 2"),
    ("admin", "header_timeout", "header_timeout: 1s", "header_timeout: 2s"),
    ("admin", "idle_timeout", "idle_timeout: 1s", "idle_timeout: 2s"),
    ("admin", "write_timeout", "write_timeout: 1s", "write_timeout: 2s"),
    ("admin.token", "name", "name: a, token: t", "name: b, token: t"),
    ("admin.token", "token", "name: a", "name: a, token: t"),
    ("admin.token", "role", "name: a, token: t, role: read", "name: a, token: t, role: operate"),
    ("plugin", "name", "plugins: [{name: a, transport: inproc, type: x}]", "plugins: [{name: b, transport: inproc, type: x}]"),
    ("plugin", "type", "type: x", "type: y"),
    ("plugin", "transport", "plugins: [{name: a, type: x, transport: inproc}]", "plugins: [{name: a, type: x, transport: exec, executable: sh}]"),
    ("plugin", "endpoint", "plugins: [{name: a, transport: http, endpoint: 'http://127.0.0.1:1'}]", "plugins: [{name: a, transport: http, endpoint: 'http://127.0.0.1:2'}]"),
    ("plugin", "instances", "plugins: [{name: a, transport: http, instances: [{endpoint: 'http://h:1'}]}]", "plugins: [{name: a, transport: http, instances: [{endpoint: 'http://h:1'}, {endpoint: 'http://h:2'}]}]"),
    ("plugin", "executable", "plugins: [{name: a, transport: exec, executable: sh}]", "plugins: [{name: a, transport: exec, executable: /bin/cat}]"),
    ("plugin", "args", "plugins: [{name: a, transport: exec, executable: sh}]", "plugins: [{name: a, transport: exec, executable: sh, args: [-c]}]"),
    ("plugin", "env", "plugins: [{name: a, transport: exec, executable: sh, env: {K: v}}]", "plugins: [{name: a, transport: exec, executable: sh, env: ['L=w']}]"),
    ("plugin", "env_allow", "plugins: [{name: a, transport: exec, executable: sh}]", "plugins: [{name: a, transport: exec, executable: sh, env_allow: [HOME]}]"),
    ("plugin", "work_dir", "plugins: [{name: a, transport: exec, executable: sh}]", "plugins: [{name: a, transport: exec, executable: sh, work_dir: /}]"),
    ("plugin", "mode", "plugins: [{name: a, transport: exec, executable: sh, mode: lines}]", "plugins: [{name: a, transport: exec, executable: sh, mode: oneshot}]"),
    ("plugin", "max_line", "plugins: [{name: a, transport: exec, executable: sh}]", "plugins: [{name: a, transport: exec, executable: sh, max_line: 1KiB}]"),
    ("plugin", "max_line", "plugins: [{name: a, transport: unix, endpoint: /p}]", "plugins: [{name: a, transport: unix, endpoint: /p, max_line: 8MiB}]"),
    ("plugin", "max_request", "plugins: [{name: a, transport: http, endpoint: 'http://h:1'}]", "plugins: [{name: a, transport: http, endpoint: 'http://h:1', max_request: 20MiB}]"),
    ("plugin", "max_request", "plugins: [{name: a, transport: unix-grpc, endpoint: /p}]", "plugins: [{name: a, transport: unix-grpc, endpoint: /p, max_request: 20MiB}]"),
    ("plugin", "max_response", "plugins: [{name: a, transport: unix-h2, endpoint: /p}]", "plugins: [{name: a, transport: unix-h2, endpoint: /p, max_response: 20MiB}]"),
    ("plugin", "max_response", "plugins: [{name: a, transport: grpc, endpoint: 'h:1'}]", "plugins: [{name: a, transport: grpc, endpoint: 'h:1', max_response: 20MiB}]"),
    ("plugin", "max_noise", "plugins: [{name: a, transport: exec, executable: sh}]", "plugins: [{name: a, transport: exec, executable: sh, max_noise: 3}]"),
    ("plugin", "resources", "plugins: [{name: a, transport: exec, executable: sh}]", "plugins: [{name: a, transport: exec, executable: sh, resources: {max_memory_mb: 64}}]"),
    ("plugin", "stderr", "plugins: [{name: a, transport: exec, executable: sh}]", "plugins: [{name: a, transport: exec, executable: sh, stderr: {lines_per_second: 1}}]"),
    ("plugin", "restart", "plugins: [{name: a, transport: exec, executable: sh}]", "plugins: [{name: a, transport: exec, executable: sh, restart: {max_in_window: 1}}]"),
    ("plugin", "version", "version: 1.2.3", "version: 1.2.4"),
    ("plugin", "labels", "labels: {team: a}", "labels: {team: b}"),
    ("plugin", "annotations", "annotations: {docs: a}", "annotations: {docs: b}"),
    ("plugin", "options", "plugins: [{name: a, transport: inproc, type: x}]", "plugins: [{name: a, transport: inproc, type: x, options: {n: 1}}]"),
    ("plugin", "priority", "priority: 1", "priority: 2"),
    ("plugin", "enabled", "enabled: true", "enabled: false"),
    ("plugin", "required", "plugins: [{name: a, transport: exec, executable: sh}]", "plugins: [{name: a, transport: exec, executable: sh, required: true}]"),
    ("plugin", "codec", "codec: json", "codec: msgpack"),
    ("plugin", "timeout", "timeout: 1s", "timeout: 2s"),
    ("plugin", "auth", "", "auth: {method: bearer, token: t}"),
    ("plugin", "retry", "", "retry: {max_retries: 0}"),
    ("plugin", "circuit_breaker", "", "circuit_breaker: {enabled: false}"),
    ("plugin", "health_check", "", "health_check: {enabled: false}"),
    ("plugin", "connection", "", "connection: {request_timeout: 1s}"),
    ("plugin", "rate_limit", "", "rate_limit: {enabled: true}"),
    ("plugin", "concurrency", "", "concurrency: {max: 3}"),
    ("plugin", "concurrency_per_key", "", "concurrency_per_key: {key: ip}"),
    ("plugin", "adaptive_throttle", "", "adaptive_throttle: {}"),
    ("plugin", "load_balancer", "", "load_balancer: {strategy: random}"),
    ("instance", "name", "endpoint: 'http://h:1', name: a", "endpoint: 'http://h:1', name: b"),
    ("instance", "endpoint", "endpoint: 'http://h:1'", "endpoint: 'http://h:2'"),
    ("instance", "weight", "endpoint: 'http://h:1'", "endpoint: 'http://h:1', weight: 2"),
    ("instance", "priority", "endpoint: 'http://h:1'", "endpoint: 'http://h:1', priority: -2"),
    ("instance", "enabled", "endpoint: 'http://h:1'", "endpoint: 'http://h:1', enabled: false"),
    ("instance", "zone", "endpoint: 'http://h:1'", "endpoint: 'http://h:1', zone: b"),
    ("instance", "concurrency", "endpoint: 'http://h:1'", "endpoint: 'http://h:1', concurrency: {max: 3}"),
    ("auth", "method", "method: none", "method: custom"),
    ("auth", "api_key", "method: api-key", "method: api-key, api_key: k"),
    ("auth", "token", "method: bearer", "method: bearer, token: t"),
    ("auth", "username", "method: basic, password: p", "method: basic, password: p, username: u"),
    ("auth", "password", "method: basic, username: u", "method: basic, username: u, password: p"),
    ("auth", "cert_file", "", "cert_file: a.pem"),
    ("auth", "key_file", "", "key_file: a.pem"),
    ("auth", "ca_file", "", "ca_file: a.pem"),
    // More of it is in `checks`: without TLS it is a fault.
    ("auth", "min_version", "min_version: '1.2'", "min_version: '1.3'"),
    ("auth", "headers", "", "headers: {x-tenant: t}"),
    ("retry", "max_retries", "max_retries: 1", "max_retries: 2"),
    ("retry", "initial_interval", "initial_interval: 10ms", "initial_interval: 20ms"),
    ("retry", "max_interval", "max_interval: 10s", "max_interval: 20s"),
    ("retry", "multiplier", "multiplier: 1", "multiplier: 1.5"),
    ("retry", "random_jitter", "random_jitter: true", "random_jitter: false"),
    ("retry", "jitter", "jitter: full", "jitter: decorrelated"),
    ("retry", "budget", "", "budget: {ratio: 0.5}"),
    ("retry", "on", "", "on: ['503', PLUGIN_1205]"),
    ("retry", "idempotent", "", "idempotent: true"),
    ("retry", "enabled", "enabled: true", "enabled: false"),
    ("retry", "throttle", "", "throttle: {max_tokens: 5}"),
    ("retry", "unsent", "", "unsent: true"),
    ("retry", "max_retry_after", "", "max_retry_after: 1m"),
    ("retry", "max_body", "", "max_body: 1KiB"),
    ("retry.budget", "enabled", "enabled: true", "enabled: false"),
    ("retry.budget", "window", "window: 20s", "window: 30s"),
    ("retry.throttle", "max_tokens", "max_tokens: 5", "max_tokens: 6"),
    ("retry.throttle", "token_ratio", "token_ratio: 0.5", "token_ratio: 0.25"),
    ("retry.budget", "ratio", "ratio: 0.1", "ratio: 0.3"),
    ("retry.budget", "min_per_second", "min_per_second: 1", "min_per_second: 2"),
    ("circuit_breaker", "enabled", "enabled: true", "enabled: false"),
    ("circuit_breaker", "failure_threshold", "failure_threshold: 1", "failure_threshold: 2"),
    ("circuit_breaker", "recovery_timeout", "recovery_timeout: 1s", "recovery_timeout: 2s"),
    ("circuit_breaker", "min_request_threshold", "min_request_threshold: 1", "min_request_threshold: 2"),
    ("circuit_breaker", "success_threshold", "success_threshold: 1", "success_threshold: 3"),
    ("circuit_breaker", "failure_rate", "", "failure_rate: {ratio: 0.5}"),
    ("circuit_breaker", "slow", "", "slow: {over: 1s, ratio: 0.5}"),
    ("circuit_breaker", "half_open_max", "", "half_open_max: 5"),
    ("circuit_breaker", "half_open_timeout", "", "half_open_timeout: 5s"),
    ("circuit_breaker", "backoff", "", "backoff: {multiplier: 2, max: 5m}"),
    ("circuit_breaker", "max_push_back", "", "max_push_back: 1m"),
    ("circuit_breaker", "cancelled", "cancelled: ignore", "cancelled: failure"),
    ("circuit_breaker", "on", "", "on: [TRANSPORT, PLUGIN_1205]"),
    ("circuit_breaker.failure_rate", "ratio", "ratio: 0.1", "ratio: 0.2"),
    ("circuit_breaker.failure_rate", "window", "ratio: 0.1, window: 50", "ratio: 0.1, window: 30s"),
    ("circuit_breaker.failure_rate", "min_calls", "ratio: 0.1", "ratio: 0.1, min_calls: 20"),
    ("circuit_breaker.slow", "over", "over: 1s, ratio: 0.1", "over: 2s, ratio: 0.1"),
    ("circuit_breaker.slow", "ratio", "over: 1s, ratio: 0.1", "over: 1s, ratio: 0.2"),
    ("circuit_breaker.slow", "window", "over: 1s, ratio: 0.1, window: 50", "over: 1s, ratio: 0.1, window: 30s"),
    ("circuit_breaker.slow", "min_calls", "over: 1s, ratio: 0.1", "over: 1s, ratio: 0.1, min_calls: 3"),
    ("circuit_breaker.backoff", "jitter", "multiplier: 2, max: 5m", "multiplier: 2, max: 5m, jitter: 0.5"),
    ("circuit_breaker.backoff", "multiplier", "multiplier: 2, max: 5m", "multiplier: 3, max: 5m"),
    ("circuit_breaker.backoff", "max", "multiplier: 2, max: 5m", "multiplier: 2, max: 6m"),
    ("health_check", "enabled", "enabled: true", "enabled: false"),
    ("health_check", "interval", "interval: 1s", "interval: 2s"),
    ("health_check", "timeout", "timeout: 1s", "timeout: 2s"),
    ("health_check", "failure_limit", "failure_limit: 1", "failure_limit: 2"),
    ("health_check", "success_limit", "success_limit: 1", "success_limit: 2"),
    ("health_check", "jitter", "jitter: 0", "jitter: 0.5"),
    ("health_check", "flap_window", "", "flap_window: 10m"),
    ("health_check", "endpoint", "", "endpoint: /ready"),
    ("connection", "max_connections", "max_connections: 1", "max_connections: 2"),
    ("connection", "max_idle_connections", "max_idle_connections: 1", "max_idle_connections: 2"),
    ("connection", "idle_timeout", "idle_timeout: 1s", "idle_timeout: 2s"),
    ("connection", "connection_timeout", "connection_timeout: 1s", "connection_timeout: 2s"),
    ("connection", "request_timeout", "request_timeout: 1s", "request_timeout: 2s"),
    ("connection", "keep_alive", "keep_alive: true", "keep_alive: false"),
    ("connection", "disable_compression", "disable_compression: true", "disable_compression: false"),
    ("rate_limit", "enabled", "enabled: true", "enabled: false"),
    ("rate_limit", "requests_per_second", "enabled: true, requests_per_second: 1", "enabled: true, requests_per_second: 1.5"),
    ("rate_limit", "burst_size", "enabled: true, burst_size: 1", "enabled: true, burst_size: 2"),
    ("rate_limit", "time_window", "enabled: true, time_window: 1s", "enabled: true, time_window: 1m"),
    ("rate_limit", "key", "key: 'header:x-plugin-a'", "key: ip"),
    ("rate_limit", "max_keys", "key: ip, max_keys: 5", "key: ip, max_keys: 6"),
    ("rate_limit", "without_key", "key: ip, without_key: refuse", "key: ip, without_key: pass"),
    ("rate_limit", "plans", "key: ip", "key: ip, plans: [{for: [10.0.0.1]}]"),
    ("rate_limit.plan", "for", "for: [10.0.0.1]", "for: [10.0.0.2]"),
    ("rate_limit.plan", "requests_per_second", "for: [10.0.0.1], requests_per_second: 1", "for: [10.0.0.1], requests_per_second: 2"),
    ("rate_limit.plan", "burst_size", "for: [10.0.0.1], burst_size: 1", "for: [10.0.0.1], burst_size: 2"),
    ("rate_limit.plan", "time_window", "for: [10.0.0.1], time_window: 1s", "for: [10.0.0.1], time_window: 1m"),
    ("rate_limit", "wait", "wait: 1s", "wait: 2s"),
    ("rate_limit", "shared", "burst_size: 20", "burst_size: 20, shared: {redis: {url: 'redis://h'}}"),
    ("rate_limit.shared", "redis", "redis: {url: 'redis://h'}", "redis: {url: 'redis://i'}"),
    ("rate_limit.shared.redis", "prefix", "url: 'redis://h', prefix: a", "url: 'redis://h', prefix: b"),
    ("rate_limit.shared.redis", "timeout", "url: 'redis://h', timeout: 1ms", "url: 'redis://h', timeout: 2ms"),
    ("rate_limit.shared.redis", "connect_timeout", "url: 'redis://h', connect_timeout: 2s", "url: 'redis://h', connect_timeout: 3s"),
    ("rate_limit.shared.redis", "heartbeat", "url: 'redis://h', heartbeat: 3s", "url: 'redis://h', heartbeat: 4s"),
    ("rate_limit.shared.redis", "recover_after", "url: 'redis://h', recover_after: 2s", "url: 'redis://h', recover_after: 3s"),
    ("rate_limit.shared.redis", "expected_replicas", "url: 'redis://h', expected_replicas: 2", "url: 'redis://h', expected_replicas: 3"),
    ("rate_limit.shared.redis", "batch", "url: 'redis://h', batch: 2", "url: 'redis://h', batch: 3"),
    ("rate_limit.shared.redis", "max_keys", "url: 'redis://h', max_keys: 2", "url: 'redis://h', max_keys: 3"),
    ("rate_limit.shared.redis", "url", "url: 'redis://h'", "url: 'redis://i'"),
    ("concurrency", "enabled", "enabled: true", "enabled: false"),
    ("concurrency", "max", "max: 5", "max: 6"),
    ("concurrency", "queue", "queue: 5", "queue: 6"),
    ("concurrency", "max_wait", "max_wait: 1s", "max_wait: 2s"),
    ("concurrency", "order", "order: fifo", "order: lifo"),
    ("concurrency", "target", "order: codel, target: 6ms", "order: codel, target: 7ms"),
    ("concurrency", "interval", "order: codel, interval: 200ms", "order: codel, interval: 300ms"),
    ("concurrency", "adaptive", "adaptive: aimd", "adaptive: vegas"),
    ("concurrency", "min", "adaptive: aimd, min: 2", "adaptive: aimd, min: 3"),
    ("concurrency", "initial", "adaptive: aimd, initial: 2", "adaptive: aimd, initial: 3"),
    ("concurrency_per_key", "enabled", "key: ip, enabled: true", "key: ip, enabled: false"),
    ("concurrency_per_key", "key", "key: ip", "key: 'header:x-plugin-a'"),
    ("concurrency_per_key", "max", "key: ip, max: 2", "key: ip, max: 3"),
    ("concurrency_per_key", "max_keys", "key: ip, max_keys: 2", "key: ip, max_keys: 3"),
    ("concurrency_per_key", "without_key", "key: ip, without_key: refuse", "key: ip, without_key: pass"),
    ("adaptive_throttle", "enabled", "enabled: true", "enabled: false"),
    ("adaptive_throttle", "multiplier", "multiplier: 2", "multiplier: 3"),
    ("adaptive_throttle", "window", "window: 10s", "window: 20s"),
    ("server.client_rate_limit", "enabled", "enabled: true", "enabled: false"),
    ("server.client_rate_limit", "requests_per_second", "requests_per_second: 1", "requests_per_second: 2"),
    ("server.client_rate_limit", "burst_size", "burst_size: 1", "burst_size: 2"),
    ("server.client_rate_limit", "time_window", "time_window: 1s", "time_window: 1m"),
    ("server.client_rate_limit", "max_keys", "max_keys: 5", "max_keys: 6"),
    ("server.client_rate_limit", "plans", "plugins: [{name: a, transport: http, endpoint: 'http://h'}]\nserver: {auth: [{name: b, method: bearer, token: t}], client_rate_limit: {burst_size: 3}}", "plugins: [{name: a, transport: http, endpoint: 'http://h'}]\nserver: {auth: [{name: b, method: bearer, token: t}], client_rate_limit: {burst_size: 3, plans: [{for: [b]}]}}"),
    ("server.client_rate_limit", "shared", "burst_size: 20", "burst_size: 20, shared: {redis: {url: 'redis://h'}}"),
    ("client_ip", "trusted_proxies", "trusted_proxies: [10.0.0.1]", "trusted_proxies: [10.0.0.2]"),
    ("client_ip", "forwarded_by", "forwarded_by: x-forwarded-for", "forwarded_by: forwarded"),
    ("client_ip", "ipv4_prefix", "ipv4_prefix: 32", "ipv4_prefix: 24"),
    ("client_ip", "ipv6_prefix", "ipv6_prefix: 64", "ipv6_prefix: 48"),
    ("load_balancer", "strategy", "strategy: random", "strategy: 2"),
    ("load_balancer", "pick_timeout", "pick_timeout: 1s", "pick_timeout: 2s"),
    ("load_balancer", "outlier", "strategy: random", "strategy: random, outlier: {}"),
    ("load_balancer", "max_load", "strategy: maglev", "strategy: maglev, max_load: 1.25"),
    (
        "load_balancer",
        "reported_weights",
        "strategy: reported-weights",
        "strategy: reported-weights, reported_weights: {blackout_period: 3s}",
    ),
    ("reported_weights", "blackout_period", "blackout_period: 1s", "blackout_period: 2s"),
    ("reported_weights", "weight_expiration_period", "weight_expiration_period: 1m", "weight_expiration_period: 2m"),
    ("reported_weights", "weight_update_period", "weight_update_period: 1s", "weight_update_period: 2s"),
    ("reported_weights", "error_utilization_penalty", "error_utilization_penalty: 1", "error_utilization_penalty: 2"),
    ("load_balancer.outlier", "enabled", "enabled: true", "enabled: false"),
    ("load_balancer.outlier", "consecutive_failures", "consecutive_failures: 3", "consecutive_failures: 0"),
    ("load_balancer.outlier", "consecutive_unreached", "consecutive_unreached: 0", "consecutive_unreached: 2"),
    ("load_balancer.outlier", "success_rate", "interval: 10s", "success_rate: {}"),
    ("load_balancer.outlier", "failure_rate", "interval: 10s", "failure_rate: {}"),
    ("load_balancer.outlier", "interval", "interval: 10s", "interval: 20s"),
    ("load_balancer.outlier", "ejection_time", "ejection_time: 10s", "ejection_time: 20s"),
    ("load_balancer.outlier", "max_ejection_time", "max_ejection_time: 60s", "max_ejection_time: 70s"),
    ("load_balancer.outlier", "max_ejected_percent", "max_ejected_percent: 10", "max_ejected_percent: 20"),
    ("outlier.success_rate", "deviations", "deviations: 1", "deviations: 2"),
    ("outlier.success_rate", "min_instances", "min_instances: 1", "min_instances: 2"),
    ("outlier.success_rate", "min_calls", "min_calls: 1", "min_calls: 2"),
    ("outlier.failure_rate", "over", "over: 0.5", "over: 0.6"),
    ("outlier.failure_rate", "min_instances", "min_instances: 1", "min_instances: 2"),
    ("outlier.failure_rate", "min_calls", "min_calls: 1", "min_calls: 2"),
    ("load_balancer", "failover", "failover: true", "failover: false"),
    ("load_balancer", "panic_threshold", "panic_threshold: 0.5", "panic_threshold: 0.6"),
    ("load_balancer", "slow_start", "slow_start: 10s", "slow_start: 20s"),
    ("load_balancer", "subset", "subset: 3", "subset: 4"),
    ("load_balancer", "zone", "zone: north", "zone: south"),
    ("load_balancer", "overprovisioning", "overprovisioning: 1.4", "overprovisioning: 2.0"),
    ("resources", "max_memory_mb", "", "max_memory_mb: 64"),
    ("resources", "max_file_handles", "", "max_file_handles: 64"),
    ("stderr", "lines_per_second", "", "lines_per_second: 7"),
    ("stderr", "max_line", "", "max_line: 1KiB"),
    ("restart", "initial", "initial: 1s", "initial: 2s"),
    ("restart", "max", "max: 40s", "max: 50s"),
    ("restart", "window", "window: 40s", "window: 50s"),
    ("restart", "max_in_window", "max_in_window: 1", "max_in_window: 2"),
];

/// A document in which `section` stands in the table of this name.
pub(super) fn document(table: &str, section: &str) -> String {
    let http = "name: a, transport: http, endpoint: 'http://127.0.0.1:1/'";
    let exec = "name: a, transport: exec, executable: sh";
    match table {
        "server.auth" => format!("{{plugins: [{{{http}}}], server: {{auth: [{{{section}}}]}}}}"),
        _ if section.starts_with("plugins:") => section.to_owned(),
        "config" => format!("{{plugins: [{{{http}}}], {section}}}"),
        "logging" | "server" | "admin" | "start" => format!("{{plugins: [{{{http}}}], {table}: {{{section}}}}}"),
        "server.unix" => format!("{{plugins: [{{{http}}}], server: {{unix: {{{section}}}}}}}"),
        "client_ip" => format!("{{plugins: [{{{http}}}], server: {{client_ip: {{{section}}}}}}}"),
        "server.client_rate_limit" => {
            format!("{{plugins: [{{{http}}}], server: {{client_rate_limit: {{{section}}}}}}}")
        }
        "load_balancer.outlier" => format!("plugins: [{{{http}, load_balancer: {{outlier: {{{section}}}}}}}]"),
        "reported_weights" => {
            let balancer = format!("{{strategy: reported-weights, reported_weights: {{{section}}}}}");
            format!("plugins: [{{{http}, load_balancer: {balancer}}}]")
        }
        "outlier.success_rate" | "outlier.failure_rate" => {
            let rate = table.trim_start_matches("outlier.");
            format!("plugins: [{{{http}, load_balancer: {{outlier: {{{rate}: {{{section}}}}}}}}}]")
        }
        "rate_limit.plan" => {
            format!("plugins: [{{{http}, rate_limit: {{key: ip, plans: [{{{section}}}]}}}}]")
        }
        "rate_limit.shared.redis" => {
            format!("plugins: [{{{http}, rate_limit: {{shared: {{redis: {{{section}}}}}}}}}]")
        }
        "server.tls" => format!("{{plugins: [{{{http}}}], server: {{tls: {{{section}}}}}}}"),
        "admin.token" => format!("{{plugins: [{{{http}}}], admin: {{tokens: [{{{section}}}]}}}}"),
        "plugin" => format!("plugins: [{{{http}, {section}}}]"),
        "instance" => format!("plugins: [{{name: a, transport: http, instances: [{{{section}}}]}}]"),
        "resources" | "restart" | "stderr" => format!("plugins: [{{{exec}, {table}: {{{section}}}}}]"),
        _ => match table.split_once('.') {
            Some((outer, inner)) => format!("plugins: [{{{http}, {outer}: {{{inner}: {{{section}}}}}}}]"),
            None => format!("plugins: [{{{http}, {table}: {{{section}}}}}]"),
        },
    }
}

pub(super) fn tables() -> BTreeMap<&'static str, &'static Table> {
    document::tables(&TABLE)
}

fn outcome(text: &str) -> String {
    try_read(text).map_or_else(|faults| faults.to_string(), |config| all_of(&config))
}

#[test]
fn every_key_changes_the_settings() {
    for (table, key, one, other) in EXAMPLES {
        let (one, other) = (document(table, one), document(table, other));
        assert_ne!(outcome(&one), outcome(&other), "{table}: `{key}` has no effect\n{one}\n{other}");
        for text in [one, other] {
            let found = outcome(&text);
            assert!(!found.contains("unknown key") && !found.contains("` is not available"), "{text}\n{found}");
        }
    }
}

#[test]
fn every_key_of_every_table_has_an_example() {
    let shown: BTreeSet<_> = EXAMPLES.iter().map(|(table, key, _, _)| (*table, *key)).collect();
    let declared = tables().into_values().flat_map(|table| table.keys().map(|key| (table.name(), key.name())));
    // The keys of `server.tls` name files, and have tests of their own.
    let declared: BTreeSet<_> = declared.filter(|(table, _)| *table != "server.tls").collect();
    assert_eq!(declared.difference(&shown).collect::<Vec<_>>(), [&("", ""); 0]);
    assert_eq!(shown.difference(&declared).collect::<Vec<_>>(), [&("", ""); 0]);
}
