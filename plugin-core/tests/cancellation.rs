//! A call is dropped, or panics, at every point where it can be: nothing is left behind, and the next call is served.

use std::{
    future::{Future, poll_fn},
    panic::{AssertUnwindSafe, catch_unwind},
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    task::Poll,
    time::Duration,
};

use plugin_core::{
    Call, Code, Plugin, PluginError, Reply,
    deadline::{AttemptTimeoutLayer, DeadlineLayer},
    sync::Slots,
};
use plugin_telemetry::{Status, TelemetryHandle, TelemetryLayer};
use tokio_test::task;
use tower::{Service, ServiceBuilder, service_fn};

/// Points at which the plugin waits.
const WAITS: usize = 4;

/// What the plugin does in its last step.
#[derive(Clone, Copy, PartialEq)]
enum Do {
    Answer,
    PanicAt(usize),
    PanicInCall,
    Hang,
}

#[derive(Clone, Default)]
struct Running(Arc<AtomicUsize>);

struct Guard(Running);

impl Drop for Guard {
    fn drop(&mut self) {
        self.0.0.fetch_sub(1, Ordering::SeqCst);
    }
}

/// The stack under test, with everything that could stay taken: a count of active calls, a permit, a guard.
struct Scene<P> {
    slots: Slots<P>,
    counts: TelemetryHandle,
    running: Running,
}

fn scene() -> Scene<impl Plugin<Do, ()>> {
    let running = Running::default();
    let guards = running.clone();
    let plugin = service_fn(move |call: Call<Do>| {
        let what = call.into_payload();
        assert!(what != Do::PanicInCall, "as asked");
        guards.0.fetch_add(1, Ordering::SeqCst);
        let guard = Guard(guards.clone());
        async move {
            let _guard = guard;
            for point in 0..WAITS {
                assert!(what != Do::PanicAt(point), "as asked");
                tokio::task::yield_now().await;
            }
            if what == Do::Hang {
                std::future::pending::<()>().await;
            }
            Ok::<_, PluginError>(Reply::new(()))
        }
    });
    let telemetry = TelemetryLayer::new("swept").for_calls();
    let counts = telemetry.handle();
    let stack = ServiceBuilder::new()
        .layer(telemetry)
        .layer(DeadlineLayer::new(Duration::from_secs(30)))
        // One permit: a single one that stays taken stops everything.
        .concurrency_limit(1)
        .layer(AttemptTimeoutLayer::new(Duration::from_secs(10)))
        .service(plugin);
    Scene { slots: Slots::new(stack), counts, running }
}

impl<P: Plugin<Do, ()>> Scene<P> {
    fn call(&self, what: Do) -> task::Spawn<impl Future<Output = Result<Reply<()>, PluginError>>> {
        task::spawn(Slots::call(&self.slots, Call::new(what)))
    }

    /// Nothing is taken, and a call from the beginning to its end is served.
    fn is_clean(&self, context: &str) {
        assert_eq!(self.counts.stats().active(), 0, "active calls, {context}");
        assert_eq!(self.running.0.load(Ordering::SeqCst), 0, "running plugins, {context}");
        let mut call = self.call(Do::Answer);
        for _ in 0..WAITS {
            assert!(call.poll().is_pending(), "{context}");
        }
        match call.poll() {
            Poll::Ready(Ok(_)) => {}
            Poll::Ready(Err(error)) => panic!("{error}, {context}"),
            Poll::Pending => panic!("wedged, {context}"),
        }
        assert_eq!(self.counts.stats().active(), 0, "active calls after one more, {context}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_call_that_is_dropped_at_any_point_leaves_nothing_behind() {
    let scene = scene();
    for polls in 0..=WAITS {
        let mut call = scene.call(Do::Answer);
        for _ in 0..polls {
            assert!(call.poll().is_pending());
        }
        drop(call);
        scene.is_clean(&format!("dropped after {polls} polls"));
    }
    let snapshot = scene.counts.stats();
    // Before its first poll a call through slots has not begun.
    assert_eq!(Status::ALL.map(|status| snapshot.ended(status)), [WAITS as u64 + 1, 0, 0, WAITS as u64, 0]);
}

#[tokio::test(start_paused = true)]
async fn a_caller_that_waits_for_its_turn_and_goes_leaves_nothing_behind() {
    let scene = scene();
    for polls in 0..3 {
        let mut first = scene.call(Do::Hang);
        assert!(first.poll().is_pending());
        let mut waits = scene.call(Do::Answer);
        for _ in 0..polls {
            assert!(waits.poll().is_pending());
        }
        let mut behind = scene.call(Do::Answer);
        assert!(behind.poll().is_pending());
        drop(waits);
        drop(first);
        assert!(behind.is_woken(), "the permit goes to the next, {polls} polls");
        while behind.poll().is_pending() {}
        drop(behind);
        scene.is_clean(&format!("gone from the line after {polls} polls"));
    }
}

#[tokio::test(start_paused = true)]
async fn a_call_that_panics_at_any_point_is_a_failure_and_leaves_nothing_behind() {
    let scene = scene();
    let points = (0..WAITS).map(Do::PanicAt).chain([Do::PanicInCall]);
    for (index, what) in points.enumerate() {
        let mut call = scene.call(what);
        let panicked = (0..=WAITS).any(|_| catch_unwind(AssertUnwindSafe(|| call.poll().is_ready())).is_err());
        assert!(panicked, "point {index}");
        drop(call);
        scene.is_clean(&format!("panicked at point {index}"));
    }
    let snapshot = scene.counts.stats();
    let clean = WAITS as u64 + 1;
    assert_eq!(Status::ALL.map(|status| snapshot.ended(status)), [clean, WAITS as u64 + 1, 0, 0, 0]);
}

#[tokio::test(start_paused = true)]
async fn a_call_that_is_cut_at_a_limit_leaves_nothing_behind() {
    let scene = scene();
    // The attempt's limit is ten seconds, the deadline comes before it or after.
    for deadline in [60, 5] {
        let mut stack = scene.slots.get_ref().clone();
        poll_fn(|cx| stack.poll_ready(cx)).await.expect("ready");
        let mut call = task::spawn(stack.call(Call::new(Do::Hang).with_timeout(Duration::from_secs(deadline))));
        for _ in 0..=WAITS {
            assert!(call.poll().is_pending());
        }
        tokio::time::advance(Duration::from_secs(deadline.min(10))).await;
        assert!(call.is_woken());
        match call.poll() {
            Poll::Ready(Err(error)) => assert_eq!(error.code(), Code::Timeout),
            other => panic!("{other:?}"),
        }
        assert_eq!(scene.running.0.load(Ordering::SeqCst), 0, "the work stopped with the answer, not with the drop");
        drop(call);
        scene.is_clean(&format!("cut, with a deadline of {deadline} s"));
    }
    assert_eq!(scene.counts.stats().codes(), [(Code::Timeout, 2)]);
}

#[tokio::test(start_paused = true)]
async fn a_future_that_is_forgotten_keeps_only_its_own() {
    let running = Running::default();
    let guards = running.clone();
    let telemetry = TelemetryLayer::new("kept").for_calls();
    let counts = telemetry.handle();
    let mut stack = ServiceBuilder::new().layer(telemetry).service(service_fn(move |_: Call<()>| {
        guards.0.fetch_add(1, Ordering::SeqCst);
        let guard = Guard(guards.clone());
        async move {
            let _guard = guard;
            std::future::pending::<Result<Reply<()>, PluginError>>().await
        }
    }));
    let mut kept = task::spawn(stack.call(Call::new(())));
    assert!(kept.poll().is_pending());
    std::mem::forget(kept);
    drop(stack);
    assert_eq!((counts.stats().active(), running.0.load(Ordering::SeqCst)), (1, 1), "it never ended");
}
