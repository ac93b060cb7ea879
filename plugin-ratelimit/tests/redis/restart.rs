//! A server that is killed under load and comes back, and a runtime that ends.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::Duration,
};

use plugin_core::clock;
use plugin_ratelimit::{AwayReason, SharedBucket, SharedMode};

use super::{limit, passing, quick, server::Server, shared, until, until_mode, without_refill};

/// Requests that go on until they are stopped.
struct Load {
    stop: Arc<AtomicBool>,
    passed: Arc<AtomicU64>,
    tasks: Vec<tokio::task::JoinHandle<u64>>,
}

impl Load {
    fn over(buckets: &[SharedBucket]) -> Self {
        let (stop, passed) = (Arc::<AtomicBool>::default(), Arc::<AtomicU64>::default());
        let task = |bucket: &SharedBucket| {
            let (bucket, stop, passed) = (bucket.clone(), Arc::clone(&stop), Arc::clone(&passed));
            tokio::spawn(async move {
                let mut failed = 0;
                while !stop.load(Ordering::Relaxed) {
                    match bucket.try_acquire("", 1).await {
                        Ok(()) => passed.fetch_add(1, Ordering::Relaxed),
                        Err(_) => {
                            failed += 1;
                            0
                        }
                    };
                    tokio::task::yield_now().await;
                }
                failed
            })
        };
        let tasks = buckets.iter().flat_map(|bucket| (0..8).map(move |_| bucket)).map(task).collect();
        Self { stop, passed, tasks }
    }

    async fn until_more_have_passed(&self) {
        let goal = self.passed.load(Ordering::Relaxed) + 200;
        until("more pass", || self.passed.load(Ordering::Relaxed) >= goal).await;
    }

    async fn stop(self) -> u64 {
        self.stop.store(true, Ordering::Relaxed);
        let mut failed = 0;
        for task in self.tasks {
            failed += task.await.expect("no panic");
        }
        failed
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_is_killed_under_load_fails_no_request_and_is_used_again_when_it_is_back() {
    for batch in [1, 50] {
        let mut server = Server::start().await;
        let stores =
            [shared(quick(server.url()).with_batch(batch)).await, shared(quick(server.url()).with_batch(batch)).await];
        let buckets = [0, 1].map(|index| SharedBucket::new(&stores[index], "limit", limit(1e7, 100_000_000)));
        let load = Load::over(&buckets);
        load.until_more_have_passed().await;
        for _ in 0..2 {
            server.kill();
            for store in &stores {
                until_mode(store, SharedMode::Local).await;
            }
            load.until_more_have_passed().await;
            server.start_again().await;
            for store in &stores {
                until_mode(store, SharedMode::Shared).await;
            }
            load.until_more_have_passed().await;
        }
        assert_eq!(load.stop().await, 0, "in batches of {batch}");
        assert!(buckets.iter().all(|bucket| bucket.stats().local > 0));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn under_load_an_outage_adds_at_most_one_burst_at_its_beginning_and_one_at_its_end() {
    let (burst, rate) = (100.0, 200.0);
    let mut server = Server::start().await;
    let began = clock::now();
    let config = || quick(server.url()).with_expected_replicas(2);
    let stores = [shared(config()).await, shared(config()).await];
    let buckets = [0, 1].map(|index| SharedBucket::new(&stores[index], "limit", limit(rate, burst as u32)));
    let load = Load::over(&buckets);
    load.until_more_have_passed().await;
    server.kill();
    for store in &stores {
        until_mode(store, SharedMode::Local).await;
    }
    load.until_more_have_passed().await;
    server.start_again().await;
    for store in &stores {
        until_mode(store, SharedMode::Shared).await;
    }
    load.until_more_have_passed().await;
    let passed = load.passed.load(Ordering::Relaxed) as f64;
    let took = clock::now().saturating_since(began).as_secs_f64();
    assert!(load.stop().await > 0, "it is limited");
    assert!(passed <= 3.0 * burst + rate * took, "{passed} in {took} s");
    assert_eq!(stores[0].status().replicas, 2);
}

#[tokio::test]
async fn the_shares_begin_where_redis_stood_and_what_they_took_is_paid_when_it_is_back() {
    let mut server = Server::start().await;
    let config = || quick(server.url()).with_expected_replicas(2);
    let stores = [shared(config()).await, shared(config()).await];
    let buckets = [0, 1].map(|index| SharedBucket::new(&stores[index], "limit", without_refill(100)));
    for _ in 0..20 {
        assert_eq!(passing(&buckets[0], "", 1).await + passing(&buckets[1], "", 1).await, 2);
    }
    server.kill();
    for store in &stores {
        until_mode(store, SharedMode::Local).await;
        let reason = store.status().reason.expect("a reason");
        assert!(matches!(reason, AwayReason::Refused | AwayReason::Lost | AwayReason::Unreachable), "{reason}");
    }
    // Sixty are left, thirty for each; the first has not heard of the last token that the second took.
    let shares = [passing(&buckets[0], "", 100).await, passing(&buckets[1], "", 100).await];
    assert!(shares.iter().all(|share| (30..=31).contains(share)), "{shares:?}");
    server.start_again().await;
    for store in &stores {
        until_mode(store, SharedMode::Shared).await;
    }
    // It has lost the forty, and hears of the sixty from those who gave them.
    let mut after = passing(&buckets[0], "", 1).await + passing(&buckets[1], "", 1).await;
    after += passing(&buckets[0], "", 200).await + passing(&buckets[1], "", 200).await;
    assert!((38..=40).contains(&after), "{after}");
    let sum = 40 + shares[0] + shares[1] + after;
    assert!(sum <= 200, "{sum}: at most one burst more than the limit");
}

#[test]
fn a_keeper_that_has_ended_with_its_runtime_is_replaced_on_the_next_one() {
    let runtime =
        || tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().expect("a runtime");
    let first = runtime();
    let (_server, store, bucket) = first.block_on(async {
        let server = Server::start().await;
        let store = shared(quick(server.url())).await;
        let bucket = SharedBucket::new(&store, "limit", without_refill(10));
        assert_eq!(passing(&bucket, "", 3).await, 3);
        (server, store, bucket)
    });
    first.shutdown_timeout(Duration::from_secs(10));
    runtime().block_on(async {
        assert_eq!(passing(&bucket, "", 1).await, 1, "by the share, for a moment");
        assert_eq!(store.status().mode, SharedMode::Local);
        assert_eq!(passing(&bucket, "", 1).await, 1);
        until_mode(&store, SharedMode::Shared).await;
        assert_eq!(passing(&bucket, "", 20).await, 5);
    });
}
