//! Files of go-plugins load unchanged.

use std::path::Path;

use tracing::Level;

use super::*;
use crate::config::show;

#[test]
fn a_file_as_go_marshals_it_loads_unchanged() {
    let text = r#"{
        "log_level": "WARNING", "metrics_port": 9090,
        "default_retry": {"max_retries": 0, "initial_interval": 0, "max_interval": 0, "multiplier": 0, "random_jitter": false},
        "discovery": {"enabled": false, "directories": null, "patterns": [], "watch_mode": false},
        "security": {"enabled": false, "policy": "strict", "whitelist_file": "${ABSENT}", "audit": {"enabled": false}},
        "observability": {"metrics": {"enabled": false}, "tracing": {"enabled": false, "sample_rate": 0}},
        "plugins": [{
            "name": "echo", "type": "", "transport": "exec", "endpoint": "sh", "executable": "sh",
            "args": ["-c", 5, true], "env": {"PORT": 8080, "DEBUG": true}, "labels": {"env": "prod", "rev": 1.10},
            "auth": {"method": "none", "api_key": "", "token": "", "headers": null}, "instances": null,
            "connection": {"request_timeout": 5000000000, "keep_alive": true, "max_connections": 10}
        }]
    }"#;
    let config = config(text);
    let plugin = &config.plugins()[0];
    assert_eq!(config.logging().level(), Level::WARN);
    assert_eq!(plugin.retry().max_retries(), 3, "a section that was never set counts as absent");
    assert_eq!(plugin.labels()["env"], "prod");
    assert_eq!(plugin.labels()["rev"], "1.10");
    assert_eq!(plugin.attempt_timeout().as_secs(), 5);
    let shown = format!("{:?}", plugin.transport());
    assert!(shown.contains(r#"args: ["-c", "5", "true"]"#) && shown.contains(r#"["DEBUG", "PORT"]"#), "{shown}");
}

const UNSET: &str = r#"{"enabled": false, "requests_per_second": 0, "burst_size": 0, "time_window": 0}"#;

/// Each clause of what go-plugins takes, as a file of its own. What is said of it holds of the plugin `a`.
#[test]
fn each_thing_that_go_plugins_takes_is_taken() {
    type Holds = fn(&Config) -> bool;
    let a = |transport: &str, rest: &str| {
        format!(r#"{{"plugins": [{{"name": "a", "transport": "{transport}", {rest}}}]}}"#)
    };
    let exec = |rest: &str| a("exec", &format!(r#""executable": "sh", {rest}"#));
    let http = |rest: &str| a("http", &format!(r#""endpoint": "http://127.0.0.1:1/", {rest}"#));
    let top =
        |rest: &str| format!(r#"{{{rest}, "plugins": [{{"name": "a", "transport": "exec", "executable": "sh"}}]}}"#);
    fn plugin(config: &Config) -> &PluginConfig {
        &config.plugins()[0]
    }
    let zeros = r#""retry": {"max_retries": 0, "initial_interval": 0, "max_interval": 0, "multiplier": 0, "random_jitter": false},
        "circuit_breaker": {"enabled": false, "failure_threshold": 0, "recovery_timeout": 0, "min_request_threshold": 0,
            "success_threshold": 0},
        "health_check": {"enabled": false, "interval": 0, "timeout": 0, "failure_limit": 0, "endpoint": ""},
        "connection": {"max_connections": 0, "max_idle_connections": 0, "idle_timeout": 0, "connection_timeout": 0,
            "request_timeout": 0, "keep_alive": false, "disable_compression": false},
        "auth": {"method": "", "api_key": "", "token": "", "username": "", "password": "", "cert_file": "", "key_file": "",
            "ca_file": "", "headers": null},
        "labels": null, "annotations": null, "options": null, "args": null, "env": null, "work_dir": "", "version": """#;
    let defaults: String = ["retry", "circuit_breaker", "health_check", "connection"]
        .map(|key| {
            let (_, rest) = zeros.split_once(&format!("\"{key}\": ")).unwrap();
            format!("\"default_{key}\": {}}}", rest.split_once('}').unwrap().0)
        })
        .join(", ");
    let network = |transport: &str, endpoint: &str| a(transport, &format!(r#""endpoint": "{endpoint}""#));
    let files: [(&str, String, Holds); 18] = [
        ("grpc", network("grpc", "127.0.0.1:50051"), |config| plugin(config).transport().kind() == TransportKind::Grpc),
        ("grpc-tls", network("grpc-tls", "p.internal:50051"), |config| {
            plugin(config).transport().kind() == TransportKind::GrpcTls
        }),
        ("unix", network("unix", "/run/p.sock"), |config| plugin(config).transport().kind() == TransportKind::Unix),
        ("`auth: {method: none}` on exec", exec(r#""auth": {"method": "none"}"#), |_| true),
        (
            "executable and endpoint with the same text",
            exec(r#""endpoint": "sh""#),
            |config| matches!(plugin(config).transport(), TransportConfig::Exec(process) if process.executable().ends_with("sh")),
        ),
        (
            "sections that are off",
            top(r#""discovery": {"enabled": false, "directories": ["/p"]},
            "security": {"enabled": false, "whitelist_file": "/w"}, "observability": {"metrics": {"enabled": false}}"#),
            |_| true,
        ),
        ("sections that are empty", top(r#""discovery": {}, "security": {}, "observability": {}"#), |_| true),
        ("sections of a plugin that were never set", exec(&format!("{zeros}, \"rate_limit\": {UNSET}")), |config| {
            let plugin = plugin(config);
            plugin.retry().max_retries() == 3
                && plugin.circuit_breaker().enabled()
                && plugin.health_check().is_some()
                && plugin.attempt_timeout().as_secs() == 30
                && plugin.rate_limit().is_none()
        }),
        ("the same over http", http(&format!("{zeros}, \"rate_limit\": {UNSET}")), |_| true),
        (
            "shared defaults that were never set",
            top(&format!("{defaults}, \"default_rate_limit\": {UNSET}")),
            |config| plugin(config).retry().max_retries() == 3 && plugin(config).rate_limit().is_none(),
        ),
        (
            "numbers and booleans where text is meant",
            exec(r#""args": [1, true, 1.5], "env": {"A": 1, "B": false}, "labels": {"n": 7}"#),
            |config| plugin(config).labels()["n"] == "7",
        ),
        ("a log level in any case", top(r#""log_level": "Warning""#), |config| config.logging().level() == Level::WARN),
        (
            "what is off is not checked",
            exec(
                r#""circuit_breaker": {"enabled": false, "failure_threshold": -1},
            "health_check": {"enabled": false, "timeout": "soon"}, "rate_limit": {"enabled": false, "burst_size": "many"}"#,
            ),
            |config| !plugin(config).circuit_breaker().enabled() && plugin(config).health_check().is_none(),
        ),
        ("labels are no secrets", exec(r#""labels": {"env": "prod"}"#), |config| {
            format!("{config:?}").contains("prod")
        }),
        (
            "a secret in an endpoint's query is one",
            a("http", r#""endpoint": "http://127.0.0.1:1/?api_key=hunter2""#),
            |config| !format!("{config:?}").contains("hunter2"),
        ),
        ("durations as integers of nanoseconds", exec(r#""timeout": 5000000000"#), |config| {
            plugin(config).timeout().as_secs() == 5
        }),
        ("enumerations by number", http(r#""load_balancer": {"strategy": 1}"#), |_| true),
        ("empty text is absent", exec(r#""type": "", "version": "", "endpoint": """#), |config| {
            plugin(config).kind().is_none()
        }),
    ];
    for (clause, text, holds) in files {
        let config = from_text(Path::new("g.json"), &text, None, &with_path);
        let config = config.unwrap_or_else(|faults| panic!("{clause}: {faults}"));
        assert!(holds(&config), "{clause}: {config:?}");
    }
}

#[test]
fn what_go_plugins_would_not_take_either_is_refused_with_its_code() {
    for (clause, text, says) in [
        ("an integer of less than a millisecond", "timeout: 5000", "write \"5000ms\" for milliseconds"),
        ("out of bounds", "circuit_breaker: {success_threshold: 0}", "from 1 to 1000 [CONFIG_1802]"),
        (
            "out of bounds, and unreachable",
            "circuit_breaker: {min_request_threshold: 9223372036854775808}",
            "[CONFIG_1802]",
        ),
    ] {
        let found = refused(&format!("plugins: [{{name: a, transport: exec, executable: sh, {text}}}]"));
        assert!(found.contains(says) && found.lines().count() == 1, "{clause}: {found}");
    }
    let tls = "{method: mtls, cert_file: /absent/c.pem, key_file: /absent/k.pem, ca_file: /absent/a.pem}";
    let found = refused(&format!("plugins: [{{name: a, transport: https, endpoint: 'https://h/', auth: {tls}}}]"));
    for file in ["cert_file", "key_file", "ca_file"] {
        assert!(found.contains(&format!("auth.{file}: ")), "every missing file at once: {found}");
    }
}

#[test]
fn what_does_something_is_still_refused_where_it_has_no_effect() {
    let exec = |keys: &str| format!("plugins: [{{name: a, transport: exec, executable: sh, {keys}}}]");
    for (keys, says) in [
        ("auth: {method: bearer, token: t}", "`auth` has no effect with exec"),
        ("connection: {max_connections: 3}", "`max_connections` has no effect with exec"),
        ("connection: {keep_alive: false}", "`keep_alive` has no effect with exec"),
        ("connection: {max_connections: 0}", "`max_connections` has no effect with exec"),
        ("auth: {api_key: 0}", "`auth` has no effect with exec"),
        ("load_balancer: {failover: true}", "`load_balancer` has no effect with exec"),
        ("endpoint: other", "names the executable a second time"),
    ] {
        let found = refused(&exec(keys));
        assert!(found.contains(says), "{found}");
    }
    let found = refused(&format!("{{security: {{enabled: true}}, plugins: [{PLAIN}]}}"));
    assert!(found.contains("`security` is not available in this version [CONFIG_1801]"), "{found}");
}

/// The rows of `docs/go-plugins.md`.
#[test]
fn what_of_a_file_of_go_plugins_is_a_fault_is_said_as_its_page_says_it() {
    let plugin = |rest: &str| format!("plugins: [{{name: a, {rest}}}]");
    let on = |section: &str| format!("{{{section}: {{enabled: true}}, plugins: [{PLAIN}]}}");
    for (text, says) in [
        (plugin("transport: http, endpoint: 'http://127.0.0.1:1/', options: {a: 1}"), "has no effect with http"),
        (on("discovery"), "is not available in this version"),
        (on("security"), "is not available in this version"),
        (on("observability"), "is not available in this version"),
        (plugin("transport: exec, executable: sh, auth: {method: bearer, token: t}"), "has no effect with exec"),
        (plugin("transport: exec, executable: sh, retry: {max_retries: 101}"), "from 0 to 100"),
    ] {
        let found = refused(&text);
        assert!(found.contains(says), "{text}: {found}");
    }
    let page = include_str!("../../../../docs/go-plugins.md");
    for says in ["has no effect with http", "is not available in this version", "CONFIG_1802"] {
        assert!(page.contains(says), "{says}");
    }
}

#[test]
fn every_credential_that_has_no_effect_is_named_at_once_beside_other_faults() {
    let found = refused(
        "plugins: [{name: a, transport: http, endpoint: 'http://127.0.0.1/', \
         auth: {method: bearer, api_key: k, password: p, colour: 1}}]",
    );
    for key in ["auth.api_key: has no effect", "auth.password: has no effect", "auth.token: is missing", "colour"] {
        assert!(found.contains(key), "{key}: {found}");
    }
    let found =
        refused("plugins: [{name: a, transport: exec, executable: sh, restart: {initial: 9s, max: 1s, colour: 1}}]");
    assert!(found.contains("restart.max: must be at least `initial`") && found.contains("colour"), "{found}");
    let found = refused("plugins: [{name: a, transport: exec, executable: sh, restart: {initial: 99s, max: soon}}]");
    assert_eq!(found.lines().count(), 1, "what hangs on a wrong value is not said: {found}");
}

#[test]
fn a_bare_integer_below_a_millisecond_is_refused_with_the_cure() {
    let found = refused("plugins: [{name: a, transport: exec, executable: sh, timeout: 5000}]");
    assert!(found.contains("5000 means 5000 ns; write \"5000ms\" for milliseconds"), "{found}");
}

#[test]
fn what_is_shown_has_durations_as_people_write_them_and_no_secret_of_a_query() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("g.yaml");
    let text = "plugins: [{name: a, transport: http, endpoint: 'http://127.0.0.1/p?token=hunter2&x=1', timeout: 90000000000, \
                labels: {env: prod}}]";
    std::fs::write(&path, text).unwrap();
    let shown = show(&path, None, &no_env).unwrap();
    assert!(shown.contains("timeout: \"1m30s\"") && shown.contains("env: prod"), "{shown}");
    assert!(shown.contains("p?token=***&x=1") && !shown.contains("hunter2"), "{shown}");
    let config = config(text);
    let TransportConfig::Network(_, instances) = config.plugins()[0].transport() else { panic!("another transport") };
    assert_eq!(instances[0].name(), "http://127.0.0.1/p?token=***&x=1");
}

#[test]
fn a_plugin_works_in_the_directory_of_its_file() {
    let text = "plugins: [{name: a, transport: exec, executable: sh}]";
    let config = from_text(Path::new("/srv/gateway/g.yaml"), text, None, &with_path);
    // The directory of a file that is read out of a text need not be there.
    let shown = format!("{config:?}");
    assert!(shown.contains("/srv/gateway"), "{shown}");
}
