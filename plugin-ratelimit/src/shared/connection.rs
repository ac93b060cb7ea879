//! A connection that many calls use at once, to one server, to the master that sentinels name, or to a cluster.

use std::time::Duration;

use redis::{
    AsyncConnectionConfig, Client, Cmd, RedisResult, Value,
    aio::MultiplexedConnection,
    cluster::ClusterClient,
    cluster_async::ClusterConnection,
    sentinel::{SentinelClient, SentinelServerType},
};

use super::address::{Address, Target};

/// Clones are the same connection. It ends with the last of them.
#[derive(Clone)]
pub(super) enum Connection {
    One(MultiplexedConnection),
    Cluster(ClusterConnection),
}

/// How often a command is sent again within a cluster: once to where a slot has moved, and once more after a failover.
const REDIRECTS: u32 = 2;

/// The longest wait before that, in milliseconds.
const REDIRECT_WAIT: u64 = 10;

impl Connection {
    /// Connects. It is the caller who limits the time of this and of all that follows.
    pub(super) async fn open(address: &Address, connect: Duration, answer: Duration) -> RedisResult<Self> {
        if address.is_tls() {
            tls_provider();
        }
        // Who waits limits that itself: one timer for each decision.
        let config = AsyncConnectionConfig::new().set_connection_timeout(None).set_response_timeout(None);
        let one = |client: Client| async move {
            client.get_multiplexed_async_connection_with_config(&config).await.map(Self::One)
        };
        match address.target() {
            Target::One(server) => one(Client::open((**server).clone())?).await,
            Target::Sentinels { sentinels, master, node, .. } => {
                let (sentinels, node) = (sentinels.clone(), Some(node.clone()));
                let mut client = SentinelClient::build(sentinels, master.clone(), node, SentinelServerType::Master)?;
                one(client.async_get_client().await?).await
            }
            Target::Cluster(nodes) => {
                let client = ClusterClient::builder(nodes.iter().cloned())
                    .connection_timeout(connect)
                    .response_timeout(answer)
                    .retries(REDIRECTS)
                    .min_retry_wait(1)
                    .max_retry_wait(REDIRECT_WAIT)
                    .build()?;
                client.get_async_connection().await.map(Self::Cluster)
            }
        }
    }

    pub(super) async fn query(&mut self, command: &Cmd) -> RedisResult<Value> {
        match self {
            Self::One(connection) => command.query_async(connection).await,
            Self::Cluster(connection) => command.query_async(connection).await,
        }
    }
}

/// Names the library for cryptography that TLS is done with, where the program has not: the client of Redis asks for that of
/// the process, and would panic if there were none or several.
fn tls_provider() {
    #[cfg(feature = "redis-tls")]
    if rustls::crypto::CryptoProvider::get_default().is_none() {
        // Lost only to another thread that has just named one.
        let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
    }
}
