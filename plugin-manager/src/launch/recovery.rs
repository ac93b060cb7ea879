//! What is reset when a plugin is back: its process was started again, or it can be reached again.

use std::{sync::Arc, time::Duration};

use futures_util::future::join_all;
use plugin_breaker::{CircuitBreakerHandle, CircuitState, Events, Reason};
use plugin_core::clock;
use plugin_health::{HealthCheck, WeakHealthCheck};
use plugin_transports::{
    Reach,
    process::{ProcessEvent, ProcessHandle, ProcessState},
};
use tokio::sync::broadcast::{Receiver, error::RecvError};

use crate::manager::Controls;

/// Gives each new process of a plugin a fresh start, for as long as somebody holds the plugin: what was counted of the last one is
/// forgotten at its end, before the calls that are lost with it hear of that, and when the next is ready an open breaker is
/// closed and health is checked at once.
///
/// Calls that are lost with one process are as many failures, and more than enough to open its breaker. They are evidence
/// against the process that died, and who comes for the next one would be refused because of them and told the recovery time,
/// in the place of waiting for the restart. So they belong to the state before. A plugin that dies again and again is not
/// spared by this: its supervisor says that it has failed. What an operator isolated, disabled or set to report only stays
/// so; a circuit that was opened by hand for its open time counts as open.
pub(super) fn follow(plugin: &Arc<str>, controls: &Controls, process: &ProcessHandle) {
    if let Some(breaker) = controls.breaker.clone() {
        // No more than the breaker: the process keeps what this holds.
        let plugin = Arc::clone(plugin);
        process.before_calls_are_lost(move || forget(&plugin, &breaker));
    }
    let (plugin, controls, events, process) =
        (Arc::clone(plugin), Begins::of(controls), process.events(), process.clone());
    tokio::spawn(async move { heed(&plugin, &controls, events, || process.state()).await });
}

/// What begins anew. None of it leads to the process: it would be kept alive by who waits for its end.
struct Begins {
    breaker: Option<CircuitBreakerHandle>,
    health_checks: Vec<WeakHealthCheck>,
}

impl Begins {
    fn of(controls: &Controls) -> Self {
        let health_checks = controls.health_checks.iter().map(HealthCheck::downgrade).collect();
        Self { breaker: controls.breaker.clone(), health_checks }
    }
}

async fn heed(plugin: &str, controls: &Begins, mut events: Receiver<ProcessEvent>, state: impl Fn() -> ProcessState) {
    while state() != ProcessState::Stopped {
        match events.recv().await {
            Ok(ProcessEvent::Ready { .. }) => is_ready(plugin, controls),
            // Some events were missed, and one of them may have been that; if it is still true.
            Err(RecvError::Lagged(_)) => {
                if matches!(state(), ProcessState::Running { .. }) {
                    is_ready(plugin, controls);
                }
            }
            // The handle here keeps the channel open, so this is its end.
            Ok(ProcessEvent::Stopped) | Err(RecvError::Closed) => return,
            Ok(_) => {}
        }
    }
}

/// Calls that waited for the start and ran out of time may have opened the breaker meanwhile.
fn is_ready(plugin: &str, controls: &Begins) {
    if let Some(breaker) = &controls.breaker
        && breaker.state() != CircuitState::Closed
    {
        forget(plugin, breaker);
    }
    check_now(&controls.health_checks);
}

fn check_now(checks: &[WeakHealthCheck]) {
    // Not here: what happens next is to be heard also while a check hangs, which ends at its own timeout.
    for check in checks.iter().filter_map(WeakHealthCheck::upgrade) {
        tokio::spawn(async move { check.check_now().await });
    }
}

/// A closed one forgets what it has counted, and calls that are still to be counted.
fn forget(plugin: &str, breaker: &CircuitBreakerHandle) {
    match breaker.state() {
        CircuitState::Closed => {}
        CircuitState::Open | CircuitState::HalfOpen => {
            tracing::info!(plugin, "the breaker is closed: what opened it was another process");
        }
        _ => return,
    }
    breaker.reset_after_restart();
}

/// So often, about, it is tried whether a plugin over HTTP can be reached again.
const TRY_EVERY: Duration = Duration::from_secs(1);

/// Where the breaker opened again after that, it waits for twice as long before the next, and so on up to so many times.
const TWICE: u32 = 5;

/// The same for a plugin over HTTP, whose process somebody else starts: while its breaker is open, and the latest connection
/// could not be made or one ended with a call on it and nothing was answered since, a bare one is tried about once a second, as
/// long as callers come. When one is made the breaker is half-open at once, and health is checked. Where that was too early, the
/// next time it waits for two seconds first, then four, and so on until the breaker has been closed.
///
/// Callers who are refused a connection open the breaker within a moment, by attempts that cost nobody anything, and a restart
/// of a third of a second would be an outage of the whole `recovery_timeout`. It is not closed, as it is for a process that
/// is known to be the plugin: who takes connections on that port may be a stranger. What an operator has set stays so.
pub(super) fn follow_reach(controls: &Controls, reach: Vec<Reach>) {
    let Some(breaker) = controls.breaker.clone() else { return };
    let (checks, events) = (Begins::of(controls).health_checks, breaker.events());
    let all = reach.clone();
    let is_lost = move || all.iter().any(Reach::is_lost);
    let all = reach.clone();
    let can_connect = move || {
        let lost = all.iter().filter(|reach| reach.is_lost()).cloned();
        let tries: Vec<_> = lost.map(|reach| async move { reach.connect().await.is_ok() }).collect();
        async move { join_all(tries).await.contains(&true) }
    };
    let heeds = heed_reach(breaker, events, is_lost, can_connect, checks);
    let closed = join_all(reach.into_iter().map(|reach| async move { reach.closed().await }));
    tokio::spawn(async move {
        tokio::select! {
            _ = closed => {}
            () = heeds => {}
        }
    });
}

async fn heed_reach<F: Future<Output = bool>>(
    breaker: CircuitBreakerHandle,
    mut events: Events,
    is_lost: impl Fn() -> bool,
    can_connect: impl Fn() -> F,
    checks: Vec<WeakHealthCheck>,
) {
    let mut too_early = 0;
    while let Some(event) = events.next().await {
        if event.to == CircuitState::Closed {
            too_early = 0;
        }
        if event.to == CircuitState::Open
            && event.reason != Reason::Operator
            && is_reached_early(&breaker, TRY_EVERY * (1 << too_early), &is_lost, &can_connect).await
        {
            too_early = TWICE.min(too_early + 1);
            check_now(&checks);
        }
    }
}

/// Whether the breaker of a plugin that can be reached again is half-open before its open time is over.
async fn is_reached_early<F: Future<Output = bool>>(
    breaker: &CircuitBreakerHandle,
    mut wait: Duration,
    is_lost: &impl Fn() -> bool,
    can_connect: &impl Fn() -> F,
) -> bool {
    let (mut refused, mut was_lost) = (breaker.stats().rejected, is_lost());
    loop {
        // Not all hosts at once whose plugin went away.
        tokio::time::sleep(wait.mul_f64(0.75 + fastrand::f64() / 2.0)).await;
        wait = TRY_EVERY;
        let stats = breaker.stats();
        // Another state has another owner, and after the open time the next caller is the one who tries.
        if stats.state != CircuitState::Open || stats.next_attempt.is_none_or(|next| next <= clock::now()) {
            return false;
        }
        was_lost |= is_lost();
        // What has opened it is nothing that a connection could be asked for, or nobody comes.
        if !was_lost || stats.rejected == refused {
            continue;
        }
        refused = stats.rejected;
        // A call that was under way may have been connected since.
        if !is_lost() || can_connect().await {
            return breaker.try_early();
        }
    }
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use plugin_breaker::{Breaker, CircuitBreakerConfig, CircuitBreakerLayer};
    use plugin_health::{HealthConfig, probe};
    use tokio::sync::broadcast::Sender;

    use super::*;

    /// Sends these events, lets them be heeded, and tells how the breaker is that was open before the last of them.
    async fn after(capacity: usize, state: ProcessState, first: &[ProcessEvent], last: ProcessEvent) -> CircuitState {
        let layer = CircuitBreakerLayer::new(CircuitBreakerConfig::default());
        let hangs = HealthCheck::start(HealthConfig::default(), probe(std::future::pending));
        let controls = Controls { breaker: Some(layer.handle()), health_checks: vec![hangs], ..Controls::default() };
        let events = Sender::new(capacity);
        let heeds = events.subscribe();
        let heed = tokio::spawn(async move { heed("p", &Begins::of(&controls), heeds, || state).await });
        let heard = async || {
            for _ in 0..100 {
                tokio::task::yield_now().await;
            }
        };
        for event in first {
            let _ = events.send(event.clone());
        }
        if capacity > 1 {
            heard().await;
        }
        layer.handle().force_open();
        let _ = events.send(last);
        heard().await;
        heed.abort();
        layer.handle().state()
    }

    const UP: ProcessState = ProcessState::Running { pid: 1 };

    #[tokio::test(start_paused = true)]
    async fn a_process_that_is_ready_is_heard_while_a_check_of_the_last_one_hangs() {
        let ready = |pid| ProcessEvent::Ready { pid };
        assert_eq!(after(64, UP, &[ready(1)], ready(2)).await, CircuitState::Closed);
    }

    #[test]
    fn what_an_operator_has_set_outlives_the_process() {
        let breaker = CircuitBreakerLayer::new(CircuitBreakerConfig::default()).handle();
        breaker.force_open();
        forget("p", &breaker);
        assert_eq!(breaker.state(), CircuitState::Closed);
        breaker.isolate();
        forget("p", &breaker);
        assert_eq!(breaker.state(), CircuitState::Isolated);
        breaker.disable();
        forget("p", &breaker);
        assert_eq!(breaker.state(), CircuitState::Disabled);
    }

    #[tokio::test(start_paused = true)]
    async fn who_missed_events_closes_the_breaker_of_a_process_that_is_ready_and_of_no_other() {
        let missed = [ProcessEvent::Ready { pid: 1 }, ProcessEvent::Started { pid: 2 }];
        for (state, breaker) in [(UP, CircuitState::Closed), (ProcessState::Restarting, CircuitState::Open)] {
            let last = ProcessEvent::Started { pid: 3 };
            assert_eq!(after(1, state, &missed, last).await, breaker, "{state:?}");
        }
    }

    /// Ten callers a second, or none, come for a plugin that can be reached after this time, and this is done with its breaker
    /// once that has opened; how often a connection was tried in 20 seconds, and how the breaker is then.
    async fn reached(
        back: Duration,
        calls: bool,
        is_lost: impl Fn(Duration) -> bool,
        done: impl Fn(&CircuitBreakerHandle),
    ) -> (u32, CircuitState) {
        let breaker = Breaker::default();
        let (handle, events) = (breaker.handle(), breaker.handle().events());
        while let Ok(call) = breaker.try_acquire() {
            call.failure();
        }
        done(&handle);
        let (begun, tries) = (clock::now(), Cell::new(0));
        let can_connect = || {
            tries.set(tries.get() + 1);
            std::future::ready(begun.elapsed() >= back)
        };
        let come = async {
            while begun.elapsed() < Duration::from_secs(20) {
                tokio::time::sleep(Duration::from_millis(100)).await;
                if calls && let Ok(call) = breaker.try_acquire() {
                    call.ignore();
                }
            }
        };
        tokio::select! {
            () = heed_reach(handle, events, || is_lost(begun.elapsed()), can_connect, Vec::new()) => {}
            () = come => {}
        }
        (tries.get(), breaker.state())
    }

    const NEVER: Duration = Duration::MAX;

    #[tokio::test(start_paused = true)]
    async fn a_breaker_is_half_open_once_the_plugin_can_be_reached_again_and_until_then_it_is_tried_once_a_second() {
        let (tries, state) = reached(NEVER, true, |_| true, |_| ()).await;
        assert!((15..=26).contains(&tries), "{tries}");
        assert_eq!(state, CircuitState::Open);
        let (tries, state) = reached(Duration::from_secs(3), true, |_| true, |_| ()).await;
        assert!((3..=5).contains(&tries), "{tries}");
        assert_eq!(state, CircuitState::HalfOpen);
    }

    #[tokio::test(start_paused = true)]
    async fn no_connection_is_tried_that_nobody_comes_for_or_to_a_plugin_that_could_be_reached() {
        assert_eq!(reached(Duration::ZERO, false, |_| true, |_| ()).await, (0, CircuitState::Open));
        assert_eq!(reached(Duration::ZERO, true, |_| false, |_| ()).await, (0, CircuitState::Open));
        // A call was connected that was under way when the breaker opened.
        let connected = |since| since < Duration::from_millis(500);
        assert_eq!(reached(NEVER, true, connected, |_| ()).await, (0, CircuitState::HalfOpen));
    }

    #[tokio::test(start_paused = true)]
    async fn a_plugin_that_takes_connections_and_fails_is_tried_early_less_and_less_until_it_has_answered() {
        let breaker = Breaker::default();
        let (handle, events) = (breaker.handle(), breaker.handle().events());
        let (begun, early) = (clock::now(), Cell::new(Vec::new()));
        let come = async {
            while begun.elapsed() < Duration::from_secs(38) {
                tokio::time::sleep(Duration::from_millis(100)).await;
                let Ok(call) = breaker.try_acquire() else { continue };
                early.set([early.take(), vec![begun.elapsed().as_secs()]].concat());
                call.failure();
            }
        };
        let heeds = heed_reach(handle, events, || true, || std::future::ready(true), Vec::new());
        tokio::select! {
            () = heeds => {}
            () = come => {}
        }
        let early: Vec<_> = early.take().into_iter().filter(|second| *second > 0).collect();
        assert!((4..=6).contains(&early.len()), "after 1 s, 2 s, 4 s, 8 s, 16 s: {early:?}");
    }

    #[tokio::test(start_paused = true)]
    async fn what_an_operator_has_set_outlives_that_a_plugin_can_be_reached_again() {
        for (command, state) in [
            (CircuitBreakerHandle::force_open as fn(&_), CircuitState::Open),
            (CircuitBreakerHandle::isolate, CircuitState::Isolated),
            (CircuitBreakerHandle::disable, CircuitState::Disabled),
        ] {
            assert_eq!(reached(Duration::ZERO, true, |_| true, command).await.1, state);
        }
    }
}
