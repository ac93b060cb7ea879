//! Ten faults in one file, in each syntax, all reported with their places.

use std::time::Duration;

use super::*;

#[derive(Debug)]
#[expect(dead_code, reason = "only whether it is made counts")]
struct Gateway {
    log_level: Option<u8>,
    metrics_port: Option<u16>,
    plugins: Option<Vec<Option<String>>>,
    secret: Option<u32>,
}

fn read_gateway(root: &Node) -> Result<Gateway, Faults> {
    read(root, |m| Gateway {
        log_level: m.get("log_level").enumeration(&[("debug", 0), ("info", 1), ("warn", 2)]),
        metrics_port: m.get("metrics_port").integer_in(1..=65_535),
        plugins: m.get("plugins").list(|item| {
            item.section(|m| {
                let name = m.require("name").non_empty_string();
                let timeout: Option<Duration> = m.get("timeout").duration();
                let enabled = m.get("enabled").bool();
                let breaker = m
                    .get("circuit_breaker")
                    .section(|m| (m.get("failure_threshold").integer::<u32>(), m.get("ratio").float_in(0.0..=1.0)));
                let size = m.get("max_body").byte_size();
                let (_, _, _, _) = (timeout, enabled, breaker, size);
                name
            })
        }),
        secret: m.get("token").integer(),
    })
}

const YAML: &str = "\
log_level: inof
metrics_port: 70000
token: hunter2
plugins:
  - timeout: 30
    enabled: yes
    circuit_breaker:
      failure_treshold: 5
      ratio: 1.5
  - name: [7]
    max_body: 10mb
    circuit_breaker: [1]
extra: {a: 1}
";

const JSON: &str = r#"{
  "log_level": "inof",
  "metrics_port": 70000,
  "token": "hunter2",
  "plugins": [
    {"timeout": 30, "enabled": "yes",
     "circuit_breaker": {"failure_treshold": 5, "ratio": 1.5}},
    {"name": [7], "max_body": "10mb", "circuit_breaker": [1]}
  ],
  "extra": {"a": 1}
}"#;

const TOML: &str = r#"log_level = "inof"
metrics_port = 70_000
token = "hunter2"
extra.a = 1
[[plugins]]
timeout = 30
enabled = "yes"
circuit_breaker = { failure_treshold = 5, ratio = 1.5 }
[[plugins]]
name = [7]
max_body = "10mb"
circuit_breaker = [1]
"#;

/// The faults, in the order of the YAML file, without their places.
const FAULTS: [&str; 11] = [
    r#"log_level: found the string "inof"; did you mean "info"?"#,
    "metrics_port: found 70000; expected a whole number from 1 to 65535 [CONFIG_1802]",
    "token: found a string that is not shown; expected a whole number from 0 to 4294967295",
    "plugins[0].name: required key is missing",
    r#"plugins[0].timeout: found 30; 30 means 30 ns; write "30s" for seconds"#,
    r#"plugins[0].enabled: found the string "yes"; write true"#,
    r#"plugins[0].circuit_breaker.failure_treshold: unknown key; did you mean "failure_threshold"?"#,
    "plugins[0].circuit_breaker.ratio: found 1.5; expected a number from 0 to 1 [CONFIG_1802]",
    "plugins[1].name: found a list; expected a string",
    r#"plugins[1].max_body: found the string "10mb"; the units of a size are B, KiB, MiB, GiB, TiB (of 1024) and KB, MB, GB, TB (of 1000)"#,
    "plugins[1].circuit_breaker: found a list; expected a map",
];

#[track_caller]
fn assert_faults(syntax: Syntax, text: &str, places: [&str; 12]) {
    let faults = read_gateway(&tree(syntax, text)).unwrap_err();
    let mut expected: Vec<String> = FAULTS
        .iter()
        .chain(["extra: unknown key"].iter())
        .zip(places)
        .map(|(fault, place)| format!("{}:{place}: {fault}", name(syntax)))
        .collect();
    let line_column = |line: &String| -> (u32, u32) {
        let mut parts = line.split(':').skip(1).map(|part| part.parse().unwrap());
        (parts.next().unwrap(), parts.next().unwrap())
    };
    expected.sort_by_key(line_column);
    let found = faults.to_string();
    let found: Vec<&str> = found.lines().collect();
    assert_eq!(found, expected);
}

#[test]
fn twelve_faults_in_one_yaml_file_are_reported_each_with_its_place() {
    let places = ["1:12", "2:15", "3:8", "5:5", "5:14", "6:14", "8:7", "9:14", "10:11", "11:15", "12:22", "13:1"];
    assert_faults(Syntax::Yaml, YAML, places);
}

#[test]
fn twelve_faults_in_one_json_file_are_reported_each_with_its_place() {
    let places = ["2:16", "3:19", "4:12", "6:5", "6:17", "6:32", "7:26", "7:58", "8:14", "8:31", "8:58", "10:3"];
    assert_faults(Syntax::Json, JSON, places);
}

#[test]
fn twelve_faults_in_one_toml_file_are_reported_each_with_its_place() {
    let places = ["1:13", "2:16", "3:9", "5:1", "6:11", "7:11", "8:21", "8:51", "10:8", "11:12", "12:19", "4:1"];
    assert_faults(Syntax::Toml, TOML, places);
}

#[test]
fn a_file_without_a_fault_is_read() {
    let root = yaml("log_level: warn\nplugins:\n- {name: a, timeout: 1m30s, enabled: false, max_body: 10MiB}\n");
    let gateway = read_gateway(&root).unwrap();
    assert_eq!(gateway.log_level, Some(2));
    assert_eq!(gateway.metrics_port, None);
    assert_eq!(gateway.plugins, Some(vec![Some("a".to_owned())]));
}

#[test]
fn a_thousand_faults_are_counted_and_the_first_shown() {
    let items: String = (0..1_000).map(|at| format!("- unknown{at}: 1\n")).collect();
    let faults = read_gateway(&yaml(&format!("plugins:\n{items}"))).unwrap_err();
    assert_eq!(faults.len(), 2_000, "each item lacks a name and has an unknown key");
    assert!(faults.to_string().ends_with("\nand 1800 more"));
}
