//! Health of a plugin without regular checks: it is asked when somebody reads it.

use std::{
    fmt,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use plugin_core::{HealthStatus, Probe};
use tokio::sync::watch;

/// A question that is shared by all who want to know at the same time. Who wants to know may be anybody who reaches a port, and
/// would otherwise have each plugin asked as often as he likes.
#[derive(Default)]
pub(super) struct OnDemandHealth(Mutex<Option<watch::Receiver<Option<HealthStatus>>>>);

impl OnDemandHealth {
    /// What the probe says, for which whoever asked first waits no longer than his `limit`. Dropping the future takes nothing
    /// back: somebody who goes away again and again has it asked no oftener.
    pub(super) async fn ask(&self, probe: &Probe, limit: Duration) -> HealthStatus {
        let mut answer = self.question(probe, limit);
        // There is none where the runtime that asks has ended, and then nobody waits for one either.
        answer.wait_for(Option::is_some).await.ok().and_then(|status| status.clone()).unwrap_or_default()
    }

    fn question(&self, probe: &Probe, limit: Duration) -> watch::Receiver<Option<HealthStatus>> {
        // Nothing that runs under the lock can panic half way through a change, so a poisoned lock is still sound.
        let mut last = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(running) = last.as_ref().filter(|last| last.has_changed().is_ok() && last.borrow().is_none()) {
            return running.clone();
        }
        let (tell, answer) = watch::channel(None);
        let probe = Arc::clone(probe);
        tokio::spawn(async move { tell.send(Some(plugin_health::ask(&probe, limit).await)) });
        *last = Some(answer.clone());
        answer
    }
}

impl fmt::Debug for OnDemandHealth {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("OnDemandHealth").finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use futures_util::{FutureExt, future::join_all};
    use plugin_core::HealthState;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn all_who_want_to_know_at_once_share_one_question_and_the_next_one_is_asked_anew() {
        let count = Arc::new(AtomicUsize::new(0));
        let counted = Arc::clone(&count);
        let probe: Probe = Arc::new(move || {
            let number = counted.fetch_add(1, Ordering::SeqCst);
            Box::pin(async move {
                tokio::time::sleep(Duration::from_millis(100)).await;
                HealthStatus::degraded(format!("answer {number}"))
            })
        });
        let asked = OnDemandHealth::default();
        let limit = Duration::from_secs(5);
        // Somebody who goes away at once, and many who stay.
        assert!(asked.ask(&probe, limit).now_or_never().is_none());
        for status in join_all((0..1000).map(|_| asked.ask(&probe, limit))).await {
            assert_eq!((status.state, status.message.as_str()), (HealthState::Degraded, "answer 0"));
        }
        assert_eq!(asked.ask(&probe, limit).await.message, "answer 1", "what is known from before is not what is");
        assert_eq!(count.load(Ordering::SeqCst), 2);
        assert_eq!(asked.ask(&probe, Duration::from_millis(1)).await.state, HealthState::Unhealthy);
    }
}
