//! A stack that many callers share: whatever becomes of one call, the others are answered.

use std::{
    convert::Infallible,
    future::Future,
    panic::{AssertUnwindSafe, catch_unwind},
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    task::{Context, Poll},
};

use plugin_core::sync::{SlotCall, Slots, Striped, StripedCounter};
use proptest::prelude::*;
use tokio_test::{
    assert_pending, assert_ready, assert_ready_ok,
    task::{self, Spawn},
};
use tower::{Service, ServiceBuilder, service_fn};
use tower_test::mock::{Handle, Mock, SendResponse};

#[tokio::test]
async fn a_permit_that_a_waiting_caller_gives_up_goes_to_the_next() {
    let (answer, answered) = tokio::sync::watch::channel(false);
    let stack = ServiceBuilder::new().concurrency_limit(1).service(service_fn(move |number: u32| {
        let mut answered = answered.clone();
        async move {
            answered.wait_for(|answered| *answered).await.expect("the test holds the sender");
            Ok::<_, Infallible>(number)
        }
    }));
    let slots = Slots::new(stack);
    let mut running = task::spawn(Slots::call(&slots, 1));
    assert_pending!(running.poll());
    let mut gives_up = task::spawn(Slots::call(&slots, 2));
    assert_pending!(gives_up.poll());
    let mut next = task::spawn(Slots::call(&slots, 3));
    assert_pending!(next.poll());

    drop(gives_up);
    answer.send_replace(true);
    assert_eq!(assert_ready_ok!(running.poll()), 1);
    drop(running);
    assert!(next.is_woken());
    assert_eq!(assert_ready_ok!(next.poll()), 3);
}

/// A mock that panics when it is told to.
#[derive(Clone)]
struct Fragile {
    inner: Mock<u32, u32>,
    panics: Arc<Panics>,
}

#[derive(Default)]
struct Panics {
    in_ready: AtomicBool,
    in_call: AtomicBool,
}

impl Service<u32> for Fragile {
    type Response = u32;
    type Error = tower::BoxError;
    type Future = <Mock<u32, u32> as Service<u32>>::Future;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), tower::BoxError>> {
        assert!(!self.panics.in_ready.swap(false, Ordering::SeqCst), "asked to, in poll_ready");
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, number: u32) -> Self::Future {
        assert!(!self.panics.in_call.swap(false, Ordering::SeqCst), "asked to, in call");
        self.inner.call(number)
    }
}

#[derive(Clone, Copy, Debug)]
enum Step {
    Begin,
    Poll(usize),
    Drop(usize),
    Allow(u64),
    Answer,
    FailReadiness,
    PanicInReady,
    PanicInCall,
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        4 => Just(Step::Begin),
        6 => (0..8_usize).prop_map(Step::Poll),
        2 => (0..8_usize).prop_map(Step::Drop),
        2 => (0..3_u64).prop_map(Step::Allow),
        3 => Just(Step::Answer),
        1 => Just(Step::FailReadiness),
        1 => Just(Step::PanicInReady),
        1 => Just(Step::PanicInCall),
    ]
}

type Running = Spawn<SlotCall<Arc<Slots<Fragile>>, Fragile, u32>>;

/// Callers, the slots between, and the service's end.
struct Scene {
    slots: Arc<Slots<Fragile>>,
    panics: Arc<Panics>,
    handle: Handle<u32, u32>,
    asked: Vec<(u32, SendResponse<u32>)>,
    calls: Vec<(u32, bool, Running)>,
    next: u32,
}

impl Scene {
    fn new() -> Self {
        let (inner, mut handle) = tower_test::mock::pair();
        handle.allow(0);
        let panics = Arc::<Panics>::default();
        let slots = Arc::new(Slots::new(Fragile { inner, panics: Arc::clone(&panics) }));
        Self { slots, panics, handle, asked: Vec::new(), calls: Vec::new(), next: 0 }
    }

    fn begin(&mut self) {
        self.calls.push((self.next, false, task::spawn(Slots::call(Arc::clone(&self.slots), self.next))));
        self.next += 1;
    }

    /// Polls one call; it is gone when it has ended, in whatever way.
    fn poll(&mut self, index: usize) {
        let (number, polled, call) = &mut self.calls[index];
        *polled = true;
        match catch_unwind(AssertUnwindSafe(|| call.poll())) {
            Ok(Poll::Pending) => return,
            Ok(Poll::Ready(Ok(answer))) => assert_eq!(answer, *number, "the answer to another call"),
            Ok(Poll::Ready(Err(error))) => assert_eq!(error.to_string(), "as asked"),
            Err(_) => {}
        }
        drop(self.calls.swap_remove(index));
    }

    fn answer(&mut self) {
        while let Poll::Ready(Some(asked)) = self.handle.poll_request() {
            self.asked.push(asked);
        }
        if !self.asked.is_empty() {
            let (number, respond) = self.asked.remove(0);
            respond.send_response(number);
        }
    }

    fn take(&mut self, step: Step) {
        match step {
            Step::Begin => self.begin(),
            Step::Poll(index) if index < self.calls.len() => self.poll(index),
            Step::Drop(index) if index < self.calls.len() => drop(self.calls.swap_remove(index)),
            Step::Poll(_) | Step::Drop(_) => {}
            Step::Allow(number) => self.handle.allow(number),
            Step::Answer => self.answer(),
            Step::FailReadiness => self.handle.send_error("as asked"),
            Step::PanicInReady => self.panics.in_ready.store(true, Ordering::SeqCst),
            Step::PanicInCall => self.panics.in_call.store(true, Ordering::SeqCst),
        }
    }

    /// Polls only who was woken, or never polled, as an executor does. Nobody may be left over.
    fn finish(&mut self) {
        self.panics.in_ready.store(false, Ordering::SeqCst);
        self.panics.in_call.store(false, Ordering::SeqCst);
        self.handle.allow(1_000_000);
        loop {
            self.answer();
            let Some(index) = self.calls.iter().position(|(_, polled, call)| !polled || call.is_woken()) else {
                if self.asked.is_empty() {
                    break;
                }
                continue;
            };
            self.poll(index);
        }
        let left: Vec<_> = self.calls.iter().map(|(number, ..)| number).collect();
        assert!(left.is_empty(), "never woken: {left:?}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn no_call_is_wedged_or_answered_for_another(steps in prop::collection::vec(step(), 0..60)) {
        let mut scene = Scene::new();
        for step in steps {
            scene.take(step);
        }
        scene.finish();
        // And the slots still serve: at once, since nobody is before this one.
        scene.begin();
        scene.finish();
    }
}

/// Not ready every third time, and answers after it has been polled twice. Counts its calls.
#[derive(Clone)]
struct Uneven {
    calls: Arc<AtomicU64>,
    asked: u64,
}

impl Service<u64> for Uneven {
    type Response = u64;
    type Error = Infallible;
    type Future = Pin<Box<dyn Future<Output = Result<u64, Infallible>> + Send>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        self.asked += 1;
        if self.asked.is_multiple_of(3) {
            cx.waker().wake_by_ref();
            return Poll::Pending;
        }
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, number: u64) -> Self::Future {
        self.calls.fetch_add(1, Ordering::Relaxed);
        Box::pin(async move {
            tokio::task::yield_now().await;
            Ok(number)
        })
    }
}

const THREADS: u64 = 8;
const CALLS: u64 = 10_000;

#[test]
fn eight_threads_lose_no_call_between_them() {
    let calls = Arc::<AtomicU64>::default();
    let slots = Striped::new(Slots::new(Uneven { calls: Arc::clone(&calls), asked: 0 }));
    let runtime =
        tokio::runtime::Builder::new_multi_thread().worker_threads(THREADS as usize).build().expect("threads");
    let callers: Vec<_> = (0..THREADS)
        .map(|thread| {
            let slots = slots.clone();
            runtime.spawn(async move {
                for call in 0..CALLS {
                    let number = thread * CALLS + call;
                    assert_eq!(Slots::call(slots.lease(), number).await, Ok(number));
                }
            })
        })
        .collect();
    runtime.block_on(async {
        for caller in callers {
            caller.await.expect("no panic");
        }
    });
    assert_eq!(calls.load(Ordering::Relaxed), THREADS * CALLS);
    assert_eq!(slots.leases(), 0, "every lease was given back");
}

#[test]
fn leases_and_counters_lose_nothing_under_eight_threads() {
    let (shared, counter) = (Striped::new(AtomicU64::new(0)), StripedCounter::new());
    std::thread::scope(|scope| {
        for _ in 0..THREADS {
            scope.spawn(|| {
                for _ in 0..CALLS {
                    let lease = shared.lease();
                    lease.clone().fetch_add(1, Ordering::Relaxed);
                    counter.add(1);
                }
            });
        }
    });
    assert_eq!((shared.load(Ordering::Relaxed), counter.sum()), (THREADS * CALLS, THREADS * CALLS));
    assert_eq!(shared.leases(), 0);
}

#[test]
fn a_slot_call_that_is_never_polled_sends_nothing() {
    let mut scene = Scene::new();
    scene.handle.allow(1);
    scene.begin();
    scene.take(Step::Drop(0));
    assert!(scene.handle.poll_request().is_pending());
    let mut call = task::spawn(Slots::call(Arc::clone(&scene.slots), 7));
    assert_pending!(call.poll());
    scene.answer();
    assert_eq!(assert_ready!(call.poll()).expect("answered"), 7);
}
