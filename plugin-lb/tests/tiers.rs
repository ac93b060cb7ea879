//! Tiers where other things happen too: ejection, changes of health from many threads.

use std::{sync::Arc, time::Duration};

use plugin_core::{HealthCell, HealthState, HealthStatus};
use plugin_lb::{Balance, BalanceConfig, BalanceHandle, Endpoint, Hints, OutlierConfig, Strategy};

const SECOND: Duration = Duration::from_secs(1);

fn calls(handle: &BalanceHandle<()>, calls: usize, fails: &[&str]) -> usize {
    let mut far = 0;
    for _ in 0..calls {
        let picked = handle.pick(&Hints::new()).expect("there is one");
        far += usize::from(picked.name().starts_with("far"));
        if fails.contains(&picked.name()) { picked.failed() } else { picked.succeeded() }
    }
    far
}

#[tokio::test(start_paused = true)]
async fn what_is_ejected_of_a_zone_can_take_nothing_so_calls_go_on_and_come_back_with_it() {
    let outlier = OutlierConfig::builder().with_max_ejected_percent(100).build().expect("valid");
    let config = BalanceConfig::builder().with_zone("north").with_outlier(outlier).build().expect("valid");
    let near = ["a", "b", "c", "d"].map(|name| Endpoint::new(name, ()).with_zone("north"));
    let far = ["far-1", "far-2"].map(|name| Endpoint::new(name, ()).with_zone("south"));
    let handle = Balance::new(config, near.into_iter().chain(far)).expect("distinct names").handle();
    assert_eq!(calls(&handle, 1000, &[]), 0);
    // Two of four can take 70 %.
    calls(&handle, 50, &["a", "b"]);
    let ejected = handle.stats().iter().filter(|stats| stats.ejected_for.is_some()).count();
    assert_eq!((ejected, handle.tiers()[0].up), (2, 2));
    let share = calls(&handle, 4000, &["a", "b"]) as f64 / 4000.0;
    assert!((0.27..0.33).contains(&share), "{share}");
    // All of them.
    calls(&handle, 400, &["a", "b", "c", "d"]);
    assert_eq!(calls(&handle, 1000, &[]), 1000, "nobody near takes calls");
    // Each comes back, with nothing but time.
    tokio::time::advance(31 * SECOND).await;
    calls(&handle, 100, &[]);
    tokio::time::advance(2 * SECOND).await;
    calls(&handle, 100, &[]);
    assert!(handle.stats().iter().all(|stats| stats.ejected_for.is_none()), "{:?}", handle.stats());
    assert_eq!(calls(&handle, 1000, &[]), 0);
}

#[test]
fn after_the_last_change_of_health_every_pick_is_right_whatever_threads_counted_meanwhile() {
    let cell = Arc::new(HealthCell::default());
    let first = Endpoint::new("first", ()).with_priority(1000).with_health(Arc::clone(&cell));
    let others = (0..300).map(|priority| Endpoint::new(format!("other-{priority}"), ()).with_priority(priority));
    let handle = Balance::new(BalanceConfig::new(Strategy::Priority), std::iter::once(first).chain(others));
    let handle = handle.expect("distinct names").handle();
    let is_over = std::sync::atomic::AtomicBool::new(false);
    std::thread::scope(|scope| {
        for _ in 0..3 {
            scope.spawn(|| {
                while !is_over.load(std::sync::atomic::Ordering::Relaxed) {
                    drop(handle.pick(&Hints::new()));
                }
            });
        }
        for round in 0..200 {
            let state = if round % 2 == 0 { HealthState::Offline } else { HealthState::Healthy };
            cell.set(HealthStatus::new(state, ""));
            std::thread::yield_now();
            if state == HealthState::Healthy {
                // Who counts at this moment counts what was; the next one that picks counts anew.
                let is_first = || handle.pick(&Hints::new()).expect("there").name() == "first";
                let began = std::time::Duration::from_millis(200);
                let until = plugin_core::clock::now().saturating_add(began);
                while !is_first() {
                    assert!(plugin_core::clock::now() < until, "round {round}: it is up, and gets no calls");
                }
                assert!((0..100).all(|_| is_first()), "round {round}");
            }
        }
        is_over.store(true, std::sync::atomic::Ordering::Relaxed);
    });
}
