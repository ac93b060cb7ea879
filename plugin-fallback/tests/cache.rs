//! What is kept and for how long, what stands in for a failure, and what is left alone.
#![cfg(feature = "cache")]

use std::{
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use plugin_core::{Call, Code, PluginError, Rejected, Reply, Verdict};
use plugin_fallback::{
    cache::{CacheConfig, CacheHandle, CacheLayer},
    coalesce::CoalesceLayer,
};
use tokio_test::{assert_pending, task};
use tower::{Layer, Service, ServiceBuilder, ServiceExt, service_fn};

const SECOND: Duration = Duration::from_secs(1);

type Fault = fn() -> PluginError;

/// What the service does next; it answers with the number of times that it was called.
#[derive(Clone, Default)]
struct Scene {
    calls: Arc<AtomicUsize>,
    fault: Arc<Mutex<Option<Fault>>>,
}

impl Scene {
    fn calls(&self) -> usize {
        self.calls.load(Ordering::SeqCst)
    }

    fn fail(&self, fault: Option<Fault>) {
        *self.fault.lock().expect("no panic") = fault;
    }

    fn answer<Req>(&self) -> impl Fn(Req) -> std::future::Ready<Result<usize, PluginError>> + Clone + use<Req> {
        let scene = self.clone();
        move |_| {
            let number = scene.calls.fetch_add(1, Ordering::SeqCst) + 1;
            let fault = *scene.fault.lock().expect("no panic");
            std::future::ready(fault.map_or(Ok(number), |fault| Err(fault())))
        }
    }
}

/// The key is the request; 0 has none.
fn key(request: &u32) -> Option<u32> {
    Some(*request).filter(|key| *key > 0)
}

/// Kept for 10 s, and for 60 s more in place of a failure.
fn config() -> CacheConfig {
    CacheConfig::builder().with_ttl(10 * SECOND).with_stale_if_error(60 * SECOND).build().expect("valid")
}

fn stack(
    scene: &Scene,
) -> (
    impl Service<u32, Response = usize, Error = PluginError, Future: Send> + Clone + Send + Sync + 'static,
    CacheHandle<u32, usize>,
) {
    let layer = CacheLayer::new(config(), key).every_call();
    let handle = layer.handle();
    (layer.layer(service_fn(scene.answer())), handle)
}

#[tokio::test(start_paused = true)]
async fn an_answer_is_kept_for_its_time_to_live_and_then_asked_for_again() {
    let scene = Scene::default();
    let (stack, cache) = stack(&scene);
    let ask = || stack.clone().oneshot(1);
    assert_eq!(ask().await.expect("new"), 1);
    tokio::time::advance(10 * SECOND - Duration::from_millis(1)).await;
    assert_eq!(ask().await.expect("kept"), 1);
    tokio::time::advance(Duration::from_millis(1)).await;
    assert_eq!(ask().await.expect("new"), 2);
    tokio::time::advance(9 * SECOND).await;
    assert_eq!(ask().await.expect("kept since it was renewed"), 2);
    let stats = cache.stats();
    assert_eq!((stats.hits(), stats.misses(), stats.stale(), stats.entries()), (2, 2, 0, 1));
}

#[tokio::test(start_paused = true)]
async fn keys_are_kept_apart_and_a_call_without_one_is_passed_on() {
    let scene = Scene::default();
    let (stack, cache) = stack(&scene);
    let mut answers = Vec::new();
    for request in [1, 2, 1, 2, 0, 0] {
        answers.push(stack.clone().oneshot(request).await.expect("an answer"));
    }
    assert_eq!(answers, [1, 2, 1, 2, 3, 4]);
    assert_eq!((cache.stats().hits(), cache.stats().misses()), (2, 2));
}

#[tokio::test(start_paused = true)]
async fn an_error_is_not_kept() {
    let scene = Scene::default();
    let (stack, cache) = stack(&scene);
    scene.fail(Some(|| PluginError::execution("no")));
    stack.clone().oneshot(1).await.expect_err("nothing is kept to stand in");
    scene.fail(None);
    assert_eq!(stack.oneshot(1).await.expect("asked again"), 2);
    assert_eq!(cache.stats().entries(), 1);
}

#[tokio::test(start_paused = true)]
async fn an_old_answer_stands_in_for_a_failure_and_for_a_refusal_until_its_time_is_over() {
    for fault in [|| PluginError::execution("no"), || PluginError::from(Rejected::circuit_open(None))] {
        let scene = Scene::default();
        let (stack, cache) = stack(&scene);
        let ask = || stack.clone().oneshot(1);
        assert_eq!(ask().await.expect("new"), 1);
        scene.fail(Some(fault));
        tokio::time::advance(70 * SECOND - Duration::from_millis(1)).await;
        assert_eq!(ask().await.expect("old"), 1);
        assert_eq!((scene.calls(), cache.stats().stale()), (2, 1), "the service was asked first");
        tokio::time::advance(Duration::from_millis(1)).await;
        assert_eq!(ask().await.expect_err("too old").code(), fault().code());
        scene.fail(None);
        assert_eq!(ask().await.expect("new"), 4);
    }
}

#[tokio::test(start_paused = true)]
async fn the_callers_own_mistake_is_not_hidden_by_an_old_answer() {
    let scene = Scene::default();
    let (stack, _) = stack(&scene);
    assert_eq!(stack.clone().oneshot(1).await.expect("new"), 1);
    tokio::time::advance(11 * SECOND).await;
    scene.fail(Some(|| PluginError::new(Code::InvalidPayload, "not JSON")));
    assert_eq!(stack.oneshot(1).await.expect_err("passes").code(), Code::InvalidPayload);
}

#[tokio::test(start_paused = true)]
async fn without_stale_if_error_a_failure_is_a_failure() {
    let scene = Scene::default();
    let layer = CacheLayer::new(CacheConfig::default(), key).every_call();
    let stack = layer.layer(service_fn(scene.answer()));
    assert_eq!(stack.clone().oneshot(1).await.expect("new"), 1);
    tokio::time::advance(61 * SECOND).await;
    scene.fail(Some(|| PluginError::execution("no")));
    stack.oneshot(1).await.expect_err("off by default");
}

#[tokio::test(start_paused = true)]
async fn only_calls_that_are_marked_idempotent_are_kept_unless_told() {
    let marks = [None, Some(false), Some(true)];
    let call = |mark: Option<bool>| {
        let call = Call::new(1_u32);
        mark.map_or(call.clone(), |mark| call.with_idempotent(mark))
    };
    let by_payload = |call: &Call<u32>| Some(*call.payload());
    for (mark, calls) in marks.into_iter().zip([2, 2, 1]) {
        let scene = Scene::default();
        let answer = scene.answer();
        let plugin = service_fn(move |call: Call<u32>| {
            let answer = answer(call);
            async { answer.await.map(Reply::new) }
        });
        let stack = CacheLayer::new(config(), by_payload).layer(plugin);
        for _ in 0..2 {
            stack.clone().oneshot(call(mark)).await.expect("an answer");
        }
        assert_eq!(scene.calls(), calls, "{mark:?}");
    }
    let scene = Scene::default();
    let by_path = |request: &http::Request<()>| Some(request.uri().path().to_owned());
    let answer = scene.answer();
    let site = service_fn(move |request: http::Request<()>| {
        let answer = answer(request);
        async { answer.await.map(http::Response::new) }
    });
    let stack = CacheLayer::new(config(), by_path).layer(site);
    for method in ["GET", "POST", "GET", "POST"] {
        let request = http::Request::builder().method(method).uri("/a").body(()).expect("valid");
        stack.clone().oneshot(request).await.expect("an answer");
    }
    assert_eq!(scene.calls(), 3);
}

#[tokio::test(start_paused = true)]
async fn over_http_only_what_a_status_lets_be_kept_is_kept() {
    let site = service_fn(|request: http::Request<()>| async move {
        let status: u16 = request.uri().path()[1..].parse().expect("a status");
        Ok::<_, PluginError>(http::Response::builder().status(status).body(()).expect("a response"))
    });
    let layer = CacheLayer::new(config(), |request: &http::Request<()>| Some(request.uri().path().to_owned()));
    let cache = layer.handle();
    let stack = layer.layer(site);
    let mut kept = Vec::new();
    for status in 200..=599 {
        let before = cache.stats().hits();
        for _ in 0..2 {
            let request = http::Request::get(format!("/{status}")).body(()).expect("valid");
            assert_eq!(stack.clone().oneshot(request).await.expect("an answer").status().as_u16(), status);
        }
        kept.extend((cache.stats().hits() > before).then_some(status));
    }
    assert_eq!(kept, [200, 203, 204, 300, 301, 308, 404, 405, 410, 414]);
}

#[tokio::test(start_paused = true)]
async fn a_classifier_says_which_responses_are_kept() {
    let echo = service_fn(|status: u16| async move { Ok::<_, std::convert::Infallible>(status) });
    let layer = CacheLayer::new(config(), |status: &u16| Some(*status)).every_call().classify(
        |result: Result<&u16, &std::convert::Infallible>| match result {
            Ok(200) => Verdict::Success,
            Ok(500..) => Verdict::Failure,
            _ => Verdict::Ignored,
        },
    );
    let cache = layer.handle();
    let stack = layer.layer(echo);
    for status in [200, 200, 404, 404, 500, 500] {
        assert_eq!(stack.clone().oneshot(status).await, Ok(status));
    }
    assert_eq!((cache.stats().hits(), cache.stats().misses(), cache.stats().entries()), (1, 5, 1));
}

#[tokio::test(start_paused = true)]
async fn the_bound_holds_under_a_flood_of_keys() {
    let scene = Scene::default();
    let config = CacheConfig::builder().with_max_entries(50).build().expect("valid");
    let layer = CacheLayer::new(config, key).every_call();
    let cache = layer.handle();
    let stack = layer.layer(service_fn(scene.answer()));
    for request in 1..=5000 {
        stack.clone().oneshot(request).await.expect("an answer");
    }
    let entries = cache.stats().entries();
    assert!((1..=50).contains(&entries), "{entries}");
}

#[tokio::test(start_paused = true)]
async fn clearing_forgets_everything_and_the_answer_of_a_call_under_way_too() {
    let (service, mut remote) = tower_test::mock::pair::<u32, usize>();
    let layer = CacheLayer::new(config(), key).every_call();
    let cache = layer.handle();
    let stack = layer.layer(service);
    let mut under_way = task::spawn(stack.clone().oneshot(1));
    assert_pending!(under_way.poll());
    cache.clear();
    let (_, respond) = remote.next_request().await.expect("asked");
    respond.send_response(1);
    assert_eq!(under_way.await.expect("its own answer"), 1);
    for (expected, before) in [(2, "what was asked for before the clearing is not served"), (3, "nor what was kept")] {
        let mut call = task::spawn(stack.clone().oneshot(1));
        assert_pending!(call.poll(), "{before}");
        let (_, respond) = remote.next_request().await.expect("asked");
        respond.send_response(expected);
        assert_eq!(call.await.expect("new"), expected);
        assert_eq!(stack.clone().oneshot(1).await.expect("kept"), expected);
        cache.clear();
    }
}

#[tokio::test(start_paused = true)]
async fn one_key_can_be_forgotten() {
    let scene = Scene::default();
    let (stack, cache) = stack(&scene);
    for (request, answer) in [(1, 1), (2, 2)] {
        assert_eq!(stack.clone().oneshot(request).await.expect("new"), answer);
    }
    cache.remove(&1);
    assert_eq!(stack.clone().oneshot(2).await.expect("kept"), 2);
    assert_eq!(stack.oneshot(1).await.expect("new"), 3);
}

#[tokio::test(start_paused = true)]
async fn a_call_that_is_dropped_or_panics_leaves_nothing_in_the_cache() {
    let panics = service_fn(|_: u32| async {
        tokio::time::sleep(SECOND).await;
        if true { panic!("as asked") } else { Ok::<usize, PluginError>(1) }
    });
    let layer = CacheLayer::new(config(), key).every_call();
    let cache = layer.handle();
    let stack = layer.layer(panics);
    let mut dropped = task::spawn(stack.clone().oneshot(1));
    assert_pending!(dropped.poll());
    drop(dropped);
    tokio::spawn(stack.oneshot(1)).await.expect_err("as asked");
    assert_eq!((cache.stats().misses(), cache.stats().entries()), (2, 0));
}

#[tokio::test(start_paused = true)]
async fn calls_that_miss_at_the_same_time_are_made_each_unless_they_are_coalesced_beneath() {
    for coalesced in [false, true] {
        let calls = Arc::new(AtomicUsize::new(0));
        let counted = Arc::clone(&calls);
        let slow = service_fn(move |_: u32| {
            counted.fetch_add(1, Ordering::SeqCst);
            async {
                tokio::time::sleep(SECOND).await;
                Ok::<_, PluginError>(1)
            }
        });
        let share = CoalesceLayer::new(move |request: &u32| coalesced.then_some(*request)).without_deadlines();
        let cache = CacheLayer::new(config(), key).every_call();
        let stack = ServiceBuilder::new().layer(cache).layer(share).service(slow);
        let (one, two) = tokio::join!(stack.clone().oneshot(1), stack.oneshot(1));
        assert_eq!((one.expect("an answer"), two.expect("an answer")), (1, 1));
        assert_eq!(calls.load(Ordering::SeqCst), if coalesced { 1 } else { 2 });
    }
}

#[tokio::test(start_paused = true)]
async fn a_slow_older_call_does_not_overwrite_a_newer_answer() {
    // The first call reads the old value and brings it late; the second reads the new one.
    let calls = Arc::new(AtomicUsize::new(0));
    let service = service_fn(move |_: u32| {
        let number = calls.fetch_add(1, Ordering::SeqCst);
        async move {
            tokio::time::sleep(if number == 0 { 5 * SECOND } else { SECOND }).await;
            Ok::<_, PluginError>(number)
        }
    });
    let stack = CacheLayer::new(config(), key).every_call().layer(service);
    let later = async {
        tokio::time::sleep(SECOND).await;
        stack.clone().oneshot(1).await
    };
    let (old, new) = tokio::join!(stack.clone().oneshot(1), later);
    assert_eq!((old.expect("late"), new.expect("in time")), (0, 1));
    assert_eq!(stack.oneshot(1).await.expect("kept"), 1);
}

#[test]
fn the_smallest_settings_are_taken() {
    let nanosecond = Duration::from_nanos(1);
    let config = CacheConfig::builder().with_ttl(nanosecond).with_max_entries(1).build().expect("valid");
    assert_eq!((config.ttl(), config.max_entries()), (nanosecond, 1));
}

#[test]
fn a_setting_out_of_bounds_is_named() {
    let ttl = CacheConfig::builder().with_ttl(Duration::ZERO).build().expect_err("zero");
    let entries = CacheConfig::builder().with_max_entries(0).build().expect_err("zero");
    assert_eq!((ttl.field(), entries.field()), ("ttl", "max_entries"));
    let defaults = CacheConfig::builder().build().expect("valid");
    assert_eq!(defaults, CacheConfig::default());
    assert_eq!(
        (defaults.ttl(), defaults.max_entries(), defaults.stale_if_error()),
        (60 * SECOND, 10_000, Duration::ZERO)
    );
    let longest =
        CacheConfig::builder().with_ttl(Duration::MAX).with_stale_if_error(Duration::MAX).with_max_entries(u64::MAX);
    drop(CacheLayer::<_, _, ()>::new(longest.build().expect("valid"), key));
}
