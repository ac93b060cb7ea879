//! Many checks under their names, on a paused clock.

mod common;

use std::time::Duration;

use common::Scripted;
use plugin_core::{
    Code,
    HealthState::{Degraded, Healthy, Offline, Unhealthy, Unknown},
    HealthStatus, clock,
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

/// What has come, without waiting for more.
async fn told(events: &mut plugin_health::HealthMonitorEvents) -> Vec<(String, Option<plugin_core::HealthState>)> {
    let mut told = Vec::new();
    while let Ok(Some(event)) = tokio::time::timeout(Duration::from_millis(1), events.next()).await {
        told.push((event.name, event.status.map(|status| status.state)));
    }
    told
}

#[tokio::test(start_paused = true)]
async fn a_reader_is_told_each_change_and_one_that_lags_the_newest_of_each() {
    let monitor = HealthMonitor::new();
    let mut events = monitor.events();
    let probe = Scripted::new(Healthy);
    let config = HealthConfig::builder().with_failure_limit(2).build().expect("valid");
    let check = monitor.add("mail", config, probe.probe()).expect("a new name");
    let first = events.next().await.expect("the monitor is there");
    assert_eq!((first.name.as_str(), first.status.map(|status| status.state)), ("mail", Some(Unknown)));
    check.check_now().await;
    assert_eq!(told(&mut events).await, [("mail".into(), Some(Healthy))]);
    for state in [Unhealthy, Unhealthy, Healthy, Unhealthy] {
        probe.set(state);
        check.check_now().await;
    }
    monitor.update("search", HealthStatus::new(Degraded, "one replica")).expect("open");
    monitor.update("gone", HealthStatus::healthy()).expect("open");
    assert!(monitor.remove("gone").await);
    assert_eq!(told(&mut events).await, [("mail".into(), Some(Unhealthy)), ("search".into(), Some(Degraded))]);
    // Back to what was told: nothing to tell.
    probe.set(Healthy);
    check.check_now().await;
    probe.set(Unhealthy);
    check.check_now().await;
    assert_eq!(told(&mut events).await, []);
    assert!(monitor.remove("mail").await);
    check.cell().set(HealthStatus::healthy());
    assert_eq!(told(&mut events).await, [("mail".into(), None)]);
    monitor.shutdown().await;
    assert_eq!(told(&mut events).await, [("search".into(), None)]);
    drop(monitor);
    assert!(events.next().await.is_none());
}

#[tokio::test(start_paused = true)]
async fn a_name_that_changes_all_the_time_keeps_no_other_from_being_told() {
    let monitor = HealthMonitor::new();
    let names = ["a", "b", "c"];
    let tell_all = |status: HealthStatus| {
        for name in names {
            monitor.update(name, status.clone()).expect("open");
        }
    };
    tell_all(HealthStatus::healthy());
    let mut events = monitor.events();
    let mut seen = std::collections::BTreeSet::new();
    tell_all(HealthStatus::unhealthy(""));
    for round in 0..3 {
        seen.insert(events.next().await.expect("the monitor is there").name);
        let state = if round % 2 == 0 { Healthy } else { Unhealthy };
        monitor.update("a", HealthStatus::new(state, "")).expect("open");
    }
    assert_eq!(seen.len(), 3, "{seen:?}");
}

#[tokio::test(start_paused = true)]
async fn who_owns_what_is_checked_is_heard_too() {
    let monitor = HealthMonitor::new();
    let check = monitor.add("process", HealthConfig::default(), Scripted::new(Healthy).probe()).expect("a new name");
    check.check_now().await;
    let (mut events, overall) = (monitor.events(), monitor.cell());
    assert_eq!(overall.state(), Healthy);
    check.cell().hold(HealthStatus::new(Offline, "it has failed"));
    let event = events.next().await.expect("the monitor is there");
    assert_eq!(event.status.expect("it is there").message, "it has failed");
    sleep(Duration::from_millis(1)).await;
    assert_eq!((overall.state(), overall.status().message.as_str()), (Unhealthy, "offline: process"));
}

#[tokio::test(start_paused = true)]
async fn the_cell_of_all_follows_their_states_and_who_is_there() {
    let monitor = HealthMonitor::new();
    let cell = monitor.cell();
    assert!(std::sync::Arc::ptr_eq(&cell, &monitor.clone().cell()));
    let mut states = vec![cell.state()];
    let mut note = async || {
        sleep(Duration::from_millis(1)).await;
        states.push(cell.state());
    };
    let probe = Scripted::new(Healthy);
    probe.change(|answer| answer.after = SECOND);
    monitor.add("mail", HealthConfig::default(), probe.probe()).expect("a new name");
    note().await;
    sleep(SECOND).await;
    note().await;
    monitor.update("search", HealthStatus::degraded("one replica")).expect("open");
    note().await;
    monitor.remove("search").await;
    note().await;
    assert_eq!(states, [Healthy, Unknown, Healthy, Degraded, Healthy]);
    drop(monitor);
    assert_eq!(cell.state(), Healthy, "it outlives the monitor");
}

#[tokio::test(start_paused = true)]
async fn what_is_told_is_there_without_a_check_and_a_check_of_that_name_takes_its_place() {
    let monitor = HealthMonitor::new();
    monitor.update("mail", HealthStatus::new(Offline, "told")).expect("open");
    assert_eq!((monitor.overall().state, monitor.all()["mail"].message.as_str()), (Unhealthy, "told"));
    let handle = monitor.get("mail").expect("it is there");
    assert_eq!((handle.check_now().await.message.as_str(), handle.is_running()), ("told", false));
    sleep(Duration::from_secs(100_000)).await;
    assert_eq!(handle.state(), Offline, "until something else is told");
    let check = monitor.add("mail", HealthConfig::default(), Scripted::new(Healthy).probe()).expect("nobody checks it");
    check.check_now().await;
    assert_eq!(monitor.all()["mail"].state, Healthy);
    monitor.update_for("mail", HealthStatus::new(Degraded, "told"), 10 * SECOND).expect("open");
    assert_eq!(monitor.all()["mail"].state, Degraded, "above the check");
    sleep(11 * SECOND).await;
    assert_eq!(monitor.all()["mail"].state, Healthy, "whose word counts again");
    monitor.shutdown().await;
    let error = monitor.update("mail", HealthStatus::healthy()).expect_err("it was shut down");
    assert_eq!(error.code(), Code::ShuttingDown);
}

#[tokio::test(start_paused = true)]
async fn from_its_shutdown_on_a_monitor_is_not_well() {
    let monitor = HealthMonitor::new();
    monitor.update("search", HealthStatus::healthy()).expect("open");
    let (cell, mut events) = (monitor.cell(), monitor.events());
    let probe = Scripted::new(Healthy);
    let check = monitor.add("mail", HealthConfig::default(), probe.probe()).expect("a new name");
    check.check_now().await;
    assert_eq!(monitor.overall().state, Healthy);
    probe.change(|answer| answer.after = 3 * SECOND);
    sleep(40 * SECOND).await;
    let check_now = check.clone();
    tokio::spawn(async move { check_now.check_now().await });
    sleep(SECOND).await;
    let stopping = monitor.clone();
    let stopping = tokio::spawn(async move { stopping.shutdown().await });
    sleep(SECOND).await;
    assert!(!stopping.is_finished() && monitor.all().len() == 2, "a check runs");
    assert_eq!((cell.state(), monitor.overall().message.as_str()), (Unhealthy, "shut down"));
    stopping.await.expect("no panic");
    sleep(SECOND).await;
    assert_eq!((cell.state(), cell.status().message.as_str()), (Unhealthy, "shut down"));
    assert_eq!((monitor.overall().state, monitor.cell().state(), monitor.all().len()), (Unhealthy, Unhealthy, 0));
    // Nothing can come any more, though somebody keeps the monitor.
    let (gone, end) = (events.next().await.expect("it was told to be there"), events.next().await);
    assert_eq!((gone.name.as_str(), gone.status, end), ("search", None, None));
}

#[tokio::test(start_paused = true)]
async fn what_was_there_last_is_told_when_the_monitor_is_gone() {
    let monitor = HealthMonitor::new();
    for name in ["a", "b", "c"] {
        monitor.update(name, HealthStatus::healthy()).expect("open");
    }
    let (mut events, cell) = (monitor.events(), monitor.cell());
    monitor.update("a", HealthStatus::degraded("slow")).expect("open");
    assert_eq!(events.next().await.expect("the monitor is there").name, "a");
    for name in ["b", "c"] {
        monitor.update(name, HealthStatus::unhealthy("down")).expect("open");
    }
    drop(monitor);
    assert_eq!(told(&mut events).await, [("b".into(), Some(Unhealthy)), ("c".into(), Some(Unhealthy))]);
    assert!(events.next().await.is_none());
    sleep(SECOND).await;
    assert_eq!(cell.status().message, "unhealthy: b, c; degraded: a");
}
