//! What is counted, on a paused clock.

use std::{panic::AssertUnwindSafe, time::Duration};

use futures_util::FutureExt;
use plugin_core::{
    Call, Code, PluginError, Rejected, Reply, Sent, Verdict,
    deadline::{DeadlineLayer, cut},
};
use plugin_telemetry::{Status, TelemetryLayer};
use tower::{Layer, Service, ServiceBuilder, ServiceExt, service_fn};

async fn plugin(call: Call<&'static str>) -> Result<Reply<()>, PluginError> {
    match call.into_payload() {
        "fail" => Err(PluginError::execution("as asked")),
        "panic" => panic!("as asked"),
        "wait" => {
            tokio::time::sleep(Duration::from_millis(30)).await;
            Ok(Reply::new(()))
        }
        "hang" => std::future::pending().await,
        _ => Ok(Reply::new(())),
    }
}

#[tokio::test(start_paused = true)]
async fn every_way_to_end_is_counted_once_and_nothing_stays_active() {
    let layer = TelemetryLayer::new("demo").for_calls();
    let handle = layer.handle();
    let mut stack = ServiceBuilder::new()
        .layer(layer)
        .layer(DeadlineLayer::new(Duration::from_secs(1)))
        .service(service_fn(plugin));

    stack.ready().await.expect("ready").call(Call::new("wait")).await.expect("a reply");
    stack.ready().await.expect("ready").call(Call::new("fail")).await.expect_err("as asked");
    stack.ready().await.expect("ready").call(Call::new("hang")).await.expect_err("the deadline");
    let hurry = Call::new("hang").with_timeout(Duration::from_millis(100));
    stack.ready().await.expect("ready").call(hurry).await.expect_err("the caller's own deadline");
    let panicking = AssertUnwindSafe(stack.ready().await.expect("ready").call(Call::new("panic"))).catch_unwind();
    assert!(panicking.await.is_err());
    let mut dropped = Box::pin(stack.ready().await.expect("ready").call(Call::new("hang")));
    assert!(futures_util::poll!(&mut dropped).is_pending());
    assert_eq!(handle.stats().active(), 1);
    drop(dropped);
    drop(stack.ready().await.expect("ready").call(Call::new("never polled")));

    let snapshot = handle.stats();
    assert_eq!(snapshot.active(), 0);
    assert_eq!(Status::ALL.map(|status| snapshot.ended(status)), [1, 3, 0, 2, 1]);
    assert_eq!(snapshot.codes(), [(Code::ExecutionFailed, 2), (Code::Timeout, 2)]);
    assert_eq!(snapshot.max(), Duration::from_secs(1));
}

/// It was `caller` or `refused`, by whether it had been written by then.
#[tokio::test(start_paused = true)]
async fn a_time_that_was_too_short_from_the_beginning_is_the_callers_wherever_the_call_was_when_it_ended() {
    struct Came {
        is_held: bool,
    }
    impl Drop for Came {
        fn drop(&mut self) {
            if self.is_held { cut::report_held("in a line") } else { cut::report("on the plugin", Sent::Maybe) }
        }
    }
    for (given, is_held, status) in [
        (999, true, Status::Caller),
        (999, false, Status::Caller),
        (1000, true, Status::Refused),
        (2000, true, Status::Refused),
        (1000, false, Status::Failure),
    ] {
        let layer = TelemetryLayer::new("demo").for_calls();
        let handle = layer.handle();
        let waits = service_fn(move |_: Call<()>| async move {
            let _came = Came { is_held };
            std::future::pending::<Result<Reply<()>, PluginError>>().await
        });
        let stack = ServiceBuilder::new().layer(layer).layer(DeadlineLayer::new(Duration::from_secs(2))).service(waits);
        stack.oneshot(Call::new(()).with_timeout(Duration::from_millis(given))).await.expect_err("its time is up");
        let snapshot = handle.stats();
        assert_eq!((snapshot.ended(status), snapshot.total()), (1, 1), "{given} ms, held {is_held}: {snapshot:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn durations_are_exact_in_their_sum_and_near_in_their_percentiles() {
    let layer = TelemetryLayer::new("demo").for_calls();
    let handle = layer.handle();
    let stack = ServiceBuilder::new().layer(layer).service(service_fn(plugin));
    for _ in 0..10 {
        stack.clone().oneshot(Call::new("wait")).await.expect("a reply");
    }
    let snapshot = handle.stats();
    assert_eq!((snapshot.min(), snapshot.mean()), (Duration::from_millis(30), Duration::from_millis(30)));
    assert_eq!(snapshot.percentile(0.99), Duration::from_millis(30), "no higher than the longest");
    assert_eq!(snapshot.buckets().iter().map(|bucket| bucket.sum).sum::<Duration>(), Duration::from_millis(300));
}

#[tokio::test(start_paused = true)]
async fn a_failure_is_the_services_own_and_what_others_are_to_blame_for_stands_apart() {
    let error = |code| PluginError::new(code, "as asked");
    let cases: [(PluginError, Status); 10] = [
        (error(Code::ExecutionFailed), Status::Failure),
        (error(Code::ConnectionFailed), Status::Failure),
        // The configuration's, which is for an operator to mend.
        (error(Code::MissingTlsFiles), Status::Failure),
        (error(Code::InvalidPayload), Status::Caller),
        (error(Code::PayloadTooLarge), Status::Caller),
        (error(Code::Forbidden), Status::Caller),
        (error(Code::RateLimited), Status::Refused),
        (error(Code::ConcurrencyExceeded), Status::Refused),
        (Rejected::circuit_open(None).into(), Status::Refused),
        // Held back until its time was up: nobody was sent anything.
        (
            PluginError::from(
                Rejected::deadline_exceeded(Duration::from_millis(1), None).with_sent(plugin_core::Sent::Nothing),
            ),
            Status::Refused,
        ),
    ];
    for (error, status) in cases {
        let layer = TelemetryLayer::new("demo").for_calls();
        let counts = layer.handle();
        let code = error.code();
        let answer = std::sync::Mutex::new(Some(error));
        let fails = service_fn(|_: Call<()>| std::future::ready(Err::<(), _>(answer.lock().unwrap().take().unwrap())));
        layer.layer(fails).oneshot(Call::new(())).await.expect_err("as asked");
        let counted = counts.stats();
        assert_eq!((counted.ended(status), counted.total(), counted.codes()), (1, 1, &[(code, 1)][..]), "{code}");
    }
}

#[test]
fn what_never_came_to_the_layer_can_be_counted_all_the_same() {
    let counts = TelemetryLayer::new("demo").for_calls().handle();
    counts.count(Status::Refused, Some(Code::Draining), Duration::from_millis(2));
    let snapshot = counts.stats();
    assert_eq!((snapshot.ended(Status::Refused), snapshot.active()), (1, 0));
    assert_eq!((snapshot.codes(), snapshot.max()), (&[(Code::Draining, 1)][..], Duration::from_millis(2)));
}

#[test]
fn a_closure_judges_by_what_it_reads() {
    let layer = TelemetryLayer::new("judged").classify(|result: Result<&u32, &PluginError>| match result {
        Ok(7) => Verdict::Failure,
        Ok(_) => Verdict::Success,
        Err(_) => Verdict::Ignored,
    });
    let counts = layer.handle();
    let mut stack = layer.layer(service_fn(|number: u32| async move { Ok::<_, PluginError>(number) }));
    for number in [6, 7, 8] {
        assert_eq!(tokio_test::block_on(stack.call(number)).expect("infallible"), number);
    }
    let snapshot = counts.stats();
    assert_eq!((snapshot.ended(Status::Success), snapshot.ended(Status::Failure)), (2, 1));
}

#[tokio::test]
async fn the_end_is_read_by_telemetry_unless_it_was_told_to_take_it_from_within() {
    use plugin_core::clock::{self, end, fake::Machine};

    const MILLI: Duration = Duration::from_millis(1);
    for (takes_end, took) in [(false, 5 * MILLI), (true, 2 * MILLI)] {
        let machine = std::rc::Rc::new(Machine::install());
        let (works, answers) = (std::rc::Rc::clone(&machine), std::rc::Rc::clone(&machine));
        let layer = TelemetryLayer::new("p").for_calls();
        let layer = if takes_end { layer.take_end_from_within() } else { layer };
        let handle = layer.handle();
        let stack = ServiceBuilder::new()
            .layer(layer)
            .map_response(move |answer| {
                works.pass(3 * MILLI);
                answer
            })
            .service(service_fn(move |_: Call<()>| {
                let answers = std::rc::Rc::clone(&answers);
                async move {
                    answers.pass(2 * MILLI);
                    let _ = end::read();
                    Ok::<_, PluginError>(())
                }
            }));
        let read = clock::readings();
        stack.oneshot(Call::new(())).await.expect("an answer");
        assert_eq!(handle.stats().max(), took);
        assert_eq!(clock::readings() - read, if takes_end { 2 } else { 3 });
    }
}
