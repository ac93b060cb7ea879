//! What happens to plugins, as lines in the log.

use std::{iter, sync::Arc, time::Duration};

use bytes::Bytes;
use plugin_breaker::{CircuitState, Event};
use plugin_core::{
    HealthCell, HealthState, HealthStatus,
    clock::{self, Instant},
    rounded,
};
use plugin_lb::{BalanceEvent, EjectionChange};

use super::health_log_limit::{Flaps, ToldHealth};
use crate::manager::{Instances, Registration, WeakInstances};

/// Logs the transitions of a plugin's breaker and health for as long as they live, and where it has several instances those
/// of each under its name. The transport itself logs the life of a process.
pub(super) fn follow(plugin: &str, registration: &Registration<Bytes, Bytes>) {
    let (plugin, controls): (Arc<str>, _) = (plugin.into(), registration.controls());
    if let Some(breaker) = &controls.breaker {
        // Who follows keeps nothing alive: with the instances their services would live on, and a process with them.
        let (plugin, instances) = (Arc::clone(&plugin), controls.instances.as_ref().map(Instances::downgrade));
        tokio::spawn(breaker.events().for_each(move |event| {
            let instances = instances.as_ref().and_then(WeakInstances::upgrade);
            log_breaker(&plugin, &event, instances.as_ref());
        }));
    }
    if let Some(instances) = &controls.instances {
        let (plugin, weak) = (Arc::clone(&plugin), instances.downgrade());
        tokio::spawn(instances.events().for_each(move |event| log_ejection(&plugin, &event, weak.upgrade().as_ref())));
    }
    if let Some(cell) = registration.health().filter(|_| !controls.health_checks.is_empty()) {
        follow_health(cell, &plugin, None);
    }
    // The cell of the only one is the plugin's.
    let instances = controls.instances.as_ref().map(|instances| instances.stats()).unwrap_or_default();
    if let [_, _, ..] = &*controls.health_checks {
        for (check, instance) in iter::zip(&controls.health_checks, instances) {
            follow_health(&check.cell(), &plugin, Some(instance.name));
        }
    }
}

fn follow_health(cell: &Arc<HealthCell>, plugin: &Arc<str>, instance: Option<Arc<str>>) {
    let (plugin, mut changes, mut flaps) = (Arc::clone(plugin), cell.watch(), Flaps::new());
    // The first check may have ended before anybody watched.
    changes.mark_changed();
    tokio::spawn(async move {
        loop {
            tokio::select! {
                changed = changes.changed() => if changed.is_err() {
                    return;
                },
                () = until(flaps.due()) => {}
            }
            let status = changes.borrow_and_update().clone();
            if let Some(told) = flaps.is(status.state, clock::now()) {
                log_health(&plugin, instance.as_deref(), &status, told);
            }
        }
    });
}

async fn until(due: Option<Instant>) {
    match due {
        Some(due) => tokio::time::sleep(due.saturating_since(clock::now())).await,
        None => std::future::pending().await,
    }
}

/// From so long on a line says for how long it has been so: it was held back.
const HELD_BACK: Duration = Duration::from_secs(1);

/// `untold`: changes since the last line that were too many for the log.
fn log_health(plugin: &str, instance: Option<&str>, status: &HealthStatus, ToldHealth { untold, stayed }: ToldHealth) {
    let health = status.state.as_str();
    let reason = Some(&*status.message).filter(|reason| !reason.is_empty());
    let untold = Some(untold).filter(|untold| *untold > 0);
    let since = Some(stayed).filter(|stayed| *stayed >= HELD_BACK).map(|stayed| format!("{} ago", rounded(stayed)));
    match status.state {
        HealthState::Healthy | HealthState::Unknown => {
            tracing::info!(plugin, instance, health, reason, untold, since, "health changed");
        }
        _ => tracing::warn!(plugin, instance, health, reason, untold, since, "health changed"),
    }
}

/// Where it opens, with what made it: nobody can ask the plugin while it is open.
fn log_breaker(plugin: &str, event: &Event, instances: Option<&Instances>) {
    let (from, to, reason) = (event.from.as_str(), event.to.as_str(), event.reason.to_string());
    if matches!(event.to, CircuitState::Open | CircuitState::Isolated) {
        let (instance, failure) = instances.and_then(Instances::last_failure).unzip();
        let code = failure.as_ref().and_then(|failure| failure.code).map(|code| code.as_str());
        let last_error = failure.as_ref().map(|failure| &*failure.message);
        let several = instances.is_some_and(|instances| instances.stats().len() > 1);
        let instance = instance.as_deref().filter(|_| several);
        tracing::warn!(plugin, from, to, reason, last_error, code, instance, "circuit breaker");
    } else {
        tracing::info!(plugin, from, to, reason, "circuit breaker");
    }
}

/// An instance that gets no calls for a time, with what failed on it last; and one that is back.
fn log_ejection(plugin: &str, event: &BalanceEvent, instances: Option<&Instances>) {
    let instance = &*event.name;
    match event.change {
        EjectionChange::Ejected { cause, time } => {
            let (reason, ejected_for) = (cause.to_string(), rounded(time).to_string());
            let stats = instances.map(Instances::stats).unwrap_or_default();
            let failure =
                stats.into_iter().find(|stats| stats.id == event.instance).and_then(|stats| stats.last_failure);
            let code = failure.as_ref().and_then(|failure| failure.code).map(|code| code.as_str());
            let last_error = failure.as_ref().map(|failure| &*failure.message);
            tracing::warn!(plugin, instance, reason, ejected_for, last_error, code, "instance ejected");
        }
        EjectionChange::Spared { cause } => {
            let reason = cause.to_string();
            tracing::warn!(
                plugin,
                instance,
                reason,
                "instance not ejected: as many are as max_ejected_percent lets be"
            );
        }
        EjectionChange::Returned => tracing::info!(plugin, instance, "instance is back"),
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use super::*;

    #[derive(Clone, Default)]
    struct Written(Arc<Mutex<Vec<u8>>>);

    impl std::io::Write for Written {
        fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
            self.0.lock().expect("no panic").extend_from_slice(bytes);
            Ok(bytes.len())
        }

        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }

    fn lines(written: &Written) -> Vec<serde_json::Value> {
        let text = String::from_utf8(written.0.lock().expect("no panic").clone()).expect("text");
        text.lines().map(|line| serde_json::from_str(line).expect("an event")).collect()
    }

    #[tokio::test(start_paused = true)]
    async fn an_instance_that_is_ejected_is_a_line_with_its_reason_and_one_that_is_back_is_another() {
        use plugin_lb::{Balance, BalanceConfig, Endpoint, Hints, OutlierConfig};
        let written = Written::default();
        let writer = written.clone();
        let log = tracing_subscriber::fmt().json().with_writer(move || writer.clone()).finish();
        let _guard = tracing::subscriber::set_default(log);
        let config = BalanceConfig::builder().with_outlier(OutlierConfig::default()).build().expect("valid");
        let balance = Balance::new(config, ["a", "b"].map(|name| Endpoint::new(name, ()))).expect("distinct names");
        let (handle, instances) = (balance.handle(), Instances::of(&balance));
        let mut events = instances.events();
        let mut call = |is_well| {
            let names: Vec<Box<str>> = vec!["a".into()];
            let picked = handle.pick(&Hints::new().with_preferred(&names)).expect("there");
            assert_eq!(picked.name(), "a");
            if is_well {
                picked.succeeded()
            } else {
                picked.failed()
            }
            while let Some(event) = events.try_next() {
                log_ejection("p", &event, Some(&instances));
            }
        };
        (0..5).for_each(|_| call(false));
        tokio::time::advance(Duration::from_secs(31)).await;
        call(true);
        let fields: Vec<_> = lines(&written).iter().map(|line| line["fields"].clone()).collect();
        let [ejected, back] = &fields[..] else { panic!("{fields:?}") };
        assert_eq!(
            (
                &ejected["message"],
                &ejected["plugin"],
                &ejected["instance"],
                &ejected["reason"],
                &ejected["ejected_for"]
            ),
            (&"instance ejected".into(), &"p".into(), &"a".into(), &"5 failures in a row".into(), &"30s".into())
        );
        assert_eq!((&back["message"], &back["instance"]), (&"instance is back".into(), &"a".into()));
    }

    #[tokio::test(start_paused = true)]
    async fn a_health_that_goes_up_and_down_each_second_fills_no_log_and_its_last_word_is_right() {
        let written = Written::default();
        let writer = written.clone();
        let log = tracing_subscriber::fmt().json().with_writer(move || writer.clone()).finish();
        let _guard = tracing::subscriber::set_default(log);
        let cell = Arc::new(HealthCell::default());
        follow_health(&cell, &"p".into(), None);
        for second in 0..600 {
            let status = if second % 2 == 0 { HealthStatus::healthy() } else { HealthStatus::degraded("slow disk") };
            cell.set(status);
            tokio::time::sleep(Duration::from_secs(1)).await;
        }
        tokio::time::sleep(Duration::from_secs(120)).await;
        let lines = lines(&written);
        assert!((80..=84).contains(&lines.len()), "{}", lines.len());
        let last = &lines.last().expect("some")["fields"];
        assert_eq!((&last["health"], &last["reason"]), (&"degraded".into(), &"slow disk".into()));
        assert!(
            last["since"].as_str().is_some_and(|since| since.starts_with("2") && since.ends_with("s ago")),
            "{last}"
        );
        let changes: u64 = lines.iter().map(|line| 1 + line["fields"]["untold"].as_u64().unwrap_or(0)).sum();
        assert_eq!(changes, 600, "each is told or counted");
    }
}
