//! A machine that gives few open files.

use std::{
    net::{SocketAddr, TcpStream},
    process::{Child, Command, Stdio},
};

use crate::support::{Client, example, get, ports, until};

struct Started(Child);

impl Drop for Started {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// A gateway with these soft and hard limits of open files, that serves.
async fn limited(dir: &tempfile::TempDir, limits: &str) -> (Started, SocketAddr, SocketAddr) {
    let (data, admin) = ports();
    let (file, echo) = (dir.path().join("gateway.yaml"), example("plugins/echo.py"));
    let text = format!(
        "
server: {{listen: '{data}'}}
admin: {{listen: '{admin}'}}
plugins: [{{name: echo, transport: exec, executable: python3, args: ['{echo}']}}]
"
    );
    std::fs::write(&file, text).expect("written");
    let script = format!("{limits} exec \"$0\" run --config \"$1\"");
    let mut shell = Command::new("sh");
    shell.args(["-c", &script, env!("CARGO_BIN_EXE_gateway")]).arg(&file);
    let started = shell.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).spawn().expect("sh");
    let started = Started(started);
    until("it is ready", async || {
        TcpStream::connect(admin).ok()?;
        (get(admin, "/readyz").await.status == 200).then_some(())
    })
    .await;
    (started, data, admin)
}

#[tokio::test]
async fn the_soft_limit_of_open_files_is_raised_at_the_start() {
    let dir = tempfile::tempdir().expect("a directory");
    let (started, _, _) = limited(&dir, "ulimit -Sn 64; ulimit -Hn 512;").await;
    let limits = std::fs::read_to_string(format!("/proc/{}/limits", started.0.id())).expect("it runs");
    let open = limits.lines().find(|line| line.starts_with("Max open files")).expect("a line");
    assert_eq!(open.split_whitespace().collect::<Vec<_>>()[3..5], ["512", "512"], "{open}");
}

#[tokio::test]
async fn connections_that_take_every_file_leave_the_admin_plane_and_new_callers_some() {
    let dir = tempfile::tempdir().expect("a directory");
    let (_started, data, admin) = limited(&dir, "ulimit -n 100;").await;
    let held: Vec<_> = (0..200).map(|_| TcpStream::connect(data).expect("it is in line")).collect();
    for path in ["/healthz", "/readyz", "/metrics"] {
        assert_eq!(get(admin, path).await.status, 200, "{path}");
    }
    // They say nothing, and each makes room for another after a second.
    let answer = Client::new().call(data, "echo", "1").await.expect("an answer");
    assert_eq!((answer.status.as_u16(), answer.text()), (200, "1"));
    drop(held);
}
