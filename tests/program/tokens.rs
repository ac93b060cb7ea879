//! The commands against a gateway whose admin plane wants tokens.

use crate::support::{Program, example, gateway, get};

#[tokio::test]
async fn whoever_has_no_token_cannot_write_the_log_full() {
    let dir = tempfile::tempdir().expect("a directory");
    let gateway = gateway(&dir.path().join("gateway.yaml"), &[], |data, admin| {
        let off = "{name: echo, enabled: false, transport: exec, executable: 'true'}";
        format!(
            "server: {{listen: '{data}'}}\nadmin: {{listen: '{admin}', tokens: [{{name: sre, token: secret}}]}}\n\
             plugins: [{off}]\n"
        )
    })
    .await;
    let guessing = async {
        loop {
            assert_eq!(get(gateway.admin, "/admin/v1/status").await.status, 401);
        }
    };
    // The first line of a second tells how many there were in the one before that have none.
    tokio::select! {
        _ = gateway.program.logs(&["outcome=\"denied\" untold="]) => {}
        () = guessing => {}
    }
}

#[tokio::test]
async fn a_token_of_the_data_plane_goes_to_nobody_else() {
    let dir = tempfile::tempdir().expect("a directory");
    let gateway = gateway(&dir.path().join("gateway.yaml"), &[], |data, admin| {
        format!(
            "server: {{listen: '{data}', auth: [{{name: me, method: bearer, token: data-token}}]}}\nadmin: {{listen: '{admin}'}}\n\
             plugins: [{{name: away, transport: http, endpoint: 'http://127.0.0.1:1', health_check: {{interval: 50ms, timeout: 50ms, \
             failure_limit: 1}}}}]\n"
        )
    })
    .await;
    let spy = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
    let (admin, (tell, told)) = (spy.local_addr().expect("an address"), std::sync::mpsc::channel());
    std::thread::spawn(move || {
        while let Ok((mut stream, _)) = spy.accept() {
            let mut head = [0; 4096];
            let read = std::io::Read::read(&mut stream, &mut head).unwrap_or_default();
            let _ = tell.send(String::from_utf8_lossy(&head[..read]).into_owned());
        }
    });
    let (url, admin) = (format!("http://{}", gateway.data), format!("http://{admin}"));
    let (ask, env) =
        (["--url", &url, "--admin", &admin, "call", "away", "1"], [("PLUGIN_MANAGER_TOKEN", "data-token")]);
    let asked = loop {
        let said = Program::start_with(ask, &env, "").ends().await.failed(1);
        if said.contains("HEALTH_1601") {
            break told.recv_timeout(std::time::Duration::from_secs(10)).expect("it asks who the plugin is");
        }
    };
    assert!(asked.starts_with("GET /admin/v1/plugins/away ") && !asked.contains("data-token"), "{asked}");
    let (nobody, _) = crate::support::ports();
    let ask = ["--url", &format!("http://{nobody}"), "--admin", &admin, "call", "away", "1"];
    let said = Program::start_with(ask, &env, "").ends().await.failed(1);
    assert!(said.contains("no gateway answers"), "{said}");
    let mut asked = String::new();
    while !asked.starts_with("GET /readyz ") {
        asked = told.recv_timeout(std::time::Duration::from_secs(10)).expect("it asks whether it is stopping");
    }
    assert!(!asked.contains("data-token"), "{asked}");
}

#[tokio::test]
async fn who_has_no_token_does_not_read_where_plugins_are_in_their_health() {
    let dir = tempfile::tempdir().expect("a directory");
    let gateway = gateway(&dir.path().join("gateway.yaml"), &[], |data, admin| {
        format!(
            "server: {{listen: '{data}'}}\nadmin: {{listen: '{admin}', tokens: [{{name: sre, token: secret}}]}}\n\
             plugins: [{{name: away, transport: http, endpoint: 'http://127.0.0.1:1', health_check: {{interval: 50ms, timeout: 50ms, \
             failure_limit: 1}}}}]\n"
        )
    })
    .await;
    let open = loop {
        let open = get(gateway.admin, "/health").await;
        if open.status == 503 {
            break open.text().to_owned();
        }
    };
    assert!(open.contains("\"away\":{\"status\":\"") && !open.contains("127.0.0.1:1"), "{open}");
    let told = gateway.command_with(&["health"], &[("PLUGIN_MANAGER_TOKEN", "secret")], "").await;
    assert!(told.stdout.contains("127.0.0.1:1"), "{told:?}");
}

#[tokio::test]
async fn a_token_of_each_role_opens_what_it_should() {
    let dir = tempfile::tempdir().expect("a directory");
    let echo = example("plugins/echo.py");
    std::fs::write(dir.path().join("operator"), "turn-it\n").expect("written");
    let env = [("LOOK", "look-at-it")];
    let gateway = gateway(&dir.path().join("gateway.yaml"), &env, |data, admin| {
        format!(
            "
server: {{listen: '{data}'}}
admin:
  listen: '{admin}'
  tokens:
    - {{name: viewer, token: '${{LOOK}}'}}
    - {{name: sre, token: 'file:operator', role: operate}}
plugins:
  - {{name: echo, transport: exec, executable: python3, args: ['{echo}']}}
"
        )
    })
    .await;
    let commands = [&["status"][..], &["plugins"], &["health"], &["drain", "echo"], &["disable", "echo"]];
    for command in commands {
        let said = gateway.command(command).await.failed(1);
        assert!(said.contains("the admin plane needs a token"), "{command:?}: {said}");
        assert!(said.contains("--token or PLUGIN_MANAGER_TOKEN"), "{command:?}: {said}");
        let said = gateway.command_with(command, &[("PLUGIN_MANAGER_TOKEN", "guessed")], "").await.failed(1);
        assert!(said.contains("nobody has this token on the admin plane"), "{command:?}: {said}");
        assert!(said.contains("--token or PLUGIN_MANAGER_TOKEN") && !said.contains("guessed"), "{command:?}: {said}");
    }
    assert_eq!(get(gateway.admin, "/readyz").await.status, 200, "probes need none");
    assert_eq!(get(gateway.admin, "/metrics").await.status, 200, "nor does who scrapes");

    assert!(gateway.command(&["status", "--token", "look-at-it"]).await.worked().starts_with("serving"));
    for command in [&["drain", "echo"][..], &["disable", "echo"], &["enable", "echo"], &["restart", "echo"]] {
        let command: Vec<_> = command.iter().copied().chain(["--token", "look-at-it"]).collect();
        let said = gateway.command(&command).await.failed(1);
        assert!(said.contains("\"viewer\" may read, and this needs the role \"operate\""), "{said}");
    }
    assert_eq!(gateway.command(&["call", "echo", "1"]).await.worked(), "1\n", "nothing was changed");

    let operate = [("PLUGIN_MANAGER_TOKEN", "turn-it")];
    let said = gateway.command_with(&["disable", "echo"], &operate, "").await.worked();
    assert_eq!(said, "echo is disabled\n");
    let said = gateway.command_with(&["drain", "echo", "--timeout", "10s"], &operate, "").await.worked();
    assert!(said.starts_with("echo drained in "), "{said}");
    let disable = "method=POST path=\"/admin/v1/plugins/echo/disable\"";
    let lines = [
        format!("who=\"sre\" {disable} outcome=\"done\""),
        format!("who=\"viewer\" {disable} outcome=\"denied\""),
        format!("who=\"somebody without a token\" {disable} outcome=\"denied\""),
        format!("who=\"somebody with a wrong token\" {disable} outcome=\"denied\""),
    ];
    let log = gateway.program.logs(&lines.each_ref().map(String::as_str)).await;
    assert!(!log.contains("outcome=\"gone\""), "who looks changes nothing, and every change was waited for: {log}");
    assert!(!log.contains("turn-it") && !log.contains("guessed"), "no token is: {log}");
}
