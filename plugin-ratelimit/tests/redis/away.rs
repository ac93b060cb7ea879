//! A server that goes away in every way. No request fails for that reason, and the limit holds within its bound.

use std::time::Duration;

use plugin_core::{Call, PluginError, Reply, clock, deadline::DeadlineLayer};
use plugin_ratelimit::{AwayReason, OneKey, RateLimitConfig, SharedBucket, SharedMode, SharedRateLimitLayer};
use tower::{ServiceBuilder, ServiceExt, service_fn};

use super::{
    SECOND, limit, passing, patient, quick,
    server::{Server, free_port},
    shared, store, until, until_mode, within, without_refill,
};

/// A limit that nobody reaches: whatever is refused is refused for another reason.
fn boundless() -> RateLimitConfig {
    limit(1e6, 1_000_000)
}

/// Makes the server go away and come back by commands, and expects this reason in between.
async fn goes_and_comes(server: &Server, goes: &str, comes: &str, reason: AwayReason) {
    let store = shared(quick(server.url())).await;
    let bucket = SharedBucket::new(&store, "limit", boundless());
    assert!(bucket.try_acquire("", 1).await.is_ok());
    let _: () = server.query(goes).await;
    until(goes, || store.status().reason.as_ref() == Some(&reason)).await;
    assert_eq!(passing(&bucket, "", 50).await, 50);
    assert_eq!(store.status().mode, SharedMode::Local);
    let local = bucket.stats().local;
    assert!(local >= 50, "{local}");
    let _: () = server.query(comes).await;
    until_mode(&store, SharedMode::Shared).await;
    assert_eq!(store.status().reason, None);
    assert_eq!(passing(&bucket, "", 50).await, 50);
}

#[tokio::test]
async fn a_server_that_has_become_a_replica_and_is_promoted_again() {
    let server = Server::start().await;
    let nobody = free_port();
    goes_and_comes(&server, &format!("REPLICAOF 127.0.0.1 {nobody}"), "REPLICAOF NO ONE", AwayReason::ReadOnly).await;
}

#[tokio::test]
async fn a_server_without_memory() {
    let server = Server::with(&["--maxmemory-policy", "noeviction"]).await;
    goes_and_comes(&server, "CONFIG SET maxmemory 1", "CONFIG SET maxmemory 0", AwayReason::OutOfMemory).await;
}

#[tokio::test]
async fn a_user_who_may_not_run_scripts() {
    let server = Server::start().await;
    let _: () = server.query("ACL SETUSER gate on nopass ~* +@all").await;
    let url = format!("{}?user=gate&pass=any", server.url());
    let store = shared(quick(&url)).await;
    let bucket = SharedBucket::new(&store, "limit", boundless());
    let _: () = server.query("ACL SETUSER gate -@scripting").await;
    until("it may not", || store.status().reason == Some(AwayReason::NotAuthorized)).await;
    assert_eq!(passing(&bucket, "", 50).await, 50);
    let _: () = server.query("ACL SETUSER gate +@scripting").await;
    until_mode(&store, SharedMode::Shared).await;
}

#[tokio::test]
async fn a_wrong_password_is_told_and_not_shown() {
    let server = Server::with(&["--requirepass", "right-secret"]).await;
    for (url, name) in [(format!("{}?pass=wrong-secret", server.url()), "wrong"), (server.url().to_owned(), "none")] {
        let store = store(quick(&url));
        let bucket = SharedBucket::new(&store, "limit", boundless());
        assert_eq!(passing(&bucket, "", 50).await, 50, "{name}");
        until(name, || store.status().reason == Some(AwayReason::NotAuthorized)).await;
        let told = format!("{store:?} {bucket:?} {:?} {}", store.config(), AwayReason::NotAuthorized);
        assert!(!told.contains("secret"), "{told}");
    }
    let right = shared(quick(&format!("{}?pass=right-secret", server.url()))).await;
    assert!(SharedBucket::new(&right, "limit", boundless()).try_acquire("", 1).await.is_ok());
}

#[tokio::test]
async fn nobody_listens_from_the_beginning() {
    let url = format!("redis://127.0.0.1:{}", free_port());
    let store = store(quick(&url).with_expected_replicas(4));
    let bucket = SharedBucket::new(&store, "limit", without_refill(20));
    assert_eq!(passing(&bucket, "", 50).await, 5, "the share of one of four");
    assert_eq!(store.status().reason, Some(AwayReason::Refused));
    assert_eq!(bucket.stats().local, 50);
    let refused = bucket.try_acquire("", 1).await.expect_err("it is used up");
    assert_eq!(refused.quota().expect("a quota").remaining, 0);
    let quota = bucket.quota("").await.expect("limited");
    assert_eq!(quota.remaining, 0);
}

#[tokio::test]
async fn the_quota_of_a_key_is_told_whether_or_not_it_has_a_place_and_takes_none() {
    let url = format!("redis://127.0.0.1:{}", free_port());
    let store = store(quick(&url).with_max_keys(1));
    let bucket = SharedBucket::new(&store, "limit", without_refill(20));
    let left = async |key: &str| bucket.quota(key).await.expect("limited").remaining;
    assert_eq!((left("a").await, bucket.stats().keys), (20, 0));
    assert_eq!(passing(&bucket, "a", 3).await, 3);
    assert_eq!(passing(&bucket, "b", 4).await, 4);
    assert_eq!((left("a").await, left("b").await, bucket.stats().keys), (17, 16, 1));
}

#[tokio::test]
async fn a_name_that_is_not_known() {
    let store = store(quick("redis://no-such-host.invalid"));
    let bucket = SharedBucket::new(&store, "limit", boundless());
    assert_eq!(passing(&bucket, "", 50).await, 50);
    until("it is told", || {
        matches!(store.status().reason, Some(AwayReason::Unreachable | AwayReason::ConnectTimedOut))
    })
    .await;
}

#[tokio::test]
async fn a_server_that_hangs_holds_a_request_for_the_time_that_is_set_and_the_next_ones_not_at_all() {
    let server = Server::start().await;
    let store = shared(quick(server.url()).with_heartbeat(10 * SECOND).with_recover_after(SECOND)).await;
    let bucket = SharedBucket::new(&store, "limit", boundless());
    assert!(bucket.try_acquire("", 1).await.is_ok());
    let mut events = store.events();
    server.hang(true);
    let began = clock::now();
    assert!(bucket.try_acquire("", 1).await.is_ok());
    assert!(clock::now().saturating_since(began) >= Duration::from_millis(100), "it was asked");
    let status = store.status();
    assert_eq!((status.mode, status.reason), (SharedMode::Local, Some(AwayReason::TimedOut)));
    let asked = tokio_test::task::spawn(bucket.try_acquire("", 1)).poll();
    assert!(asked.is_ready(), "the next one waits for nothing");
    server.hang(false);
    until_mode(&store, SharedMode::Shared).await;
    let (gone, back) = (events.next().await.expect("an event"), events.next().await.expect("an event"));
    assert_eq!((gone.from, gone.to, gone.reason), (SharedMode::Shared, SharedMode::Local, Some(AwayReason::TimedOut)));
    assert_eq!((back.from, back.to, back.reason), (SharedMode::Local, SharedMode::Shared, None));
    assert_eq!(back.sequence, gone.sequence + 1);
    assert!(back.at.saturating_since(gone.at) >= SECOND, "it is not trusted at once");
}

#[tokio::test]
async fn a_server_that_accepts_and_says_nothing() {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let url = format!("redis://{}", listener.local_addr().expect("an address"));
    let store = store(quick(&url).with_connect_timeout(SECOND / 5).with_timeout(SECOND / 20));
    let bucket = SharedBucket::new(&store, "limit", boundless());
    assert_eq!(passing(&bucket, "", 50).await, 50);
    until("it is told", || store.status().reason == Some(AwayReason::ConnectTimedOut)).await;
}

#[tokio::test]
async fn without_a_runtime_the_share_decides() {
    let server = Server::start().await;
    let url = server.url().to_owned();
    let passed = std::thread::spawn(move || {
        let store = store(patient(&url).with_expected_replicas(2));
        let bucket = SharedBucket::new(&store, "limit", without_refill(10));
        (0..20)
            .filter(|_| {
                matches!(tokio_test::task::spawn(bucket.try_acquire("", 1)).poll(), std::task::Poll::Ready(Ok(())))
            })
            .count()
    });
    assert_eq!(passed.join().expect("no panic"), 5);
}

#[test]
fn a_store_that_was_made_outside_of_a_runtime_connects_with_the_first_decision() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    let server = runtime.block_on(Server::start());
    let store = store(patient(server.url()));
    let bucket = SharedBucket::new(&store, "limit", without_refill(10));
    assert_eq!(store.status().mode, SharedMode::Connecting);
    let passed = runtime.block_on(passing(&bucket, "", 20));
    assert_eq!((passed, bucket.stats().local, store.status().mode), (10, 0, SharedMode::Shared));
}

#[tokio::test]
async fn a_server_that_hangs_while_calls_have_less_time_than_it_is_given() {
    let server = Server::start().await;
    let store = shared(patient(server.url())).await;
    let bucket = SharedBucket::new(&store, "limit", boundless());
    let _: () = server.query("CLIENT PAUSE 600000 ALL").await;
    let begin = clock::now();
    let short = Duration::from_millis(200);
    assert!(bucket.try_acquire_within("", 1, short).await.is_ok());
    assert!(begin.elapsed() >= short / 2, "it was waited for");
    assert_eq!(
        (bucket.stats().local, store.status().mode),
        (1, SharedMode::Shared),
        "of so short a wait nothing is learned"
    );

    let service = ServiceBuilder::new()
        .layer(DeadlineLayer::new(SECOND))
        .layer(SharedRateLimitLayer::sharing(&bucket, OneKey))
        .service(service_fn(|call: Call<u32>| async move { Ok::<_, PluginError>(Reply::new(call.into_payload())) }));
    let reply = within(service.oneshot(Call::new(7))).await.expect("half of its time is left");
    assert_eq!(reply.into_payload(), 7);
    assert_eq!(bucket.stats().local, 2);
}
