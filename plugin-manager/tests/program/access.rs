//! What the log has of requests, and what is said to who asks the wrong plane.

use crate::support::{Gateway, example, gateway, until};

/// A gateway with nothing but a plugin that echoes.
async fn with_echo(dir: &tempfile::TempDir) -> Gateway {
    let echo = example("plugins/echo.py");
    gateway(&dir.path().join("gateway.yaml"), &[], |data, admin| {
        format!(
            "
server: {{listen: '{data}'}}
admin: {{listen: '{admin}'}}
plugins: [{{name: echo, transport: exec, executable: python3, args: ['{echo}']}}]
"
        )
    })
    .await
}

#[tokio::test]
async fn the_access_log_has_the_requests_that_it_is_told_to_have() {
    for (log, good) in [("errors", false), ("all", true), ("off", false)] {
        let dir = tempfile::tempdir().expect("a directory");
        let echo = example("plugins/echo.py");
        let gateway = gateway(&dir.path().join("gateway.yaml"), &[], |data, admin| {
            format!(
                "
server:
  listen: '{data}'
  access_log: {log}
  auth: [{{name: shop, method: bearer, token: open}}]
admin: {{listen: '{admin}'}}
plugins:
  - {{name: echo, transport: exec, executable: python3, args: ['{echo}']}}
"
            )
        })
        .await;
        assert_eq!(gateway.command(&["call", "echo", "1", "--token", "open"]).await.worked(), "1\n");
        gateway.command(&["call", "nobody", "1", "--token", "open"]).await.failed(1);
        gateway.command(&["call", "echo", "1", "--token", "shut"]).await.failed(1);
        let refused = "method=POST path=\"/v1/plugins/echo\" status=401";
        let failed = "method=POST path=\"/v1/plugins/nobody\" status=404 code=\"PLUGIN_1201\" request_id=";
        if log == "off" {
            let said = gateway.program.stderr();
            assert!(!said.contains("/v1/plugins/"), "{said}");
            continue;
        }
        let said = until("the lines are in the log", async || {
            let said = gateway.program.stderr();
            (said.contains(refused) && said.contains(failed)).then_some(said)
        })
        .await;
        let served = said.lines().find(|line| line.contains("path=\"/v1/plugins/echo\" status=200"));
        assert_eq!(served.is_some(), good, "{log}: {said}");
        assert!(served.is_none_or(|line| line.contains("who=\"shop\"") && line.contains("took_ms=")), "{said}");
        assert!(!said.contains("open") && !said.contains("shut\""), "no token is in it: {said}");
    }
}

#[tokio::test]
async fn who_asks_the_other_plane_is_told_which_flag_names_which() {
    let dir = tempfile::tempdir().expect("a directory");
    let gateway = with_echo(&dir).await;
    let swapped = [format!("--admin=http://{}", gateway.data), format!("--url=http://{}", gateway.admin)];
    for (command, says) in [
        (&["plugins"][..], "this is the data plane"),
        (&["drain", "echo"], "this is the data plane"),
        (&["call", "echo", "1"], "this is the admin plane"),
    ] {
        let command: Vec<_> = command.iter().copied().chain(swapped.iter().map(String::as_str)).collect();
        let said = gateway.command(&command).await.failed(1);
        assert!(said.contains(says) && said.contains("the admin plane what --admin names"), "{command:?}: {said}");
    }
}

#[tokio::test]
async fn what_goes_wrong_is_json_too_where_json_is_asked_for() {
    let dir = tempfile::tempdir().expect("a directory");
    let gateway = with_echo(&dir).await;
    let told = async |command: &[&str], code: i32| {
        let ended = gateway.command(command).await;
        assert_eq!((ended.code(), ended.stderr.as_str()), (Some(code), ""), "{ended:?}");
        serde_json::from_str::<serde_json::Value>(&ended.stdout).unwrap_or_else(|_| panic!("no JSON: {ended:?}"))
    };
    let refused = told(&["call", "nobody", "1", "--json"], 1).await;
    assert_eq!(
        (&refused["code"], &refused["status"], &refused["plugin"]),
        (&"PLUGIN_1201".into(), &404.into(), &"nobody".into())
    );
    let refused = told(&["--json", "drain", "nobody"], 1).await;
    assert_eq!(refused["code"], "PLUGIN_1201");
    let nobody = told(&["--json", "plugins", "--admin", "http://127.0.0.1:1"], 1).await;
    assert!(nobody["detail"].as_str().expect("a sentence").contains("no gateway answers at 127.0.0.1:1"), "{nobody}");
    let wrong = told(&["--json", "plugins", "--admin", "ftp://x"], 2).await;
    assert!(wrong["detail"].as_str().expect("a sentence").contains("does not begin with http://"), "{wrong}");
    let said = gateway.command(&["schema"]).await.failed(2);
    assert!(said.contains("--url is for the commands that talk to a running gateway"), "{said}");
}
