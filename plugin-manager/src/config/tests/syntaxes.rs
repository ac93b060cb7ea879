//! The same configuration in three syntaxes, and one as go-plugins' documentation writes it.

use std::time::Duration;

use plugin_retry::RetryConfig;

use super::*;

const YAML: &str = "\
log_level: debug
plugins:
  - name: a
    transport: http
    instances:
      - {endpoint: 'http://h:1/', weight: 2}
      - {endpoint: 'http://h:2/'}
    load_balancer: {strategy: weighted-random}
    timeout: 1m30s
    labels: {team: core}
  - name: b
    transport: exec
    executable: /bin/sh
    env: {A: '1'}
    options: {deep: {list: [1, two, true]}}
";

const JSON: &str = r#"{
  "log_level": "debug",
  "plugins": [
    {"name": "a", "transport": "http",
     "instances": [{"endpoint": "http://h:1/", "weight": 2}, {"endpoint": "http://h:2/"}],
     "load_balancer": {"strategy": 4}, "timeout": 90000000000, "labels": {"team": "core"}},
    {"name": "b", "transport": "exec", "executable": "/bin/sh", "env": ["A=1"],
     "options": {"deep": {"list": [1, "two", true]}}}
  ]
}"#;

const TOML: &str = r#"
log_level = "debug"

[[plugins]]
name = "a"
transport = "http"
timeout = "90s"
load_balancer = { strategy = "weighted-random" }
labels.team = "core"

[[plugins.instances]]
endpoint = "http://h:1/"
weight = 2

[[plugins.instances]]
endpoint = "http://h:2/"

[[plugins]]
name = "b"
transport = "exec"
executable = "/bin/sh"
env = ["A=1"]
options.deep.list = [1, "two", true]
"#;

#[test]
fn three_syntaxes_say_the_same() {
    let read = |name: &str, text: &str| all_of(&from_text(Path::new(name), text, None, &no_env).unwrap());
    let yaml = read("g.yaml", YAML);
    assert_eq!(yaml, read("g.json", JSON));
    assert_eq!(yaml, read("g.toml", TOML));
}

#[test]
fn what_go_plugins_writes_is_read_as_it_documents_it() {
    let text = include_str!("go_plugins.json");
    let config = from_text(Path::new("go_plugins.json"), text, None, &with_path).unwrap();
    assert_eq!(config.logging().level(), tracing::Level::INFO);
    assert_eq!(config.admin().listen().port(), 9090);
    let [payments, data] = config.plugins() else { panic!("two plugins") };

    assert_eq!((payments.name(), payments.kind(), payments.priority()), ("payment-service", Some("http"), 1));
    assert_eq!(payments.version(), Some("1.2.3"));
    assert_eq!(payments.labels()["environment"], "production");
    let backoff = payments.retry().backoff().unwrap();
    assert_eq!((payments.retry().max_retries(), backoff.multiplier()), (3, 2.0));
    assert_eq!((backoff.initial(), backoff.max()), (Duration::from_millis(100), Duration::from_secs(5)));
    let breaker = payments.circuit_breaker();
    assert_eq!((breaker.failure_threshold(), breaker.recovery_timeout()), (Some(7), Duration::from_secs(30)));
    let check = payments.health_check().unwrap();
    assert_eq!(
        (check.interval(), check.timeout(), check.failure_limit()),
        (Duration::from_secs(30), Duration::from_secs(5), 3)
    );
    let limit = payments.rate_limit().unwrap();
    assert_eq!((limit.requests_per_second(), limit.burst_size()), (100.5, 10));
    assert!(matches!(payments.transport(), TransportConfig::Network(_, instances) if instances.len() == 1));

    assert!(matches!(data.transport(), TransportConfig::Exec(process) if process.executable().ends_with("sh")));
    assert_eq!(*data.retry(), RetryConfig::builder().with_max_retries(1).build().unwrap(), "the shared default");
    assert!(!data.circuit_breaker().enabled(), "its own word wins");
    assert_eq!(data.rate_limit(), None);
}
