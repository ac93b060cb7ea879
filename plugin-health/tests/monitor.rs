//! Many checks under their names, on a paused clock.

mod common;

use std::time::Duration;

use common::Scripted;
use plugin_core::{
    Code,
    HealthState::{Degraded, Healthy, Offline, Unhealthy, Unknown},
    clock,
};
use plugin_health::{HealthConfig, HealthMonitor};
use tokio::time::sleep;

const SECOND: Duration = Duration::from_secs(1);

#[tokio::test(start_paused = true)]
async fn the_overall_state_follows_the_worst_and_names_the_bad_ones() {
    let monitor = HealthMonitor::new();
    assert_eq!((monitor.overall().state, monitor.all().len()), (Healthy, 0));
    let probes = ["billing", "mail", "search"].map(|name| {
        let probe = Scripted::new(Healthy);
        monitor.add(name, HealthConfig::default(), probe.probe()).expect("a new name");
        probe
    });
    let overall = monitor.overall();
    assert_eq!((overall.state, overall.message.as_str()), (Unknown, "unknown: billing, mail, search"));
    sleep(SECOND).await;
    assert_eq!((monitor.overall().state, monitor.overall().message.as_str()), (Healthy, ""));
    probes[2].set(Degraded);
    sleep(40 * SECOND).await;
    assert_eq!((monitor.overall().state, monitor.overall().message.as_str()), (Degraded, "degraded: search"));
    probes[0].set(Unhealthy);
    sleep(30 * SECOND).await;
    let overall = monitor.overall();
    assert_eq!((overall.state, overall.message.as_str()), (Unhealthy, "unhealthy: billing; degraded: search"));
    sleep(60 * SECOND).await;
    let overall = monitor.overall();
    assert_eq!((overall.state, overall.message.as_str()), (Unhealthy, "offline: billing; degraded: search"));
    let states: Vec<_> = monitor.all().into_iter().map(|(name, status)| (name, status.state)).collect();
    assert_eq!(states, [("billing".into(), Offline), ("mail".into(), Healthy), ("search".into(), Degraded)]);
}

#[tokio::test(start_paused = true)]
async fn a_name_is_taken_once_and_free_again_when_removed() {
    let monitor = HealthMonitor::new();
    let (first, second) = (Scripted::new(Healthy), Scripted::new(Healthy));
    let check = monitor.add("mail", HealthConfig::default(), first.probe()).expect("a new name");
    let error = monitor.add("mail", HealthConfig::default(), second.probe()).expect_err("it is taken");
    assert_eq!((error.code(), error.plugin()), (Code::DuplicateName, Some("mail")));
    sleep(SECOND).await;
    assert_eq!((first.count(), second.count()), (1, 0), "what was refused was not started");
    assert!(monitor.remove("mail").await);
    assert!(!monitor.remove("mail").await);
    assert!(monitor.get("mail").is_none() && monitor.all().is_empty());
    sleep(100 * SECOND).await;
    assert_eq!((first.count(), check.is_running()), (1, false), "removed is stopped, whoever holds a handle");
    monitor.add("mail", HealthConfig::default(), second.probe()).expect("the name is free");
    assert_eq!(monitor.get("mail").expect("it is there").check_now().await.state, Healthy);
}

#[tokio::test(start_paused = true)]
async fn remove_awaits_the_running_check() {
    let monitor = HealthMonitor::new();
    let probe = Scripted::new(Healthy);
    probe.change(|answer| answer.after = 3 * SECOND);
    monitor.add("slow", HealthConfig::default(), probe.probe()).expect("a new name");
    sleep(SECOND).await;
    let begin = clock::now();
    assert!(monitor.clone().remove("slow").await);
    assert_eq!((begin.elapsed(), probe.running()), (2 * SECOND, 0));
}

#[tokio::test(start_paused = true)]
async fn shutdown_stops_all_at_once_and_takes_no_more() {
    let monitor = HealthMonitor::new();
    let probe = Scripted::new(Healthy);
    probe.change(|answer| answer.after = 100 * SECOND);
    for index in 0..50 {
        monitor.add(format!("hung-{index}"), HealthConfig::default(), probe.probe()).expect("a new name");
    }
    sleep(SECOND).await;
    let begin = clock::now();
    tokio::join!(monitor.shutdown(), monitor.shutdown());
    assert_eq!(begin.elapsed(), 4 * SECOND, "one timeout, not fifty");
    assert_eq!((probe.count(), probe.most_running(), probe.running(), monitor.all().len()), (50, 50, 0, 0));
    monitor.shutdown().await;
    let error = monitor.add("late", HealthConfig::default(), probe.probe()).expect_err("it was shut down");
    assert_eq!(error.code(), Code::ShuttingDown);
    sleep(100 * SECOND).await;
    assert_eq!(probe.count(), 50);
}

#[tokio::test(start_paused = true)]
async fn dropping_the_monitor_stops_its_checks() {
    let monitor = HealthMonitor::new();
    let probe = Scripted::new(Healthy);
    drop(monitor.add("mail", HealthConfig::default(), probe.probe()).expect("a new name"));
    sleep(SECOND).await;
    drop(monitor);
    sleep(100 * SECOND).await;
    assert_eq!(probe.count(), 1);
}
