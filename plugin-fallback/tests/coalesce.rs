//! Equal calls that share one: who drives it, who gets what, and what is left when callers go or the call panics.

use std::{
    collections::HashMap,
    future::poll_fn,
    panic::{AssertUnwindSafe, catch_unwind},
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    task::{Poll, Waker},
    time::Duration,
};

use plugin_core::{BoxError, Call, Code, PluginError, Reply, Sent, deadline::DeadlineLayer};
use plugin_fallback::coalesce::{CoalesceHandle, CoalesceLayer};
use tokio_test::{assert_pending, assert_ready, task};
use tower::{Layer, Service, ServiceBuilder, ServiceExt, service_fn};

const SECOND: Duration = Duration::from_secs(1);

/// What the tests see and steer of the service.
#[derive(Clone, Default)]
struct Scene {
    made: Arc<AtomicUsize>,
    running: Arc<AtomicUsize>,
    gate: Arc<Gate>,
}

/// Open or shut, and who waits for it.
#[derive(Default)]
struct Gate {
    open: AtomicBool,
    waker: Mutex<Option<Waker>>,
}

struct Running(Arc<AtomicUsize>);

impl Drop for Running {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::SeqCst);
    }
}

impl Scene {
    fn open(&self) {
        self.gate.open.store(true, Ordering::SeqCst);
        let waker = self.gate.waker.lock().expect("no panic").take();
        if let Some(waker) = waker {
            waker.wake();
        }
    }

    async fn gate(&self) {
        poll_fn(|cx| {
            *self.gate.waker.lock().expect("no panic") = Some(cx.waker().clone());
            if self.gate.open.load(Ordering::SeqCst) { Poll::Ready(()) } else { Poll::Pending }
        })
        .await;
    }

    /// A call that waits at the gate and then answers with the number of calls that were made.
    async fn answer(self) -> usize {
        let number = self.made.fetch_add(1, Ordering::SeqCst) + 1;
        self.running.fetch_add(1, Ordering::SeqCst);
        let _running = Running(Arc::clone(&self.running));
        self.gate().await;
        number
    }

    fn made(&self) -> usize {
        self.made.load(Ordering::SeqCst)
    }

    fn running(&self) -> usize {
        self.running.load(Ordering::SeqCst)
    }
}

/// The key is the request; 0 has none.
fn key(request: &u32) -> Option<u32> {
    Some(*request).filter(|key| *key > 0)
}

type Handle = CoalesceHandle<u32, usize, PluginError>;

fn stack(
    scene: &Scene,
) -> (impl Service<u32, Response = usize, Error = PluginError, Future: Send> + Clone + Send + Sync + 'static, Handle) {
    let layer = CoalesceLayer::new(key).without_deadlines();
    let handle = layer.handle();
    let scene = scene.clone();
    let inner = service_fn(move |_: u32| {
        let answer = scene.clone().answer();
        async move { Ok::<_, PluginError>(answer.await) }
    });
    (layer.layer(inner), handle)
}

#[tokio::test(start_paused = true)]
async fn equal_calls_in_flight_share_one_and_each_gets_its_answer() {
    let scene = Scene::default();
    let (mut stack, handle) = stack(&scene);
    let mut calls: Vec<_> = (0..5).map(|_| task::spawn(stack.call(1))).collect();
    let mut other = task::spawn(stack.call(2));
    calls.iter_mut().for_each(|call| assert_pending!(call.poll()));
    assert_pending!(other.poll());
    assert_eq!((scene.made(), handle.stats().in_flight, handle.stats().led, handle.stats().joined), (2, 2, 2, 4));
    scene.open();
    for mut call in calls {
        assert_eq!(assert_ready!(call.poll()).expect("the answer"), 1);
    }
    assert_eq!(assert_ready!(other.poll()).expect("the answer"), 2);
    assert_eq!((scene.running(), handle.stats().in_flight), (0, 0));
}

#[tokio::test(start_paused = true)]
async fn a_call_that_comes_after_the_end_is_made_anew_though_not_all_have_fetched_the_last_answer() {
    let scene = Scene::default();
    let (mut stack, _) = stack(&scene);
    let mut first = task::spawn(stack.call(1));
    let mut second = task::spawn(stack.call(1));
    assert_pending!(first.poll());
    scene.open();
    assert_eq!(assert_ready!(first.poll()).expect("the answer"), 1);
    let mut third = task::spawn(stack.call(1));
    assert_eq!(assert_ready!(third.poll()).expect("a new answer"), 2);
    assert_eq!(assert_ready!(second.poll()).expect("the old answer"), 1);
}

#[tokio::test(start_paused = true)]
async fn a_call_without_a_key_and_one_beyond_the_bound_go_alone() {
    let scene = Scene::default();
    let layer = CoalesceLayer::new(key).without_deadlines().with_max_in_flight(1);
    let handle = layer.handle();
    let inner = scene.clone();
    let mut stack = layer.layer(service_fn(move |_: u32| {
        let answer = inner.clone().answer();
        async move { Ok::<_, PluginError>(answer.await) }
    }));
    let mut calls: Vec<_> = [0, 0, 1, 1, 2, 2].map(|key| task::spawn(stack.call(key))).into_iter().collect();
    calls.iter_mut().for_each(|call| assert_pending!(call.poll()));
    assert_eq!((scene.made(), handle.stats().in_flight, handle.stats().led, handle.stats().joined), (5, 1, 1, 1));
}

#[tokio::test(start_paused = true)]
async fn a_leader_that_is_cancelled_does_not_fail_its_followers() {
    let scene = Scene::default();
    let (mut stack, handle) = stack(&scene);
    let mut leader = task::spawn(stack.call(1));
    let mut follower = task::spawn(stack.call(1));
    assert_pending!(leader.poll());
    assert_pending!(follower.poll());
    drop(leader);
    assert_eq!((scene.running(), handle.stats().in_flight), (1, 1), "the call goes on");
    scene.open();
    assert!(follower.is_woken());
    assert_eq!(assert_ready!(follower.poll()).expect("the answer"), 1);
    assert_eq!((scene.running(), handle.stats().in_flight), (0, 0));
}

#[tokio::test(start_paused = true)]
async fn a_leader_that_is_cancelled_before_it_was_polled_leaves_the_call_to_a_follower_who_came_before() {
    let scene = Scene::default();
    let (mut stack, _) = stack(&scene);
    let leader = stack.call(1);
    let mut follower = task::spawn(stack.call(1));
    drop(leader);
    assert_pending!(follower.poll());
    scene.open();
    assert!(follower.is_woken());
    assert_eq!(assert_ready!(follower.poll()).expect("the answer"), 1);
}

#[tokio::test(start_paused = true)]
async fn a_leader_that_is_alive_and_not_polled_holds_up_nobody() {
    let scene = Scene::default();
    let (mut stack, _) = stack(&scene);
    let mut leader = task::spawn(stack.call(1));
    let mut follower = task::spawn(stack.call(1));
    assert_pending!(leader.poll());
    assert_pending!(follower.poll());
    scene.open();
    assert!(follower.is_woken());
    assert_eq!(assert_ready!(follower.poll()).expect("the answer"), 1);
    assert!(leader.is_woken());
    assert_eq!(assert_ready!(leader.poll()).expect("the answer"), 1);
}

#[tokio::test(start_paused = true)]
async fn the_last_caller_takes_the_call_with_it_and_the_next_begins_a_new_one() {
    let scene = Scene::default();
    let (mut stack, handle) = stack(&scene);
    let mut calls: Vec<_> = (0..3).map(|_| task::spawn(stack.call(1))).collect();
    calls.iter_mut().for_each(|call| assert_pending!(call.poll()));
    calls.truncate(1);
    assert_eq!(scene.running(), 1);
    calls.clear();
    assert_eq!((scene.running(), handle.stats().in_flight), (0, 0));
    let mut call = task::spawn(stack.call(1));
    scene.open();
    assert_eq!(assert_ready!(call.poll()).expect("a new answer"), 2);
}

#[tokio::test(start_paused = true)]
async fn each_caller_waits_no_longer_than_its_own_deadline() {
    let inner = service_fn(|_: Call<u32>| async {
        tokio::time::sleep(5 * SECOND).await;
        Ok::<_, PluginError>(Reply::new(7))
    });
    let stack = ServiceBuilder::new()
        .layer(DeadlineLayer::new(60 * SECOND))
        .layer(CoalesceLayer::new(|call: &Call<u32>| Some(*call.payload())))
        .service(inner);
    let hurried = stack.clone().oneshot(Call::new(1).with_timeout(SECOND));
    let (hurried, patient) = tokio::join!(hurried, stack.oneshot(Call::new(1)));
    assert_eq!(hurried.expect_err("too slow").code(), Code::Timeout);
    assert_eq!(patient.expect("the answer").into_payload(), 7);
}

#[tokio::test(start_paused = true)]
async fn every_caller_gets_an_error_that_says_the_same_and_a_single_one_gets_the_error_itself() {
    let fails = service_fn(|_: u32| async {
        tokio::time::sleep(SECOND).await;
        let error = PluginError::connection("lost", Sent::Nothing).with_retry_after(SECOND);
        Err::<usize, _>(error.with_source(std::io::Error::other("wire")))
    });
    let stack = CoalesceLayer::new(key).without_deadlines().layer(fails);
    let (one, two) = tokio::join!(stack.clone().oneshot(1), stack.clone().oneshot(1));
    for error in [one.expect_err("lost"), two.expect_err("lost")] {
        assert_eq!((error.code(), error.message(), error.sent()), (Code::ConnectionFailed, "lost", Sent::Nothing));
        assert_eq!(error.retry_after(), Some(SECOND));
    }
    let error = stack.oneshot(1).await.expect_err("lost");
    assert!(std::error::Error::source(&error).is_some_and(|source| source.is::<std::io::Error>()));
}

#[tokio::test(start_paused = true)]
async fn a_boxed_error_is_shared_too() {
    let fails = service_fn(|_: u32| async {
        tokio::time::sleep(SECOND).await;
        Err::<(), BoxError>("lost".into())
    });
    let stack = CoalesceLayer::new(key).without_deadlines().layer(fails);
    let (one, two) = tokio::join!(stack.clone().oneshot(1), stack.oneshot(1));
    assert_eq!(
        (one.expect_err("lost").to_string(), two.expect_err("lost").to_string()),
        ("lost".into(), "lost".into())
    );
}

#[tokio::test(start_paused = true)]
async fn a_call_that_panics_fails_every_caller_and_leaves_nothing() {
    let scene = Scene::default();
    let inner = scene.clone();
    let layer = CoalesceLayer::new(key).without_deadlines();
    let handle = layer.handle();
    let mut stack = layer.layer(service_fn(move |_: u32| {
        let scene = inner.clone();
        async move {
            let number = scene.answer().await;
            assert!(number > 1, "as asked");
            Ok::<_, PluginError>(number)
        }
    }));
    let mut calls: Vec<_> = (0..3).map(|_| task::spawn(stack.call(1))).collect();
    calls.iter_mut().for_each(|call| assert_pending!(call.poll()));
    scene.open();
    catch_unwind(AssertUnwindSafe(|| calls[1].poll().is_ready())).expect_err("the panic reaches who drove the call");
    assert_eq!((scene.running(), handle.stats().in_flight), (0, 0));
    for index in [0, 2] {
        assert!(calls[index].is_woken());
        let error = assert_ready!(calls[index].poll()).expect_err("told");
        assert_eq!(error.code(), Code::ExecutionFailed);
        assert!(error.message().contains("panicked"), "{error}");
    }
    assert_eq!(stack.call(1).await.expect("the next is served"), 2);
}

#[tokio::test(start_paused = true)]
async fn a_service_that_panics_before_it_made_a_future_leaves_nothing() {
    let layer = CoalesceLayer::new(key).without_deadlines();
    let handle = layer.handle();
    let panics = AtomicBool::new(true);
    let mut stack = layer.layer(service_fn(move |_: u32| {
        assert!(!panics.swap(false, Ordering::SeqCst), "as asked");
        async { Ok::<_, PluginError>(5) }
    }));
    catch_unwind(AssertUnwindSafe(|| drop(stack.call(1)))).expect_err("as asked");
    assert_eq!(handle.stats().in_flight, 0);
    assert_eq!(stack.call(1).await.expect("the next is served"), 5);
}

#[tokio::test(start_paused = true)]
async fn callers_that_go_at_every_point_leave_the_others_their_answer() {
    const CALLERS: usize = 3;
    const WAITS: usize = 3;
    // Each caller is dropped after so many rounds; the last value is "never".
    for plan in 0..(WAITS + 2).pow(CALLERS as u32) {
        let stays = |caller: usize| plan / (WAITS + 2).pow(caller as u32) % (WAITS + 2);
        let layer = CoalesceLayer::new(key).without_deadlines();
        let handle = layer.handle();
        let running = Arc::new(AtomicUsize::new(0));
        let counted = Arc::clone(&running);
        let mut stack = layer.layer(service_fn(move |_: u32| {
            counted.fetch_add(1, Ordering::SeqCst);
            let guard = Running(Arc::clone(&counted));
            async move {
                for _ in 0..WAITS {
                    tokio::task::yield_now().await;
                }
                drop(guard);
                Ok::<_, PluginError>(())
            }
        }));
        let mut calls: HashMap<_, _> = (0..CALLERS).map(|caller| (caller, task::spawn(stack.call(1)))).collect();
        let mut answered = 0;
        for round in 0..=WAITS * CALLERS {
            calls.retain(|caller, _| stays(*caller) > round || stays(*caller) == WAITS + 1);
            calls.retain(|_, call| {
                let ready = call.poll().is_ready();
                answered += usize::from(ready);
                !ready
            });
        }
        assert!(calls.is_empty(), "plan {plan}: who stays is answered");
        let stayed = (0..CALLERS).filter(|caller| stays(*caller) == WAITS + 1).count();
        assert!(answered >= stayed, "plan {plan}");
        assert_eq!((running.load(Ordering::SeqCst), handle.stats().in_flight), (0, 0), "plan {plan}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn threads_that_share_drop_and_repeat_calls_lose_no_wake_and_leave_nothing() {
    const TASKS: usize = 8;
    const TURNS: usize = 500;
    let layer = CoalesceLayer::new(key).without_deadlines();
    let handle = layer.handle();
    let (made, running) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
    let (counted, active) = (Arc::clone(&made), Arc::clone(&running));
    let stack = layer.layer(service_fn(move |request: u32| {
        counted.fetch_add(1, Ordering::SeqCst);
        active.fetch_add(1, Ordering::SeqCst);
        let guard = Running(Arc::clone(&active));
        async move {
            for turn in 0..3 {
                // Woken by its own poll, and from another task.
                tokio::task::yield_now().await;
                if turn == 1 {
                    let _ = tokio::spawn(async {}).await;
                }
            }
            drop(guard);
            Ok::<_, PluginError>(request)
        }
    }));
    let tasks: Vec<_> = (0..TASKS)
        .map(|task| {
            let stack = stack.clone();
            tokio::spawn(async move {
                for turn in 0..TURNS {
                    let request = (turn % 3) as u32 + 1;
                    let mut call = Box::pin(stack.clone().oneshot(request));
                    if (task + turn) % 4 == 0 {
                        // Polled a few times, and dropped.
                        for _ in 0..turn % 5 {
                            if futures_util::poll!(&mut call).is_ready() {
                                break;
                            }
                            tokio::task::yield_now().await;
                        }
                        continue;
                    }
                    assert_eq!(call.await.expect("the answer"), request);
                }
            })
        })
        .collect();
    for task in tasks {
        tokio::time::timeout(60 * SECOND, task).await.expect("nobody waits for ever").expect("no panic");
    }
    assert_eq!((running.load(Ordering::SeqCst), handle.stats().in_flight), (0, 0));
    assert_eq!(handle.stats().led + handle.stats().joined, (TASKS * TURNS) as u64 - unpolled(TASKS, TURNS));
    assert_eq!(handle.stats().led, made.load(Ordering::SeqCst) as u64);
}

/// Turns of the test above in which the call was dropped before it was made.
fn unpolled(tasks: usize, turns: usize) -> u64 {
    (0..tasks)
        .flat_map(|task| (0..turns).map(move |turn| (task, turn)))
        .filter(|(task, turn)| (task + turn) % 4 == 0 && turn % 5 == 0)
        .count() as u64
}
