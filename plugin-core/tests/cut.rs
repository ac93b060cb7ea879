//! What is dropped when time is up: who hears of it, what it tells, and how it is judged.

use std::{
    future::Future,
    pin::Pin,
    sync::{Arc, Mutex, PoisonError},
    task::{Context, Poll},
    time::Duration,
};

use plugin_core::{
    Call, Plugin, PluginError, Reply, Sent, clock,
    deadline::{
        AttemptTimeoutLayer, DeadlineLayer,
        cut::{self, Cut},
        timer,
    },
};
use plugin_fallback::FallbackLayer;
use tower::{ServiceBuilder, ServiceExt, service_fn};

const SECOND: Duration = Duration::from_secs(1);

/// What a transport knows of its request.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Wire {
    Connecting,
    Written,
}

/// Stands for a transport: it never answers, and whoever writes its bytes is not its future, as with a driver task.
struct Exchange {
    wire: Arc<Mutex<Wire>>,
    heard: Arc<Mutex<Vec<Option<Cut>>>>,
}

impl Future for Exchange {
    type Output = Result<Reply<()>, PluginError>;

    fn poll(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Self::Output> {
        Poll::Pending
    }
}

impl Drop for Exchange {
    fn drop(&mut self) {
        self.heard.lock().unwrap_or_else(PoisonError::into_inner).push(cut::current());
        match *self.wire.lock().unwrap_or_else(PoisonError::into_inner) {
            Wire::Connecting => cut::report("connecting", Sent::Nothing),
            Wire::Written => cut::report("waiting for the plugin", Sent::Maybe),
        }
    }
}

#[derive(Clone)]
struct Transport {
    wire: Arc<Mutex<Wire>>,
    heard: Arc<Mutex<Vec<Option<Cut>>>>,
}

impl Transport {
    fn new() -> Self {
        Self { wire: Arc::new(Mutex::new(Wire::Connecting)), heard: Arc::default() }
    }

    fn service(&self) -> impl Plugin<(), ()> + use<> {
        let Self { wire, heard } = self.clone();
        service_fn(move |_: Call<()>| Exchange { wire: Arc::clone(&wire), heard: Arc::clone(&heard) })
    }

    fn write(&self) {
        *self.wire.lock().unwrap_or_else(PoisonError::into_inner) = Wire::Written;
    }

    /// The cut that the last exchange was dropped under.
    fn cut(&self) -> Option<Cut> {
        self.heard.lock().unwrap_or_else(PoisonError::into_inner).last().copied().flatten()
    }
}

/// The call's error, when it is cut.
async fn cut_of<P: Plugin<(), ()>>(stack: P, call: Call<()>) -> PluginError {
    stack.oneshot(call).await.expect_err("it never answers")
}

fn is_evidence(error: &PluginError) -> bool {
    error.rejected().expect("a refusal").is_evidence()
}

#[tokio::test(start_paused = true)]
async fn a_plugin_that_hangs_for_the_whole_timeout_is_evidence_though_an_attempt_may_take_longer() {
    let stack = ServiceBuilder::new()
        .layer(DeadlineLayer::new(5 * SECOND))
        .layer(AttemptTimeoutLayer::new(30 * SECOND))
        .service(Transport::new().service());
    let error = cut_of(stack, Call::new(())).await;
    assert!(is_evidence(&error), "{error}");
    assert!(!error.is_retryable(), "the caller's time is up");
}

#[tokio::test(start_paused = true)]
async fn a_caller_in_a_hurry_is_no_evidence_however_the_limits_stand() {
    for (timeout, attempt) in [(30, 30), (5, 30), (30, 5)] {
        let transport = Transport::new();
        let stack = ServiceBuilder::new()
            .layer(DeadlineLayer::new(timeout * SECOND))
            .layer(AttemptTimeoutLayer::new(attempt * SECOND))
            .service(transport.service());
        let error = cut_of(stack, Call::new(()).with_timeout(Duration::from_millis(150))).await;
        assert!(!is_evidence(&error), "{error}");
        assert!(transport.cut().is_some_and(|cut| !cut.is_evidence() && cut.ran().as_millis() == 150));
    }
}

#[tokio::test(start_paused = true)]
async fn a_hang_under_a_deadline_alone_is_evidence_and_what_is_dropped_hears_it() {
    let transport = Transport::new();
    let stack = ServiceBuilder::new().layer(DeadlineLayer::new(SECOND)).service(transport.service());
    assert!(is_evidence(&cut_of(stack.clone(), Call::new(())).await));
    assert!(transport.cut().is_some_and(|cut| cut.is_evidence()));
    assert!(!is_evidence(&cut_of(stack, Call::new(()).with_timeout(SECOND / 4)).await));
    assert!(transport.cut().is_some_and(|cut| !cut.is_evidence()));
}

#[tokio::test(start_paused = true)]
async fn a_service_that_is_called_late_is_judged_by_the_time_that_it_had_whoever_cuts_it() {
    for attempts in [None, Some(AttemptTimeoutLayer::new(30 * SECOND))] {
        let transport = Transport::new();
        let stack = ServiceBuilder::new()
            .layer(DeadlineLayer::new(30 * SECOND))
            .option_layer(attempts)
            .service(transport.service());
        let call = Call::new(());
        // Its body is read.
        tokio::time::sleep(29 * SECOND).await;
        let error = cut_of(stack, call).await;
        let cut = transport.cut().expect("its time was up");
        assert_eq!((cut.ran(), cut.is_evidence(), is_evidence(&error)), (SECOND, false, false), "{error}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_caller_who_goes_away_is_no_cut() {
    let transport = Transport::new();
    let stack = ServiceBuilder::new().layer(DeadlineLayer::new(SECOND)).service(transport.service());
    assert!(tokio::time::timeout(SECOND / 2, stack.oneshot(Call::new(()))).await.is_err());
    assert_eq!(transport.cut(), None);
}

#[tokio::test(start_paused = true)]
async fn a_fallback_that_is_cut_had_only_its_own_time_and_the_call_before_it_may_have_been_sent() {
    let other = Transport::new();
    let stack = ServiceBuilder::new()
        .layer(DeadlineLayer::new(SECOND))
        .layer(FallbackLayer::service(other.service()))
        .service(service_fn(|_: Call<()>| async {
            tokio::time::sleep(9 * SECOND / 10).await;
            Err::<Reply<()>, _>(PluginError::execution("it failed, and took its time"))
        }));
    let error = cut_of(stack, Call::new(())).await;
    assert_eq!(error.sent(), Sent::Maybe, "the first service has had it");
    assert!(other.cut().is_some_and(|cut| cut.ran() == SECOND / 10 && !cut.is_evidence()), "{:?}", other.cut());
}

/// A transport whose answers come by a pipe, which a task of its own reads. The plugin writes its answer after this time.
fn piped(takes: Duration) -> impl Plugin<(), ()> {
    service_fn(move |_: Call<()>| async move {
        let (plugin, mut host) = tokio::sync::mpsc::channel(1);
        let (answer, answered) = tokio::sync::oneshot::channel();
        tokio::spawn(async move {
            tokio::time::sleep(takes).await;
            plugin.send("answer").await
        });
        tokio::spawn(async move {
            if host.recv().await.is_some() {
                let _ = answer.send(());
            }
        });
        answered.await.map(|()| Reply::new(())).map_err(|_| PluginError::execution("the pipe was closed"))
    })
}

/// Two limits, either of which may be the first to end.
fn limited<P: Plugin<(), ()>>(inner: P, timeout: Duration, attempt: Duration) -> impl Plugin<(), ()> {
    let layers = ServiceBuilder::new().layer(DeadlineLayer::new(timeout)).layer(AttemptTimeoutLayer::new(attempt));
    layers.service(inner)
}

#[tokio::test(start_paused = true)]
async fn an_answer_that_came_while_this_process_was_stopped_is_read_before_its_call_is_cut() {
    for (timeout, attempt) in [(5, 30), (30, 5), (5, 5)] {
        let call = tokio::spawn(limited(piped(SECOND), timeout * SECOND, attempt * SECOND).oneshot(Call::new(())));
        tokio::time::sleep(SECOND / 2).await;
        // In one step, as for a process that runs again: all timers are due at once.
        tokio::time::advance(35 * SECOND).await;
        call.await.expect("no panic").expect("its answer was there");
    }
}

#[tokio::test(start_paused = true)]
async fn what_nobody_could_see_answered_because_this_process_was_stopped_is_no_evidence() {
    for (timeout, attempt) in [(5, 30), (30, 5), (5, 5)] {
        for (asleep, expected) in [(35 * SECOND, false), (SECOND, true)] {
            let transport = Transport::new();
            let stack = limited(transport.service(), timeout * SECOND, attempt * SECOND);
            let call = tokio::spawn(cut_of(stack, Call::new(())));
            tokio::time::sleep(9 * SECOND / 2).await;
            tokio::time::advance(asleep).await;
            let error = call.await.expect("no panic");
            assert_eq!(is_evidence(&error), expected, "{timeout}, {attempt}, {asleep:?}: {error}");
            let heard = transport.cut().map(|cut| cut.is_evidence());
            assert_eq!(heard, Some(expected), "{timeout}, {attempt}, {asleep:?}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn what_was_written_between_two_polls_is_not_called_unsent() {
    for written in [false, true] {
        for attempt in [SECOND, 30 * SECOND] {
            let transport = Transport::new();
            let stack = ServiceBuilder::new()
                .layer(DeadlineLayer::new(2 * SECOND))
                .layer(AttemptTimeoutLayer::new(attempt))
                .service(transport.service());
            let call = tokio::spawn(cut_of(stack, Call::new(())));
            tokio::time::sleep(SECOND / 2).await;
            // The call has been polled for the last time before it is cut.
            if written {
                transport.write();
            }
            let error = call.await.expect("no panic");
            let (stage, sent) =
                if written { ("waiting for the plugin", Sent::Maybe) } else { ("connecting", Sent::Nothing) };
            assert_eq!(error.sent(), sent);
            assert_eq!(error.rejected().and_then(|rejected| rejected.stage()), Some(stage), "{error}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_transport_that_tells_nothing_may_have_sent_everything() {
    let stack = ServiceBuilder::new()
        .layer(AttemptTimeoutLayer::new(SECOND))
        .service(service_fn(|_: Call<()>| std::future::pending::<Result<Reply<()>, PluginError>>()));
    let error = cut_of(stack, Call::new(())).await;
    assert_eq!(error.sent(), Sent::Maybe);
    assert_eq!(error.rejected().and_then(|rejected| rejected.stage()), Some("waiting for the answer"));
}

#[tokio::test(start_paused = true)]
async fn a_waiting_call_has_one_timer_however_many_limits_it_has() {
    for limits in [[1, 1, 1], [1, 2, 3], [3, 2, 1], [2, 1, 1]] {
        let [deadline, outer, inner] = limits.map(|seconds| seconds * SECOND);
        let stack = ServiceBuilder::new()
            .layer(DeadlineLayer::new(deadline))
            .layer(AttemptTimeoutLayer::new(outer))
            .layer(AttemptTimeoutLayer::new(inner))
            .service(Transport::new().service());
        let call = Call::new(());
        let (armed, readings) = (timer::armed(), clock::readings());
        let start = tokio::time::Instant::now();
        cut_of(stack, call).await;
        assert_eq!(start.elapsed(), deadline.min(outer).min(inner), "{limits:?}");
        let expected = if outer < inner.min(deadline) { 2 } else { 1 };
        assert_eq!(timer::armed() - armed, expected, "{limits:?}");
        assert_eq!(clock::readings() - readings, 2, "{limits:?}: when it began to wait, and how late its timer is");
    }
}

#[tokio::test(start_paused = true)]
async fn who_meets_another_librarys_end_of_time_can_tell_how_long_the_call_has_run() {
    let transport = service_fn(|_: Call<()>| async {
        tokio::time::sleep(SECOND).await;
        Ok::<_, PluginError>(Reply::new(cut::elapsed()))
    });
    let told = |stack: DeadlineLayer| ServiceBuilder::new().layer(stack).service(transport);
    let reply = told(DeadlineLayer::new(2 * SECOND)).oneshot(Call::new(())).await.expect("in time");
    assert!(reply.payload().is_some_and(|cut| cut.ran() == SECOND && cut.is_evidence()));
    let reply = told(DeadlineLayer::new(3 * SECOND)).oneshot(Call::new(())).await.expect("in time");
    assert!(reply.payload().is_some_and(|cut| !cut.is_evidence()));
    assert_eq!(cut::elapsed(), None);
}

#[tokio::test(start_paused = true)]
async fn a_service_that_is_called_from_within_another_is_judged_by_its_own_limit() {
    // The limit of whoever calls it, its own, and whether the end of the earlier is evidence against it.
    for (outer, own, expected) in [(1, Some(30), false), (20, Some(30), true), (30, Some(1), true), (1, None, true)] {
        let transport = Transport::new();
        let limit = own.map_or_else(DeadlineLayer::enforce_only, |own| DeadlineLayer::new(own * SECOND));
        let dependency = ServiceBuilder::new().layer(limit.clone()).service(transport.service());
        let tells = service_fn(|_: Call<()>| async { Ok::<_, PluginError>(Reply::new(cut::elapsed())) });
        let tells = ServiceBuilder::new().layer(limit).service(tells);
        let works = service_fn(move |_: Call<()>| {
            let (dependency, tells) = (dependency.clone(), tells.clone());
            async move {
                let told = tells.oneshot(Call::new(())).await?.into_payload().and_then(|cut| cut.limit());
                assert_eq!(told, Some(own.unwrap_or(outer) * SECOND), "{outer}, {own:?}");
                dependency.oneshot(Call::new(())).await
            }
        });
        for attempts in [AttemptTimeoutLayer::disabled(), AttemptTimeoutLayer::new(outer * SECOND)] {
            let layers = ServiceBuilder::new().layer(DeadlineLayer::new(outer * SECOND)).layer(attempts);
            cut_of(layers.service(works.clone()), Call::new(())).await;
            let heard = transport.cut().map(|cut| cut.is_evidence());
            assert_eq!(heard, Some(expected), "{outer}, {own:?}");
        }
    }
}

#[cfg(feature = "http")]
#[tokio::test(start_paused = true)]
async fn the_configured_timeout_travels_with_an_http_request_too() {
    use bytes::Bytes;
    use http::{Request, Response};
    use plugin_core::{AsHttpResponse, Rejected};
    use std::convert::Infallible;

    let stack = ServiceBuilder::new()
        .layer(DeadlineLayer::new(5 * SECOND).reject_with(AsHttpResponse))
        .layer(AttemptTimeoutLayer::new(30 * SECOND).reject_with(AsHttpResponse))
        .service(service_fn(|_: Request<()>| std::future::pending::<Result<Response<Bytes>, Infallible>>()));
    let refusal = async |limit: &str| {
        let request = Request::builder().header("x-request-timeout", limit).body(()).expect("valid");
        let response = stack.clone().oneshot(request).await.expect("infallible");
        *response.extensions().get::<Rejected>().expect("a refusal")
    };
    assert!(refusal("1m").await.is_evidence());
    assert!(!refusal("150ms").await.is_evidence());
}
