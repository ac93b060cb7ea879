//! What a layer of this crate does not use of what was readied is free again at once.

use std::{
    convert::Infallible,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use plugin_core::{BoxError, BoxErrorLayer, Call, PluginError, deadline::DeadlineLayer, sync::Slots};
use plugin_fallback::coalesce::CoalesceLayer;
use tokio::sync::Semaphore;
use tokio_test::{assert_pending, assert_ready, assert_ready_err, assert_ready_ok, task};
use tower::{Layer, Service, ServiceExt, limit::ConcurrencyLimit, service_fn};

type Limited<S> = ConcurrencyLimit<S>;

fn limited<S>(inner: S, permits: &Arc<Semaphore>) -> Limited<S> {
    ConcurrencyLimit::with_semaphore(inner, Arc::clone(permits))
}

#[tokio::test(start_paused = true)]
async fn a_call_whose_deadline_has_passed_leaves_no_permit_behind() {
    let permits = Arc::new(Semaphore::new(1));
    let echo =
        BoxErrorLayer.layer(service_fn(|call: Call<u32>| async move { Ok::<_, Infallible>(call.into_payload()) }));
    let slots = Slots::new(DeadlineLayer::new(Duration::from_secs(1)).layer(limited(echo, &permits)));
    let late = Call::new(1).with_timeout(Duration::ZERO);
    let mut call = task::spawn(Slots::call(&slots, late));
    let error: BoxError = assert_ready_err!(call.poll());
    assert!(error.to_string().contains("PLUGIN_1204"), "{error}");
    assert_eq!(permits.available_permits(), 1);
    assert_eq!(assert_ready_ok!(task::spawn(Slots::call(&slots, Call::new(2))).poll()), 2);
    assert_eq!(permits.available_permits(), 1);
}

#[tokio::test]
async fn a_call_that_joins_another_leaves_no_permit_behind() {
    let permits = Arc::new(Semaphore::new(2));
    let (mock, mut handle) = tower_test::mock::pair::<u32, u32>();
    let errors = mock.map_err(|error| PluginError::execution(error.to_string()));
    let share = CoalesceLayer::new(|request: &u32| Some(*request)).without_deadlines();
    let slots = Slots::new(share.layer(limited(errors, &permits)));
    let mut leads = task::spawn(Slots::call(&slots, 7));
    assert_pending!(leads.poll());
    let mut joins = task::spawn(Slots::call(&slots, 7));
    assert_pending!(joins.poll());
    assert_eq!(permits.available_permits(), 1, "only the call itself has one");
    handle.next_request().await.expect("a request").1.send_response(8);
    assert_eq!((assert_ready_ok!(leads.poll()), assert_ready_ok!(joins.poll())), (8, 8));
    assert_eq!(permits.available_permits(), 2);
}

#[tokio::test(start_paused = true)]
async fn an_answer_from_the_cache_leaves_no_permit_behind() {
    use plugin_fallback::cache::{CacheConfig, CacheLayer};
    let permits = Arc::new(Semaphore::new(1));
    let echo = service_fn(|request: u32| async move { Ok::<_, Infallible>(request) });
    let cache = CacheLayer::new(CacheConfig::default(), |request: &u32| Some(*request)).every_call();
    let slots = Slots::new(cache.layer(limited(BoxErrorLayer.layer(echo), &permits)));
    for _ in 0..2 {
        assert_eq!(assert_ready_ok!(task::spawn(Slots::call(&slots, 7)).poll()), 7);
        assert_eq!(permits.available_permits(), 1);
    }
    assert_eq!(cache.handle().stats().hits(), 1);
}

#[tokio::test]
async fn a_refusal_of_a_call_within_a_call_does_not_take_the_outer_one_apart() {
    // The outer service is called through slots and calls others in its own `call`: one refuses, one does not.
    let (outer, inner) = (Arc::new(Semaphore::new(1)), Arc::new(Semaphore::new(1)));
    let echo =
        BoxErrorLayer.layer(service_fn(|call: Call<u32>| async move { Ok::<_, Infallible>(call.into_payload()) }));
    let late = DeadlineLayer::new(Duration::ZERO).layer(limited(echo, &inner));
    let late = Arc::new(Slots::new(late));
    let nested = service_fn(move |request: u32| {
        let refused = assert_ready!(task::spawn(Slots::call(&*late, Call::new(request))).poll());
        std::future::ready(refused.map_or(Ok::<_, Infallible>("refused"), |_| Ok("passed")))
    });
    let clones = Arc::<AtomicUsize>::default();
    let slots = Slots::new(Counting { inner: limited(nested, &outer), clones: Arc::clone(&clones) });
    let made = clones.load(Ordering::SeqCst);
    for _ in 0..3 {
        assert_eq!(assert_ready_ok!(task::spawn(Slots::call(&slots, 7)).poll()), "refused");
        assert_eq!((outer.available_permits(), inner.available_permits()), (1, 1));
    }
    assert_eq!(clones.load(Ordering::SeqCst), made, "what was called is kept");
}

/// Counts its clones.
struct Counting<S> {
    inner: S,
    clones: Arc<AtomicUsize>,
}

impl<S: Clone> Clone for Counting<S> {
    fn clone(&self) -> Self {
        self.clones.fetch_add(1, Ordering::SeqCst);
        Self { inner: self.inner.clone(), clones: Arc::clone(&self.clones) }
    }
}

impl<S: Service<Req>, Req> Service<Req> for Counting<S> {
    type Response = S::Response;
    type Error = S::Error;
    type Future = S::Future;

    fn poll_ready(&mut self, cx: &mut std::task::Context<'_>) -> std::task::Poll<Result<(), S::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, request: Req) -> S::Future {
        self.inner.call(request)
    }
}
