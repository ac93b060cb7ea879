//! The time of a call that is shared: that of the caller who waits longest.

use std::{
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use plugin_core::{
    BoxError, Call, Code, PluginError, Rejected, Reply, Sent,
    clock::{self, Instant},
    deadline::{
        AttemptTimeoutLayer, DeadlineLayer, Deadlined, attempt_limit, awaited_until,
        cut::{self, Cut},
    },
};
use plugin_fallback::coalesce::CoalesceLayer;
use tower::{Layer, Service, ServiceBuilder, ServiceExt, service_fn};

const MILLI: Duration = Duration::from_millis(1);
const SECOND: Duration = Duration::from_secs(1);

/// What the service saw.
#[derive(Clone, Default)]
struct Seen {
    made: Arc<AtomicUsize>,
    running: Arc<AtomicUsize>,
    deadlines: Arc<Mutex<Vec<Option<Instant>>>>,
}

impl Seen {
    fn counts(&self) -> (usize, usize) {
        (self.made.load(Ordering::SeqCst), self.running.load(Ordering::SeqCst))
    }
}

struct Running(Arc<AtomicUsize>);

impl Drop for Running {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::SeqCst);
    }
}

trait Stack: Service<Call<u32>, Response = Reply<u32>, Error = PluginError, Future: Send> + Clone + Send {}
impl<S: Service<Call<u32>, Response = Reply<u32>, Error = PluginError, Future: Send> + Clone + Send> Stack for S {}

/// A service that takes this long under an attempt's limit of 30 s, its calls shared, within a layer that enforces deadlines.
fn stack(takes: Duration, seen: &Seen) -> impl Stack + use<> {
    DeadlineLayer::enforce_only().layer(shared(takes, seen))
}

/// The same without that layer.
fn shared(takes: Duration, seen: &Seen) -> impl Stack + use<> {
    let seen = seen.clone();
    let slow = service_fn(move |call: Call<u32>| {
        seen.made.fetch_add(1, Ordering::SeqCst);
        seen.running.fetch_add(1, Ordering::SeqCst);
        let running = Running(Arc::clone(&seen.running));
        let deadlines = Arc::clone(&seen.deadlines);
        deadlines.lock().expect("no panic").push(call.context().deadline());
        async move {
            let _running = running;
            tokio::time::sleep(takes).await;
            assert_eq!(attempt_limit(), Some(30 * SECOND), "it is told the limit of the attempt");
            deadlines.lock().expect("no panic").push(call.context().deadline());
            Ok::<_, PluginError>(Reply::new(call.into_payload()))
        }
    });
    ServiceBuilder::new()
        .layer(CoalesceLayer::new(|call: &Call<u32>| Some(*call.payload())))
        .layer(AttemptTimeoutLayer::new(30 * SECOND))
        .service(slow)
}

/// How such a call ends, and after how long.
async fn ends(stack: impl Stack, given: Duration) -> (Result<u32, Code>, Duration) {
    let start = clock::now();
    let result = stack.oneshot(Call::new(7).with_timeout(given)).await;
    (result.map(Reply::into_payload).map_err(|error| error.code()), start.elapsed())
}

#[tokio::test(start_paused = true)]
async fn a_follower_outlives_the_deadline_of_the_leader() {
    let seen = Seen::default();
    let stack = stack(SECOND, &seen);
    let calls = (ends(stack.clone(), 50 * MILLI), ends(stack.clone(), 5 * SECOND), ends(stack, 200 * MILLI));
    let (leader, follower, hurried) = tokio::join!(calls.0, calls.1, calls.2);
    assert_eq!(leader, (Err(Code::Timeout), 50 * MILLI), "each keeps its own deadline");
    assert_eq!(hurried, (Err(Code::Timeout), 200 * MILLI));
    assert_eq!(follower, (Ok(7), SECOND));
    assert_eq!(seen.counts(), (1, 0));
    assert_eq!(*seen.deadlines.lock().expect("no panic"), [None, None], "nobody inside is told the leader's");
}

#[tokio::test(start_paused = true)]
async fn without_a_layer_for_deadlines_each_caller_keeps_its_own_all_the_same() {
    let seen = Seen::default();
    let stack = shared(SECOND, &seen);
    let calls = (ends(stack.clone(), 50 * MILLI), ends(stack.clone(), 5 * SECOND), ends(stack.clone(), 200 * MILLI));
    let (leader, follower, hurried) = tokio::join!(calls.0, calls.1, calls.2);
    assert_eq!(leader, (Err(Code::Timeout), 50 * MILLI));
    assert_eq!(hurried, (Err(Code::Timeout), 200 * MILLI));
    assert_eq!(follower, (Ok(7), SECOND));
    assert_eq!(seen.counts(), (1, 0));
    assert_eq!(*seen.deadlines.lock().expect("no panic"), [None, None], "nobody inside is told the leader's");

    let (leader, last) = tokio::join!(ends(stack.clone(), 50 * MILLI), ends(stack.clone(), 200 * MILLI));
    assert_eq!((leader.0, last), (Err(Code::Timeout), (Err(Code::Timeout), 200 * MILLI)));
    assert_eq!(seen.counts(), (2, 0), "the last one has taken the call with it");

    assert_eq!(ends(stack, Duration::ZERO).await, (Err(Code::Timeout), Duration::ZERO));
    assert_eq!(seen.counts(), (2, 0), "whose time is up makes no call");
}

#[tokio::test(start_paused = true)]
async fn a_service_that_gives_up_at_the_deadline_of_the_leader_does_so_by_itself() {
    let gives_up = service_fn(|_: Call<u32>| async {
        tokio::time::sleep(49 * MILLI).await;
        Err::<Reply<u32>, _>(cut::out_of_time(PluginError::new(Code::Timeout, "of its own"), false))
    });
    let shared = CoalesceLayer::new(|call: &Call<u32>| Some(*call.payload())).layer(gives_up);
    let stack = DeadlineLayer::enforce_only().layer(shared);
    let of = |given| stack.clone().oneshot(Call::new(7).with_timeout(given));
    let (leader, follower) = tokio::join!(of(50 * MILLI), of(5 * SECOND));
    for error in [leader, follower].map(|ended| ended.expect_err("it gave up")) {
        assert_eq!((error.rejected(), error.message()), (None, "of its own"), "{error:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn what_is_called_inside_hears_until_when_the_last_of_those_waits_who_are_there() {
    for enforces in [false, true] {
        let start = clock::now();
        let heard = Arc::new(Mutex::new(Vec::new()));
        let ask = {
            let heard = Arc::clone(&heard);
            move || {
                let until = awaited_until().map(|until| until.saturating_since(start).as_millis());
                heard.lock().expect("no panic").push(until);
            }
        };
        let asking = service_fn(move |_: Call<u32>| {
            ask();
            let ask = ask.clone();
            async move {
                loop {
                    tokio::time::sleep(100 * MILLI).await;
                    ask();
                }
                #[expect(unreachable_code)]
                Ok::<_, PluginError>(Reply::new(0))
            }
        });
        let stack = ServiceBuilder::new()
            .option_layer(enforces.then(DeadlineLayer::enforce_only))
            .layer(CoalesceLayer::new(|call: &Call<u32>| Some(*call.payload())))
            .service(asking);
        // It comes after so many milliseconds, and goes away after so many more.
        let caller = |comes: u32, call: Call<u32>, goes: u32| {
            let stack = stack.clone();
            async move {
                tokio::time::sleep(comes * MILLI).await;
                let _ = tokio::time::timeout(goes * MILLI, stack.oneshot(call)).await;
            }
        };
        let leader = caller(0, Call::new(7).with_timeout(450 * MILLI), 500);
        let patient = caller(50, Call::new(7).with_timeout(5 * SECOND), 100);
        let unlimited = caller(250, Call::new(7), 100);
        tokio::join!(leader, patient, unlimited);
        assert_eq!(*heard.lock().expect("no panic"), [Some(450), Some(5000), Some(450), None, Some(450)]);
        assert_eq!(awaited_until(), None);
    }
}

#[tokio::test(start_paused = true)]
async fn one_that_joins_late_is_waited_for() {
    let seen = Seen::default();
    let stack = stack(SECOND, &seen);
    let late = async {
        tokio::time::sleep(49 * MILLI).await;
        ends(stack.clone(), 5 * SECOND).await
    };
    let (leader, late) = tokio::join!(ends(stack.clone(), 50 * MILLI), late);
    assert_eq!(leader.0, Err(Code::Timeout));
    assert_eq!(late, (Ok(7), 951 * MILLI));
    assert_eq!(seen.counts(), (1, 0));
}

#[tokio::test(start_paused = true)]
async fn the_call_ends_with_the_last_deadline_of_its_callers() {
    let seen = Seen::default();
    let stack = stack(3600 * SECOND, &seen);
    let leader = ends(stack.clone(), 50 * MILLI);
    let follower = async {
        let ended = ends(stack.clone(), 200 * MILLI).await;
        (ended, seen.counts())
    };
    let (leader, (follower, counts)) = tokio::join!(leader, follower);
    assert_eq!(leader, (Err(Code::Timeout), 50 * MILLI));
    assert_eq!((follower, counts), ((Err(Code::Timeout), 200 * MILLI), (1, 0)), "nothing runs on");
    assert_eq!(ends(stack, 50 * MILLI).await, (Err(Code::Timeout), 50 * MILLI), "alone it ends at its own");
}

#[tokio::test(start_paused = true)]
async fn the_limit_of_an_attempt_holds_for_a_shared_call() {
    let stack = stack(3600 * SECOND, &Seen::default());
    let (leader, follower) = tokio::join!(ends(stack.clone(), 50 * MILLI), ends(stack.clone(), 60 * SECOND));
    assert_eq!(leader.1, 50 * MILLI);
    assert_eq!(follower, (Err(Code::Timeout), 30 * SECOND));
}

#[tokio::test(start_paused = true)]
async fn a_shorter_time_that_is_set_inside_is_kept() {
    let slow = service_fn(|call: Call<u32>| async move {
        tokio::time::sleep(SECOND).await;
        Ok::<_, PluginError>(Reply::new(call.into_payload()))
    });
    let stack = ServiceBuilder::new()
        .layer(DeadlineLayer::enforce_only())
        .layer(CoalesceLayer::new(|call: &Call<u32>| Some(*call.payload())))
        .layer(DeadlineLayer::new(500 * MILLI))
        .service(slow);
    let (leader, follower) = tokio::join!(ends(stack.clone(), 50 * MILLI), ends(stack.clone(), 5 * SECOND));
    assert_eq!(leader, (Err(Code::Timeout), 50 * MILLI));
    assert_eq!(follower, (Err(Code::Timeout), 500 * MILLI));
}

type Cuts = Arc<Mutex<Vec<Option<Cut>>>>;

/// A request whose connection is never made.
struct Connecting(Cuts);

impl Drop for Connecting {
    fn drop(&mut self) {
        self.0.lock().expect("no panic").push(cut::current());
        cut::report("connecting", Sent::Nothing);
    }
}

/// A leader and one that joins it, each with the timeout of its layer, the time that it gives, and when it comes. What
/// the one who leaves last is told, and the cut that the call heard of.
async fn hang(attempts: Option<AttemptTimeoutLayer>, callers: [[Duration; 3]; 2]) -> (PluginError, Cut) {
    let cuts = Cuts::default();
    let hung = service_fn({
        let cuts = Arc::clone(&cuts);
        move |_: Call<u32>| {
            let connecting = Connecting(Arc::clone(&cuts));
            async move {
                let _connecting = connecting;
                std::future::pending::<Result<Reply<u32>, PluginError>>().await
            }
        }
    });
    let shared = ServiceBuilder::new()
        .layer(CoalesceLayer::new(|call: &Call<u32>| Some(*call.payload())))
        .option_layer(attempts)
        .service(hung);
    let [leader, last] = callers.map(|[timeout, given, comes]| {
        let stack = ServiceBuilder::new().layer(DeadlineLayer::new(timeout)).service(shared.clone());
        async move {
            tokio::time::sleep(comes).await;
            stack.oneshot(Call::new(7).with_timeout(given)).await.expect_err("it hangs")
        }
    });
    let (_, last) = tokio::join!(leader, last);
    let cuts = std::mem::take(&mut *cuts.lock().expect("no panic"));
    let [Some(cut)] = cuts[..] else { panic!("one call, cut once: {cuts:?}") };
    (last, cut)
}

#[tokio::test(start_paused = true)]
async fn a_hang_is_that_of_the_shared_call_whoever_leaves_last() {
    let (now, never) = (Duration::ZERO, Duration::MAX);
    let ran = 30 * SECOND + 50 * MILLI;
    for timeout in [30 * SECOND, 100 * MILLI] {
        let callers = [[30 * SECOND, never, now], [timeout, 100 * MILLI, ran - 100 * MILLI]];
        let (last, cut) = hang(Some(AttemptTimeoutLayer::new(60 * SECOND)), callers).await;
        assert_eq!((cut.ran(), cut.limit(), cut.is_evidence()), (ran, Some(30 * SECOND), true), "{cut:?}");
        assert_eq!((last.sent(), last.code()), (Sent::Nothing, Code::Timeout));
        assert_eq!(last.rejected().and_then(|rejected| rejected.stage()), Some("connecting"));
    }
}

#[tokio::test(start_paused = true)]
async fn a_shared_call_may_take_as_long_as_the_most_patient_of_its_callers_allows() {
    let callers = [[100 * MILLI, Duration::MAX, Duration::ZERO], [30 * SECOND, SECOND, 50 * MILLI]];
    for attempts in [None, Some(AttemptTimeoutLayer::new(60 * SECOND))] {
        let (_, cut) = hang(attempts, callers).await;
        assert_eq!((cut.ran(), cut.limit(), cut.is_evidence()), (1050 * MILLI, Some(30 * SECOND), false), "{cut:?}");
    }
}

#[cfg(feature = "http")]
#[tokio::test(start_paused = true)]
async fn the_same_holds_for_an_http_request() {
    let slow = service_fn(|request: http::Request<u32>| async move {
        assert_eq!(request.deadline(request.started()), None);
        tokio::time::sleep(SECOND).await;
        Ok::<_, BoxError>(*request.body())
    });
    let stack = ServiceBuilder::new()
        .layer(DeadlineLayer::enforce_only())
        .layer(CoalesceLayer::new(|request: &http::Request<u32>| Some(*request.body())))
        .layer(AttemptTimeoutLayer::disabled())
        .service(slow);
    let given = |timeout: &str| http::Request::builder().header("x-request-timeout", timeout).body(7).expect("valid");
    let (leader, follower) = tokio::join!(stack.clone().oneshot(given("50ms")), stack.oneshot(given("5s")));
    let refused = leader.expect_err("its time is up");
    assert_eq!(Rejected::find(&*refused).map(Rejected::code), Some(Code::Timeout));
    assert_eq!(follower.expect("in time"), 7);
}

#[cfg(feature = "grpc")]
mod headers {
    use std::convert::Infallible;

    use bytes::Bytes;
    use http::{Request, Response, header::CONTENT_TYPE};
    use plugin_core::{AsGrpcStatus, AsHttpResponse, Reject};

    use super::*;

    /// What a request says of its time, and what a response.
    struct Protocol<R> {
        content: &'static str,
        header: &'static str,
        times: [&'static str; 2],
        reject: R,
        late: (u16, Option<&'static str>),
    }

    async fn leader_and_follower<R>(protocol: Protocol<R>)
    where
        R: Reject<Response<Bytes>, Infallible> + Clone + Send + 'static,
    {
        let Protocol { content, header, times, reject, late } = protocol;
        let slow = service_fn(|request: Request<()>| async move {
            assert_eq!(request.deadline(request.started()), None);
            let told = ["grpc-timeout", "x-request-timeout"].map(|name| request.headers().get(name).cloned());
            assert_eq!((told, attempt_limit()), ([None, None], Some(30 * SECOND)));
            tokio::time::sleep(SECOND).await;
            Ok::<_, Infallible>(Response::new(Bytes::from("the answer")))
        });
        let stack = ServiceBuilder::new()
            .layer(CoalesceLayer::new(|_: &Request<()>| Some(())).reject_with(reject.clone()))
            .layer(AttemptTimeoutLayer::new(30 * SECOND).reject_with(reject))
            .service(slow);
        let start = clock::now();
        let calls = times.map(|time| {
            let request = Request::builder().header(CONTENT_TYPE, content).header(header, time).body(());
            let call = stack.clone().oneshot(request.expect("valid"));
            async move { (call.await.expect("infallible"), start.elapsed()) }
        });
        let [leader, follower] = calls;
        let (leader, follower) = tokio::join!(leader, follower);
        let status = leader.0.headers().get("grpc-status").map(|status| status.to_str().expect("a number").to_owned());
        assert_eq!((leader.0.status().as_u16(), status.as_deref(), leader.1), (late.0, late.1, 50 * MILLI), "{header}");
        assert_eq!((follower.0.status().as_u16(), follower.1), (200, SECOND), "{header}");
        assert_eq!(follower.0.body(), "the answer", "{header}");
    }

    #[tokio::test(start_paused = true)]
    async fn a_deadline_in_a_header_is_that_of_its_caller_alone() {
        leader_and_follower(Protocol {
            content: "application/json",
            header: "x-request-timeout",
            times: ["50ms", "5s"],
            reject: AsHttpResponse,
            late: (504, None),
        })
        .await;
        leader_and_follower(Protocol {
            content: "application/grpc",
            header: "grpc-timeout",
            times: ["50m", "5S"],
            reject: AsGrpcStatus,
            late: (200, Some("4")),
        })
        .await;
    }
}
