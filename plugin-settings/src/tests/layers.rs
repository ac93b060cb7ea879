//! Merging, substitution and redaction.

use super::*;

const PLUGINS: [NamedList<'_>; 2] =
    [NamedList { path: "plugins", key: "name" }, NamedList { path: "plugins[].instances", key: "name" }];

#[track_caller]
fn merged(base: &str, overlay: &str) -> Node {
    merge(yaml(base), yaml(overlay), &PLUGINS)
}

#[track_caller]
fn substituted(text: &str) -> Result<Node, String> {
    let mut node = yaml(text);
    let env = |name: &str| match name {
        "HOST" => Some("db".to_owned()),
        "PORT" => Some("5432".to_owned()),
        "EMPTY" => Some(String::new()),
        "TRICK" => Some("${HOST}: [$$]".to_owned()),
        _ => None,
    };
    substitute(&mut node, &env).map(|()| node).map_err(|faults| faults.to_string())
}

#[test]
fn an_overlay_goes_key_by_key() {
    assert_eq!(
        merged("a: 1\nb: {x: 1, y: {z: 2}}\nc: [1, 2]\nd: {k: 1}", "b: {y: {z: 3, w: 4}}\nc: [3]\nd: 5\ne: 6"),
        yaml("a: 1\nb: {x: 1, y: {z: 3, w: 4}}\nc: [3]\nd: 5\ne: 6")
    );
    assert_eq!(merged("a: {x: 1}", "a: ~"), yaml("a: ~"), "null takes the default back");
    assert_eq!(merged("a: 1", ""), yaml(""), "an overlay that is empty replaces; the loader leaves it out");
}

#[test]
fn plugins_merge_by_name_and_keep_their_order() {
    assert_eq!(
        merged(
            "plugins: [{name: a, x: 1, instances: [{name: i, w: 1}, {name: j}]}, {name: b}]",
            "plugins: [{name: c}, {name: a, x: 2, instances: [{name: j, w: 5}]}]"
        ),
        yaml("plugins: [{name: a, x: 2, instances: [{name: i, w: 1}, {name: j, w: 5}]}, {name: b}, {name: c}]")
    );
    assert_eq!(
        merged("plugins: [{name: a}, {x: 1}]", "plugins: [{x: 2}, {name: a, y: 1}, {name: a, y: 2}]"),
        yaml("plugins: [{name: a, y: 1}, {x: 1}, {x: 2}, {name: a, y: 2}]"),
        "what has no name or a name twice stays, for the reader to find"
    );
    assert_eq!(merged("other: [{name: a}]", "other: [{name: b}]"), yaml("other: [{name: b}]"));
}

#[test]
fn each_value_of_a_merge_keeps_its_place() {
    let overlay = parse(Path::new("g.production.yaml"), b"\n\nb: {y: 3}", None).unwrap();
    let node = merge(yaml("b: {x: 1, y: 2}"), overlay, &[]);
    let b = node.get("b").unwrap();
    assert_eq!(b.get("x").unwrap().span.to_string(), "g.yaml:1:8");
    assert_eq!(b.get("y").unwrap().span.to_string(), "g.production.yaml:3:8");
}

#[test]
fn variables_are_replaced_in_values_and_not_in_keys() {
    let node = substituted(
        "url: pg://${HOST}:${PORT}/x\nport: ${PORT}\n${HOST}: key\nlist: [a, '${NONE:-b}']\nprice: $$5 or $5 or $\nn: 1\n\
         nested: ${NONE:-${EMPTY:-${HOST}}/x}\nempty: <${EMPTY}>\ntrick: ${TRICK}\nclosed: '${NONE:-}'",
    );
    let expected = yaml(
        "url: pg://db:5432/x\nport: '5432'\n${HOST}: key\nlist: [a, b]\nprice: $5 or $5 or $\nn: 1\n\
         nested: db/x\nempty: <>\ntrick: '${HOST}: [$$]'\nclosed: ''",
    );
    assert_eq!(node, Ok(expected));
}

#[test]
fn what_the_environment_had_a_part_in_is_tainted_and_what_was_one_variable_is_untyped() {
    let node =
        substituted("a: ${PORT}\nb: x${PORT}\nc: ${NONE:-5}\nd: $$\ne: ${PORT}${PORT}\nf: '${PORT}'\ng: x").unwrap();
    let flags = |key: &str| {
        let node = node.get(key).unwrap();
        (node.tainted, node.untyped)
    };
    assert_eq!(flags("a"), (true, true));
    assert_eq!(flags("b"), (true, false));
    assert_eq!(flags("c"), (false, true), "a default is in the file");
    assert_eq!(flags("d"), (false, false));
    assert_eq!(flags("e"), (true, false));
    assert_eq!(flags("f"), (true, true), "JSON and TOML must quote it, so quotes do not count");
    assert_eq!(flags("g"), (false, false));
}

#[test]
fn every_variable_that_is_not_set_is_a_fault_with_its_path() {
    let text =
        "plugins:\n- auth: {token: '${A}'}\n  url: ${B}/${C}\nx: '${A'\ny: ${}\nz: ${A:?no}\n1: ${A-b}\n2: ${9}\n";
    assert_eq!(
        substituted(text).unwrap_err(),
        "g.yaml:2:17: plugins[0].auth.token: the environment variable \"A\" is not set; set it, or give `:-` and a default\n\
         g.yaml:3:8: plugins[0].url: the environment variable \"B\" is not set; set it, or give `:-` and a default\n\
         g.yaml:3:8: plugins[0].url: the environment variable \"C\" is not set; set it, or give `:-` and a default\n\
         g.yaml:4:4: x: `${` is not closed; write `${NAME}`, or `$$` for a dollar sign\n\
         g.yaml:5:4: y: \"\" is no name of a variable; write `${NAME}` or `${NAME:-default}`\n\
         g.yaml:6:4: z: \":?no\" cannot follow a variable; write `${A}` or `${A:-default}`\n\
         g.yaml:7:4: 1: \"-b\" cannot follow a variable; write `${A}` or `${A:-default}`\n\
         g.yaml:8:4: 2: \"9\" is no name of a variable; write `${NAME}` or `${NAME:-default}`"
    );
}

#[test]
fn substitution_is_bounded() {
    let nested = |depth: usize| format!("a: '{}x{}'", "${N:-".repeat(depth), "}".repeat(depth));
    assert!(substituted(&nested(8)).is_ok());
    let fault = "g.yaml:1:4: a: more than 8 defaults stand inside one another";
    assert_eq!(substituted(&nested(9)).unwrap_err(), fault);
    assert_eq!(substituted(&nested(100_000)).unwrap_err(), fault);
    assert!(substituted(&format!("a: '{}'", "${N:-".repeat(100_000))).unwrap_err().contains("is not closed"));

    let large = "x".repeat(1 << 20);
    let env = |_: &str| Some(large.clone());
    for text in [format!("[{}]", vec!["'${A}'"; 17].join(",")), format!("'{}'", "${A}".repeat(1_000_000))] {
        let fault = substitute(&mut yaml(&text), &env).unwrap_err().to_string();
        assert!(fault.contains("the document has more than 16 MiB of text"), "{fault}");
    }
    let unset = format!("'{}'", "${A}".repeat(10_000));
    assert!(substitute(&mut yaml(&unset), &|_| None).unwrap_err().len() <= 20);
}

#[test]
fn secrets_are_printed_as_stars() {
    let mut node = yaml(
        "server: {listen: '127.0.0.1:8080', tls: {key_file: k.pem}}\n\
         admin: {tokens: [{name: ops, token: hunter2, role: read}]}\n\
         plugins:\n\
         - name: a\n  endpoint: https://${HOST}/x\n  options: {licence: abc, n: 5}\n  env: [DB=1, odd]\n\
         \x20 auth: {method: api-key, api_key: 'file:/run/key', password: 12345, headers: {X-Id: abc}}\n\
         \x20 args: [--url, 'redis://user:pa:ss@host/0']\n",
    );
    substitute(&mut node, &|_| Some("inner".to_owned())).unwrap();
    assert_eq!(
        to_yaml(&redact(&node, &["licence"])),
        r#"server:
  listen: "127.0.0.1:8080"
  tls:
    key_file: k.pem
admin:
  tokens:
    - name: ops
      token: "***"
      role: read
plugins:
  - name: a
    endpoint: "***"
    options:
      licence: "***"
      "n": 5
    env:
      - "DB=***"
      - "***"
    auth:
      method: api-key
      api_key: "file:/run/key"
      password: "***"
      headers:
        X-Id: "***"
    args:
      - "--url"
      - "redis://user:***@host/0"
"#
    );
}

#[test]
fn keys_that_name_a_secret_are_known_however_they_are_written() {
    for key in [
        "token",
        "TOKEN",
        "authToken",
        "db_password",
        "API-Key",
        "apikey",
        "clientSecret",
        "Authorization",
        "private_key",
        "aws.secret.name",
    ] {
        assert!(is_secret_key(key), "{key}");
    }
    for key in [
        "tokens",
        "token_file",
        "key_file",
        "key",
        "affinity_key",
        "idempotency_key",
        "public_keys",
        "tokenizer",
        "name",
        "",
    ] {
        assert!(!is_secret_key(key), "{key}");
    }
}

#[test]
fn what_is_printed_is_readable_yaml() {
    let node = yaml(
        "a: [[1, [2]], [], {}, {b: {}, c: [x]}]\ny: 'no'\n'1': 1.0\n'a b': \"é\\x7f\\u2028\\t😀\"\nn: ~\nbig: 1e300\n",
    );
    assert_eq!(
        to_yaml(&node),
        "a:\n  - - 1\n    - - 2\n  - []\n  - {}\n  - b: {}\n    c:\n      - x\n\"y\": \"no\"\n\"1\": 1.0\n\
         \"a b\": \"é\\U0000007F\\U00002028\\t\\U0001F600\"\n\"n\": null\nbig: 1e300\n"
    );
    assert_eq!(yaml(&to_yaml(&node)), node);
}

#[test]
fn a_number_that_only_measures_something_secret_is_shown() {
    let node =
        yaml("retry: {throttle: {max_tokens: 10, token_ratio: 0.5}}\nauth: {password: 12345, token: 7, api_key: 1}\n");
    let shown = to_yaml(&redact(&node, &[]));
    assert!(shown.contains("token_ratio: 0.5") && shown.contains("max_tokens: 10"), "{shown}");
    assert!(
        !shown.contains("12345") && shown.contains("token: \"***\"") && shown.contains("api_key: \"***\""),
        "{shown}"
    );
}
