//! A limit that is kept in Redis: how many decisions it gives.

mod server;

use std::{iter, sync::Arc, time::Duration};

use plugin_ratelimit::{RateLimitConfig, RedisConfig, RedisStore, SharedBucket, SharedMode};
use redis::aio::MultiplexedConnection;
use tokio::runtime::Runtime;

use self::server::Server;
use super::GroupEntry;
use crate::harness::{Caller, Group, OwnTable, Plan};

pub(super) const GROUP: GroupEntry = GroupEntry {
    name: "ratelimit-redis",
    about: "A decision of a shared limit by a Redis server of its own, a process on the same cores behind a Unix socket: a second divided \
            by the time per call is the decisions of a second. Each caller has a key of its own, and they share a connection; in batches all \
            have the same key, of which up to a hundred tokens are taken at once. The limit is never reached. PING is what the server and \
            the connection take by themselves.",
    peers: &["redis"],
    rows,
};

/// So many call at once.
const MANY: usize = 64;

/// Tokens of a batch at most.
const BATCH: u32 = 100;

/// Longer than any answer takes: an instance that decided by its share would be fast for the wrong reason.
const TIMEOUT: Duration = Duration::from_secs(30);

fn plenty() -> RateLimitConfig {
    RateLimitConfig::builder()
        .with_requests_per_second(1_000.0)
        .with_burst_size(u32::MAX)
        .build()
        .expect("within the bounds")
}

fn rows(group: &mut Group) {
    match Server::start() {
        Ok(server) => Rows { group, server: Arc::new(server), runtime: Arc::new(runtime()) }.add(),
        // Others have their results all the same.
        Err(_) => group.measured_by(missing),
    }
}

/// In the place of the table.
fn missing(_: &Plan) -> Result<OwnTable, String> {
    let why = Server::start().err().unwrap_or_else(|| "`redis-server` could not be run a moment ago".to_owned());
    Ok(OwnTable { markdown: String::new(), notes: vec![format!("Not measured: {why}.")] })
}

fn runtime() -> Runtime {
    tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime")
}

/// Rows are of one server, and called from one runtime.
struct Rows<'a> {
    group: &'a mut Group,
    server: Arc<Server>,
    runtime: Arc<Runtime>,
}

impl Rows<'_> {
    fn add(mut self) {
        for (callers, by) in [(1, "1 caller"), (MANY, "64 callers")] {
            self.pings(&format!("PING, {by}"), callers);
            self.decisions(&format!("SharedBucket::try_acquire, {by}"), callers, 1, &format!("PING, {by}"));
        }
        let peer = "SharedBucket::try_acquire, 64 callers";
        self.decisions(&format!("{peer}, in batches"), MANY, BATCH, peer);
    }

    fn pings(&mut self, name: &str, callers: usize) {
        let (server, runtime) = (Arc::clone(&self.server), Arc::clone(&self.runtime));
        self.group.round_trips(name, &self.runtime, move || {
            let connection = runtime.block_on(server.connection()).expect("it answers");
            iter::repeat_n(Ping(connection), callers).collect()
        });
    }

    fn decisions(&mut self, name: &str, callers: usize, batch: u32, peer: &str) {
        let (server, runtime) = (Arc::clone(&self.server), Arc::clone(&self.runtime));
        let connect = move || runtime.block_on(connect(&server, callers, batch));
        self.group.round_trips(name, &self.runtime, connect).against(peer);
    }
}

/// Callers of one instance, with a key for each unless they take in batches.
async fn connect(server: &Server, callers: usize, batch: u32) -> Vec<Decision> {
    let config = RedisConfig::builder(server.url())
        // Instances of another row are no replicas of this one.
        .with_prefix(format!("bench-{callers}-{batch}"))
        .with_timeout(TIMEOUT)
        .with_connect_timeout(TIMEOUT)
        .with_batch(batch)
        .build()
        .expect("valid");
    let store = RedisStore::new(config);
    let bucket = SharedBucket::new(&store, "bench", plenty());
    // The first question makes the connection.
    bucket.try_acquire("", 1).await.expect("the limit is not reached");
    assert_eq!(store.status().mode, SharedMode::Shared, "{:?}", store.status());
    let key = |caller: usize| if batch == 1 { format!("caller {caller}") } else { "all".to_owned() };
    let decision = |caller| Decision { bucket: bucket.clone(), key: key(caller), _store: store.clone() };
    (0..callers).map(decision).collect()
}

#[derive(Clone)]
struct Ping(MultiplexedConnection);

impl Caller for Ping {
    async fn call(&mut self) {
        let answer: String = redis::cmd("PING").query_async(&mut self.0).await.expect("an answer");
        assert_eq!(answer, "PONG");
    }
}

struct Decision {
    bucket: SharedBucket,
    key: String,
    /// The connection goes with it.
    _store: RedisStore,
}

impl Caller for Decision {
    async fn call(&mut self) {
        self.bucket.try_acquire(&self.key, 1).await.expect("the limit is not reached");
    }
}

impl Drop for Decision {
    fn drop(&mut self) {
        let stats = self.bucket.stats();
        assert!(stats.local == 0 || std::thread::panicking(), "this instance decided by itself: {stats:?}");
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn every_decision_is_one_of_the_server_alone_by_many_and_in_batches() {
        let mut group = Group::new(GROUP.name, GROUP.about);
        rows(&mut group);
        assert!(group.own_table().is_none(), "redis-server is not there");
        let plan = Plan::default().with_rounds(3).with_times(Duration::from_micros(500), Duration::from_millis(5));
        let measured = group.measure(&plan).expect("the group is put together rightly");
        assert_eq!(measured.rows.len(), 5);
        assert!(measured.rows.iter().all(|row| row.waits.is_some() && row.two_threads.is_none()), "{measured:?}");
    }
}
