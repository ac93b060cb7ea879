//! What each syntax accepts, and that the three say the same.

use super::*;

const YAML: &str = r#"# the gateway
log_level: info
metrics_port: 9090
ratio: 0.5
big: 18446744073709551615
low: -9223372036854775808
on: yes
quoted: "10"
empty: {}
none: []
text: "a \"b\" \\ é 😀\n"
server: {listen: "127.0.0.1:8080", tls: {cert_file: c.pem}}
defaults: &retry
  max_retries: 3
  random_jitter: true
plugins:
- name: first
  retry: *retry
  endpoint: http://localhost:1
- name: second
  retry:
    <<: *retry
    max_retries: 5
  endpoint: >-
    http://localhost:2
"#;

const JSON: &str = r#"{
  "log_level": "info", "metrics_port": 9090, "ratio": 5e-1,
  "big": 18446744073709551615, "low": -9223372036854775808,
  "on": "yes", "quoted": "10", "empty": {}, "none": [],
  "text": "a \"b\" \\ \u00e9 \ud83d\ude00\n",
  "server": {"listen": "127.0.0.1:8080", "tls": {"cert_file": "c.pem"}},
  "defaults": {"max_retries": 3, "random_jitter": true},
  "plugins": [
    {"name": "first", "retry": {"max_retries": 3, "random_jitter": true}, "endpoint": "http://localhost:1"},
    {"name": "second", "retry": {"random_jitter": true, "max_retries": 5}, "endpoint": "http:\/\/localhost:2"}
  ]
}"#;

const TOML: &str = r#"
log_level = 'info'
metrics_port = 9_090
ratio = 0.5
big = 18446744073709551615
low = -9223372036854775808
on = "yes"
quoted = "10"
empty = {}
none = []
text = "a \"b\" \\ \u00e9 \U0001F600\n"
[server]
listen = "127.0.0.1:8080"
tls.cert_file = "c.pem"
[[plugins]]
name = "first"
endpoint = "http://localhost:1"
[plugins.retry]
max_retries = 0x3
random_jitter = true
[[plugins]]
name = "second"
endpoint = """
http://localhost:2"""
retry = { max_retries = 5, random_jitter = true }
[defaults]
max_retries = 3
random_jitter = true
"#;

#[test]
fn the_same_document_is_the_same_tree_in_every_syntax() {
    let trees = [tree(Syntax::Yaml, YAML), tree(Syntax::Json, JSON), tree(Syntax::Toml, TOML)];
    assert_eq!(trees[0], trees[1]);
    assert_eq!(trees[0], trees[2]);
    assert_eq!(trees[0].get("on").and_then(Node::as_str), Some("yes"), "YAML 1.1 booleans are strings");
    assert_eq!(trees[0].get("quoted").and_then(Node::as_str), Some("10"));
}

#[test]
fn the_syntax_is_found_by_content_when_the_name_does_not_say() {
    for text in [YAML, JSON, TOML] {
        assert_eq!(parse(Path::new("g.conf"), text.as_bytes(), None).unwrap(), tree(Syntax::Yaml, YAML));
    }
    let toml_in_a_yaml_file = parse(Path::new("g.yaml"), TOML.as_bytes(), Some(Syntax::Toml));
    assert_eq!(toml_in_a_yaml_file.unwrap(), tree(Syntax::Yaml, YAML));
}

#[test]
fn a_byte_order_mark_is_skipped_and_counts_for_no_column() {
    for (syntax, text) in [(Syntax::Yaml, "a: 1"), (Syntax::Json, r#"{"a": 1}"#), (Syntax::Toml, "a = 1")] {
        let with_mark = tree(syntax, &format!("\u{feff}{text}"));
        assert_eq!(with_mark, tree(syntax, text));
        assert_eq!(with_mark.get("a").unwrap().span, tree(syntax, text).get("a").unwrap().span);
    }
}

#[test]
fn an_empty_file_has_no_keys() {
    for text in ["", "\n", "# nothing\n", "---\n"] {
        assert_eq!(yaml(text).value, Value::Null, "{text:?}");
    }
    assert_eq!(tree(Syntax::Toml, "# nothing").value, Value::Map(Vec::new()));
    assert_eq!(refused(Syntax::Json, " "), "1:2: JSON syntax: the file ends; expected a value");
    assert_eq!(read(&yaml(""), |m| m.get("a").string()), Ok(None));
}

#[test]
fn a_duplicate_key_names_both_places() {
    assert_eq!(
        refused(Syntax::Yaml, "a: 1\nb: {c: 1, d: 2, c: 3}\na: 2\n"),
        "2:17: duplicate key \"c\"; it is first given at line 2, column 5\n\
         3:1: duplicate key \"a\"; it is first given at line 1, column 1"
    );
    assert_eq!(
        refused(Syntax::Json, "{\"a\": 1,\n \"b\": {\"c\": 1, \"\\u0063\": 3}, \"a\": 2}"),
        "2:16: duplicate key \"c\"; it is first given at line 2, column 8\n\
         2:30: duplicate key \"a\"; it is first given at line 1, column 2"
    );
    assert_eq!(
        refused(
            Syntax::Toml,
            "a = 1\nb = {c = 1, c = 3}\n'a' = [\n 2]\n[[t]]\nx = 1\n[[t]]\ny.z = 1\n[t.y]\n[v.w]\n[v.w]"
        ),
        "2:13: duplicate key \"c\"; it is first given at line 2, column 6\n\
         3:1: duplicate key \"a\"; it is first given at line 1, column 1\n\
         9:4: duplicate key \"y\"; it is first given at line 8, column 1\n\
         11:4: duplicate key \"w\"; it is first given at line 10, column 4"
    );
}

#[test]
fn every_fault_of_toml_syntax_is_reported() {
    let faults = refused(Syntax::Toml, "a = \nb = 1\nc = 'x\nd = 01\n");
    let places: Vec<&str> = faults.lines().map(|line| &line[..line.find(": ").unwrap()]).collect();
    assert_eq!(places, ["1:5", "3:7", "4:5"], "{faults}");
}

#[test]
fn yaml_faults_say_what_and_where() {
    for (text, fault) in [
        ("a: [1, 2\nb: 3\n", "2:2: YAML syntax: "),
        ("a:\n\t- 1\n", "2:2: YAML syntax: "),
        ("a: b: c\n", "1:5: YAML syntax: "),
        ("a: *x\n", "1:4: YAML syntax: "),
        ("a: 'x\n", "2:1: YAML syntax: "),
        ("a: 1\n---\nb: 2\n", "2:1: a second document begins here; a file holds one"),
        ("a: !env X\n", "1:9: a: the tag \"!env\" is not supported here"),
        ("a: !!int x\n", "1:10: a: \"x\" is no int, as its tag says"),
        ("a: &x [*x]\n", "1:8: the alias stands inside the value that it names"),
        ("? [a]\n: 1\n", "1:3: a list or map cannot be a key"),
        ("<<: 1\n", "1:5: `<<` merges a map or a list of maps; quote it to use it as a key"),
        ("a: .inf\n", "1:4: a: .inf is not a number that a configuration can hold"),
        ("a:\n  - b: 1\n  - {c: -.INF}\n", "3:9: a[1].c: -.INF is not a number"),
        ("a: \"x\\0y\"\n", "1:4: a: the string holds a NUL character"),
    ] {
        let found = refused(Syntax::Yaml, text);
        assert!(found.starts_with(fault), "{text:?}: {found}");
    }
}

#[test]
fn yaml_tags_aliases_and_merges_mean_what_yaml_says() {
    let node = yaml(
        "a: !!str 10\nb: ! 10\nc: !!float 1\nd: &k key\n*k : 1\ne: &m {x: 1, y: 2}\nf: &n {y: 3, z: 4}\n\
         g: {<<: [*m, *n], x: 9}\nh: !!map {}\n1: one\ntrue: two\n\"<<\": plain\ni:\n  ? j\n  : k\n",
    );
    let expected = tree(
        Syntax::Json,
        r#"{"a": "10", "b": "10", "c": 1.0, "d": "key", "key": 1, "e": {"x": 1, "y": 2}, "f": {"y": 3, "z": 4},
            "g": {"x": 9, "y": 2, "z": 4}, "h": {}, "1": "one", "true": "two", "<<": "plain", "i": {"j": "k"}}"#,
    );
    assert_eq!(node, expected);
}

#[test]
fn json_faults_say_what_json_wants() {
    for (text, fault) in [
        ("{\"a\": 1,}", "1:8: a comma before `}`; JSON allows none after the last item"),
        ("[1,\n]", "1:3: a comma before `]`; JSON allows none after the last item"),
        ("{a: 1}", "1:2: JSON syntax: found 'a'; expected a key in double quotes"),
        ("{'a': 1}", "1:2: JSON syntax: found '\\''; expected a key in double quotes"),
        ("{\"a\" 1}", "1:6: JSON syntax: found '1'; expected `:` after the key"),
        ("{\"a\": 1 \"b\": 2}", "1:9: JSON syntax: found '\"'; expected `,` or `}`"),
        ("{\"a\": info}", "1:7: JSON syntax: found 'i'; expected a value; strings stand in double quotes"),
        ("{\"a\": 1} x", "1:10: JSON syntax: found 'x'; expected the end of the file"),
        ("{\"a\": 1", "1:8: JSON syntax: the file ends; expected `,` or `}`"),
        ("{\"a\": // c\n1}", "1:7: JSON has no comments; YAML and TOML do"),
        ("[01]", "1:2: a JSON number begins with one digit, or with one that is not 0"),
        ("[-]", "1:2: a JSON number begins with one digit, or with one that is not 0"),
        ("[1.]", "1:4: JSON syntax: found ']'; expected a digit after the point"),
        ("[1e]", "1:4: JSON syntax: found ']'; expected a digit of the exponent"),
        ("[+1]", "1:2: JSON syntax: found '+'; expected a value"),
        ("[NaN]", "1:2: JSON syntax: found 'N'; expected a value; strings stand in double quotes"),
        ("[1e999]", "1:2: [0]: the number 1e999 is too large"),
        ("[18446744073709551616]", "1:2: [0]: the integer 18446744073709551616 does not fit in 64 bits"),
        ("[\"a", "1:2: the string is not closed"),
        ("[\"a\n\"]", "1:2: the string is not closed on its line; write a break as \\n"),
        ("[\"a\tb\"]", "1:4: JSON syntax: found '\\t'; expected no bare control character in a string"),
        ("[\"\\x\"]", "1:3: unknown escape; JSON has"),
        ("[\"\\u12\"]", "1:3: \\u needs four hexadecimal digits"),
        ("[\"\\ud800\"]", "1:3: the escape is half of a surrogate pair"),
        ("[\"\\ud800\\u0041\"]", "1:3: the escape is half of a surrogate pair"),
        ("[\"\\u0000\"]", "1:2: [0]: the string holds a NUL character"),
    ] {
        let found = refused(Syntax::Json, text);
        assert!(found.starts_with(fault), "{text:?}: {found}");
    }
}

#[test]
fn a_date_of_toml_is_text_as_in_the_other_syntaxes() {
    let node = tree(Syntax::Toml, "at = 2024-05-01T10:00:00Z");
    assert_eq!(node.get("at").and_then(Node::as_str), Some("2024-05-01T10:00:00Z"));
}
