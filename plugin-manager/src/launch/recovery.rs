//! What a process that was started again begins with.

use std::sync::Arc;

use plugin_breaker::{CircuitBreakerHandle, CircuitState};
use plugin_health::{HealthCheck, WeakHealthCheck};
use plugin_transports::process::{ProcessEvent, ProcessHandle, ProcessState};
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
        (Arc::clone(plugin), Begins::of(controls), process.subscribe(), process.clone());
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
    // Not here: what happens next is to be heard also while a check hangs, which ends at its own timeout.
    for check in controls.health_checks.iter().filter_map(WeakHealthCheck::upgrade) {
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
    breaker.begin_anew();
}

#[cfg(test)]
mod tests {
    use plugin_breaker::{CircuitBreakerConfig, CircuitBreakerLayer};
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
}
