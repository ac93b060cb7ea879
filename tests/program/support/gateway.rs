//! `run` with a configuration of a test.

use std::{
    net::{Ipv4Addr, SocketAddr, TcpListener},
    path::Path,
};

use super::{Ended, Program};

/// A gateway that serves.
pub(crate) struct Gateway {
    pub(crate) program: Program,
    pub(crate) data: SocketAddr,
    pub(crate) admin: SocketAddr,
}

impl Gateway {
    /// Runs a command against it.
    pub(crate) async fn command(&self, args: &[&str]) -> Ended {
        self.command_with(args, &[], "").await
    }

    /// Starts a command against it.
    pub(crate) fn start(&self, args: &[&str]) -> Program {
        let (url, admin) = (format!("http://{}", self.data), format!("http://{}", self.admin));
        Program::start(["--url", &url, "--admin", &admin].iter().chain(args))
    }

    /// Runs a command with variables, and something on its standard input.
    pub(crate) async fn command_with(&self, args: &[&str], env: &[(&str, &str)], input: &str) -> Ended {
        let (url, admin) = (format!("http://{}", self.data), format!("http://{}", self.admin));
        let reach = ["--url", &url, "--admin", &admin];
        Program::start_with(reach.iter().chain(args), env, input).ends().await
    }
}

/// Two addresses that were free a moment ago: a configuration must name its ports.
pub(crate) fn ports() -> (SocketAddr, SocketAddr) {
    let any = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
    let (data, admin) = (TcpListener::bind(any).expect("a port"), TcpListener::bind(any).expect("a port"));
    (data.local_addr().expect("an address"), admin.local_addr().expect("an address"))
}

/// Starts `run` with what `write` writes into `file` for the addresses of the two planes, and waits until it serves.
pub(crate) async fn gateway(
    file: &Path,
    env: &[(&str, &str)],
    write: impl Fn(SocketAddr, SocketAddr) -> String,
) -> Gateway {
    gateway_that_prints(|admin| format!("admin plane at http://{admin}\n"), file, env, write).await
}

/// The same, and waits no longer than until both planes listen: plugins are being started.
pub(crate) async fn starting_gateway(file: &Path, write: impl Fn(SocketAddr, SocketAddr) -> String) -> Gateway {
    gateway_that_prints(|_| " starting ".to_owned(), file, &[], write).await
}

/// Another process may take one of the ports before the gateway does. Then there are others.
async fn gateway_that_prints(
    text: impl Fn(SocketAddr) -> String,
    file: &Path,
    env: &[(&str, &str)],
    write: impl Fn(SocketAddr, SocketAddr) -> String,
) -> Gateway {
    for _ in 0..5 {
        let (data, admin) = ports();
        std::fs::write(file, write(data, admin)).expect("written");
        let args = ["run".as_ref(), "--config".as_ref(), file.as_os_str()];
        let mut program = Program::start_with(args, env, "");
        match program.prints(&text(admin)).await {
            Ok(()) => return Gateway { program, data, admin },
            Err(_) if program.stderr().contains("is in use") => {}
            Err(status) => panic!("{status}: {}", program.stderr()),
        }
    }
    panic!("no two ports are free");
}
