//! Names that nobody checks, on a paused clock: what is told of them, until when it holds, and when they are forgotten.

use std::time::Duration;

use plugin_core::{
    HealthState::{Degraded, Healthy, Offline, Unknown},
    HealthStatus,
};
use plugin_health::{HealthCheck, HealthConfig, HealthMonitor, probe};
use tokio::{runtime::Handle, time::sleep};

const SECOND: Duration = Duration::from_secs(1);
const MINUTE: Duration = Duration::from_secs(60);

#[tokio::test(start_paused = true)]
async fn ten_thousand_names_that_were_told_once_share_a_task_and_are_forgotten() {
    let monitor = HealthMonitor::new();
    for index in 0..10_000 {
        monitor.update_for(format!("worker-{index}"), HealthStatus::healthy(), SECOND).expect("open");
    }
    sleep(SECOND / 2).await;
    assert_eq!((monitor.overall().state, Handle::current().metrics().num_alive_tasks()), (Healthy, 1));
    sleep(SECOND).await;
    assert_eq!((monitor.overall().state, monitor.all().len()), (Unknown, 10_000), "nobody knows, and all may see it");
    sleep(MINUTE).await;
    assert_eq!((monitor.overall().state, monitor.all().len()), (Healthy, 0));
    drop(monitor);
    sleep(SECOND).await;
    assert_eq!(Handle::current().metrics().num_alive_tasks(), 0);
}

#[tokio::test(start_paused = true)]
async fn one_that_falls_silent_is_unknown_for_ten_times_as_long_as_its_word_held() {
    let monitor = HealthMonitor::new();
    monitor.update("told without end", HealthStatus::healthy()).expect("open");
    let mut events = monitor.events();
    let state = |name: &str| monitor.all().get(name).map(|status| status.state);
    for _ in 0..100 {
        monitor.update_for("lives", HealthStatus::healthy(), MINUTE).expect("open");
        monitor.update_for("dies", HealthStatus::healthy(), MINUTE).expect("open");
        sleep(20 * SECOND).await;
        assert_eq!((state("lives"), state("dies")), (Some(Healthy), Some(Healthy)));
    }
    for silent in 20..660 {
        if silent % 20 == 0 {
            monitor.update_for("lives", HealthStatus::healthy(), MINUTE).expect("open");
        }
        let expected = if silent < 60 { Healthy } else { Unknown };
        assert_eq!((state("lives"), state("dies")), (Some(Healthy), Some(expected)), "after {silent} s");
        // Between the seconds from then on, at which things are due.
        sleep(if silent == 20 { SECOND + SECOND / 2 } else { SECOND }).await;
    }
    sleep(SECOND).await;
    assert_eq!((state("lives"), state("dies"), state("told without end")), (Some(Healthy), None, Some(Healthy)));
    let mut told = Vec::new();
    while let Ok(Some(event)) = tokio::time::timeout(SECOND / 100, events.next()).await {
        told.push((event.name, event.status.is_some()));
    }
    assert_eq!(told, [("lives".into(), true)], "it came and went before anybody asked");
    // It is there again when it is heard of again, and what is told without end stays.
    monitor.update_for("dies", HealthStatus::healthy(), SECOND).expect("open");
    monitor.update("dies", HealthStatus::degraded("by hand")).expect("open");
    sleep(100 * MINUTE).await;
    assert_eq!(state("dies"), Some(Degraded));
}

#[tokio::test(start_paused = true)]
async fn a_name_whose_handle_was_asked_for_is_followed_and_stays() {
    let monitor = HealthMonitor::new();
    monitor.update_for("worker", HealthStatus::healthy(), SECOND).expect("open");
    let mut events = monitor.events();
    let handle = monitor.get("worker").expect("it is there");
    sleep(100 * MINUTE).await;
    assert_eq!(handle.status().message, "nothing was heard of it for 1s");
    assert_eq!(events.next().await.expect("the monitor is there").status.expect("it stays").state, Unknown);
    monitor.update_for("worker", HealthStatus::healthy(), SECOND).expect("open");
    assert_eq!(handle.state(), Healthy, "one cell, then and now");
    assert_eq!(events.next().await.expect("the monitor is there").status.expect("it stays").state, Healthy);
    handle.update_for(HealthStatus::degraded("slow"), SECOND);
    assert_eq!(events.next().await.expect("the monitor is there").status.expect("it stays").state, Degraded);
    sleep(2 * SECOND).await;
    assert_eq!((handle.state(), monitor.overall().state), (Unknown, Unknown));
    assert!(monitor.remove("worker").await);
    assert!(monitor.all().is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_check_that_is_added_for_a_name_that_was_told_is_heard_in_the_cell_that_was_handed_out() {
    let monitor = HealthMonitor::new();
    monitor.update_for("mail", HealthStatus::new(Offline, "told"), MINUTE / 2).expect("open");
    let handle = monitor.get("mail").expect("it is there");
    let cell = handle.cell();
    let well = probe(|| async { HealthStatus::healthy() });
    let check = monitor.add("mail", HealthConfig::default(), well).expect("nobody checks it");
    assert_eq!(cell.state(), Unknown, "until the first check has finished");
    check.check_now().await;
    assert_eq!(cell.state(), Healthy);
    assert!(cell.next_check().is_some());
    let mut events = check.events();
    let changed = tokio::time::timeout(10 * MINUTE, events.next()).await;
    assert!(changed.is_err(), "what was told before is over, and its end is no news: {changed:?}");
    // Who holds the first handle tells the check, and is not undone by the next.
    handle.update(HealthStatus::unhealthy("told"));
    assert_eq!(check.check_now().await.message, "told");
    check.withdraw();
    assert_eq!((cell.state(), handle.state()), (Healthy, Healthy));
}

#[tokio::test(start_paused = true)]
async fn what_was_told_is_not_known_any_more_when_a_check_with_a_cell_of_its_own_takes_its_place() {
    let monitor = HealthMonitor::new();
    monitor.update("mail", HealthStatus::unhealthy("told")).expect("open");
    let cell = monitor.get("mail").expect("it is there").cell();
    let check = HealthCheck::start(HealthConfig::default(), probe(|| async { HealthStatus::healthy() }));
    monitor.add_check("mail", check.clone()).expect("nobody checks it");
    check.check_now().await;
    assert_eq!((monitor.overall().state, cell.state()), (Healthy, Unknown));
}
