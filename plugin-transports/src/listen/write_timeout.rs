//! The limit on the time for which a peer takes nothing of what is sent to it.

use std::{future::Future, pin::Pin, time::Duration};

use tokio::time::sleep;
use tokio_util::sync::CancellationToken;

/// The most of it when the server stops: who takes nothing must not cost the others the time that a stop has.
pub(crate) const AT_STOP: Duration = Duration::from_secs(5);

/// The patience with the peers of a server.
#[derive(Clone, Debug)]
pub(crate) struct Patience {
    limit: Duration,
    stop: CancellationToken,
}

/// Ready when the patience has come to its end, with how long that was at most.
pub(crate) type WriteEnd = Pin<Box<dyn Future<Output = Duration> + Send>>;

impl Patience {
    pub(crate) fn new(limit: Duration, stop: CancellationToken) -> Self {
        Self { limit, stop }
    }

    /// What it is at present.
    #[cfg_attr(not(feature = "http"), allow(dead_code, reason = "what a server of HTTP asks at its end"))]
    pub(crate) fn limit(&self) -> Duration {
        if self.stop.is_cancelled() { self.limit.min(AT_STOP) } else { self.limit }
    }

    /// Begins now. It is made when somebody has to wait: what is taken at once costs no timer.
    pub(crate) fn begin(&self) -> WriteEnd {
        let Self { limit, stop } = self.clone();
        Box::pin(async move {
            tokio::select! {
                () = sleep(limit) => limit,
                () = async {
                    stop.cancelled().await;
                    sleep(AT_STOP).await;
                } => AT_STOP,
            }
        })
    }
}

#[cfg(test)]
mod tests {
    use tokio::time::Instant;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_stop_shortens_what_is_left_and_lengthens_nothing() {
        let took = async |limit: u64, stop_after: u64| {
            let stop = CancellationToken::new();
            let patience = Patience::new(Duration::from_secs(limit), stop.clone());
            let (begun, end) = (Instant::now(), patience.begin());
            let stopping = async {
                sleep(Duration::from_secs(stop_after)).await;
                stop.cancel();
            };
            tokio::join!(
                async {
                    let most = end.await.as_secs();
                    let took = begun.elapsed().as_secs();
                    // What is said of it: it ends at the limit, or so long after a stop.
                    assert!([limit, took - stop_after.min(took)].contains(&most), "{most} of {took}");
                    took
                },
                stopping
            )
            .0
        };
        assert_eq!([took(30, 100).await, took(30, 0).await, took(30, 10).await], [30, 5, 15]);
        assert_eq!([took(30, 28).await, took(2, 0).await], [30, 2]);
        for (limit, at_stop) in [(30, 5), (2, 2)] {
            let stop = CancellationToken::new();
            let patience = Patience::new(Duration::from_secs(limit), stop.clone());
            let before = patience.limit().as_secs();
            stop.cancel();
            assert_eq!([before, patience.limit().as_secs()], [limit, at_stop]);
        }
    }
}
