//! Which Redis an address means, however it is written.

use redis::{ConnectionAddr, ConnectionInfo};

/// Servers, and what of theirs is used.
#[derive(PartialEq, Eq)]
pub(super) struct Place {
    kind: Kind,
    /// In one spelling, in the order of the letters.
    servers: Vec<String>,
    database: i64,
}

#[derive(PartialEq, Eq)]
enum Kind {
    One,
    Cluster,
    /// The name of the master.
    Sentinels(String),
}

impl Place {
    pub(super) fn one(server: &ConnectionInfo) -> Self {
        Self { kind: Kind::One, servers: spelled([server]), database: server.redis_settings().db() }
    }

    pub(super) fn cluster(nodes: &[ConnectionInfo]) -> Self {
        Self { kind: Kind::Cluster, servers: spelled(nodes), database: 0 }
    }

    pub(super) fn behind(sentinels: &[ConnectionInfo], master: &str, database: i64) -> Self {
        Self { kind: Kind::Sentinels(master.to_owned()), servers: spelled(sentinels), database }
    }

    /// Whether both are the same data. Nodes of a cluster and sentinels are where it is first asked: one in common is enough.
    pub(super) fn is_same(&self, other: &Self) -> bool {
        let shares = || self.servers.iter().any(|server| other.servers.contains(server));
        self.kind == other.kind && self.database == other.database && shares()
    }
}

fn spelled<'a>(servers: impl IntoIterator<Item = &'a ConnectionInfo>) -> Vec<String> {
    let mut servers: Vec<_> = servers.into_iter().map(|server| spelling(server.addr())).collect();
    servers.sort_unstable();
    servers.dedup();
    servers
}

/// The port of a server is read with TLS or without: it is the same one. Names of hosts have no case, those of files do.
fn spelling(server: &ConnectionAddr) -> String {
    match server {
        ConnectionAddr::Tcp(host, port) | ConnectionAddr::TcpTls { host, port, .. } => {
            format!("{}:{port}", host.to_ascii_lowercase())
        }
        // Its parts, without what says nothing, such as a second slash.
        ConnectionAddr::Unix(path) => path.components().collect::<std::path::PathBuf>().display().to_string(),
        other => other.to_string(),
    }
}
