//! What a balancer learns from calls that end without an answer: none leaves an instance unmeasured.

mod common;

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use common::{Does, Instance, balance};
use plugin_core::{
    Call, Code, PluginError, Rejected, Reply, Sent,
    deadline::{AttemptTimeoutLayer, DeadlineLayer, timer},
};
use plugin_lb::{Balance, BalanceConfig, BalanceHandle, Endpoint, InstanceStats, Strategy};
use tower::{Layer, ServiceBuilder, ServiceExt, service_fn};

const SECOND: Duration = Duration::from_secs(1);
const HURRY: Duration = Duration::from_millis(150);

fn stats<S: Clone>(handle: &BalanceHandle<S>, name: &str) -> InstanceStats {
    handle.get(name).expect("an instance")
}

#[tokio::test(start_paused = true)]
async fn least_latency_loses_one_call_to_an_instance_that_hangs_however_the_call_is_cut() {
    for attempts in [None, Some(SECOND), Some(30 * SECOND)] {
        for (timeout, hurry, failed) in [(SECOND, Duration::MAX, 1), (30 * SECOND, HURRY, 0)] {
            let attempts = attempts.map_or_else(AttemptTimeoutLayer::disabled, AttemptTimeoutLayer::new);
            let endpoints = [Instance::new("hung", Does::Hang), Instance::new("good", Does::Answer)]
                .map(|instance| instance.endpoint().map(|service| attempts.layer(service)));
            let config = BalanceConfig::builder().with_strategy(Strategy::LeastLatency).build().expect("valid");
            let balance = Balance::new(config, endpoints).expect("two names").for_calls();
            let handle = balance.handle();
            let stack = ServiceBuilder::new().layer(DeadlineLayer::new(timeout)).service(balance);
            let mut lost = 0;
            for _ in 0..20 {
                lost += usize::from(stack.clone().oneshot(Call::new(0).with_timeout(hurry)).await.is_err());
            }
            let hung = stats(&handle, "hung");
            assert_eq!((lost, hung.failed), (1, failed), "{hung:?}");
            assert_eq!(hung.health_score, 100 - 5 * u8::try_from(failed).expect("small"));
            assert_eq!(hung.active, 0);
        }
    }
}

#[tokio::test(start_paused = true)]
async fn least_latency_is_not_drawn_to_a_new_instance_that_refuses() {
    let service = |refuses: bool| {
        service_fn(move |_: Call<u64>| async move {
            if refuses { Err(PluginError::from(Rejected::overloaded())) } else { Ok(Reply::new(0)) }
        })
    };
    let config =
        BalanceConfig::builder().with_strategy(Strategy::LeastLatency).with_failover(false).build().expect("valid");
    let endpoints = [Endpoint::new("refuses", service(true)), Endpoint::new("good", service(false))];
    let balance = Balance::new(config, endpoints).expect("two names").for_calls();
    let handle = balance.handle();
    for _ in 0..20 {
        let _ = balance.clone().oneshot(Call::new(0)).await;
    }
    assert_eq!((stats(&handle, "good").ok, stats(&handle, "refuses").failed), (19, 0));
}

/// Calls to the instance "turns away" in the last 50 of 100 seconds with 25 calls each. The other two answer after 20 ms, and
/// so does it until `good_for` has passed.
async fn drawn(turns_away: fn() -> PluginError, good_for: Duration) -> u64 {
    let begin = tokio::time::Instant::now();
    let service = |is_good: bool| {
        service_fn(move |_: Call<u64>| async move {
            if is_good || begin.elapsed() < good_for {
                tokio::time::sleep(Duration::from_millis(20)).await;
                return Ok(Reply::new(0));
            }
            Err(turns_away())
        })
    };
    let config =
        BalanceConfig::builder().with_strategy(Strategy::LeastLatency).with_failover(false).build().expect("valid");
    let endpoints = [("turns away", false), ("good", true), ("better", true)];
    let endpoints = endpoints.map(|(name, is_good)| Endpoint::new(name, service(is_good)));
    let balance = Balance::new(config, endpoints).expect("three names").for_calls();
    let total = || stats(&balance.handle(), "turns away").total;
    let mut before = 0;
    for call in 0..2500 {
        if call == 1250 {
            before = total();
        }
        let next = tokio::time::Instant::now() + Duration::from_millis(40);
        let _ = balance.clone().oneshot(Call::new(0)).await;
        tokio::time::sleep_until(next).await;
    }
    total() - before
}

#[tokio::test(start_paused = true)]
async fn least_latency_stays_away_from_an_instance_that_turns_calls_away_for_as_long_as_it_does() {
    let turned_away: [fn() -> PluginError; 4] = [
        || PluginError::new(Code::RateLimited, "what an HTTP plugin's 429 becomes").with_http_status(429),
        || PluginError::new(Code::QueueFull, "what a plugin says of itself"),
        || Rejected::overloaded().into(),
        || Rejected::circuit_open(None).into(),
    ];
    for turns_away in turned_away {
        for good_for in [Duration::ZERO, 30 * SECOND] {
            let drawn = drawn(turns_away, good_for).await;
            assert!(drawn <= 4, "{drawn} of 1250 calls, good for {good_for:?}: {}", turns_away());
        }
    }
}

/// What an HTTP plugin's answer becomes that blames the caller, and an instance that is set up wrong gives to every call.
#[tokio::test(start_paused = true)]
async fn least_latency_is_not_drawn_to_an_instance_that_blames_every_caller() {
    let blames: [fn() -> PluginError; 2] = [
        || PluginError::new(Code::HttpTransport, "not here").with_http_status(404),
        || PluginError::new(Code::InvalidPayload, "not like this"),
    ];
    for blames in blames {
        let drawn = drawn(blames, Duration::ZERO).await;
        assert!(drawn <= 4, "{drawn} of 1250 calls: {}", blames());
    }
}

#[tokio::test(start_paused = true)]
async fn least_latency_knows_how_long_an_instance_takes_to_blame_the_caller() {
    let service = |name: &'static str, takes: Duration| {
        service_fn(move |_: Call<u64>| async move {
            tokio::time::sleep(takes).await;
            if name == "good" {
                Ok(Reply::new(0))
            } else {
                Err(PluginError::new(Code::InvalidPayload, "not like this"))
            }
        })
    };
    let endpoints =
        [("slow", 5 * SECOND), ("good", 2 * SECOND)].map(|(name, takes)| Endpoint::new(name, service(name, takes)));
    let config = BalanceConfig::builder().with_strategy(Strategy::LeastLatency).build().expect("valid");
    let balance = Balance::new(config, endpoints).expect("two names").for_calls();
    let handle = balance.handle();
    for _ in 0..3 {
        let _ = balance.clone().oneshot(Call::new(0)).await;
    }
    assert_eq!((stats(&handle, "good").ok, stats(&handle, "slow").failed), (2, 0));
}

#[tokio::test(start_paused = true)]
async fn a_wait_for_an_instance_that_answers_others_is_not_held_against_it() {
    // Whether it answers, and with what: that each payload is wrong is an answer too.
    for (answers, blames) in [(true, false), (true, true), (false, false)] {
        let works = move |_: Call<u64>| async move {
            tokio::time::sleep(if answers { 3 * SECOND } else { Duration::MAX }).await;
            if blames { Err(PluginError::new(Code::InvalidPayload, "as asked")) } else { Ok(Reply::new(0_u64)) }
        };
        let bulkhead = ServiceBuilder::new().concurrency_limit(1).service(service_fn(works));
        let balance = Balance::new(BalanceConfig::default(), [Endpoint::new("a", bulkhead)]).expect("one").for_calls();
        let handle = balance.handle();
        let stack = ServiceBuilder::new().layer(DeadlineLayer::new(4 * SECOND)).service(balance);
        let call = |time| stack.clone().oneshot(Call::new(0).with_timeout(time));
        let (first, second, third) = tokio::join!(call(4 * SECOND), call(4 * SECOND), call(7 * SECOND / 2));
        assert_eq!(first.is_ok(), answers && !blames);
        // Where the first is answered, the second has the instance for a second of its four.
        let (second, third) = (second.expect_err("its time is up"), third.expect_err("it never began"));
        assert_eq!((second.sent(), third.sent()), (Sent::Maybe, Sent::Nothing));
        for error in [second, third] {
            assert_eq!(error.rejected().map(Rejected::is_evidence), Some(!answers), "{error}");
        }
        let counted = stats(&handle, "a");
        let expected = (u64::from(answers && !blames), if answers { 0 } else { 3 });
        assert_eq!((counted.ok, counted.failed), expected);
    }
}

#[tokio::test(start_paused = true)]
async fn a_panic_measures_an_instance_too() {
    let (good, broken) = (Instance::new("good", Does::Answer), Instance::new("broken", Does::Panic));
    let mut balance = balance(Strategy::LeastLatency, [&broken, &good]);
    let mut panicked = 0;
    for _ in 0..20 {
        panicked += usize::from(tokio::spawn(common::call(&mut balance)).await.is_err());
    }
    assert_eq!(panicked, 1);
}

/// Calls after which the time of one in thirty-two only is taken.
const WARM: u64 = 65;

#[tokio::test(start_paused = true)]
async fn an_instance_that_was_called_late_is_judged_by_the_time_that_it_had() {
    for (works, failed) in [(450, 0), (251, 0), (250, 3), (0, 3)] {
        let hangs = Arc::new(AtomicBool::new(false));
        let service = service_fn({
            let hangs = Arc::clone(&hangs);
            move |_: Call<u64>| {
                let hangs = hangs.load(Ordering::SeqCst);
                async move { if hangs { std::future::pending().await } else { Ok::<_, PluginError>(Reply::new(0_u64)) } }
            }
        });
        let config = BalanceConfig::builder().with_strategy(Strategy::RoundRobin).build().expect("valid");
        let balance = Balance::new(config, [Endpoint::new("a", service)]).expect("one name").for_calls();
        let handle = balance.handle();
        for _ in 0..WARM {
            balance.clone().oneshot(Call::new(0)).await.expect("an answer");
        }
        hangs.store(true, Ordering::SeqCst);
        // The context of a call that came in goes on with it: when that began is not when the instance was called.
        let handler =
            ServiceBuilder::new().layer(DeadlineLayer::new(SECOND / 2)).service(service_fn(move |call: Call<u64>| {
                let balance = balance.clone();
                async move {
                    tokio::time::sleep(Duration::from_millis(works)).await;
                    balance.oneshot(call).await
                }
            }));
        for _ in 0..3 {
            handler.clone().oneshot(Call::new(0)).await.expect_err("no answer");
        }
        let seen = stats(&handle, "a");
        assert_eq!((seen.ok, seen.failed, seen.active), (WARM, failed, 0), "after {works} ms: {seen:?}");
    }
}

#[cfg(feature = "grpc")]
#[tokio::test(start_paused = true)]
async fn an_instance_that_says_that_time_was_up_is_judged_by_the_time_that_it_had() {
    for (before, had, failed) in [(900, 0, 0), (300, 600, 1), (600, 300, 0)] {
        let instance = service_fn(move |()| async move {
            if had > 0 {
                tokio::time::sleep(Duration::from_millis(had)).await;
            }
            let exceeded = http::Response::builder().header("grpc-status", "4").body(()).expect("valid");
            Ok::<_, PluginError>(exceeded)
        });
        let balance = Balance::new(BalanceConfig::default(), [Endpoint::new("a", instance)]).expect("one name");
        let balance = balance.classify(plugin_core::ByGrpcStatus);
        let handle = balance.handle();
        let handler =
            ServiceBuilder::new().layer(DeadlineLayer::new(SECOND)).service(service_fn(move |_: Call<u64>| {
                let balance = balance.clone();
                async move {
                    tokio::time::sleep(Duration::from_millis(before)).await;
                    balance.oneshot(()).await.map(|_| Reply::new(()))
                }
            }));
        handler.oneshot(Call::new(0)).await.expect("a status");
        assert_eq!(stats(&handle, "a").failed, failed, "called after {before} ms, and had {had}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_call_that_waits_for_an_instance_has_one_timer_under_a_deadline_too() {
    let endpoints = [Instance::new("busy", Does::Answer).never_ready(), Instance::new("good", Does::Answer)]
        .map(|instance| instance.endpoint());
    let config = BalanceConfig::builder().with_pick_timeout(SECOND).build().expect("valid");
    let balance = Balance::new(config, endpoints).expect("two names").for_calls();
    let stack = ServiceBuilder::new().layer(DeadlineLayer::new(30 * SECOND)).service(balance);
    let (armed, start) = (timer::armed(), tokio::time::Instant::now());
    // A clone: the balancer must outlive the wait.
    stack.clone().oneshot(Call::new(0)).await.expect("the other answers");
    assert_eq!((timer::armed() - armed, start.elapsed().as_secs()), (1, 1));
}
