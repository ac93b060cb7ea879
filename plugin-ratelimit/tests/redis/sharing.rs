//! Several instances over one server.

use std::{
    future::Future,
    task::{Context, Poll, Waker},
    time::Duration,
};

use plugin_ratelimit::{SharedBucket, SharedMode};

use super::{limit, patient, quick, server::Server, shared, until, until_it_passes, without_refill};

/// As many requests at once as there are tries; how many pass.
async fn at_once(bucket: &SharedBucket, tries: u32) -> u32 {
    let tasks: Vec<_> = (0..tries)
        .map(|_| {
            let bucket = bucket.clone();
            tokio::spawn(async move { bucket.try_acquire("", 1).await.is_ok() })
        })
        .collect();
    let mut passed = 0;
    for task in tasks {
        passed += u32::from(task.await.expect("no panic"));
    }
    passed
}

async fn gateways(
    server: &Server,
    count: usize,
    batch: u32,
    config: plugin_ratelimit::RateLimitConfig,
) -> Vec<SharedBucket> {
    let mut buckets = Vec::new();
    for _ in 0..count {
        buckets.push(SharedBucket::new(&shared(patient(server.url()).with_batch(batch)).await, "limit", config));
    }
    buckets
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_gateways_admit_what_one_would() {
    let server = Server::start().await;
    let gateways = gateways(&server, 2, 1, without_refill(500)).await;
    let (one, two) = tokio::join!(at_once(&gateways[0], 1_000), at_once(&gateways[1], 1_000));
    assert_eq!(one + two, 500);
    let stats = [gateways[0].stats(), gateways[1].stats()];
    assert_eq!(stats[0].allowed + stats[1].allowed, 500);
    assert_eq!(stats[0].refused + stats[1].refused, 1_500);
    assert_eq!((stats[0].local, stats[1].local), (0, 0));
    assert_eq!(stats[0].status.mode, SharedMode::Shared);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn in_the_time_of_the_server_they_admit_the_burst_and_the_rate() {
    let server = Server::start().await;
    let gateways = gateways(&server, 2, 1, limit(200.0, 50)).await;
    let began = server.now().await;
    let (mut passed, mut refused) = (0_u32, 0_u32);
    while passed < 150 {
        for bucket in &gateways {
            match bucket.try_acquire("", 1).await {
                Ok(()) => passed += 1,
                Err(rejected) => {
                    refused += 1;
                    assert!(rejected.retry_after().expect("a time") <= Duration::from_millis(5));
                    tokio::task::yield_now().await;
                }
            }
        }
    }
    let took = server.now().await - began;
    assert!(f64::from(passed - 50) <= 200.0 * took + 1.0, "{passed} in {took} s");
    assert!(refused > 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn batches_cost_fewer_questions_and_leave_no_more_unused_than_they_hold() {
    let server = Server::start().await;
    let (burst, batch) = (2_000, 32);
    let gateways = gateways(&server, 2, batch, without_refill(burst)).await;
    let before = server.scripts().await;
    let (one, two) = tokio::join!(at_once(&gateways[0], 3_000), at_once(&gateways[1], 3_000));
    let questions = server.scripts().await - before;
    let unused = burst - (one + two);
    assert!(one + two <= burst, "{one} and {two}");
    assert!(unused <= 2 * (batch - 1), "{unused} lie unused");
    assert!(questions < u64::from(burst) / 4, "{questions} questions");
}

#[tokio::test]
async fn what_lies_in_reserve_goes_back_after_a_while() {
    let server = Server::start().await;
    let gateways = gateways(&server, 2, 64, without_refill(100)).await;
    // One, two, four, ... are taken at once, unless this process stood still meanwhile; of the last batch a part is left.
    let left = async |key: &str| gateways[1].quota(key).await.expect("limited").remaining;
    let mut tries = 0;
    let key = loop {
        let key = format!("tenant-{tries}");
        assert_eq!(super::passing(&gateways[0], &key, 40).await, 40);
        if left(&key).await < 60 {
            break key;
        }
        tries += 1;
        assert!(tries < 100, "nothing is ever left in reserve");
    };
    // The reserve grows old. With its next question the instance gives it back, and then takes what it needs.
    tokio::time::pause();
    tokio::time::advance(Duration::from_millis(250)).await;
    tokio::time::resume();
    assert_eq!(super::passing(&gateways[0], &key, 1).await, 1);
    assert_eq!(left(&key).await, 100 - 41);
}

#[tokio::test]
async fn a_flood_of_requests_that_cannot_fit_yet_costs_the_server_nothing() {
    let server = Server::start().await;
    let gateways = gateways(&server, 1, 1, without_refill(3)).await;
    assert_eq!(super::passing(&gateways[0], "", 4).await, 3);
    let before = server.scripts().await;
    assert_eq!(super::passing(&gateways[0], "", 10_000).await, 0);
    let questions = server.scripts().await - before;
    assert!(questions < 100, "{questions} questions, heartbeats among them");
}

#[tokio::test]
async fn instances_are_counted_while_they_live() {
    let server = Server::start().await;
    let config = || patient(server.url()).with_heartbeat(Duration::from_millis(50));
    let (first, second) = (shared(config()).await, shared(config()).await);
    until("both are counted", || first.status().replicas == 2 && second.status().replicas == 2).await;
    drop(second);
    until("one has left", || first.status().replicas == 1).await;
    let alone = shared(config().with_prefix("other").with_expected_replicas(7)).await;
    assert_eq!(alone.status().replicas, 7);
    assert_eq!(first.status().replicas, 1, "another prefix is another group");
}

#[tokio::test]
async fn an_instance_that_dies_is_forgotten_after_three_heartbeats() {
    let server = Server::start().await;
    let first = shared(quick(server.url()).with_heartbeat(Duration::from_millis(500))).await;
    let score = server.now().await * 1_000.0;
    let _: u32 = server.query(&format!("ZADD ratelimit:%:{{instances}} {score:.0} dead")).await;
    until("it is counted", || first.status().replicas == 2).await;
    until("it is forgotten", || first.status().replicas == 1).await;
}

#[tokio::test]
async fn the_last_of_a_store_leaves_nothing_behind() {
    let server = Server::start().await;
    let store = shared(patient(server.url())).await;
    let bucket = SharedBucket::new(&store, "limit", limit(1_000.0, 1));
    assert!(bucket.try_acquire("", 1).await.is_ok());
    assert_eq!(server.query::<u32>("ZCARD ratelimit:%:{instances}").await, 1);
    drop(store);
    assert_eq!(bucket.stats().status.mode, SharedMode::Shared, "a bucket keeps it");
    drop(bucket);
    let mut connection = server.connection().await;
    super::within(async {
        loop {
            let clients: String = redis::cmd("CLIENT").arg("LIST").query_async(&mut connection).await.expect("a list");
            let keys: u32 = redis::cmd("DBSIZE").query_async(&mut connection).await.expect("a count");
            if clients.lines().count() == 1 && keys == 0 {
                return;
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    })
    .await;
}

#[tokio::test]
async fn new_settings_hold_from_the_next_request_on() {
    let server = Server::start().await;
    let gateways = gateways(&server, 1, 1, without_refill(2)).await;
    let bucket = &gateways[0];
    assert_eq!(super::passing(bucket, "", 3).await, 2);
    bucket.disable();
    assert_eq!((super::passing(bucket, "", 3).await, bucket.stats().allowed), (3, 2));
    assert_eq!(bucket.quota("").await, None);
    bucket.enable();
    assert_eq!(super::passing(bucket, "", 3).await, 0);
    // As many tokens are owed as before, whatever time each of them takes.
    bucket.reconfigure(limit(1e-2, 200));
    assert_eq!(super::passing(bucket, "", 300).await, 198);
    bucket.reconfigure(limit(1e-3, 400));
    assert_eq!(super::passing(bucket, "", 300).await, 200);
    bucket.reconfigure(limit(1e-3, 10));
    assert_eq!(super::passing(bucket, "", 3).await, 0);
    bucket.reconfigure(limit(1e-3, 400));
    assert_eq!(super::passing(bucket, "", 3).await, 0, "a smaller burst meanwhile has given nothing away");
}

#[tokio::test]
async fn two_gateways_of_different_bursts_or_rates_refill_nothing_that_is_used_up() {
    let server = Server::start().await;
    for (name, one, other) in [
        ("burst", without_refill(300), without_refill(5)),
        ("rate", without_refill(300), limit(1e-3, 300)),
        ("both", limit(1e-3, 300), without_refill(5)),
    ] {
        for batch in [1, 8] {
            let config = || patient(server.url()).with_prefix(format!("in-{batch}")).with_batch(batch);
            let stores = [shared(config()).await, shared(config()).await];
            let (one, other) = (SharedBucket::new(&stores[0], name, one), SharedBucket::new(&stores[1], name, other));
            let mut passed = 0;
            for _ in 0..10 {
                passed += super::passing(&one, "", 90).await + super::passing(&other, "", 2).await;
            }
            let unused = 300_i64 - i64::from(passed);
            assert!((0..=2 * i64::from(batch - 1)).contains(&unused), "of another {name}: {passed} of 300");
        }
    }
}

#[tokio::test]
async fn a_faster_limit_frees_who_was_refused_under_the_slower_one() {
    let server = Server::start().await;
    let gateways = gateways(&server, 1, 1, without_refill(3)).await;
    let bucket = &gateways[0];
    assert_eq!(super::passing(bucket, "", 5).await, 3);
    let refused = bucket.try_acquire("", 1).await.expect_err("it is used up");
    assert!(refused.retry_after().expect("a time") > Duration::from_secs(3_600), "a token takes hours");
    bucket.reconfigure(limit(1_000.0, 3));
    until_it_passes(bucket, "").await;
}

#[tokio::test]
async fn a_gateway_of_a_slower_limit_is_refused_no_longer_than_what_others_owe_takes_at_their_pace() {
    let server = Server::start().await;
    let (fast, slow) = (limit(10.0, 100), limit(1.0 / 60.0, 100));
    let stores = [shared(patient(server.url())).await, shared(patient(server.url())).await];
    let (fast, slow) = (SharedBucket::new(&stores[0], "limit", fast), SharedBucket::new(&stores[1], "limit", slow));
    let mut tries = 0;
    // A token comes back in a tenth of a second, in which the slow one may be the first to ask.
    let refused = loop {
        while fast.try_acquire("", 1).await.is_ok() {}
        if let Err(refused) = slow.try_acquire("", 1).await {
            break refused;
        }
        tries += 1;
        assert!(tries < 100, "it is never refused");
    };
    let tenth = Duration::from_millis(100);
    assert!(refused.retry_after().expect("a time") <= tenth, "{refused:?}");
    assert!(slow.quota("").await.expect("limited").reset <= 100 * tenth);
    if let Err(refused) = slow.try_acquire("", 1).await {
        assert!(refused.retry_after().expect("a time") <= tenth, "it is remembered so: {refused:?}");
    }
    until_it_passes(&slow, "").await;
}

#[tokio::test]
async fn a_gateway_that_was_refused_hears_within_a_second_that_a_faster_one_has_come() {
    let server = Server::start().await;
    let (fast, slow) = (limit(100.0, 5), limit(1.0 / 60.0, 5));
    let stores = [shared(patient(server.url())).await, shared(patient(server.url())).await];
    let (fast, slow) = (SharedBucket::new(&stores[0], "limit", fast), SharedBucket::new(&stores[1], "limit", slow));
    assert_eq!(super::passing(&slow, "", 6).await, 5);
    assert!(fast.try_acquire("", 1).await.is_err(), "five are owed");
    let mut passes = false;
    tokio::time::pause();
    // Less than a token of its own takes.
    for _ in 0..30 {
        // The instance's clock; that of the server goes on, and a token comes back in ten milliseconds.
        tokio::time::advance(Duration::from_secs(1)).await;
        tokio::time::resume();
        passes = slow.try_acquire("", 1).await.is_ok();
        if passes {
            break;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
        tokio::time::pause();
    }
    assert!(passes);
}

#[tokio::test]
async fn what_is_known_on_this_side_costs_no_allocation() {
    let server = Server::start().await;
    let gateways = gateways(&server, 1, 1_000, without_refill(700)).await;
    let bucket = &gateways[0];
    let known = |key: &str, tries: u32| {
        let mut admitted = 0;
        let counted = allocation_counter::measure(|| {
            for _ in 0..tries {
                let asked = std::pin::pin!(bucket.try_acquire(key, 1));
                let polled = asked.poll(&mut Context::from_waker(Waker::noop()));
                admitted += u32::from(matches!(polled, Poll::Ready(Ok(()))));
            }
        });
        (admitted, counted.count_total)
    };
    let mut tries = 0;
    let key = loop {
        let key = format!("tenant-{tries}");
        assert_eq!(super::passing(bucket, &key, 300).await, 300);
        // From the reserve, of which a good part is left, unless this process stood still meanwhile.
        if known(&key, 20) == (20, 0) {
            break key;
        }
        tries += 1;
        assert!(tries < 100, "it never costs nothing");
    };
    assert_eq!(super::passing(bucket, &key, 700).await, 380);
    assert_eq!(known(&key, 20), (0, 0), "refused before it can fit");
}
