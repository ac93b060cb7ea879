//! The counts of one service, and what is read from them.

use std::{
    fmt,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use super::histogram::{BUCKETS, Bucket, Histogram, bucket_bounds};
use plugin_core::{
    Code, CodeKind, Judgement, Sent, Verdict,
    sync::{Pad, stripe, stripe_count},
};

/// How a call ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Status {
    /// The classifier called it a success, or ignored a response.
    Success,
    /// The classifier called it a failure, or it panicked. Everything that the service is to blame for is here.
    Failure,
    /// It did not get through, and nobody is to blame for the call itself: a layer of this family refused it, or the service
    /// says that it has no room.
    Refused,
    /// The caller went away, or the body broke off with an error that the classifier ignored.
    Cancelled,
    /// The caller is to blame: what it sent is not accepted, or the time that it brought was over before the service, which
    /// may have been working on it, had its own. An error that the classifier ignores is one too.
    Caller,
}

impl Status {
    /// Every status.
    pub const ALL: [Self; 5] = [Self::Success, Self::Failure, Self::Refused, Self::Cancelled, Self::Caller];

    /// The status in lower case, as a metric's label.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Success => "success",
            Self::Failure => "failure",
            Self::Refused => "refused",
            Self::Cancelled => "cancelled",
            Self::Caller => "caller",
        }
    }

    /// What a call counts as that ended with this code, where nothing else is known of it: who is to blame by the code alone.
    #[must_use]
    pub const fn of_code(code: Code) -> Self {
        match (code.kind(), code.http_status()) {
            (CodeKind::Payload | CodeKind::Auth, ..500) => Self::Caller,
            (CodeKind::Security, _) | (_, 429 | 503 | 504) => Self::Refused,
            _ => Self::Failure,
        }
    }

    /// What an outcome counts as. The breaker reads the same judgement; what it ignores is no failure here either, unless it
    /// is a fault of the configuration, which nobody but an operator can mend.
    #[cold]
    pub(super) fn of(judged: &Judgement, is_error: bool) -> Self {
        match judged.verdict() {
            // It was the caller's time, whether the request had been sent by then or was still in some line.
            _ if judged.is_hurry() => Self::Caller,
            _ if judged.is_haste() && judged.sent() != Sent::Nothing => Self::Caller,
            _ if judged.is_mere_refusal() => judged.code().map_or(Self::Refused, |code| match Self::of_code(code) {
                Self::Failure => Self::Refused,
                status => status,
            }),
            Verdict::Failure => Self::Failure,
            Verdict::Ignored if is_error => judged.code().map_or(Self::Caller, Self::of_code),
            _ => Self::Success,
        }
    }
}

/// All counts of one layer.
pub(super) struct Counters {
    stripes: Box<[Pad<Stripe>]>,
    /// Only errors write here, so these are not striped.
    codes: Box<[AtomicU64]>,
}

struct Stripe {
    started: AtomicU64,
    ended: [AtomicU64; Status::ALL.len()],
    durations: Histogram,
}

impl Counters {
    pub(super) fn new() -> Self {
        let stripe = || Stripe { started: AtomicU64::new(0), ended: Default::default(), durations: Histogram::new() };
        Self {
            stripes: (0..stripe_count()).map(|_| Pad(stripe())).collect(),
            codes: Code::ALL.iter().map(|_| AtomicU64::new(0)).collect(),
        }
    }

    pub(super) fn start(&self) {
        // Relaxed: a reader that must not see an end without its start reads the ends first, with acquire.
        self.stripes[stripe()].started.fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn end(&self, status: Status, code: Option<Code>, took: u64) {
        let stripe = &self.stripes[stripe()];
        stripe.durations.record(took);
        if let Some(code) = code {
            // Relaxed: an independent count.
            self.codes[code.index()].fetch_add(1, Ordering::Relaxed);
        }
        // Release: pairs with the acquire in `snapshot`, which then also sees the start of this call.
        stripe.ended[status as usize].fetch_add(1, Ordering::Release);
    }

    fn snapshot(&self) -> TelemetryStats {
        let mut snapshot = TelemetryStats {
            ended: [0; Status::ALL.len()],
            started: 0,
            buckets: vec![Bucket::default(); BUCKETS],
            min: Duration::ZERO,
            max: Duration::ZERO,
            codes: Vec::new(),
        };
        // All ends before all starts: a call that ends meanwhile is active in between, never less than nothing.
        for stripe in &self.stripes {
            for (sum, cell) in snapshot.ended.iter_mut().zip(&stripe.ended) {
                *sum += cell.load(Ordering::Acquire);
            }
        }
        let (mut min, mut max) = (u64::MAX, 0);
        for stripe in &self.stripes {
            snapshot.started += stripe.started.load(Ordering::Relaxed);
            stripe.durations.add_to(&mut snapshot.buckets, &mut min, &mut max);
        }
        if min <= max {
            (snapshot.min, snapshot.max) = (Duration::from_nanos(min), Duration::from_nanos(max));
        }
        snapshot.codes = Code::ALL
            .iter()
            .map(|code| (*code, self.codes[code.index()].load(Ordering::Relaxed)))
            .filter(|(_, count)| *count > 0)
            .collect();
        snapshot
    }
}

/// Reads the counts of a [`TelemetryLayer`](super::TelemetryLayer), and of every service that it made.
///
/// ```
/// use plugin_telemetry::TelemetryLayer;
/// use tower::{BoxError, Layer, ServiceExt, service_fn};
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), BoxError> {
/// let layer = TelemetryLayer::new("echo");
/// let handle = layer.handle();
/// let service = layer.layer(service_fn(|word: &'static str| async move { Ok::<_, BoxError>(word) }));
///
/// for _ in 0..100 {
///     service.clone().oneshot("hello").await?;
/// }
/// let stats = handle.stats();
/// assert_eq!((stats.total(), stats.active()), (100, 0));
/// assert!(stats.percentile(0.5) <= stats.percentile(0.99)); // of the durations
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct TelemetryHandle(pub(super) Arc<Counters>);

impl TelemetryHandle {
    /// The counts since the layer was made. Calls that end meanwhile may or may not be in them.
    #[must_use]
    pub fn stats(&self) -> TelemetryStats {
        self.0.snapshot()
    }

    /// Counts a call that ended before it came to the layer, such as one that was refused at a door, so that what its caller
    /// saw is in the counts too.
    pub fn count(&self, status: Status, code: Option<Code>, took: Duration) {
        self.0.start();
        self.0.end(status, code, u64::try_from(took.as_nanos()).unwrap_or(u64::MAX));
    }
}

impl fmt::Debug for TelemetryHandle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("TelemetryHandle").field(&self.stats()).finish()
    }
}

/// The counts at one moment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TelemetryStats {
    started: u64,
    ended: [u64; Status::ALL.len()],
    buckets: Vec<Bucket>,
    min: Duration,
    max: Duration,
    codes: Vec<(Code, u64)>,
}

impl TelemetryStats {
    /// Calls that ended in this way.
    #[must_use]
    pub fn ended(&self, status: Status) -> u64 {
        self.ended[status as usize]
    }

    /// Calls that ended in any way.
    #[must_use]
    pub fn total(&self) -> u64 {
        self.ended.iter().sum()
    }

    /// Calls that are running.
    #[must_use]
    pub fn active(&self) -> u64 {
        self.started.saturating_sub(self.total())
    }

    /// Errors by their code, without those that never happened.
    #[must_use]
    pub fn codes(&self) -> &[(Code, u64)] {
        &self.codes
    }

    /// The buckets that [`bucket_bounds`] bounds, and one more.
    #[must_use]
    pub fn buckets(&self) -> &[Bucket] {
        &self.buckets
    }

    /// The shortest call; zero before the first.
    #[must_use]
    pub fn min(&self) -> Duration {
        self.min
    }

    /// The longest call; zero before the first.
    #[must_use]
    pub fn max(&self) -> Duration {
        self.max
    }

    /// The mean duration; zero before the first call.
    #[must_use]
    pub fn mean(&self) -> Duration {
        let calls: u64 = self.buckets.iter().map(|bucket| bucket.count).sum();
        let sum: Duration = self.buckets.iter().map(|bucket| bucket.sum).sum();
        u32::try_from(calls).ok().filter(|calls| *calls > 0).map_or_else(
            || Duration::from_nanos(u64::try_from(sum.as_nanos() / u128::from(calls.max(1))).unwrap_or(u64::MAX)),
            |calls| sum / calls,
        )
    }

    /// The duration that this share of the calls did not exceed, by the upper bound of its bucket, so at most 28 percent
    /// too high; zero before the first call.
    #[must_use]
    pub fn percentile(&self, share: f64) -> Duration {
        let calls: u64 = self.buckets.iter().map(|bucket| bucket.count).sum();
        let rank = (calls as f64 * share.clamp(0.0, 1.0)).ceil().max(1.0) as u64;
        let mut seen = 0;
        for (bucket, bound) in self.buckets.iter().zip(bucket_bounds()) {
            seen += bucket.count;
            if calls > 0 && seen >= rank {
                return bound.min(self.max);
            }
        }
        self.max
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::AtomicBool;

    use super::*;

    #[test]
    fn a_call_is_counted_on_the_stripe_of_its_thread_and_on_no_other() {
        // Threads take stripes in turn: one of so many has another than the first.
        let on_another = |run: &(dyn Fn() + Sync)| {
            (0..2 * stripe_count()).for_each(|_| {
                std::thread::scope(|scope| {
                    drop(scope.spawn(|| {
                        if stripe() != 0 {
                            run()
                        }
                    }))
                });
            });
        };
        on_another(&|| {
            let counters = Counters::new();
            counters.start();
            counters.end(Status::Failure, None, 7);
            for (index, cell) in counters.stripes.iter().enumerate() {
                let here = u64::from(index == stripe());
                assert_eq!(cell.started.load(Ordering::Relaxed), here, "stripe {index}");
                assert_eq!(cell.ended[Status::Failure as usize].load(Ordering::Relaxed), here, "stripe {index}");
                let (mut buckets, mut min, mut max) = (vec![Bucket::default(); BUCKETS], u64::MAX, 0);
                cell.durations.add_to(&mut buckets, &mut min, &mut max);
                assert_eq!((buckets[0].count, max), (here, 7 * here), "stripe {index}");
            }
        });
    }

    #[test]
    fn a_reader_never_sees_more_calls_ended_than_started() {
        let counters = Counters::new();
        let done = AtomicBool::new(false);
        std::thread::scope(|scope| {
            scope.spawn(|| {
                for _ in 0..20_000 {
                    counters.start();
                    counters.end(Status::Success, None, 1);
                }
                done.store(true, Ordering::SeqCst);
            });
            while !done.load(Ordering::SeqCst) {
                let snapshot = counters.snapshot();
                assert!(snapshot.started >= snapshot.total(), "{snapshot:?}");
            }
        });
        assert_eq!(counters.snapshot().ended(Status::Success), 20_000);
    }
}
