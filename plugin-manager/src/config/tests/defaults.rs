//! The defaults of the tables are those of the crates, and of the documentation.

use std::time::Duration;

use plugin_breaker::CircuitBreakerConfig;
use plugin_health::HealthConfig;
use plugin_lb::BalanceConfig;
use plugin_ratelimit::RateLimitConfig;
use plugin_retry::RetryConfig;
use plugin_transports::process::{ProcessConfig, RestartConfig};

use super::*;
use crate::server::Role;

#[test]
fn what_is_not_said_is_what_the_crates_take_for_granted() {
    let config =
        config(&format!("plugins: [{PLAIN}, {{name: b, transport: inproc, type: x, rate_limit: {{enabled: true}}}}]"));
    for plugin in config.plugins() {
        assert_eq!(*plugin.retry(), RetryConfig::default());
        assert_eq!(*plugin.circuit_breaker(), CircuitBreakerConfig::default());
        assert_eq!(plugin.health_check(), Some(HealthConfig::default()));
        assert_eq!(plugin.load_balancer(), BalanceConfig::default());
        assert_eq!((plugin.timeout(), plugin.attempt_timeout()), (Duration::from_secs(30), Duration::from_secs(30)));
        assert!(plugin.enabled() && plugin.priority() == 0);
    }
    assert_eq!(config.plugins()[0].rate_limit(), None, "off unless it is switched on");
    assert_eq!(config.plugins()[1].rate_limit(), Some(RateLimitConfig::default()));
    assert_eq!(config.server().listen(), "127.0.0.1:8080".parse().unwrap());
    assert_eq!(config.server().max_body(), 10 << 20);
    assert!(config.server().tls().is_none() && config.server().verifier().is_none() && !config.server().insecure());
    assert_eq!(config.admin().listen(), "127.0.0.1:9090".parse().unwrap());
    assert!(config.admin().verifier().is_none());
    assert_eq!(*config.logging(), LoggingConfig::default());
    assert_eq!(config.shutdown_timeout(), Duration::from_secs(30));
}

#[test]
fn the_connection_and_the_process_start_from_their_own_defaults() {
    let config = config("plugins: [{name: a, transport: exec, executable: /bin/sh}]");
    let TransportConfig::Exec(process) = config.plugins()[0].transport() else { panic!("another transport") };
    let dir = std::env::current_dir().unwrap();
    let expected = ProcessConfig::builder("a", "/bin/sh")
        .with_restart(RestartConfig::default())
        .with_work_dir(dir)
        .without_request_timeout();
    let expected = expected.build().unwrap();
    assert_eq!(format!("{process:?}"), format!("{:?}", expected));
    let plain = plugin_transports::http::HttpConfig::builder("a", "http://127.0.0.1:1/")
        .without_request_timeout()
        .build()
        .unwrap();
    let other = super::config(&format!("plugins: [{PLAIN}]"));
    let TransportConfig::Network(_, instances) = other.plugins()[0].transport() else { panic!("another transport") };
    assert_eq!(format!("{:?}", instances[0].transport()), format!("Http({plain:?})"));
    assert_eq!((instances[0].name(), instances[0].weight(), instances[0].enabled()), ("http://127.0.0.1:1/", 1, true));
}

#[test]
fn plugins_are_in_the_order_of_their_priority_and_then_of_the_file() {
    let config = config(
        "plugins: [{name: a, transport: inproc, type: x}, {name: b, transport: inproc, type: x, priority: 5}, \
         {name: c, transport: inproc, type: x}, {name: d, transport: inproc, type: x, priority: -1}]",
    );
    let names: Vec<_> = config.plugins().iter().map(PluginConfig::name).collect();
    assert_eq!(names, ["b", "a", "c", "d"]);
}

#[test]
fn levels_of_components_are_written_as_a_filter() {
    let logging =
        "logging: {level: warn, format: json, levels: {plugin_breaker: debug, 'plugin_transports::process': TRACE}}";
    let config = config(&format!("{{plugins: [{PLAIN}], {logging}}}"));
    assert_eq!(config.logging().directives(), "warn,plugin_breaker=debug,plugin_transports::process=trace");
    assert_eq!(config.logging().format(), LogFormat::Json);
}

#[test]
fn a_role_belongs_to_whoever_shows_the_token() {
    let config = config(&format!(
        "{{plugins: [{PLAIN}], admin: {{tokens: [{{name: eyes, token: t1}}, {{name: hands, token: t2, role: operate}}]}}}}"
    ));
    let admin = config.admin();
    let role_of = |token: &str| {
        let mut headers = http::HeaderMap::new();
        headers.insert("authorization", format!("Bearer {token}").parse().unwrap());
        admin.verifier().unwrap().verify(&headers).map(|identity| admin.role(&identity))
    };
    assert_eq!(role_of("t1"), Some(Role::Read));
    assert_eq!(role_of("t2"), Some(Role::Operate));
    assert_eq!(role_of("t3"), None);
}

#[test]
fn the_data_plane_knows_each_client_by_what_it_shows() {
    let config = config(&format!(
        "{{plugins: [{PLAIN}], server: {{auth: [{{name: ci, method: api-key, api_key: k}}, \
         {{name: ops, method: bearer, token: t}}, {{name: ann, method: basic, username: ann, password: p}}]}}}}"
    ));
    let verifier = config.server().verifier().unwrap();
    let who = |name: &'static str, value: &str| {
        let mut headers = http::HeaderMap::new();
        headers.insert(name, value.parse().unwrap());
        verifier.verify(&headers).map(|identity| identity.name().to_owned())
    };
    assert_eq!(who("x-api-key", "k").as_deref(), Some("ci"));
    assert_eq!(who("authorization", "Bearer t").as_deref(), Some("ops"));
    assert_eq!(who("authorization", "Basic YW5uOnA=").as_deref(), Some("ann"));
    assert_eq!(who("authorization", "Bearer k"), None);
}
