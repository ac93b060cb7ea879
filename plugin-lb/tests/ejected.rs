//! Ejection at its edges: who is looked at, how it goes together with checks, bodies that fail at their end, and
//! threads.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use plugin_core::{HealthCell, HealthState, HealthStatus, PluginError};
use plugin_lb::{Balance, BalanceConfig, BalanceHandle, Endpoint, Hints, OutlierConfig, PickedInstance, Strategy};
use tokio::sync::Semaphore;
use tower::{Service, ServiceExt, service_fn, util::BoxCloneSyncService};

const SECOND: Duration = Duration::from_secs(1);

fn in_a_row(failures: u32) -> OutlierConfig {
    OutlierConfig::builder().with_consecutive_failures(failures).build().expect("valid")
}

fn config(outlier: OutlierConfig) -> BalanceConfig {
    BalanceConfig::builder().with_outlier(outlier).with_failover(false).build().expect("valid")
}

fn ejections<S>(handle: &BalanceHandle<S>, name: &str) -> (u64, bool) {
    let stats = handle.get(name).expect("it is there");
    (stats.ejections, stats.ejected_for.is_some())
}

type Plain = BoxCloneSyncService<(), &'static str, PluginError>;

/// Answers at once while all is well, and else waits for the gate to fail. Its requests do not say when they came.
fn gated(name: &'static str, well: &Arc<AtomicBool>, gate: &Arc<Semaphore>) -> Endpoint<Plain> {
    let (well, gate) = (Arc::clone(well), Arc::clone(gate));
    let answer = move |()| {
        let (is_well, gate) = (well.load(Ordering::Relaxed), Arc::clone(&gate));
        async move {
            if is_well {
                return Ok(name);
            }
            gate.acquire().await.expect("open").forget();
            Err(PluginError::execution("it fails"))
        }
    };
    Endpoint::new(name, BoxCloneSyncService::new(service_fn(answer)))
}

/// Two instances of which the first has so many calls in flight that fail when the gate opens.
struct Gated {
    balance: Balance<Plain>,
    gate: Arc<Semaphore>,
    calls: Vec<tokio::task::JoinHandle<Result<&'static str, PluginError>>>,
}

impl Gated {
    async fn new(outlier: OutlierConfig, calls: usize) -> Self {
        let (well, gate) = (Arc::new(AtomicBool::new(true)), Arc::new(Semaphore::new(0)));
        let always = Arc::new(AtomicBool::new(true));
        let balance = Balance::new(config(outlier), [gated("bad", &well, &gate), gated("good", &always, &gate)]);
        let balance = balance.expect("two names");
        // The time of the first 64 calls is taken, and then that of one in 32: of those that fail nobody knows when
        // they began.
        for _ in 0..200 {
            balance.clone().oneshot(()).await.expect("well");
        }
        well.store(false, Ordering::Relaxed);
        let mut bad = Vec::new();
        while bad.len() < calls {
            let call = balance.clone();
            let before = balance.handle().get("bad").map(|stats| stats.active);
            let spawned = tokio::spawn(call.oneshot(()));
            tokio::task::yield_now().await;
            if balance.handle().get("bad").map(|stats| stats.active) > before {
                bad.push(spawned);
            }
        }
        Self { balance, gate, calls: bad }
    }

    async fn let_all_fail(&mut self) {
        self.gate.add_permits(self.calls.len());
        for call in self.calls.drain(..) {
            call.await.expect("no panic").expect_err("it fails");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn one_that_is_ejected_is_not_ejected_again_by_what_was_in_flight_then() {
    // As many as there are may be ejected, so that it is not for want of room that it is not.
    let outlier = in_a_row(3).to_builder().with_max_ejected_percent(100).build().expect("valid");
    let mut gated = Gated::new(outlier, 20).await;
    gated.let_all_fail().await;
    let handle = gated.balance.handle();
    assert_eq!(ejections(&handle, "bad"), (1, true));
    let left = handle.get("bad").and_then(|stats| stats.ejected_for).expect("ejected");
    assert!(left <= 30 * SECOND, "{left:?}: it is the first time");
}

#[tokio::test(start_paused = true)]
async fn one_that_takes_no_calls_any_more_is_not_ejected_for_those_that_it_had() {
    let mut gated = Gated::new(in_a_row(3), 5).await;
    let handle = gated.balance.handle();
    handle.disable_instance("bad").expect("it is there");
    handle.add(Endpoint::new("new", gated_never())).expect("a new name");
    gated.let_all_fail().await;
    assert_eq!(ejections(&handle, "bad"), (0, false));
    assert_eq!(handle.get("bad").map(|stats| stats.failed), Some(5));
}

fn gated_never() -> Plain {
    BoxCloneSyncService::new(service_fn(|()| std::future::ready(Ok("new"))))
}

/// Who is picked of two in 60 picks, where the first is ejected and checks say this of both; and the same for calls
/// that were tried on the second.
fn picked(first: HealthState, second: HealthState) -> [[usize; 2]; 2] {
    let cells = [first, second].map(|state| {
        let cell = Arc::new(HealthCell::new(HealthStatus::healthy()));
        (state, cell)
    });
    let endpoints = [("a", &cells[0].1), ("b", &cells[1].1)]
        .map(|(name, cell)| Endpoint::new(name, ()).with_health(Arc::clone(cell)));
    let handle = Balance::new(config(in_a_row(1)), endpoints).expect("two names").handle();
    let pick = || handle.pick(&Hints::new()).expect("enabled");
    while ejections(&handle, "a").0 == 0 {
        let one: PickedInstance<()> = pick();
        if one.name() == "a" { one.failed() } else { one.succeeded() }
    }
    for (state, cell) in &cells {
        cell.set(HealthStatus::new(*state, "as the test says"));
    }
    let tried = [handle.get("b").expect("it is there").id];
    [&[][..], &tried].map(|tried| {
        let mut counts = [0; 2];
        for _ in 0..60 {
            let picked = handle.pick(&Hints::new().with_tried(tried)).expect("enabled");
            counts[usize::from(picked.name() == "b")] += 1;
        }
        counts
    })
}

#[tokio::test(start_paused = true)]
async fn an_ejection_goes_together_with_checks_as_the_page_says() {
    use HealthState::{Degraded, Healthy, Offline, Unhealthy, Unknown};
    const OTHER: [usize; 2] = [0, 60];
    const BOTH: [usize; 2] = [30, 30];
    const ITSELF: [usize; 2] = [60, 0];
    // What checks say of it, and of the other: Healthy, Degraded, Unhealthy, Offline.
    for (ejected, rows) in [
        (Healthy, [OTHER, OTHER, BOTH, ITSELF]),
        (Unknown, [OTHER, OTHER, BOTH, ITSELF]),
        (Degraded, [OTHER, OTHER, BOTH, ITSELF]),
        (Unhealthy, [OTHER, OTHER, BOTH, ITSELF]),
        // Where all are Offline health says nothing any more.
        (Offline, [OTHER, OTHER, OTHER, BOTH]),
    ] {
        for (other, who) in [Healthy, Degraded, Unhealthy, Offline].into_iter().zip(rows) {
            let [picked, of_second_try] = picked(ejected, other);
            assert_eq!(picked, who, "{ejected:?} and ejected, beside one that is {other:?}");
            let is_gone = ejected == Offline && matches!(other, Healthy | Degraded | Unhealthy);
            assert_eq!(of_second_try, if is_gone { OTHER } else { ITSELF }, "{ejected:?}, {other:?} was tried");
        }
    }
}

#[cfg(feature = "axum")]
mod bodies {
    use axum::body::Body;
    use http::{Request, Response};
    use http_body_util::BodyExt;
    use plugin_core::{AtEnd, BoxError, End, Judgement};

    use super::*;

    #[derive(Clone)]
    struct ByEnd;

    impl plugin_core::Classify<Response<Body>, BoxError> for ByEnd {
        fn classify(&self, _: Result<&Response<Body>, &BoxError>) -> Judgement {
            Judgement::at_end()
        }

        fn classify_end(&self, end: End<'_>) -> Judgement {
            match end {
                End::Complete { .. } => Judgement::success(),
                _ => Judgement::failure(),
            }
        }
    }

    fn endpoint(
        name: &'static str,
        breaks: &Arc<AtomicBool>,
    ) -> Endpoint<impl Service<Request<()>, Response = Response<Body>, Error = BoxError, Future: Send> + Clone> {
        let breaks = Arc::clone(breaks);
        let answer = move |_: Request<()>| {
            let chunks: [Result<&str, BoxError>; 2] = if breaks.load(Ordering::Relaxed) {
                [Ok("half"), Err("broken".into())]
            } else {
                [Ok("one"), Ok("two")]
            };
            std::future::ready(Ok::<_, BoxError>(Response::new(Body::from_stream(futures_util::stream::iter(chunks)))))
        };
        Endpoint::new(name, service_fn(answer))
    }

    #[tokio::test(start_paused = true)]
    async fn bodies_that_break_off_eject_and_one_that_ends_well_after_it_is_back_clears() {
        let (breaks, never) = (Arc::new(AtomicBool::new(true)), Arc::new(AtomicBool::new(false)));
        let endpoints = [endpoint("bad", &breaks), endpoint("good", &never)];
        let mut balance =
            Balance::new(config(in_a_row(3)), endpoints).expect("two names").classify(ByEnd).follow::<AtEnd>();
        let handle = balance.handle();
        let mut read = async |calls: usize| {
            for _ in 0..calls {
                tokio::time::advance(SECOND / 100).await;
                let _either = balance.call(Request::new(())).await.expect("a head").into_body().collect().await;
            }
        };
        // The heads are good: it is the bodies that count.
        read(4).await;
        assert_eq!(ejections(&handle, "bad"), (0, false));
        read(1).await;
        assert_eq!((ejections(&handle, "bad"), handle.get("bad").map(|stats| stats.failed)), ((1, true), Some(3)));
        read(20).await;
        assert_eq!(handle.get("bad").map(|stats| stats.failed), Some(3));
        tokio::time::advance(30 * SECOND).await;
        breaks.store(false, Ordering::Relaxed);
        read(4).await;
        breaks.store(true, Ordering::Relaxed);
        read(4).await;
        assert_eq!(ejections(&handle, "bad"), (1, false), "a body that ended well has ended its probation");
        read(2).await;
        assert_eq!(ejections(&handle, "bad"), (2, true));
    }

    #[tokio::test(start_paused = true)]
    async fn bodies_that_began_before_the_ejection_ended_say_nothing_of_the_time_after_it() {
        let (breaks, never) = (Arc::new(AtomicBool::new(true)), Arc::new(AtomicBool::new(false)));
        let endpoints = [endpoint("bad", &breaks), endpoint("good", &never)];
        let mut balance =
            Balance::new(config(in_a_row(3)), endpoints).expect("two names").classify(ByEnd).follow::<AtEnd>();
        let handle = balance.handle();
        let mut bodies = Vec::new();
        for _ in 0..20 {
            bodies.push(balance.call(Request::new(())).await.expect("a head").into_body());
        }
        let late = bodies.split_off(10);
        for body in bodies {
            let _either = body.collect().await;
        }
        assert_eq!(ejections(&handle, "bad"), (1, true));
        tokio::time::advance(31 * SECOND).await;
        drop(handle.pick(&Hints::new()));
        for body in late {
            let _either = body.collect().await;
        }
        // The call that tried it came to nothing, so the next one may a second later.
        tokio::time::advance(2 * SECOND).await;
        assert_eq!(ejections(&handle, "bad"), (1, false));
    }
}

#[test]
fn threads_that_fail_at_once_eject_each_once_and_no_more_than_may_be() {
    for (percent, most) in [(10, 1), (30, 3), (100, 10)] {
        let outlier = in_a_row(5).to_builder().with_max_ejected_percent(percent).build().expect("valid");
        let endpoints = (0..10).map(|index| Endpoint::new(index.to_string(), ()));
        let handle = Balance::new(config(outlier), endpoints).expect("names of their own").handle();
        std::thread::scope(|scope| {
            for _ in 0..2 {
                scope.spawn(|| {
                    for _ in 0..2_000 {
                        handle.pick(&Hints::new()).expect("enabled").failed();
                    }
                });
            }
        });
        let stats = handle.stats();
        let ejected = stats.iter().filter(|stats| stats.ejected_for.is_some()).count();
        assert_eq!(ejected, most, "{percent} %");
        assert!(stats.iter().all(|stats| stats.ejections <= 1), "nobody twice, before its time is over");
        assert_eq!(stats.iter().map(|stats| stats.failed).sum::<u64>(), 4_000);
    }
}

#[test]
fn while_one_thread_fails_and_another_does_well_on_others_the_first_alone_is_ejected() {
    let endpoints = ["bad", "good", "better"].map(|name| Endpoint::new(name, ()));
    let config = config(in_a_row(5));
    let handle = Balance::new(config, endpoints).expect("names of their own").handle();
    std::thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| {
                for _ in 0..3_000 {
                    let picked = handle.pick(&Hints::new()).expect("enabled");
                    if picked.name() == "bad" { picked.failed() } else { picked.succeeded() }
                }
            });
        }
    });
    assert_eq!(ejections(&handle, "bad"), (1, true));
    assert_eq!((ejections(&handle, "good"), ejections(&handle, "better")), ((0, false), (0, false)));
    let failed = handle.get("bad").map_or(0, |stats| stats.failed);
    assert!((5..=8).contains(&failed), "{failed}: those that were in flight when the fifth failed, and no more");
}

#[test]
fn the_strategies_all_leave_one_that_is_ejected() {
    for strategy in Strategy::ALL {
        let config =
            BalanceConfig::builder().with_strategy(*strategy).with_outlier(in_a_row(1)).build().expect("valid");
        let handle = Balance::new(config, ["a", "b", "c"].map(|name| Endpoint::new(name, ()))).expect("names").handle();
        let mut first = handle.pick(&Hints::new()).expect("enabled");
        let name = first.name().to_owned();
        first.failed();
        for key in 0..100 {
            first = handle.pick(&Hints::new().with_affinity(key)).expect("enabled");
            assert_ne!(first.name(), name, "{strategy}");
        }
    }
}
