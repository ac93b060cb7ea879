//! Evidence from traffic, on a paused clock.

mod common;

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use common::Scripted;
use plugin_core::{
    HealthState::{Healthy, Offline, Unhealthy},
    Rejected, clock,
};
use plugin_health::{HealthCheck, HealthConfig, PassiveHealthConfig, PassiveHealthLayer};
use tokio::time::sleep;
use tower::{BoxError, Layer, ServiceExt, service_fn};

const SECOND: Duration = Duration::from_secs(1);
const TENTH: Duration = Duration::from_millis(100);

fn config() -> HealthConfig {
    HealthConfig::builder().with_jitter(0.0).build().expect("valid")
}

/// A service that fails for as long as its flag says so.
fn service(
    down: &Arc<AtomicBool>,
) -> impl tower::Service<(), Response = (), Error = BoxError, Future: Send> + Clone + use<> {
    let down = Arc::clone(down);
    service_fn(move |(): ()| {
        let down = down.load(Ordering::Relaxed);
        async move { if down { Err("connection reset".into()) } else { Ok::<_, BoxError>(()) } }
    })
}

/// How long it took until it was found Offline, and how long after its end the outage was over, with ten calls a second.
async fn outage(layer_it: bool, lasts: Duration) -> (Duration, Duration, usize) {
    let probe = Scripted::new(Healthy);
    let check = HealthCheck::start(config(), probe.probe());
    check.check_now().await;
    sleep(SECOND).await;
    let down = Arc::new(AtomicBool::new(true));
    let passive = PassiveHealthLayer::sharing(PassiveHealthConfig::default(), &check);
    let handle = passive.handle();
    if !layer_it {
        handle.disable();
    }
    let stack = passive.layer(service(&down));
    probe.set(Unhealthy);
    let (begin, mut offline, mut back) = (clock::now(), None, None);
    while back.is_none() {
        if begin.elapsed() >= lasts {
            down.store(false, Ordering::Relaxed);
            probe.set(Healthy);
        }
        // As behind a gate: what is Offline gets no calls.
        if check.state() != Offline {
            let _ = stack.clone().oneshot(()).await;
        }
        sleep(TENTH).await;
        if check.state() == Offline {
            offline = offline.or(Some(begin.elapsed()));
        }
        let is_over = offline.is_some() && check.state() == Healthy && begin.elapsed() > lasts;
        back = is_over.then(|| begin.elapsed().saturating_sub(lasts));
        assert!(begin.elapsed() < 1000 * SECOND, "it never came back");
    }
    println!("found after {offline:?}, over {back:?} after its end, {} checks", probe.count());
    (offline.expect("it was"), back.expect("it is"), probe.count())
}

#[tokio::test(start_paused = true)]
async fn calls_that_fail_have_an_outage_found_in_seconds_and_its_end_as_soon() {
    let (offline, back, _) = outage(false, 200 * SECOND).await;
    assert!(offline > 60 * SECOND && back > SECOND, "without: {offline:?}, {back:?}");
    let (offline, back, checks) = outage(true, 200 * SECOND).await;
    assert!(offline < 5 * SECOND, "with: {offline:?}");
    assert!(back <= 30 * SECOND, "with: {back:?}");
    assert!(checks < 20, "{checks} checks");
    // A restart of ten seconds costs no interval.
    let (offline, back, _) = outage(true, 10 * SECOND).await;
    assert!(offline < 5 * SECOND && back < 10 * SECOND, "{offline:?}, {back:?}");
}

#[tokio::test(start_paused = true)]
async fn calls_that_fail_while_checks_go_well_change_no_state_and_ask_no_oftener_than_their_pace() {
    let probe = Scripted::new(Healthy);
    let check = HealthCheck::start(config(), probe.probe());
    check.check_now().await;
    let passive = PassiveHealthLayer::sharing(PassiveHealthConfig::default(), &check);
    let stack = passive.layer(service(&Arc::new(AtomicBool::new(true))));
    let (mut changes, before) = (check.events(), probe.count());
    for _ in 0..600 {
        let _ = stack.clone().oneshot(()).await;
        sleep(TENTH).await;
    }
    let asked = passive.handle().stats().asked;
    assert!((55..=60).contains(&asked), "{asked} in a minute");
    assert!(probe.count() - before <= 63, "{} checks in a minute", probe.count() - before);
    assert_eq!((probe.most_running(), probe.running()), (1, 0));
    assert!(tokio::time::timeout(TENTH, changes.next()).await.is_err(), "the state is that of the checks");
}

#[tokio::test(start_paused = true)]
async fn a_success_while_checks_found_it_down_has_one_made_and_a_failure_between_successes_has_none() {
    let probe = Scripted::new(Unhealthy);
    let check = HealthCheck::start(config(), probe.probe());
    check.check_now().await;
    probe.set(Healthy);
    let down = Arc::new(AtomicBool::new(false));
    let passive = PassiveHealthLayer::sharing(PassiveHealthConfig::default(), &check);
    let stack = passive.layer(service(&down));
    stack.clone().oneshot(()).await.expect("it is up");
    sleep(TENTH).await;
    assert_eq!((check.state(), passive.handle().stats().asked), (Healthy, 1));
    sleep(2 * SECOND).await;
    for round in 0..100 {
        down.store(round % 5 != 0, Ordering::Relaxed);
        let _ = stack.clone().oneshot(()).await;
        sleep(TENTH).await;
    }
    assert_eq!(passive.handle().stats().asked, 1, "four in a row are fewer than five");
}

#[tokio::test(start_paused = true)]
async fn refusals_and_calls_that_were_given_up_are_no_evidence_and_a_panic_is() {
    let probe = Scripted::new(Healthy);
    let check = HealthCheck::start(config(), probe.probe());
    check.check_now().await;
    let settings = PassiveHealthConfig::builder().with_failures(1).build().expect("valid");
    let passive = PassiveHealthLayer::sharing(settings, &check);
    let refusing = passive.layer(service_fn(|(): ()| async { Err::<(), _>(Rejected::overloaded()) }));
    let hanging = passive.layer(service_fn(|(): ()| std::future::pending::<Result<(), BoxError>>()));
    let panicking = passive.layer(service_fn(|(): ()| async {
        if true {
            panic!("asked to");
        }
        Ok::<_, BoxError>(())
    }));
    assert!(refusing.oneshot(()).await.is_err());
    assert!(tokio::time::timeout(SECOND, hanging.oneshot(())).await.is_err());
    assert_eq!(passive.handle().stats().asked, 0);
    assert!(tokio::spawn(panicking.oneshot(())).await.is_err());
    assert_eq!(passive.handle().stats().asked, 1);
}

#[tokio::test(start_paused = true)]
async fn a_call_that_was_cut_is_evidence_where_the_service_had_its_time() {
    let probe = Scripted::new(Healthy);
    let check = HealthCheck::start(config(), probe.probe());
    check.check_now().await;
    let settings = PassiveHealthConfig::builder().with_failures(1).build().expect("valid");
    let passive = PassiveHealthLayer::sharing(settings, &check);
    let hanging = passive.layer(service_fn(|_: plugin_core::Call<()>| {
        std::future::pending::<Result<plugin_core::Reply<()>, plugin_core::PluginError>>()
    }));
    let limited = plugin_core::deadline::DeadlineLayer::new(10 * SECOND).layer(hanging);
    assert!(limited.oneshot(plugin_core::Call::new(())).await.is_err());
    assert_eq!(passive.handle().stats().asked, 1);
}

#[tokio::test(start_paused = true)]
async fn a_check_that_was_stopped_is_left_alone_and_so_is_one_that_is_gone() {
    let probe = Scripted::new(Healthy);
    let check = HealthCheck::start(config(), probe.probe());
    check.check_now().await;
    let passive = PassiveHealthLayer::sharing(PassiveHealthConfig::default(), &check);
    let handle = passive.handle();
    let stack = passive.layer(service(&Arc::new(AtomicBool::new(true))));
    check.stop().await;
    for _ in 0..20 {
        let _ = stack.clone().oneshot(()).await;
    }
    sleep(SECOND).await;
    assert_eq!((probe.count(), handle.stats().asked, handle.stats().failures_in_a_row), (1, 0, 20));
    check.restart();
    sleep(SECOND).await;
    handle.disable();
    let _ = stack.clone().oneshot(()).await;
    assert_eq!((handle.stats().asked, handle.is_enabled()), (0, false));
    handle.enable();
    handle.reconfigure(handle.config().to_builder().with_failures(100).build().expect("valid"));
    let _ = stack.clone().oneshot(()).await;
    assert_eq!(handle.stats().asked, 0, "22 of 100");
    drop(check);
    sleep(SECOND).await;
    for _ in 0..100 {
        let _ = stack.clone().oneshot(()).await;
    }
    assert_eq!((probe.count(), handle.stats().asked), (2, 0), "the layer kept no check going");
}

#[tokio::test(start_paused = true)]
async fn what_calls_asked_for_and_went_well_makes_no_later_check_come_sooner() {
    let probe = Scripted::new(Healthy);
    let check = HealthCheck::start(config(), probe.probe());
    check.check_now().await;
    let settings = PassiveHealthConfig::builder().with_failures(1).build().expect("valid");
    let stack = PassiveHealthLayer::sharing(settings, &check).layer(service(&Arc::new(AtomicBool::new(true))));
    let _ = stack.oneshot(()).await;
    sleep(SECOND).await;
    assert_eq!(probe.count(), 2);
    probe.set(Unhealthy);
    sleep(40 * SECOND).await;
    assert_eq!((probe.count(), check.state()), (3, Unhealthy), "one in each interval");
}
