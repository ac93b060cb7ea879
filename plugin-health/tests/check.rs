//! The task and its handle, on a paused clock.

mod common;

use std::{sync::Arc, time::Duration};

use common::Scripted;
use plugin_core::{
    HealthCell,
    HealthState::{Degraded, Healthy, Offline, Unhealthy, Unknown},
    HealthStatus, clock,
};
use plugin_health::{HealthCheck, HealthConfig, probe};
use tokio::time::sleep;
use tokio_test::{assert_pending, assert_ready, task};

const SECOND: Duration = Duration::from_secs(1);

fn config() -> HealthConfig {
    HealthConfig::builder().with_jitter(0.0).build().expect("valid")
}

#[tokio::test(start_paused = true)]
async fn it_is_unknown_until_the_first_check_which_is_made_at_once() {
    let probe = Scripted::new(Healthy);
    let check = HealthCheck::start(config(), probe.probe());
    assert_eq!((check.state(), check.last_check()), (Unknown, None));
    let mut changes = check.events();
    let status = changes.next().await.expect("it lives");
    assert_eq!((status.state, status.message.as_str()), (Healthy, ""));
    assert_eq!((probe.count(), check.last_check()), (1, status.last_check));
    let ago = clock::wall().duration_since(status.last_check.expect("it was made")).expect("in the past");
    assert!(ago < SECOND, "{ago:?}");
}

#[tokio::test(start_paused = true)]
async fn a_check_that_could_not_be_made_is_neither_good_nor_failed() {
    let not_made = || HealthStatus::not_checked("all places are taken");
    let failed = || HealthStatus::unhealthy("down");
    let script =
        [not_made(), failed(), not_made(), not_made(), not_made(), failed(), HealthStatus::healthy(), not_made()];
    let made = Arc::new(std::sync::Mutex::new(script.into_iter()));
    let check = HealthCheck::start(
        config(),
        probe(move || {
            let next = made.lock().expect("no panic").next().expect("no more checks than that");
            async move { next }
        }),
    );
    // The first one is made at once; of it nothing is known.
    let mut changes = vec![(check.check_now().await.state, check.consecutive_failures(), check.last_check().is_some())];
    for _ in 0..7 {
        let state = check.check_now().await.state;
        changes.push((state, check.consecutive_failures(), check.last_check().is_some()));
    }
    let ill = |failures| (Unhealthy, failures, true);
    let (well, unknown) = ((Healthy, 0, true), (Unknown, 0, false));
    assert_eq!(changes, [unknown, ill(1), ill(1), ill(1), ill(1), ill(2), well, well]);
}

#[tokio::test(start_paused = true)]
async fn one_check_is_made_in_each_interval() {
    for (interval, jitter) in [(30, 0.0), (10, 0.5), (10, 1.0)] {
        let probe = Scripted::new(Healthy);
        let settings =
            HealthConfig::builder().with_interval(interval * SECOND).with_jitter(jitter).build().expect("valid");
        let begin = clock::now();
        let _check = HealthCheck::start(settings, probe.probe());
        sleep(20 * interval * SECOND - Duration::from_millis(10)).await;
        let slots: Vec<_> = probe
            .started()
            .iter()
            .map(|at| at.saturating_since(begin).as_millis() / u128::from(interval * 1000))
            .collect();
        assert_eq!(slots, (0..20).collect::<Vec<_>>(), "interval {interval}, jitter {jitter}");
    }
}

#[tokio::test(start_paused = true)]
async fn jitter_keeps_checks_of_many_things_apart() {
    let probe = Scripted::new(Healthy);
    let settings = HealthConfig::builder().with_jitter(1.0).build().expect("valid");
    let checks: Vec<_> = (0..20).map(|_| HealthCheck::start(settings, probe.probe())).collect();
    sleep(59 * SECOND).await;
    let mut second = probe.started().split_off(20);
    second.sort();
    second.dedup();
    assert!(second.len() > 10, "{second:?}");
    drop(checks);
}

#[tokio::test(start_paused = true)]
async fn failures_in_a_row_lead_to_unhealthy_and_then_offline() {
    let probe = Scripted::new(Healthy);
    let check = HealthCheck::start(config(), probe.probe());
    assert_eq!(check.check_now().await.state, Healthy);
    probe.set(Unhealthy);
    sleep(SECOND).await;
    let mut seen = Vec::new();
    for _ in 0..4 {
        sleep(30 * SECOND).await;
        seen.push((check.state(), check.consecutive_failures()));
    }
    assert_eq!(seen, [(Unhealthy, 1), (Unhealthy, 2), (Offline, 3), (Offline, 4)]);
    assert_eq!(check.status().message, "the health check failed (HEALTH_1601)");
    probe.set(Degraded);
    sleep(30 * SECOND).await;
    assert_eq!((check.state(), check.consecutive_failures()), (Degraded, 0));
}

#[tokio::test(start_paused = true)]
async fn each_limit_has_effect() {
    let settings = config().to_builder().with_failure_limit(1).with_success_limit(2).build().expect("valid");
    let probe = Scripted::new(Unhealthy);
    let check = HealthCheck::start(settings, probe.probe());
    assert_eq!(check.check_now().await.state, Offline);
    probe.set(Healthy);
    let status = check.check_now().await;
    assert_eq!((status.state, status.message.as_str()), (Offline, "1 of 2 good checks needed to come back"));
    assert_eq!(check.check_now().await.state, Healthy);
}

#[tokio::test(start_paused = true)]
async fn a_hung_probe_is_cut_at_its_timeout_and_the_next_check_comes() {
    let probe = Scripted::new(Healthy);
    probe.change(|answer| answer.after = Duration::from_secs(100_000));
    let begin = clock::now();
    let check = HealthCheck::start(config(), probe.probe());
    let status = check.events().next().await.expect("it lives");
    assert_eq!((begin.elapsed(), status.state), (5 * SECOND, Unhealthy));
    assert_eq!(status.message, "the health check did not answer within 5s (HEALTH_1602)");
    assert_eq!((status.response_time, probe.running()), (5 * SECOND, 0));
    probe.change(|answer| answer.after = SECOND);
    sleep(30 * SECOND).await;
    assert_eq!((check.state(), check.status().response_time), (Healthy, SECOND));
}

#[tokio::test(start_paused = true)]
async fn two_checks_never_run_at_once_though_they_take_longer_than_the_interval() {
    let settings = config().to_builder().with_interval(SECOND).with_timeout(10 * SECOND).build().expect("valid");
    let probe = Scripted::new(Healthy);
    probe.change(|answer| answer.after = Duration::from_millis(2500));
    let begin = clock::now();
    let check = HealthCheck::start(settings, probe.probe());
    sleep(8 * SECOND).await;
    let begun: Vec<_> = probe.started().iter().map(|at| at.saturating_since(begin).as_secs()).collect();
    assert_eq!(begun, [0, 3, 6], "the intervals between are skipped");
    let both = tokio::join!(check.check_now(), check.check_now());
    assert_eq!(both.0, both.1);
    assert_eq!(probe.most_running(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_probe_that_panics_has_failed_and_checks_go_on() {
    let probe = Scripted::new(Healthy);
    probe.change(|answer| answer.panics = true);
    let check = HealthCheck::start(config(), probe.probe());
    let status = check.check_now().await;
    assert_eq!((status.state, status.message.as_str()), (Unhealthy, "the health check panicked (HEALTH_1601)"));
    probe.change(|answer| answer.panics = false);
    assert_eq!(check.check_now().await.state, Healthy);

    let at_once = HealthCheck::start(config(), Arc::new(|| panic!("asked to")));
    assert_eq!(at_once.check_now().await.message, "the health check panicked (HEALTH_1601)");
    assert_eq!(probe.running(), 0);
}

#[tokio::test(start_paused = true)]
async fn what_a_probe_says_is_kept() {
    let check = HealthCheck::start(
        config(),
        probe(|| async {
            let metadata = [("queue".to_owned(), "71".to_owned())].into();
            HealthStatus::new(Degraded, "the queue is long").with_metadata(metadata)
        }),
    );
    let status = check.check_now().await;
    assert_eq!((status.state, status.message.as_str()), (Degraded, "the queue is long"));
    assert_eq!(status.metadata["queue"], "71");
}

#[tokio::test(start_paused = true)]
async fn check_now_joins_the_check_that_runs_and_does_not_move_the_intervals() {
    let probe = Scripted::new(Healthy);
    probe.change(|answer| answer.after = 2 * SECOND);
    let begin = clock::now();
    let check = HealthCheck::start(config(), probe.probe());
    sleep(SECOND).await;
    assert_eq!(check.check_now().await.state, Healthy);
    assert_eq!((begin.elapsed(), probe.count()), (2 * SECOND, 1), "it joined the first");
    sleep(8 * SECOND).await;
    let dropped = task::spawn(check.check_now()).poll();
    assert!(dropped.is_pending());
    sleep(5 * SECOND).await;
    assert_eq!(probe.count(), 2, "a check that was asked for is made, whoever waits");
    sleep(20 * SECOND).await;
    let begun: Vec<_> = probe.started().iter().map(|at| at.saturating_since(begin).as_secs()).collect();
    assert_eq!(begun, [0, 10, 30]);
}

#[tokio::test(start_paused = true)]
async fn stop_awaits_the_running_check_and_nothing_comes_after() {
    let probe = Scripted::new(Healthy);
    probe.change(|answer| answer.after = 3 * SECOND);
    let check = HealthCheck::start(config(), probe.probe());
    sleep(SECOND).await;
    let (mut first, mut second) = (task::spawn(check.stop()), task::spawn(check.stop()));
    assert_pending!(first.poll());
    assert_pending!(second.poll());
    assert_eq!((probe.running(), check.is_running()), (1, false));
    sleep(2 * SECOND + Duration::from_millis(1)).await;
    assert_ready!(first.poll());
    assert_ready!(second.poll());
    assert_eq!((probe.running(), check.state()), (0, Healthy));
    tokio::time::timeout(SECOND, check.stop()).await.expect("there is nothing to wait for");
    sleep(1000 * SECOND).await;
    assert_eq!(probe.count(), 1);
    assert_eq!(check.check_now().await.state, Healthy);
    sleep(1000 * SECOND).await;
    assert_eq!(probe.count(), 2, "a check that is asked for does not start the intervals");
}

#[tokio::test(start_paused = true)]
async fn restart_begins_with_a_check_and_is_nothing_while_running() {
    let probe = Scripted::new(Unhealthy);
    let check = HealthCheck::start(config(), probe.probe());
    sleep(SECOND).await;
    check.restart();
    sleep(SECOND).await;
    assert_eq!(probe.count(), 1);
    check.stop().await;
    sleep(100 * SECOND).await;
    check.restart();
    check.restart();
    sleep(SECOND).await;
    assert_eq!((probe.count(), check.consecutive_failures()), (2, 2), "counts go on");
    sleep(30 * SECOND).await;
    assert_eq!((probe.count(), check.state()), (3, Offline));
}

#[tokio::test(start_paused = true)]
async fn a_restart_during_a_stop_leaves_nobody_waiting() {
    let probe = Scripted::new(Healthy);
    probe.change(|answer| answer.after = 2 * SECOND);
    let check = HealthCheck::start(config(), probe.probe());
    sleep(SECOND).await;
    let mut stop = task::spawn(check.stop());
    assert_pending!(stop.poll());
    check.restart();
    sleep(2 * SECOND).await;
    assert!(stop.is_woken());
    assert_ready!(stop.poll());
    sleep(30 * SECOND).await;
    assert_eq!(probe.count(), 2, "and checks go on");
}

#[tokio::test(start_paused = true)]
async fn dropping_the_last_handle_stops_the_task_and_the_check_that_runs() {
    let probe = Scripted::new(Healthy);
    let check = HealthCheck::start(config(), probe.probe());
    let (other, weak) = (check.clone(), check.downgrade());
    check.check_now().await;
    drop(check);
    sleep(31 * SECOND).await;
    assert_eq!(probe.count(), 2, "somebody holds a handle");
    assert_eq!(weak.upgrade().expect("that one").state(), Healthy);
    probe.change(|answer| answer.after = 4 * SECOND);
    sleep(31 * SECOND).await;
    assert_eq!(probe.running(), 1);
    let (cell, mut changes) = (other.cell(), other.events());
    drop(other);
    assert!(weak.upgrade().is_none(), "a weak handle keeps nothing going");
    sleep(Duration::from_millis(1)).await;
    assert_eq!(probe.running(), 0, "the check was cut off");
    sleep(1000 * SECOND).await;
    assert_eq!((probe.count(), cell.state()), (3, Healthy), "the last status stays");
    drop(cell);
    assert!(changes.next().await.is_none());
}

#[tokio::test(start_paused = true)]
async fn changes_tells_each_change_once_and_keeps_silent_about_the_rest() {
    let probe = Scripted::new(Healthy);
    let check = HealthCheck::start(config(), probe.probe());
    check.check_now().await;
    let mut changes = check.events();
    let mut next = task::spawn(async move {
        let mut states = Vec::new();
        for _ in 0..3 {
            states.push(changes.next().await.map(|status| status.state));
        }
        states
    });
    for state in [Healthy, Healthy, Unhealthy, Unhealthy, Unhealthy, Unhealthy, Healthy] {
        assert_pending!(next.poll());
        probe.set(state);
        check.check_now().await;
    }
    assert_eq!(assert_ready!(next.poll()), [Unhealthy, Offline, Healthy].map(Some));
}

#[tokio::test(start_paused = true)]
async fn a_check_writes_to_the_cell_that_it_is_given() {
    let cell = Arc::new(HealthCell::default());
    let check = HealthCheck::start_in(Arc::clone(&cell), config(), Scripted::new(Degraded).probe());
    check.check_now().await;
    assert_eq!(cell.state(), Degraded);
    assert!(Arc::ptr_eq(&cell, &check.cell()));
}

#[tokio::test(start_paused = true)]
async fn a_flapping_probe_is_followed_through_a_simulated_day() {
    let probe = Scripted::new(Healthy);
    probe.change(|answer| answer.after = SECOND);
    let check = HealthCheck::start(config(), probe.probe());
    for round in 0..24 * 12 {
        let state = if round % 5 == 0 { Unhealthy } else { Healthy };
        probe.set(state);
        sleep(300 * SECOND).await;
        check.check_now().await;
        let expected = if state == Healthy { Healthy } else { Offline };
        assert_eq!(check.state(), expected, "round {round}");
    }
    assert!((2880..2880 + 400).contains(&probe.count()), "{} checks", probe.count());
    assert_eq!(probe.most_running(), 1);
}

#[tokio::test(start_paused = true)]
async fn checks_of_what_its_owner_holds_are_not_heard_and_counts_begin_anew_after_it() {
    let (cell, probe) = (Arc::new(HealthCell::default()), Scripted::new(Healthy));
    let check = HealthCheck::start_in(Arc::clone(&cell), config(), probe.probe());
    check.check_now().await;
    cell.hold(HealthStatus::new(Unhealthy, "restarting"));
    probe.set(Unhealthy);
    for _ in 0..5 {
        assert_eq!(check.check_now().await.message, "restarting");
    }
    cell.release(HealthStatus::healthy());
    assert_eq!(check.check_now().await.state, Unhealthy, "the first failure, and not the sixth");
    // Nor do those count that were there before.
    check.check_now().await;
    assert_eq!(check.consecutive_failures(), 2);
    cell.hold(HealthStatus::new(Unhealthy, "restarting"));
    check.check_now().await;
    assert_eq!(check.consecutive_failures(), 0);
    cell.release(HealthStatus::healthy());
    assert_eq!(check.check_now().await.state, Unhealthy, "and not the third, which would be Offline");
    assert_eq!(check.consecutive_failures(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_probe_that_took_longer_than_its_timeout_is_not_healthy_though_it_blocked_and_answered() {
    let blocks_for = |time: Duration| -> plugin_core::Probe {
        std::sync::Arc::new(move || {
            Box::pin(async move {
                // Moves the clock within one poll, as a thread that sleeps would.
                let mut time_passes = std::pin::pin!(tokio::time::advance(time));
                std::future::poll_fn(|cx| {
                    let _ = std::future::Future::poll(time_passes.as_mut(), cx);
                    std::task::Poll::Ready(())
                })
                .await;
                plugin_core::HealthStatus::healthy()
            })
        })
    };
    for (time, state) in [(5 * SECOND, Healthy), (5 * SECOND + Duration::from_millis(1), Unhealthy)] {
        let check = HealthCheck::start(config(), blocks_for(time));
        let status = check.check_now().await;
        assert_eq!((status.state, status.response_time), (state, time), "{}", status.message);
    }
}

#[tokio::test(start_paused = true)]
async fn what_is_told_from_outside_holds_for_as_long_as_was_said_also_while_a_check_runs() {
    let probe = Scripted::new(Healthy);
    let check =
        HealthCheck::start(config().to_builder().with_timeout(100 * SECOND).build().expect("valid"), probe.probe());
    check.check_now().await;
    check.update_for(HealthStatus::new(Degraded, "a deploy"), 40 * SECOND);
    assert_eq!((check.state(), check.status().message.as_str()), (Degraded, "a deploy"), "at once");
    assert!(check.last_check().is_some());
    sleep(29 * SECOND).await;
    // The check at 30 s does not end before what was told is over.
    probe.change(|answer| answer.after = 50 * SECOND);
    sleep(10 * SECOND).await;
    assert_eq!((check.state(), probe.running()), (Degraded, 1));
    sleep(2 * SECOND).await;
    assert_eq!((check.state(), probe.running()), (Healthy, 1), "what the last check said");
}

#[tokio::test(start_paused = true)]
async fn what_is_told_without_end_stands_until_it_is_withdrawn_and_failures_count_meanwhile() {
    let probe = Scripted::new(Healthy);
    let check = HealthCheck::start(config(), probe.probe());
    check.update(HealthStatus::healthy());
    probe.set(Unhealthy);
    for _ in 0..3 {
        assert_eq!(check.check_now().await.state, Healthy);
    }
    check.withdraw();
    check.withdraw();
    assert_eq!((check.state(), check.consecutive_failures()), (Offline, 3));
    check.stop().await;
    check.update_for(HealthStatus::healthy(), SECOND);
    sleep(2 * SECOND).await;
    assert_eq!(check.state(), Offline, "it ends also where nothing is checked any more");
}

/// Up and down each ten minutes for a day: what it costs to trust it at once, and what not to.
#[tokio::test(start_paused = true)]
async fn what_goes_offline_again_and_again_is_trusted_later_and_a_blip_or_a_single_restart_is_not_punished() {
    let settings = config().to_builder().with_interval(10 * SECOND).with_flap_window(600 * SECOND);
    let damped = settings.build().expect("valid");
    let plain = damped.to_builder().with_flap_window(None).build().expect("valid");
    let mut falls = Vec::new();
    for config in [plain, damped] {
        let probe = Scripted::new(Healthy);
        let check = HealthCheck::start(config, probe.probe());
        let mut changes = check.events();
        let count = tokio::spawn(async move {
            let mut falls = 0;
            while let Some(status) = changes.next().await {
                falls += u32::from(status.state == Offline);
            }
            falls
        });
        sleep(3605 * SECOND).await;
        // A restart: three checks fail, and the first good one brings it back.
        probe.set(Unhealthy);
        sleep(30 * SECOND).await;
        assert_eq!(check.state(), Offline);
        probe.set(Healthy);
        sleep(10 * SECOND).await;
        assert_eq!(check.state(), Healthy);
        sleep(3600 * SECOND).await;
        // Blips: never Offline, and back at once.
        for _ in 0..100 {
            for (state, shown) in [(Unhealthy, Unhealthy), (Healthy, Healthy)] {
                probe.set(state);
                sleep(10 * SECOND).await;
                assert_eq!(check.state(), shown);
            }
        }
        // It flaps: up for 30 s, down for 30 s, for an hour.
        for _ in 0..60 {
            probe.set(Unhealthy);
            sleep(30 * SECOND).await;
            probe.set(Healthy);
            sleep(30 * SECOND).await;
        }
        sleep(600 * SECOND).await;
        assert_eq!(check.state(), Healthy, "it always comes back");
        drop(check);
        falls.push(count.await.expect("no panic"));
    }
    assert_eq!(falls, [61, 4], "the restart, and those of the hour");
}

#[tokio::test(start_paused = true)]
async fn what_is_told_while_the_owner_holds_the_cell_is_said_when_it_lets_go() {
    let (cell, probe) = (Arc::new(HealthCell::default()), Scripted::new(Healthy));
    let check = HealthCheck::start_in(Arc::clone(&cell), config(), probe.probe());
    check.check_now().await;
    let let_go = async || {
        cell.release(HealthStatus::healthy());
        let before = probe.count();
        sleep(SECOND / 100).await;
        assert_eq!(probe.count(), before, "no check was needed for it");
        cell.status().message
    };
    cell.hold(HealthStatus::unhealthy("restarting"));
    check.update(HealthStatus::degraded("told meanwhile"));
    assert_eq!(cell.status().message, "restarting");
    assert_eq!(let_go().await, "told meanwhile");
    // So is what was told before.
    cell.hold(HealthStatus::unhealthy("restarting"));
    sleep(SECOND / 100).await;
    assert_eq!(let_go().await, "told meanwhile");
    // And not what was taken back.
    cell.hold(HealthStatus::unhealthy("restarting"));
    check.update(HealthStatus::degraded("told again"));
    check.withdraw();
    assert_eq!(let_go().await, "");
    // Nor does it end what others write who do not hold it.
    cell.set(HealthStatus::degraded("another writer"));
    sleep(SECOND / 100).await;
    assert_eq!(cell.status().message, "another writer");
}
