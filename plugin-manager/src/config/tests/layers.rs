//! One value over another: overlays, shared defaults, variables, and what holds in the end.

use std::fs;
use std::path::PathBuf;
use std::time::Duration;

use super::*;

fn files(files: &[(&str, &str)]) -> (tempfile::TempDir, PathBuf) {
    let dir = tempfile::tempdir().unwrap();
    for (name, text) in files {
        fs::write(dir.path().join(name), text).unwrap();
    }
    let base = dir.path().join("g.yaml");
    (dir, base)
}

const BASE: &str = "\
shutdown_timeout: 1s
default_retry: {max_retries: 1, initial_interval: 1s}
plugins:
  - {name: a, transport: http, endpoint: 'http://h:1/', retry: {max_retries: 2}}
  - {name: b, transport: http, endpoint: 'http://h:2/'}
";

#[test]
fn an_overlay_says_only_what_differs() {
    let over = "shutdown_timeout: 2s\nplugins: [{name: b, enabled: false}, {name: c, transport: inproc, type: x}]\n";
    let (_dir, base) = files(&[("g.yaml", BASE), ("g.production.yaml", over), ("g.json.json", "{\"plugins\": null}")]);
    let config = load(&base, Some("production"), &no_env).unwrap();
    assert_eq!(config.shutdown_timeout().as_secs(), 2);
    let seen: Vec<_> = config.plugins().iter().map(|plugin| (plugin.name(), plugin.enabled())).collect();
    assert_eq!(seen, [("a", true), ("b", false), ("c", true)]);
    let from_env = |name: &str| (name == "APP_ENV").then(|| "production".to_owned());
    assert_eq!(load(&base, None, &from_env).unwrap().shutdown_timeout().as_secs(), 2);
    assert_eq!(load(&base, None, &no_env).unwrap().shutdown_timeout().as_secs(), 1);
    let found = load(&base, Some("json"), &no_env).unwrap_err().to_string();
    assert!(
        found.contains("there are no plugins"),
        "an overlay in another syntax counts, and null takes away: {found}"
    );
}

#[test]
fn an_overlay_that_is_asked_for_is_there() {
    let (dir, base) = files(&[("g.yaml", BASE)]);
    let found = load(&base, Some("staging"), &no_env).unwrap_err().to_string();
    assert!(found.contains("g.staging.yaml") && found.contains("is not there"), "{found}");
    let from_env = |name: &str| (name == "APP_ENV").then(|| "prodction".to_owned());
    assert!(load(&base, None, &from_env).is_ok(), "the variable may be meant for other programs");
    fs::write(dir.path().join("g.production.yaml"), "").unwrap();
    let found = load(&base, None, &from_env).unwrap_err().to_string();
    assert!(
        found.contains("the variable APP_ENV is \"prodction\"") && found.contains("overlays for production"),
        "{found}"
    );
    assert!(load(&base, Some("production"), &no_env).is_ok(), "an empty overlay changes nothing");
    let found = load(&base, Some("../x"), &no_env).unwrap_err().to_string();
    assert!(found.contains("expected letters, digits"), "{found}");
}

#[test]
fn faults_in_both_files_are_said_each_with_its_file() {
    let (_dir, base) = files(&[("g.yaml", "shutdown_timeout: x\nplugins: []\n"), ("g.p.yaml", "log_level: loud\n")]);
    let found = load(&base, Some("p"), &no_env).unwrap_err().to_string();
    assert!(
        found.contains("g.p.yaml:1:12: log_level: ") && found.contains("g.yaml:1:19: shutdown_timeout: "),
        "{found}"
    );
}

#[test]
fn what_a_plugin_says_itself_wins_key_by_key() {
    let config = config(BASE);
    let retries: Vec<_> = config.plugins().iter().map(|plugin| plugin.retry().max_retries()).collect();
    assert_eq!(retries, [2, 1]);
    for plugin in config.plugins() {
        assert_eq!(plugin.retry().backoff().unwrap().initial(), Duration::from_secs(1));
    }
    let config = super::config(&format!(
        "default_circuit_breaker: {{enabled: true}}\ndefault_health_check: {{enabled: true, interval: 7s}}\n\
         default_rate_limit: {{enabled: true, burst_size: 3}}\ndefault_connection: {{request_timeout: 3s}}\n\
         plugins: [{PLAIN}, {{name: b, transport: http, endpoint: 'http://h/', circuit_breaker: {{enabled: false}}, \
         health_check: {{enabled: false}}, rate_limit: {{enabled: false}}, connection: }}]"
    ));
    let [a, b] = config.plugins() else { panic!("two plugins") };
    assert!(a.circuit_breaker().enabled() && !b.circuit_breaker().enabled());
    assert_eq!(a.health_check().unwrap().interval().as_secs(), 7);
    assert_eq!((a.rate_limit().unwrap().burst_size(), b.rate_limit(), b.health_check()), (3, None, None));
    assert_eq!((a.attempt_timeout().as_secs(), b.attempt_timeout().as_secs()), (3, 3), "null counts as absent");
}

#[test]
fn variables_stand_for_values_of_any_type() {
    let env = |name: &str| match name {
        "PORT" => Some("9191".to_owned()),
        "ON" => Some("false".to_owned()),
        "LEVEL" => Some("debug".to_owned()),
        _ => None,
    };
    let text = "{log_level: '${LEVEL}', metrics_port: '${PORT}', plugins: [{name: a, transport: http, enabled: '${ON}', \
                endpoint: 'http://127.0.0.1:${PORT}/', timeout: '${T:-5s}', retry: {max_retries: '${R:-4}'}}]}";
    for syntax in [Syntax::Yaml, Syntax::Json] {
        let text = if syntax == Syntax::Json { json_of(text) } else { text.to_owned() };
        let config = from_text(Path::new("g"), &text, Some(syntax), &env).unwrap();
        assert_eq!(config.admin().listen().port(), 9191);
        assert_eq!(config.logging().level(), tracing::Level::DEBUG);
        let plugin = &config.plugins()[0];
        assert_eq!((plugin.enabled(), plugin.timeout().as_secs(), plugin.retry().max_retries()), (false, 5, 4));
    }
}

fn json_of(yaml: &str) -> String {
    document::parse(Path::new("g.yaml"), yaml.as_bytes(), None).unwrap().to_json().to_string()
}

#[test]
fn what_is_shown_holds_and_says_everything() {
    let text = "\
metrics_port: 9191
log_level: DEBUG
default_retry: {max_retries: 1}
plugins:
  - {name: a, transport: http, endpoint: 'http://h:1/', circuit_breaker: {failure_rate: {ratio: 0.5}}}
  - {name: b, transport: exec, executable: /bin/sh, args: [-c, 'true'], resources: {max_file_handles: 9}}
  - {name: c, transport: inproc, type: x, options: {n: [1, 2.5, null, 'on']}, rate_limit: {enabled: true}}
";
    let (dir, base) = files(&[("g.yaml", text)]);
    let shown = show(&base, None, &no_env).unwrap();
    for part in [
        "max_retries: 1",
        "listen: \"127.0.0.1:9191\"",
        "failure_threshold: 5",
        "strategy: round-robin",
        "interval: \"30s\"",
        // What comes out of other keys, in a comment.
        "# jitter, unless it is set: proportional",
        "# budget, unless it is set: on",
        "# half_open_max, unless it is set: `success_threshold`",
        "# half_open_timeout, unless it is set: 30s, or `recovery_timeout` when that is longer; under the manager the longer",
        "# max_bodies, unless it is set: 256MiB",
    ] {
        assert!(shown.contains(part), "{part} is not in\n{shown}");
    }
    for other_name in ["metrics_port", "log_level", "random_jitter"] {
        assert!(!shown.contains(other_name), "{other_name} is in\n{shown}");
    }
    assert!(!shown.contains("keep_alive: true\n      max_file_handles"), "{shown}");
    // What holds for one document holds for the one that is shown.
    fs::write(dir.path().join("again.yaml"), &shown).unwrap();
    let (one, other) = (load(&base, None, &no_env), load(&dir.path().join("again.yaml"), None, &no_env));
    assert_eq!(all_of(&one.unwrap()), all_of(&other.unwrap_or_else(|faults| panic!("{shown}\n{faults}"))));
    assert!(show(&dir.path().join("none.yaml"), None, &no_env).is_err());
}
