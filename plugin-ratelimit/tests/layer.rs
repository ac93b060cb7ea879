//! The layer over `Call`, over any other request, and over a mock that shows when the inner service is asked.

use std::time::Duration;

use plugin_core::{
    Call, Code, Plugin, PluginError, Rejected, Reply,
    deadline::{DeadlineLayer, timer},
};
use plugin_ratelimit::{RateLimitConfig, RateLimitLayer, TokenBucket};
use tokio_test::{assert_pending, assert_ready, assert_ready_ok, task};
use tower::{Layer, Service, ServiceBuilder, ServiceExt, service_fn};

const SECOND: Duration = Duration::from_secs(1);

fn config(per_second: f64, burst: u32) -> RateLimitConfig {
    RateLimitConfig::builder().with_requests_per_second(per_second).with_burst_size(burst).build().expect("valid")
}

fn plugin() -> impl Plugin<u32, u32> {
    service_fn(|call: Call<u32>| async move { Ok::<_, PluginError>(Reply::new(call.into_payload())) })
}

/// How many of `tries` calls pass at this moment.
async fn passing(stack: &impl Plugin<u32, u32>, tries: u32) -> u32 {
    let mut passed = 0;
    for payload in 0..tries {
        match stack.clone().oneshot(Call::new(payload)).await {
            Ok(reply) => {
                assert_eq!(*reply.payload(), payload);
                passed += 1;
            }
            Err(error) => assert_eq!(error.code(), Code::RateLimited),
        }
    }
    passed
}

#[tokio::test(start_paused = true)]
async fn the_documented_defaults_let_twenty_through_at_once_and_ten_per_second_after() {
    let stack = RateLimitLayer::new(RateLimitConfig::default()).layer(plugin());
    assert_eq!(passing(&stack, 100).await, 20);
    tokio::time::advance(SECOND).await;
    assert_eq!(passing(&stack, 100).await, 10);
    tokio::time::advance(SECOND / 10).await;
    assert_eq!(passing(&stack, 100).await, 1, "the refill is steady, not in steps of the window");
    tokio::time::advance(100 * SECOND).await;
    assert_eq!(passing(&stack, 100).await, 20, "the bucket is never more than full");
}

#[tokio::test(start_paused = true)]
async fn requests_per_second_has_effect() {
    for (rate, after_four_seconds) in [(0.5, 2), (1.0, 4), (2.5, 10)] {
        let stack = RateLimitLayer::new(config(rate, 10)).layer(plugin());
        assert_eq!(passing(&stack, 20).await, 10);
        tokio::time::advance(4 * SECOND).await;
        assert_eq!(passing(&stack, 20).await, after_four_seconds, "{rate} per second");
    }
}

#[tokio::test(start_paused = true)]
async fn five_per_second_is_five_in_a_second_and_not_one_in_five_seconds() {
    let stack = RateLimitLayer::new(config(5.0, 1)).layer(plugin());
    assert_eq!(passing(&stack, 20).await, 1);
    let mut passed = 0;
    for _ in 0..5 {
        tokio::time::advance(SECOND / 5).await;
        passed += passing(&stack, 20).await;
    }
    assert_eq!(passed, 5, "one more every 200 ms");
    let slow = RateLimitLayer::new(config(0.2, 1)).layer(plugin());
    assert_eq!(passing(&slow, 20).await, 1);
    tokio::time::advance(5 * SECOND).await;
    assert_eq!(passing(&slow, 20).await, 1, "one in five seconds");
}

#[tokio::test(start_paused = true)]
async fn burst_size_has_effect() {
    for burst in [1, 7] {
        let stack = RateLimitLayer::new(config(1.0, burst)).layer(plugin());
        assert_eq!(passing(&stack, 20).await, burst);
    }
}

#[tokio::test(start_paused = true)]
async fn time_window_is_what_statistics_and_policy_state_and_does_not_change_the_rate() {
    for (window, limit) in [(SECOND, 10), (60 * SECOND, 600), (SECOND / 2, 5)] {
        let config = config(10.0, 20).to_builder().with_time_window(window).build().expect("valid");
        let layer = RateLimitLayer::new(config);
        let stack = layer.layer(plugin());
        assert_eq!(passing(&stack, 40).await, 20);
        tokio::time::advance(SECOND).await;
        assert_eq!(passing(&stack, 40).await, 10, "the rate is the same under a window of {window:?}");
        let stats = layer.handle().stats();
        assert_eq!((stats.limit, stats.window), (Some(limit), window));
        let error = stack.oneshot(Call::new(0)).await.expect_err("used up");
        let quota = error.rejected().and_then(Rejected::quota).expect("a quota");
        assert_eq!((quota.limit, quota.window, quota.remaining), (limit, window, 0));
    }
}

#[tokio::test(start_paused = true)]
async fn a_refusal_says_exactly_when_the_request_fits() {
    let stack = RateLimitLayer::new(config(4.0, 1)).layer(plugin());
    assert_eq!(passing(&stack, 1).await, 1);
    tokio::time::advance(Duration::from_millis(100)).await;
    let error = stack.clone().oneshot(Call::new(0)).await.expect_err("used up");
    assert_eq!((error.code().as_str(), error.is_retryable()), ("RATELIMIT_1501", false));
    assert_eq!(error.retry_after(), Some(Duration::from_millis(150)));
    tokio::time::advance(Duration::from_millis(149)).await;
    assert_eq!(passing(&stack, 1).await, 0);
    tokio::time::advance(Duration::from_millis(1)).await;
    assert_eq!(passing(&stack, 1).await, 1);
}

#[tokio::test(start_paused = true)]
async fn a_layer_does_not_make_a_new_limit_per_service() {
    let layer = RateLimitLayer::new(config(1.0, 4));
    let (first, second) = (layer.layer(plugin()), layer.clone().layer(plugin()));
    assert_eq!(passing(&first, 3).await, 3);
    assert_eq!(passing(&second, 3).await, 1);
    assert_eq!(passing(&first.clone(), 3).await, 0);
    let stats = layer.handle().stats();
    assert_eq!((stats.allowed, stats.refused, stats.remaining), (4, 5, Some(0)));
    assert_eq!(stats.reset, 4 * SECOND);
}

#[tokio::test(start_paused = true)]
async fn calls_that_were_held_before_the_limit_pass_no_more_than_the_burst() {
    // Received while the bucket was full, and all brought ten seconds later: at their own time each would find it refilled
    // by the ten that follow, and twenty would pass at once.
    let stack = RateLimitLayer::new(config(1.0, 10)).layer(plugin());
    let held: Vec<_> = (0..10).map(Call::new).collect();
    tokio::time::advance(10 * SECOND).await;
    let mut passed = 0;
    for call in held {
        passed += u32::from(stack.clone().oneshot(call).await.is_ok());
    }
    assert_eq!(passed + passing(&stack, 20).await, 10);
}

#[tokio::test(start_paused = true)]
async fn no_token_is_lost_when_a_ready_service_is_dropped_instead_of_called() {
    let layer = RateLimitLayer::new(config(1.0, 1));
    for _ in 0..10 {
        let mut stack = layer.layer(plugin());
        stack.ready().await.expect("ready");
    }
    assert_eq!(layer.handle().stats().remaining, Some(1));
}

#[tokio::test(start_paused = true)]
async fn a_refused_request_never_reaches_the_inner_service() {
    let (mock, mut inner) = tower_test::mock::pair::<&str, &str>();
    let mut stack = RateLimitLayer::new(config(1.0, 1)).layer(mock);
    assert_ready_ok!(task::spawn(stack.ready()).poll());
    let mut passed = task::spawn(stack.call("passed"));
    assert_pending!(passed.poll());
    let (request, respond) = inner.next_request().await.expect("it passed");
    assert_eq!(request, "passed");
    assert_ready_ok!(task::spawn(stack.ready()).poll());
    let error = assert_ready!(task::spawn(stack.call("refused")).poll()).expect_err("used up");
    assert_eq!(Rejected::find(&*error).map(Rejected::code), Some(Code::RateLimited));
    assert_pending!(task::spawn(inner.next_request()).poll(), "only one came through");
    respond.send_response("answer");
    assert_eq!(assert_ready_ok!(passed.poll()), "answer");
}

#[tokio::test(start_paused = true)]
async fn readiness_is_that_of_the_inner_service() {
    let (mock, mut inner) = tower_test::mock::pair::<(), ()>();
    inner.allow(0);
    let mut stack = task::spawn(RateLimitLayer::new(RateLimitConfig::default()).layer(mock));
    assert_pending!(stack.enter(|cx, mut stack| stack.poll_ready(cx)));
    inner.allow(1);
    assert!(stack.is_woken());
    assert_ready_ok!(stack.enter(|cx, mut stack| stack.poll_ready(cx)));
}

#[tokio::test(start_paused = true)]
async fn a_disabled_layer_is_the_same_type_and_passes_everything_until_it_is_enabled() {
    let mut layer = RateLimitLayer::new(config(1.0, 1));
    let limited = layer.handle();
    layer = RateLimitLayer::disabled();
    let handle = layer.handle();
    assert!(limited.is_enabled() && !handle.is_enabled());
    let stack = layer.layer(plugin());
    assert_eq!(passing(&stack, 100).await, 100);
    assert_eq!((handle.stats().allowed, handle.stats().limit), (0, None), "what is not limited is not counted");
    handle.reconfigure(config(1.0, 3));
    assert_eq!(passing(&stack, 100).await, 100, "settings do not enable");
    handle.enable();
    assert_eq!(passing(&stack, 100).await, 3);
    handle.disable();
    assert_eq!(passing(&stack, 100).await, 100);
    handle.enable();
    assert_eq!(passing(&stack, 100).await, 0, "what was owed is owed");
}

#[tokio::test(start_paused = true)]
async fn live_settings_keep_what_is_owed() {
    let layer = RateLimitLayer::new(config(1.0, 10));
    let (stack, handle) = (layer.layer(plugin()), layer.handle());
    assert_eq!(passing(&stack, 7).await, 7);
    handle.reconfigure(config(2.0, 20));
    assert_eq!(handle.stats().remaining, Some(13), "seven are owed of twenty");
    assert_eq!(handle.stats().reset, 7 * SECOND / 2);
    handle.reconfigure(config(1.0, 5));
    assert_eq!(passing(&stack, 5).await, 0, "seven are owed, the bucket holds five");
    tokio::time::advance(3 * SECOND).await;
    assert_eq!(passing(&stack, 5).await, 1);
    assert_eq!(handle.config(), config(1.0, 5));
}

#[tokio::test(start_paused = true)]
async fn the_request_may_be_anything_and_so_may_the_answer() {
    let not_send = std::rc::Rc::new("request");
    let layer = RateLimitLayer::new(config(1.0, 1))
        .reject_with(|rejected: Rejected| Ok::<_, PluginError>(rejected.to_string()));
    let stack = ServiceBuilder::new()
        .layer(layer)
        .service(service_fn(|request: std::rc::Rc<&'static str>| async move { Ok(request.to_string()) }));
    assert_eq!(stack.clone().oneshot(not_send.clone()).await.expect("passes"), "request");
    let answer = stack.oneshot(not_send).await.expect("an answer");
    assert_eq!(answer, "the rate limit is used up (RATELIMIT_1501); try again in 1s");
}

#[tokio::test(start_paused = true)]
async fn a_panic_in_the_inner_service_leaves_the_limit_usable() {
    let layer = RateLimitLayer::new(config(1.0, 2));
    let stack = layer.layer(service_fn(|panics: bool| async move {
        assert!(!panics, "asked to");
        Ok::<_, PluginError>(())
    }));
    let broken = tokio::spawn(stack.clone().oneshot(true)).await;
    assert!(broken.expect_err("it panicked").is_panic());
    assert!(stack.clone().oneshot(false).await.is_ok());
    assert!(stack.oneshot(false).await.is_err());
}

#[test]
fn public_types_are_shared_between_threads() {
    fn shared<T: Send + Sync + Clone + std::fmt::Debug>() {}
    fn sent<T: Send>() {}
    shared::<RateLimitLayer>();
    shared::<plugin_ratelimit::RateLimit<tower::util::BoxCloneSyncServiceLayer<(), (), (), ()>>>();
    shared::<plugin_ratelimit::RateLimitHandle>();
    shared::<plugin_ratelimit::TokenBucket>();
    shared::<RateLimitConfig>();
    sent::<plugin_ratelimit::UntilReady>();
}

#[tokio::test(start_paused = true)]
async fn a_call_that_waits_for_a_token_has_one_timer_under_a_deadline_too() {
    let bucket = TokenBucket::new(config(1.0, 1));
    bucket.until_ready(1).await.expect("the first token");
    let waiting = service_fn(|call: Call<u32>| {
        let ready = bucket.until_ready(1);
        async move {
            ready.await?;
            Ok::<_, PluginError>(Reply::new(call.into_payload()))
        }
    });
    let armed = timer::armed();
    DeadlineLayer::new(30 * SECOND).layer(waiting).oneshot(Call::new(1)).await.expect("a token after a second");
    assert_eq!(timer::armed() - armed, 1);
}
