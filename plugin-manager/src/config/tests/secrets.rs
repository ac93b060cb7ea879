//! Secrets: where they come from, and where they never show.

use std::fs;

use super::*;

const SECRETS: [&str; 6] = ["hunter-key", "hunter-token", "hunter-pass", "hunter-head", "hunter-env", "hunter-opt"];

fn gateway(extra: &str) -> String {
    format!(
        "plugins:\n\
         - {{name: a, transport: http, endpoint: 'http://127.0.0.1:1/', auth: {{method: api-key, api_key: hunter-key, headers: {{x-t: hunter-head}}}}}}\n\
         - {{name: b, transport: http, endpoint: 'http://127.0.0.1:1/', auth: {{method: basic, username: u, password: hunter-pass}}}}\n\
         - {{name: c, transport: exec, executable: sh, env: {{LEVEL: hunter-env}}, options: {{db_password: hunter-opt}}}}\n\
         admin: {{tokens: [{{name: ops, token: '${{TOKEN}}'}}]}}\n\
         server: {{auth: [{{name: ci, method: bearer, token: hunter-token}}]}}\n{extra}"
    )
}

fn env(name: &str) -> Option<String> {
    match name {
        "TOKEN" => Some("hunter-token".to_owned()),
        other => with_path(other),
    }
}

#[track_caller]
fn hides(text: &str) {
    for secret in SECRETS {
        assert!(!text.contains(secret), "{secret} shows in\n{text}");
    }
}

#[test]
fn secrets_show_neither_in_debug_nor_in_what_holds_nor_in_faults() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("g.yaml");
    fs::write(&path, gateway("")).unwrap();
    let config = load(&path, None, &env).unwrap();
    hides(&format!("{config:?}{config:#?}"));
    let shown = show(&path, None, &env).unwrap();
    hides(&shown);
    assert!(shown.contains("api_key: \"***\"") && shown.contains("LEVEL: \"***\""), "{shown}");

    let wrong = gateway("").replace("api-key, api_key", "bearer, api_key").replace("username: u", "usrname: u");
    let wrong =
        wrong.replace("token: hunter-token", "token: [hunter-token]").replace("db_password", "db_password: 1, token");
    fs::write(&path, wrong).unwrap();
    let faults = load(&path, None, &env).unwrap_err();
    assert!(faults.len() >= 3, "{faults}");
    hides(&faults.to_string());
    faults.iter().for_each(|fault| hides(&fault.snippet().unwrap_or_default()));
}

#[test]
fn a_secret_may_stand_in_a_file_of_its_own() {
    let dir = tempfile::tempdir().unwrap();
    fs::write(dir.path().join("token"), "  from-file\n").unwrap();
    fs::write(
        dir.path().join("g.yaml"),
        format!("plugins: [{PLAIN}]\nserver: {{auth: [{{name: ci, method: api-key, api_key: 'file:token'}}]}}\n"),
    )
    .unwrap();
    let path = dir.path().join("g.yaml");
    let config = load(&path, None, &no_env).unwrap();
    let mut headers = http::HeaderMap::new();
    headers.insert("x-api-key", "from-file".parse().unwrap());
    assert!(config.server().verifier().unwrap().verify(&headers).is_some());
    let shown = show(&path, None, &no_env).unwrap();
    assert!(shown.contains("file:token") && !shown.contains("from-file"), "{shown}");
}

#[test]
fn a_file_that_gives_no_secret_is_named() {
    let dir = tempfile::tempdir().unwrap();
    fs::write(dir.path().join("empty"), " \n").unwrap();
    fs::write(dir.path().join("bytes"), [0xff, 0xfe]).unwrap();
    fs::write(dir.path().join("large"), vec![b'x'; 70_000]).unwrap();
    for (file, says) in [
        ("absent", "cannot be opened"),
        ("empty", "is empty"),
        ("bytes", "is not UTF-8 text"),
        ("large", "is larger than 64 KiB"),
        (".", "is a directory"),
    ] {
        let text = format!("plugins: [{PLAIN}]\nadmin: {{tokens: [{{name: a, token: 'file:{file}'}}]}}");
        let faults = from_text(&dir.path().join("g.yaml"), &text, None, &no_env).unwrap_err().to_string();
        assert!(faults.contains(says) && faults.contains("admin.tokens[0].token"), "{faults}");
        assert!(
            faults.contains(&dir.path().join(file).display().to_string()) && faults.ends_with("[CONFIG_1805]"),
            "{faults}"
        );
    }
}

#[test]
fn file_is_only_a_file_where_a_secret_is() {
    // Were it read, it would be missed.
    let config = config(
        "plugins: [{name: a, transport: exec, executable: sh, env: {DATABASE: 'file:absent.db'}, options: {path: 'file:x'}}]",
    );
    assert_eq!(config.plugins()[0].options()["path"], "file:x");
}

#[test]
fn a_secret_in_the_wrong_place_is_told_by_its_kind() {
    let web = "name: x, transport: http, endpoint: 'http://127.0.0.1:1'";
    let exec = "name: x, transport: exec, executable: sh";
    let plugin = |keys: &str| format!("plugins: [{{{keys}}}]");
    let auth = |auth: &str| plugin(&format!("{web}, auth: {auth}"));
    let beside = |more: &str| format!("plugins: [{{{web}}}]\n{more}");
    for (text, says) in [
        (
            beside("admin: {tokens: [hunter-token]}"),
            "admin.tokens[0]: found a string that is not shown; expected a map",
        ),
        (beside("admin: {tokens: hunter-token}"), "admin.tokens: found a string that is not shown; expected a list"),
        (
            beside("admin: {tokens: [{name: a, token: t, role: hunter-token}]}"),
            "; expected one of \"read\", \"operate\"",
        ),
        (beside("server: {auth: hunter-token}"), "server.auth: found a string that is not shown"),
        (beside("server: {auth: [hunter-token]}"), "server.auth[0]: found a string that is not shown"),
        (
            beside("server: {auth: [{name: a, method: 'Bearer hunter-token'}]}"),
            "server.auth[0].method: found a string that is",
        ),
        (auth("hunter-token"), "plugins[0].auth: found a string that is not shown; expected a map"),
        (auth("{method: bearer hunter-token}"), "; expected one of \"none\", \"api-key\""),
        (auth("{method: baerer, token: t}"), "did you mean \"bearer\"?"),
        (
            auth("{hunter-token: bearer}"),
            "plugins[0].auth: has a key that is none of its own, and is not shown; expected one of",
        ),
        (auth("{method: bearer, tokn: hunter-token}"), "plugins[0].auth.tokn: unknown key; did you mean \"token\"?"),
        (auth("{method: custom, headers: 'authorization: hunter-head'}"), "headers: found a string that is not shown"),
        (
            auth("{method: custom, headers: {'X-Key hunter-head': a}}"),
            "headers: has a name that is not one of an HTTP header",
        ),
        (plugin(&format!("{exec}, env: 'TOKEN=hunter-env'")), "plugins[0].env: found a string; expected a map"),
        (plugin(&format!("{exec}, env: {{'TOKEN=hunter-env': ''}}")), "plugins[0].env: has a name that is none"),
        (plugin(&format!("{exec}, args: '--token hunter-env'")), "plugins[0].args: found a string; expected a list"),
        (plugin(&format!("{exec}, options: hunter-opt")), "plugins[0].options: found a string; expected a map"),
        (plugin("name: x, transport: exec, executable: 'prog --token hunter-env'"), "has a program \"prog ...\""),
        (plugin("name: x, transport: exec, executable: 'sh --token hunter-env'"), "each of them as an item of `args`"),
        (plugin("name: x, transport: exec, executable: '/no/prog hunter-env'"), "\"/no/prog ...\" is not there"),
        (plugin("name: x, transport: exec, executable: 'TOKEN=hunter-env prog'"), "has a program \"TOKEN=...\""),
        (
            plugin("name: x, transport: http, endpoint: 'http://a/?token=hunter-token#f'"),
            "\"http://a/?***\" has a fragment",
        ),
        (
            plugin("name: x, transport: http, endpoint: 'http://a/', health_check: {endpoint: '?k=hunter-token b'}"),
            "\"?***\" is neither a URL nor a path",
        ),
    ] {
        let faults = from_text(Path::new("g.yaml"), &text, None, &with_path).expect_err(&text);
        let said = faults.to_string();
        assert!(said.contains(says), "{text}\n{said}");
        hides(&said);
        if said.contains("found a string") {
            faults.iter().for_each(|fault| hides(&fault.snippet().unwrap_or_default()));
        }
    }
}
