//! What somebody meant who wrote something near.

use super::*;

#[track_caller]
fn says(text: &str, expected: &str) {
    let found = refused(text);
    assert!(found.contains(expected), "{text}\nsays {found}\nand should say {expected}");
    assert_eq!(found.lines().count(), 1, "{found}");
}

#[test]
fn a_section_with_nothing_in_it_is_neither_on_nor_off() {
    let nothing = "the section has nothing in it; write `rate_limit: {}` for one with its defaults, or take it out";
    let plugin = "plugins:\n  - name: a\n    transport: http\n    endpoint: 'http://127.0.0.1:1/'\n";
    says(
        &format!("{plugin}    rate_limit:\n    #  burst_size: 3\n"),
        &format!("5:5: plugins[0].rate_limit: {nothing} [CONFIG_1801]"),
    );
    says(
        &format!("default_rate_limit:\n{plugin}"),
        "1:1: default_rate_limit: the section has nothing in it; write `default_rate_limit: {}`",
    );
    says(
        &format!("server:\n  tls:\n  # cert_file: a.pem\n{plugin}"),
        "2:3: server.tls: the section has nothing in it; write `tls: {}`",
    );
    says(
        &format!("{plugin}    circuit_breaker:\n      slow:\n"),
        "plugins[0].circuit_breaker.slow: the section has nothing in it",
    );
    for absent in ["rate_limit: null", "rate_limit: ~", "retry:", "circuit_breaker: {slow: null}"] {
        config(&format!("{plugin}    {absent}\n"));
    }
    let json = r#"{"plugins": [{"name": "a", "transport": "http", "endpoint": "http://h", "rate_limit": null}]}"#;
    assert!(config(json).plugins()[0].rate_limit().is_none(), "as Go writes a pointer to nothing");
}

#[test]
fn another_word_for_a_key_is_told_the_key() {
    let http = |key: &str| format!("plugins: [{{name: a, transport: http, endpoint: 'http://h', {key}: x}}]");
    for word in ["url", "URL", "uri", "address", "upstream"] {
        says(&http(word), &format!("plugins[0].{word}: unknown key; did you mean \"endpoint\"? [CONFIG_1801]"));
    }
    let exec = |key: &str| format!("plugins: [{{name: a, transport: exec, executable: sh, {key}: x}}]");
    says(&exec("command"), "plugins[0].command: unknown key; did you mean \"executable\"?");
    says(&exec("cwd"), "plugins[0].cwd: unknown key; did you mean \"work_dir\"?");
    says(
        "plugins: [{name: a, transport: http, instances: [{endpoint: 'http://h', url: x}]}]",
        "instances[0].url: unknown key; did you mean \"endpoint\"?",
    );
}

#[test]
fn the_planes_do_not_listen_at_one_address() {
    let planes = |server: &str, admin: &str| format!("{{plugins: [{PLAIN}], server: {{{server}}}, {admin}}}");
    let there = "the data plane listens there already";
    for (server, admin) in [
        ("listen: '127.0.0.1:9000'", "admin: {listen: '127.0.0.1:9000'}"),
        ("listen: '127.0.0.1:9090'", "shutdown_timeout: 1s"),
        ("listen: '127.0.0.1:7'", "metrics_port: 7"),
        ("insecure: false", "admin: {listen: '127.0.0.1:8080'}"),
        ("listen: '0.0.0.0:9090', insecure: true", "shutdown_timeout: 1s"),
        ("listen: '[::]:9090', insecure: true", "shutdown_timeout: 1s"),
        ("listen: '[::ffff:127.0.0.1]:9090'", "shutdown_timeout: 1s"),
    ] {
        says(&planes(server, admin), there);
    }
    for (server, admin) in [
        ("listen: '127.0.0.2:9090'", "shutdown_timeout: 1s"),
        ("listen: '[::1]:9090'", "shutdown_timeout: 1s"),
        ("listen: '127.0.0.1:9090'", "metrics_port: 8080"),
        ("listen: '0.0.0.0:9090', insecure: true", "admin: {listen: '[::1]:9090'}"),
    ] {
        config(&planes(server, admin));
    }
}

#[test]
fn names_that_look_alike_are_refused_whosever_they_are() {
    let hidden = "must not contain U+200B, which does not show [PLUGIN_1001]";
    let plugin = |name: &str| format!("plugins: [{{name: \"{name}\", transport: http, endpoint: 'http://h'}}]");
    says(&plugin("pay\u{200b}ment"), &format!("found the string \"pay\\u{{200b}}ment\"; a plugin's name {hidden}"));
    says(&plugin("a b"), "found the string \"a b\"; a plugin's name must not contain a space [PLUGIN_1001]");
    says(&plugin("cafe\u{301}"), "a plugin's name has letters in parts");
    let instance = "{name: \"i\u{200b}\", endpoint: 'http://h'}";
    says(
        &format!("plugins: [{{name: a, transport: http, instances: [{instance}]}}]"),
        &format!("plugins[0].instances[0].name: an instance's name {hidden}"),
    );
    says(
        &format!("{{plugins: [{PLAIN}], server: {{auth: [{{name: \"c\u{200b}\", method: bearer, token: t}}]}}}}"),
        &format!("server.auth[0].name: a client's name {hidden}"),
    );
    says(
        &format!("{{plugins: [{PLAIN}], admin: {{tokens: [{{name: \"c\u{200b}\", token: t}}]}}}}"),
        &format!("admin.tokens[0].name: a token's name {hidden}"),
    );
}

#[test]
fn what_is_read_from_standard_input_is_read_as_a_file_is() {
    let yaml = format!("plugins: [{PLAIN}]");
    assert_eq!(load_from(yaml.as_bytes(), &no_env).expect("valid").plugins()[0].name(), "a");
    let toml = "[[plugins]]\nname = 'b'\ntransport = 'http'\nendpoint = 'http://h'\n";
    assert!(show_from(toml.as_bytes(), &no_env).expect("valid").contains("name: b\n"));
    let faults = load_from(&b"plugins: [{name: a, tranport: http}]"[..], &no_env).unwrap_err().to_string();
    assert!(faults.starts_with("stdin:1:11: plugins[0].transport: required key is missing"), "{faults}");
    let endless = std::io::repeat(b' ');
    let faults = load_from(endless, &no_env).unwrap_err().to_string();
    assert!(faults.contains("stdin: the file is larger than 8 MiB"), "{faults}");
}
