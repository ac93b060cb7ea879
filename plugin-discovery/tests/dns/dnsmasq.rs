//! A `dnsmasq` as a process of its own, on a port of its own.

use std::{
    fs,
    net::{SocketAddr, TcpListener, TcpStream, UdpSocket},
    path::Path,
    process::{Child, Command, Stdio},
    time::Duration,
};

use tempfile::TempDir;

use super::within;

pub(crate) struct Dnsmasq {
    child: Child,
    dir: TempDir,
    address: SocketAddr,
    records: Vec<String>,
}

impl Dnsmasq {
    /// Knows all of `test`: these hosts, each line an address and its names, and records as options of the command
    /// line.
    pub(crate) async fn start(hosts: &str, records: &[&str]) -> Self {
        let dir = tempfile::tempdir().expect("a directory");
        fs::write(dir.path().join("hosts"), hosts).expect("written");
        let records: Vec<_> = records.iter().map(|record| format!("--{record}")).collect();
        let address = free_port();
        let mut server = Self { child: spawn(&dir, address, &records), dir, address, records };
        server.until_it_listens().await;
        server
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    /// Has other hosts from now on.
    pub(crate) fn set_hosts(&self, hosts: &str) {
        fs::write(self.dir.path().join("hosts"), hosts).expect("written");
        let status = Command::new("kill").args(["-HUP", &self.child.id().to_string()]).status();
        assert!(status.expect("`kill` is there").success());
    }

    pub(crate) fn kill(&mut self) {
        self.child.kill().expect("it runs");
        self.child.wait().expect("it has ended");
    }

    pub(crate) async fn start_again(&mut self) {
        self.child = spawn(&self.dir, self.address, &self.records);
        self.until_it_listens().await;
    }

    async fn until_it_listens(&mut self) {
        within(async {
            while TcpStream::connect(self.address).is_err() {
                let ended = self.child.try_wait().expect("a child of this process");
                assert!(ended.is_none(), "`dnsmasq` ended at once: {ended:?}");
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        })
        .await;
    }
}

fn spawn(dir: &TempDir, address: SocketAddr, records: &[String]) -> Child {
    // Debian has it where only root looks for programs.
    let place = Path::new("/usr/sbin/dnsmasq");
    let mut command = Command::new(if place.exists() { place } else { Path::new("dnsmasq") });
    command.args(["--no-daemon", "--conf-file=/dev/null", "--no-resolv", "--no-hosts", "--bind-interfaces"]);
    command.args(["--local=/test/", "--listen-address=127.0.0.1"]).arg(format!("--port={}", address.port()));
    command.arg(format!("--addn-hosts={}", dir.path().join("hosts").display())).args(records);
    let child = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).spawn();
    child.unwrap_or_else(|error| {
        panic!("`dnsmasq` cannot be run ({error}): on Debian and Ubuntu: sudo apt-get install dnsmasq-base")
    })
}

/// A port that nobody has at this moment, neither over UDP nor over TCP.
pub(crate) fn free_port() -> SocketAddr {
    let mut tries = 0..100;
    let both = tries.find_map(|_| {
        let udp = UdpSocket::bind(("127.0.0.1", 0)).ok()?;
        let address = udp.local_addr().ok()?;
        TcpListener::bind(address).ok().map(|_| address)
    });
    both.expect("a port")
}

impl Drop for Dnsmasq {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
