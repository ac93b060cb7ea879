//! A stream of the changes in a monitor.

use std::{
    collections::{BTreeMap, VecDeque},
    fmt,
};

use plugin_core::{HealthState, HealthStatus};

use super::views::Views;

/// Something of a monitor changed: the state of one of its checks, or whether that is there.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct HealthMonitorEvent {
    /// The name that it has there.
    pub name: String,
    /// How it is now. `None`: it was taken out.
    pub status: Option<HealthStatus>,
}

/// The changes in a [`HealthMonitor`](crate::HealthMonitor), which it does not keep alive.
///
/// Of each name it keeps the state that it told last, so that it never holds more than there are checks: who reads slowly is
/// told the newest state of each, and not those between.
///
/// ```
/// use plugin_health::{HealthMonitor, plugin_core::HealthStatus};
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let monitor = HealthMonitor::new();
/// let mut events = monitor.events();
/// monitor.update("search", HealthStatus::degraded("one replica of three"))?;
///
/// let event = events.next().await.expect("the monitor is there");
/// assert_eq!((event.name.as_str(), event.status.expect("it is there").message.as_str()), ("search", "one replica of three"));
/// # Ok(())
/// # }
/// ```
pub struct HealthMonitorEvents {
    views: Views,
    /// What was told of each.
    told: BTreeMap<String, HealthState>,
    /// Those that were another than was told when all were last looked at.
    queue: VecDeque<String>,
}

impl HealthMonitorEvents {
    pub(super) fn new(views: Views, told: BTreeMap<String, HealthState>) -> Self {
        Self { views, told, queue: VecDeque::new() }
    }

    /// Waits until something is another than when it was last told, and gives it back. A check that is added is told with its
    /// state, Unknown at first. Whoever changes often keeps no other from being told. `None` when the monitor is gone or was shut down,
    /// and all was told as it was last.
    ///
    /// A future that is dropped has missed nothing.
    pub async fn next(&mut self) -> Option<HealthMonitorEvent> {
        loop {
            // Before the look, so that what changes after it is seen.
            let Some(source) = self.views.source() else {
                self.views.changed().await?;
                continue;
            };
            while let Some(name) = self.queue.pop_front() {
                let status = source.status_of(&name);
                if let Some(event) = self.event(name, status) {
                    return Some(event);
                }
            }
            let states = source.states();
            let gone = self.told.keys().filter(|name| !states.contains_key(*name));
            let others = states.iter().filter(|(name, state)| self.told.get(*name) != Some(*state));
            self.queue = gone.chain(others.map(|(name, _)| name)).cloned().collect();
            if !self.queue.is_empty() {
                continue;
            }
            if source.is_empty_for_good() {
                return None;
            }
            drop(source);
            self.views.changed().await?;
        }
    }

    fn event(&mut self, name: String, status: Option<HealthStatus>) -> Option<HealthMonitorEvent> {
        let told = match &status {
            Some(status) => self.told.insert(name.clone(), status.state),
            None => self.told.remove(&name),
        };
        let is_news = told != status.as_ref().map(|status| status.state);
        is_news.then_some(HealthMonitorEvent { name, status })
    }
}

impl fmt::Debug for HealthMonitorEvents {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HealthMonitorEvents").field("told", &self.told).finish_non_exhaustive()
    }
}
