//! What stands in Redis, and what else may.

use std::time::Duration;

use plugin_core::Code;
use plugin_ratelimit::{SharedBucket, SharedMode};

use super::{limit, passing, patient, server::Server, shared, until_it_passes, without_refill};

#[tokio::test]
async fn each_key_has_its_bucket_whatever_is_in_it() {
    let server = Server::start().await;
    let store = shared(patient(server.url()).with_prefix("shop")).await;
    let bucket = SharedBucket::new(&store, "search", without_refill(1));
    let (long, longer) = ("k".repeat(1_000), "k".repeat(1_001));
    let keys = ["", "a", "b", "{}", "}{", "a b\r\nGET x", "ключ", "\0", &long, &longer];
    for key in keys {
        assert_eq!(passing(&bucket, key, 3).await, 1, "{key:?}");
    }
    let mut stored: Vec<String> = server.query("KEYS shop:search*").await;
    stored.sort();
    assert_eq!(stored.len(), keys.len());
    assert!(stored.contains(&"shop:search:{a}".to_owned()), "{stored:?}");
    assert!(stored.iter().all(|key| key.len() < 60), "{stored:?}");
}

#[tokio::test]
async fn two_names_are_two_limits() {
    let server = Server::start().await;
    let store = shared(patient(server.url())).await;
    let (one, two) = ("one", "two");
    let buckets = [one, two].map(|name| SharedBucket::new(&store, name, without_refill(2)));
    assert_eq!(passing(&buckets[0], "key", 3).await, 2);
    assert_eq!(passing(&buckets[1], "key", 3).await, 2);
    let again = SharedBucket::new(&store, one, without_refill(2));
    assert_eq!(passing(&again, "key", 3).await, 0);
}

#[tokio::test]
async fn a_refusal_says_when_to_come_back_and_states_the_quota() {
    let server = Server::start().await;
    let store = shared(patient(server.url())).await;
    let config = limit(0.5, 4).to_builder().with_time_window(Duration::from_secs(60)).build().expect("valid");
    let bucket = SharedBucket::new(&store, "limit", config);
    bucket.try_acquire("", 3).await.expect("four are there");
    let refused = bucket.try_acquire("", 4).await.expect_err("one is left");
    assert_eq!(refused.code(), Code::RateLimited);
    let (after, most) = (refused.retry_after().expect("a time"), Duration::from_secs(6));
    assert!(after <= most && after > most - Duration::from_secs(2), "{after:?}");
    let quota = refused.quota().expect("a quota");
    assert_eq!((quota.limit, quota.window), (30, Duration::from_secs(60)));
    assert!((1..=2).contains(&quota.remaining), "{quota:?}");
    let asked = bucket.quota("").await.expect("limited");
    assert_eq!((asked.limit, asked.window), (30, Duration::from_secs(60)));
    let costly = bucket.try_acquire("", 5).await.expect_err("never");
    assert_eq!((costly.code(), costly.retry_after()), (Code::RateLimited, None));
    assert!(bucket.try_acquire("", 0).await.is_ok());
}

#[tokio::test]
async fn a_bucket_is_gone_when_it_is_full() {
    let server = Server::start().await;
    let store = shared(patient(server.url())).await;
    let bucket = SharedBucket::new(&store, "limit", limit(0.1, 10));
    bucket.try_acquire("a", 3).await.expect("ten are there");
    let left: i64 = server.query("PTTL ratelimit:limit:{a}").await;
    assert!((1..=30_001).contains(&left), "{left} ms for three tokens of ten seconds");
    let quick = SharedBucket::new(&store, "quick", limit(1_000.0, 1));
    quick.try_acquire("a", 1).await.expect("one is there");
    super::within(async {
        while server.query::<u32>("EXISTS ratelimit:quick:{a}").await == 1 {
            tokio::task::yield_now().await;
        }
    })
    .await;
}

#[tokio::test]
async fn a_server_that_has_forgotten_the_script_is_sent_it_again() {
    let server = Server::start().await;
    let store = shared(patient(server.url())).await;
    let bucket = SharedBucket::new(&store, "limit", without_refill(5));
    assert_eq!(passing(&bucket, "", 2).await, 2);
    let _: () = server.query("SCRIPT FLUSH").await;
    assert_eq!(passing(&bucket, "", 9).await, 3, "nothing of what was taken is forgotten");
    assert_eq!((bucket.stats().local, store.status().mode), (0, SharedMode::Shared));
}

#[tokio::test]
async fn a_server_that_has_forgotten_its_data_lets_at_most_one_burst_more_through() {
    let server = Server::start().await;
    let (first, second) = (shared(patient(server.url())).await, shared(patient(server.url())).await);
    let buckets = [first, second].map(|store| SharedBucket::new(&store, "limit", without_refill(10)));
    let mut passed = passing(&buckets[0], "", 12).await;
    assert_eq!(passed, 10);
    let _: () = server.query("FLUSHALL").await;
    assert_eq!(passing(&buckets[0], "", 5).await, 0, "who was refused knows");
    passed += passing(&buckets[1], "", 12).await;
    assert_eq!(passed, 20);
    assert_eq!(buckets[1].stats().local, 0);
}

#[tokio::test]
async fn a_key_of_another_type_is_decided_by_the_share_and_all_others_are_not() {
    let server = Server::start().await;
    let store = shared(patient(server.url()).with_expected_replicas(2)).await;
    let bucket = SharedBucket::new(&store, "limit", without_refill(10));
    let _: u32 = server.query("LPUSH ratelimit:limit:{list} 1").await;
    let _: () = server.query("SET ratelimit:limit:{text} something").await;
    let long = format!("1764377663.00000000{}", "x".repeat(43));
    let _: () = server.query(&format!("SET ratelimit:limit:{{long}} {long}")).await;
    for key in ["list", "text", "long"] {
        assert_eq!(passing(&bucket, key, 20).await, 5, "{key}");
    }
    assert_eq!(passing(&bucket, "other", 20).await, 10);
    assert_eq!((bucket.stats().local, store.status().mode), (60, SharedMode::Shared));
    assert_eq!(server.query::<String>("GET ratelimit:limit:{text}").await, "something", "it is not overwritten");
}

#[tokio::test]
async fn a_clock_that_was_set_back_holds_nobody_up_for_longer_than_an_empty_bucket() {
    let server = Server::start().await;
    let store = shared(patient(server.url())).await;
    let bucket = SharedBucket::new(&store, "limit", limit(10.0, 5));
    assert!(bucket.try_acquire("a", 1).await.is_ok());
    let stored: String = server.query("GET ratelimit:limit:{a}").await;
    let (_, terms) = stored.split_once('.').expect("with the terms");
    let _: () = server.query(&format!("SET ratelimit:limit:{{a}} 9999999999.{terms}")).await;
    let refused = bucket.try_acquire("a", 1).await.expect_err("it is empty");
    assert!(refused.retry_after().expect("a time") <= Duration::from_millis(100));
    until_it_passes(&bucket, "a").await;
}

#[tokio::test]
async fn a_value_that_is_no_number_is_of_another_type_and_shuts_nobody_out() {
    let server = Server::start().await;
    let store = shared(patient(server.url())).await;
    let bucket = SharedBucket::new(&store, "limit", without_refill(2));
    let terms = |bound: &str| format!("00000000{:017}{bound:0>17}{:09}", 1_000_000, 0);
    for (key, value) in [
        ("a", "nan000000000".to_owned()),
        ("b", "1764377663nan".to_owned()),
        ("c", format!("nan.{}", terms("9"))),
        ("d", format!("1764377663.{}", terms("nan"))),
        ("e", format!("1764377663.{}", terms("-9"))),
    ] {
        let _: () = server.query(&format!("SET ratelimit:limit:{{{key}}} {value}")).await;
        let local = bucket.stats().local;
        assert_eq!(passing(&bucket, key, 3).await, 2, "{value}");
        assert!(bucket.stats().local > local || value.contains("-9"), "{value}: by the share");
    }
}

#[tokio::test]
async fn a_question_that_is_given_up_is_no_token_more() {
    let server = Server::start().await;
    let store = shared(patient(server.url())).await;
    let bucket = SharedBucket::new(&store, "limit", without_refill(20));
    for _ in 0..5 {
        let mut asked = tokio_test::task::spawn(bucket.try_acquire("", 1));
        let _ = asked.poll();
    }
    let passed = passing(&bucket, "", 40).await;
    assert!((15..=20).contains(&passed), "{passed}");
}

#[tokio::test]
async fn a_bucket_that_takes_a_year_to_fill_holds_its_burst() {
    let server = Server::start().await;
    let store = shared(patient(server.url())).await;
    for burst in [7, 366, 1_999] {
        let bucket =
            SharedBucket::new(&store, format!("limit-{burst}"), limit(f64::from(burst) / (364.0 * 86_400.0), burst));
        assert!(bucket.try_acquire("", burst).await.is_ok(), "{burst}");
        let refused = bucket.try_acquire("", burst).await.expect_err("it is empty");
        assert!(refused.retry_after().expect("a time") > Duration::from_secs(363 * 86_400));
    }
}
