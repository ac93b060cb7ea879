//! Callers that come while the shared call is being made, polled, or dropped: the moments in which it is in nobody's hands.

use std::{
    future::poll_fn,
    panic::{AssertUnwindSafe, catch_unwind},
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering},
    },
    task::Poll,
};

use plugin_core::{BoxFuture, PluginError};
use plugin_fallback::coalesce::{CoalesceHandle, CoalesceLayer};
use tokio_test::{assert_pending, assert_ready_ok, task};
use tower::{Layer, Service, service_fn};

type Answer = BoxFuture<Result<(), PluginError>>;

type Act = Box<dyn FnOnce() + Send>;

/// What a test does at a moment that the service reaches; once.
#[derive(Clone, Default)]
struct Hook(Arc<Mutex<Option<Act>>>);

impl Hook {
    fn set(&self, run: impl FnOnce() + Send + 'static) {
        *self.0.lock().expect("no panic") = Some(Box::new(run));
    }

    fn run(&self) {
        let run = self.0.lock().expect("no panic").take();
        if let Some(run) = run {
            run();
        }
    }
}

#[derive(Clone, Default)]
struct Scene {
    when_made: Hook,
    when_polled: Hook,
    when_dropped: Hook,
    done: Arc<AtomicBool>,
}

struct Dropped(Hook);

impl Drop for Dropped {
    fn drop(&mut self) {
        self.0.run();
    }
}

/// A call that goes on for as long as it is not done, and nobody wakes it; the handle; and how to make a call.
fn stack(scene: &Scene) -> (impl Fn() -> Answer + Clone + Send + 'static, CoalesceHandle<(), (), PluginError>) {
    let layer = CoalesceLayer::new(|(): &()| Some(())).without_deadlines();
    let handle = layer.handle();
    let scene = scene.clone();
    let stack = layer.layer(service_fn(move |()| {
        scene.when_made.run();
        let (scene, dropped) = (scene.clone(), Dropped(scene.when_dropped.clone()));
        async move {
            let _dropped = dropped;
            poll_fn(|cx| {
                if scene.done.load(Ordering::SeqCst) {
                    return Poll::Ready(Ok(()));
                }
                cx.waker().wake_by_ref();
                scene.when_polled.run();
                Poll::Pending
            })
            .await
        }
    }));
    (move || Box::pin(stack.clone().call(())), handle)
}

/// A caller that a hook brings, and that the test looks at later.
type Late = Arc<Mutex<Option<task::Spawn<Answer>>>>;

/// Makes a call and polls it once.
fn comes(call: impl Fn() -> Answer + Send + 'static, late: &Late) -> impl FnOnce() + Send + 'static {
    let late = Arc::clone(late);
    move || {
        let mut call = task::spawn(call());
        assert_pending!(call.poll());
        *late.lock().expect("no panic") = Some(call);
    }
}

fn taken(late: &Late) -> task::Spawn<Answer> {
    late.lock().expect("no panic").take().expect("it came")
}

#[test]
fn a_follower_that_comes_while_the_call_is_made_is_told_when_its_maker_never_polls() {
    let (scene, late) = (Scene::default(), Late::default());
    let (call, _) = stack(&scene);
    scene.when_made.set(comes(call.clone(), &late));
    drop(call());
    let mut follower = taken(&late);
    assert!(follower.is_woken());
    scene.done.store(true, Ordering::SeqCst);
    assert_ready_ok!(follower.poll());
}

#[test]
fn a_follower_that_comes_while_another_polls_hears_the_wake_that_the_other_leaves_behind() {
    let (scene, late) = (Scene::default(), Late::default());
    let (call, _) = stack(&scene);
    scene.when_polled.set(comes(call.clone(), &late));
    let mut leader = task::spawn(call());
    assert_pending!(leader.poll());
    drop(leader);
    let mut follower = taken(&late);
    assert!(follower.is_woken());
    scene.done.store(true, Ordering::SeqCst);
    assert_ready_ok!(follower.poll());
}

#[test]
fn a_call_that_comes_while_an_abandoned_one_is_dropped_is_new_and_stays_in_the_table() {
    let (scene, late) = (Scene::default(), Late::default());
    let (call, handle) = stack(&scene);
    let mut last = task::spawn(call());
    assert_pending!(last.poll());
    scene.when_dropped.set(comes(call, &late));
    drop(last);
    assert_eq!((handle.stats().in_flight, handle.stats().led), (1, 2));
    drop(taken(&late));
    assert_eq!(handle.stats().in_flight, 0);
}

#[test]
fn a_panic_wakes_those_who_did_not_drive_the_call() {
    let scene = Scene::default();
    let layer = CoalesceLayer::new(|(): &()| Some(())).without_deadlines();
    let done = Arc::clone(&scene.done);
    let mut stack = layer.layer(service_fn(move |()| {
        let done = Arc::clone(&done);
        poll_fn(move |_| {
            assert!(!done.load(Ordering::SeqCst), "as asked");
            Poll::<Result<(), PluginError>>::Pending
        })
    }));
    let (mut leader, mut follower) = (task::spawn(stack.call(())), task::spawn(stack.call(())));
    assert_pending!(leader.poll());
    assert_pending!(follower.poll());
    scene.done.store(true, Ordering::SeqCst);
    assert!(!follower.is_woken());
    catch_unwind(AssertUnwindSafe(|| leader.poll().is_ready())).expect_err("as asked");
    assert!(follower.is_woken());
    assert!(matches!(follower.poll(), Poll::Ready(Err(_))));
}
