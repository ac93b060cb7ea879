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

#[test]
fn what_does_something_is_still_refused_where_it_has_no_effect() {
    let exec = |keys: &str| format!("plugins: [{{name: a, transport: exec, executable: sh, {keys}}}]");
    for (keys, says) in [
        ("auth: {method: bearer, token: t}", "`auth` has no effect with exec"),
        ("connection: {max_connections: 3}", "`max_connections` has no effect with exec"),
        ("connection: {keep_alive: false}", "`keep_alive` has no effect with exec"),
        ("endpoint: other", "names the executable a second time"),
    ] {
        let found = refused(&exec(keys));
        assert!(found.contains(says), "{found}");
    }
    let found = refused(&format!("{{security: {{enabled: true}}, plugins: [{PLAIN}]}}"));
    assert!(found.contains("`security` is not available in this version [CONFIG_1801]"), "{found}");
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
    let TransportConfig::Http(instances) = config.plugins()[0].transport() else { panic!("another transport") };
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
