//! What is wrong is said all at once: where it is, what it is, and what would be right.

use super::*;

const TEN: &str = "\
log_levle: info
plugins:
  - name: a/b
    transport: htpp
    endpoint: http://127.0.0.1:1/
  - name: b
    transport: exec
    executable: ./absent
    circuit_breaker: {failure_treshold: 5}
    retry:
      initial_interval: 10s
      max_interval: 1s
  - name: c
    transport: http
    endpoint: http://127.0.0.1:1/
    auth: {method: bearer}
    timeout: 30
    hedge: {max: 1}
  - name: c
    transport: inproc
    type: x
";

#[test]
fn ten_faults_are_ten_each_with_its_place_and_what_would_be_right() {
    let found = refused(TEN);
    let dir = std::env::current_dir().unwrap();
    let absent = dir.join("./absent");
    let expected = [
        "1:1: log_levle: unknown key; did you mean \"log_level\"? [CONFIG_1801]".to_owned(),
        "3:11: plugins[0].name: found the string \"a/b\"; a plugin's name must not contain '/' [PLUGIN_1001]".to_owned(),
        "4:16: plugins[0].transport: found the string \"htpp\"; did you mean \"http\"? [PLUGIN_1002]".to_owned(),
        format!("8:17: plugins[1].executable: the executable {absent:?} is not there [PLUGIN_1007]"),
        "9:23: plugins[1].circuit_breaker.failure_treshold: unknown key; did you mean \"failure_threshold\"? [CONFIG_1801]"
            .to_owned(),
        "12:21: plugins[1].retry.max_interval: must be at least the initial interval of 10s, and is 1s [CONFIG_1802]"
            .to_owned(),
        "16:11: plugins[2].auth.token: is missing; the method bearer needs it [AUTH_1102]".to_owned(),
        "17:14: plugins[2].timeout: found 30; 30 means 30 ns; write \"30s\" for seconds [CONFIG_1801]".to_owned(),
        "18:12: plugins[2].hedge: `hedge` is not available in this version [CONFIG_1801]".to_owned(),
        "19:11: plugins[3].name: the plugin \"c\" is there already, at g.yaml:13:11; each needs a name of its own \
         [PLUGIN_1010]"
            .replace("g.yaml:", ""),
    ];
    assert_eq!(found.lines().collect::<Vec<_>>(), expected, "{found}");
}

#[test]
fn a_key_of_a_later_version_is_refused_by_name() {
    for (table, keys) in super::super::unavailable::UNAVAILABLE {
        for key in *keys {
            let found = refused(&super::effects::document(table, &format!("{key}: 1")));
            let says = format!("`{key}` is not available in this version [CONFIG_1801]");
            assert_eq!(found.matches(&says).count(), 1, "{table}: {found}");
            assert!(!found.contains("unknown key"), "{table}: {found}");
        }
    }
    let found = refused("plugins: [{name: a, transport: http, endpoint: 'http://h', hegde: {}}]");
    assert!(found.contains("did you mean \"hedge\"?"), "{found}");
}

#[test]
fn a_fault_in_a_shared_default_is_said_once() {
    let found = refused(&format!(
        "default_retry: {{max_retries: 101, tries: 1}}\ndefault_connection: 7\nplugins: [{PLAIN}, {}]",
        "{name: b, transport: http, endpoint: 'http://127.0.0.1:1/'}"
    ));
    let expected = [
        "1:30: default_retry.max_retries: found 101; expected a whole number from 0 to 100 [CONFIG_1802]",
        "1:35: default_retry.tries: unknown key [CONFIG_1801]",
        "2:21: default_connection: found 7; expected a map [CONFIG_1801]",
    ];
    assert_eq!(found.lines().collect::<Vec<_>>(), expected, "{found}");
}

#[test]
fn an_empty_configuration_wants_plugins() {
    for text in ["", "{}", "plugins: []", "plugins:", "log_level: info"] {
        let found = refused(text);
        assert!(found.contains("there are no plugins; a gateway needs at least one [PLUGIN_1009]"), "{text}: {found}");
        assert_eq!(found.lines().count(), 1, "{text}: {found}");
    }
    let found = refused("plugins: {a: 1}");
    assert!(found.contains("plugins: found a map; expected a list") && found.lines().count() == 1, "{found}");
}

#[test]
fn what_is_no_document_says_so_with_its_code() {
    let found = refused("plugins: [");
    assert!(found.ends_with("[PLUGIN_1011]"), "{found}");
    let found = load(Path::new("/nonexistent/g.yaml"), None, &no_env).unwrap_err().to_string();
    assert!(found.contains("/nonexistent/g.yaml: cannot be opened") && found.ends_with("[PLUGIN_1011]"), "{found}");
}

#[test]
fn a_variable_that_is_not_set_is_one_fault_whatever_it_stands_for() {
    let found = refused(
        "metrics_port: ${ABSENT_PORT}\nplugins: [{name: '${ABSENT_NAME}', transport: '${ABSENT_TRANSPORT:-http}', \
         endpoint: 'http://127.0.0.1:1/'}]",
    );
    assert_eq!(found.lines().count(), 2, "{found}");
    assert!(found.contains("1:15: metrics_port: the environment variable \"ABSENT_PORT\" is not set"), "{found}");
    assert!(
        found.contains("plugins[0].name: the environment variable \"ABSENT_NAME\"") && found.ends_with("[CONFIG_1803]")
    );
}
