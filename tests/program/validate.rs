//! Bad configurations: every fault at once, each at its place, and nothing started.

use std::path::Path;

use serde_json::Value;

use crate::support::{Program, run};

/// Ten faults. Between them stands a plugin that leaves a mark when it is started.
fn ten_faults(mark: &Path) -> String {
    format!(
        r#"log_levle: info
server: {{listen: "127.0.0.1:0"}}
plugins:
  - name: marker
    transport: exec
    executable: sh
    args: [-c, "touch '{}'"]
  - name: a
    transport: http
    endpoint: http://127.0.0.1:1/
    timout: 5s
    retry: {{max_retries: 101}}
    load_balancer: {{strategy: round-robbin}}
  - name: b
    transport: exec
    executable: ./absent
    restart: {{initial: soon}}
  - name: a
    transport: http
    endpoint: ftp://127.0.0.1/
  - name: c
    transport: http
    endpoint: http://127.0.0.1:1/
    auth: {{method: barer}}
"#,
        mark.display()
    )
}

/// Where each is, the key, and a part of what would be right.
const FAULTS: [(&str, &str, &str); 10] = [
    ("1:1", "log_levle", "did you mean \"log_level\"?"),
    ("2:18", "server.listen", "expected a port from 1 to 65535"),
    ("11:5", "plugins[1].timout", "did you mean \"timeout\"?"),
    ("12:26", "plugins[1].retry.max_retries", "expected a whole number from 0 to 100"),
    ("13:31", "plugins[1].load_balancer.strategy", "did you mean \"round-robin\"?"),
    ("16:17", "plugins[2].executable", "absent\" is not there"),
    ("17:24", "plugins[2].restart.initial", "expected a duration such as \"30s\""),
    ("18:11", "plugins[3].name", "the plugin \"a\" is there already"),
    ("20:15", "plugins[3].endpoint", "not http or https"),
    ("24:20", "plugins[4].auth.method", "did you mean \"bearer\"?"),
];

#[tokio::test]
async fn ten_faults_are_printed_each_with_its_place_and_nothing_is_started() {
    let dir = tempfile::tempdir().expect("a directory");
    let (file, mark) = (dir.path().join("gateway.yaml"), dir.path().join("started"));
    std::fs::write(&file, ten_faults(&mark)).expect("written");
    let validated = run(&["validate"], &file).await.failed(2);
    let mut lines = validated.lines();
    assert_eq!(lines.next(), Some("plugin-manager: 10 faults in the configuration"));
    let found: Vec<_> = lines.collect();
    assert_eq!(found.len(), FAULTS.len(), "{validated}");
    for (line, (place, key, right)) in found.iter().zip(FAULTS) {
        let begins = format!("{}:{place}: {key}: ", file.display());
        assert!(line.starts_with(&begins) && line.contains(right), "{line}\nis not\n{begins}... {right}");
    }
    assert_eq!(run(&["run"], &file).await.failed(2), validated, "`run` says the same");
    assert!(!mark.exists(), "a plugin was started");
}

/// `validate` found nothing, and the start ended all that was started.
#[tokio::test]
async fn a_type_that_this_program_does_not_have_is_a_fault_before_anything_is_started() {
    let dir = tempfile::tempdir().expect("a directory");
    let (file, mark) = (dir.path().join("gateway.yaml"), dir.path().join("started"));
    let (started, off) = (mark.display(), "{name: b, transport: inproc, type: nosuch, enabled: false}");
    let text = format!("plugins:\n  - {{name: a, transport: exec, executable: sh, args: [-c, 'touch {started}']}}\n");
    std::fs::write(&file, format!("{text}  - {{name: k, transport: inproc, type: nosuch}}\n  - {off}\n"))
        .expect("written");
    let says = "gateway.yaml:3:40: plugins[1].type: this program has no plugin of type \"nosuch\" [PLUGIN_1002]\n";
    for command in ["validate", "run"] {
        let said = run(&[command], &file).await.failed(2);
        assert!(said.starts_with("plugin-manager: 1 fault in the configuration\n") && said.ends_with(says), "{said}");
    }
    assert!(!mark.exists(), "a plugin was started");
    // What is shown is right in the program that has it, and what is off is made by nobody.
    let shown =
        Program::start(["config".as_ref(), "show".as_ref(), "-c".as_ref(), file.as_os_str()]).ends().await.worked();
    assert!(shown.contains("type: nosuch"), "{shown}");
    std::fs::write(&file, format!("{text}  - {off}\n")).expect("written");
    run(&["validate"], &file).await.worked();
}

#[tokio::test]
async fn what_is_no_configuration_file_is_named() {
    let dir = tempfile::tempdir().expect("a directory");
    let file = dir.path().join("gateway.json");
    for command in ["validate", "run"] {
        let said = run(&[command], &dir.path().join("absent.yaml")).await.failed(2);
        assert!(said.contains("absent.yaml: cannot be opened: No such file"), "{said}");
        let said = run(&[command], dir.path()).await.failed(2);
        assert!(said.contains("is a directory"), "{said}");
        std::fs::write(&file, "{\"plugins\": [\n  {\"name\": }\n]}").expect("written");
        let said = run(&[command], &file).await.failed(2);
        assert!(said.contains("gateway.json:2:12: "), "{said}");
    }
    let said = Program::start(["validate"]).ends().await.failed(2);
    assert!(said.contains("--config"), "{said}");
}

#[tokio::test]
async fn a_certificate_that_cannot_be_used_is_named_by_its_key() {
    let dir = tempfile::tempdir().expect("a directory");
    let file = dir.path().join("gateway.yaml");
    std::fs::write(dir.path().join("text.pem"), "no certificate").expect("written");
    let certified = rcgen::generate_simple_self_signed(["localhost".to_owned()]).expect("a certificate");
    std::fs::write(dir.path().join("good.pem"), certified.cert.pem()).expect("written");
    for (cert, key, says) in [
        ("absent.pem", "good.pem", "server.tls.cert_file: `cert_file` \"{}/absent.pem\" is not there"),
        ("text.pem", "good.pem", "server.tls.cert_file: `cert_file` \"{}/text.pem\" holds no certificate"),
        (".", "good.pem", "server.tls.cert_file: `cert_file` \"{}/.\" cannot be read: Is a directory"),
        ("good.pem", "good.pem", "server.tls.key_file: `key_file` \"{}/good.pem\" holds no private key"),
    ] {
        let text = format!(
            "server: {{tls: {{cert_file: {cert}, key_file: {key}}}}}\n\
             plugins: [{{name: a, transport: http, endpoint: 'http://127.0.0.1:1/'}}]\n"
        );
        std::fs::write(&file, text).expect("written");
        let says = says.replace("{}", dir.path().to_str().expect("text"));
        for command in ["validate", "run"] {
            let said = run(&[command], &file).await.failed(2);
            assert!(said.contains(&says) && said.contains("gateway.yaml:1:"), "{said}\nis not\n{says}");
        }
    }
}

#[tokio::test]
async fn a_good_configuration_is_said_to_be_good_and_the_schema_is_json() {
    let dir = tempfile::tempdir().expect("a directory");
    let file = dir.path().join("gateway.toml");
    let plugin = "[[plugins]]\nname = 'a'\ntransport = 'http'\nendpoint = 'http://127.0.0.1:1/'\n";
    std::fs::write(&file, plugin).expect("written");
    let said = run(&["validate"], &file).await.worked();
    assert_eq!(said, format!("{}: no faults, 1 plugin\n", file.display()));
    let schema: Value = serde_json::from_str(&Program::start(["schema"]).ends().await.worked()).expect("JSON");
    assert!(schema["$schema"].as_str().is_some_and(|url| url.contains("json-schema.org")), "{schema:#}");
    assert!(schema["properties"]["plugins"].is_object(), "{schema:#}");
}

#[tokio::test]
async fn faults_are_printed_as_json_for_who_asks_before_the_command_or_behind_it() {
    let dir = tempfile::tempdir().expect("a directory");
    let (file, mark) = (dir.path().join("gateway.yaml"), dir.path().join("started"));
    std::fs::write(&file, ten_faults(&mark)).expect("written");
    let path = file.to_str().expect("text");
    for args in [["--json", "validate", "-c", path], ["validate", "--json", "-c", path]] {
        let ended = Program::start(args).ends().await;
        assert_eq!((ended.code(), ended.stderr.as_str()), (Some(2), ""), "{ended:?}");
        let said: Value = serde_json::from_str(&ended.stdout).expect("JSON");
        assert_eq!((&said["valid"], &said["plugins"]), (&false.into(), &Value::Null), "{said:#}");
        let faults = said["faults"].as_array().expect("a list");
        assert_eq!(faults.len(), FAULTS.len());
        for (fault, (place, key, right)) in faults.iter().zip(FAULTS) {
            assert_eq!(format!("{}:{}", fault["line"], fault["column"]), place, "{fault:#}");
            let text =
                format!("{}; {}", fault["problem"].as_str().expect("text"), fault["remedy"].as_str().unwrap_or(""));
            assert!(fault["key"] == key && text.contains(right), "{fault:#}");
            assert!(fault["code"].is_string() && fault["file"] == path, "{fault:#}");
        }
    }
    std::fs::write(&file, "plugins: [{name: a, transport: http, endpoint: 'http://127.0.0.1:1/'}]").expect("written");
    let said: Value = serde_json::from_str(&run(&["validate", "--json"], &file).await.worked()).expect("JSON");
    let expected = serde_json::json!({"file": path, "valid": true, "plugins": 1, "faults": []});
    assert_eq!(said, expected);
}

#[tokio::test]
async fn a_type_makes_up_for_nothing_in_a_program_that_has_no_factories() {
    let dir = tempfile::tempdir().expect("a directory");
    let file = dir.path().join("gateway.yaml");
    std::fs::write(&file, "plugins: [{name: a, type: payments, transport: http}]\n").expect("written");
    for command in [&["validate"][..], &["run"], &["config", "show"]] {
        let said = run(command, &file).await.failed(2);
        assert!(said.contains("plugins[0].endpoint: the transport http needs `endpoint` or `instances`"), "{said}");
    }
}

#[tokio::test]
async fn a_variant_that_cannot_be_laid_over_is_not_passed_over() {
    let plugin = "plugins: [{name: a, transport: http, endpoint: 'http://127.0.0.1:1/'}]";
    let stdin = async |args: &[&str], env: &[(&str, &str)]| Program::start_with(args, env, plugin).ends().await;
    for command in [&["validate"][..], &["run"], &["config", "show"]] {
        let args = [command, &["-c", "-", "--env", "production"]].concat();
        let said = stdin(&args, &[]).await.failed(2);
        assert!(said.contains("--env has no effect with -c -"), "{said}");
    }
    let ended = stdin(&["validate", "-c", "-"], &[("APP_ENV", "production")]).await;
    assert_eq!((ended.code(), ended.stdout.as_str()), (Some(0), "stdin: no faults, 1 plugin\n"), "{ended:?}");
    assert!(ended.stderr.contains("APP_ENV is \"production\" and has no effect"), "{ended:?}");
    // Without variants beside the file it may be meant for other programs, as the library has it.
    let dir = tempfile::tempdir().expect("a directory");
    let file = dir.path().join("gateway.yaml");
    std::fs::write(&file, plugin).expect("written");
    let path = file.to_str().expect("text");
    let ended = Program::start_with(["validate", "-c", path], &[("APP_ENV", "production")], "").ends().await;
    assert_eq!(ended.code(), Some(0), "{ended:?}");
    assert!(run(&["validate", "--env", "production"], &file).await.failed(2).contains("is not there"));
}

#[tokio::test]
async fn shells_complete_the_commands_the_manual_has_them_with_their_options_and_the_help_says_the_exit_codes() {
    for shell in ["bash", "elvish", "fish", "powershell", "zsh"] {
        let script = Program::start(["completions", shell]).ends().await.worked();
        for word in ["validate", "drain", "config"] {
            assert!(script.contains(word), "{shell} does not complete {word}");
        }
    }
    let page = Program::start(["man"]).ends().await.worked();
    let help = Program::start(["--help"]).ends().await.worked();
    for word in ["validate", "drain", "completions", "Exit codes: 0 it worked"] {
        assert!(page.contains(word) && help.contains(word), "{word} is not in\n{page}\n{help}");
    }
    for option in ["config", "env", "url", "admin", "token", "json", "timeout", "affinity", "markdown", "listen"] {
        assert!(page.contains(&format!("\\-\\-{option}")), "{option} is not in\n{page}");
    }
    assert!(
        page.contains(".SS \"plugin\\-manager config show\"") && page.contains("default: 127.0.0.1:8080"),
        "{page}"
    );
    let other_page = page.lines().find(|line| line.contains("(1)") && !line.starts_with(".TH"));
    assert_eq!(other_page, None, "a page that no command prints");
    assert!(page.starts_with(".ie") || page.starts_with(".TH"), "{page}");
    assert_eq!(Program::start(["completions", "cmd"]).ends().await.code(), Some(2));
}

#[tokio::test]
async fn a_configuration_may_come_from_standard_input() {
    let plugin = "{\"plugins\": [{\"name\": \"a\", \"transport\": \"http\", \"endpoint\": \"http://127.0.0.1:1/\"}]}";
    let given = async |args: &[&str], input: &str| Program::start_with(args, &[], input).ends().await;
    assert_eq!(given(&["validate", "-c", "-"], plugin).await.worked(), "stdin: no faults, 1 plugin\n");
    let shown = given(&["config", "show", "-c", "-"], plugin).await.worked();
    assert!(shown.contains("name: a\n"), "{shown}");
    for command in ["validate", "run"] {
        let said = given(&[command, "-c", "-"], "plugins: []").await.failed(2);
        assert!(said.contains("stdin:1:10: plugins: there are no plugins"), "{said}");
    }
}

#[tokio::test]
async fn a_file_that_does_not_come_is_waited_for_with_a_word() {
    let dir = tempfile::tempdir().expect("a directory");
    let file = dir.path().join("gateway.yaml");
    // Nobody writes into it, as no disk answers that stands still.
    let made = std::process::Command::new("mkfifo").arg(&file).status().expect("it runs");
    assert!(made.success());
    let commands = [&["validate", "--json"][..], &["run"], &["config", "show"]];
    let start = |command: &[&str]| {
        Program::start(command.iter().map(std::ffi::OsStr::new).chain(["-c".as_ref(), file.as_os_str()]))
    };
    for mut program in commands.map(start) {
        program.prints("or a file that it names, after 10s: does the disk stand still").await.expect("it waits");
        assert_eq!(program.stdout(), "");
    }
}
