//! What is counted for one instance.

use std::{sync::Arc, time::Duration};

use plugin_core::{
    Judgement, Sent, Verdict,
    clock::{self, Instant},
    sync::{LaneCount, Pad, lane, stripe, stripe_count},
};

use crate::{
    estimate::{Estimate, Sample},
    last_failure::Kept,
    outlier::{Counted, Ejection, Outliers},
    reported_weights::ReportedWeight,
    sync::{AtomicBool, AtomicU8, AtomicU64, Ordering},
};

/// How a call on an instance was settled.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Settled {
    Succeeded,
    /// The answer is its own and no failure, and says that it takes no call now.
    Declined,
    Failed,
    /// The outcome says nothing of the instance, except that it took this long.
    Ignored,
    /// The instance, or a layer before it, took no call.
    Refused,
    /// The request did not leave the host, and that is not the instance's doing.
    Unsent,
    /// The caller went away, its time was up early, or another instance was picked.
    Abandoned,
}

impl Settled {
    /// What an outcome comes to.
    #[inline]
    pub(crate) fn of(judged: &Judgement) -> Self {
        match judged.verdict() {
            Verdict::Success if judged.is_turned_away() => Self::Declined,
            Verdict::Success => Self::Succeeded,
            Verdict::Failure => Self::Failed,
            Verdict::Ignored if judged.is_turned_away() => Self::Refused,
            Verdict::Ignored if judged.sent() == Sent::Nothing => Self::Unsent,
            Verdict::Ignored | Verdict::AtEnd => Self::Ignored,
        }
    }
}

/// The counters of one instance. The success path writes this lane's cell of its stripe and nothing else.
#[derive(Debug)]
pub(crate) struct Meter {
    stripes: Box<[Pad<Cell>]>,
    score: AtomicU8,
    /// Whether a response's body was ever followed.
    followed: AtomicBool,
    /// Whether the estimate follows peaks.
    peaks: AtomicBool,
    pub(crate) ejection: Arc<Ejection>,
    /// Those that it is one of.
    outliers: Arc<Outliers>,
    pub(crate) latency: Estimate,
    pub(crate) failure: Kept,
    pub(crate) reported: ReportedWeight,
}

#[derive(Debug, Default)]
struct Cell {
    succeeded: LaneCount,
    failed: LaneCount,
    neither: AtomicU64,
    /// Of those, the ones that the instance answered itself.
    told: AtomicU64,
    /// Calls whose time was taken, and the sum of their nanoseconds.
    timed: AtomicU64,
    nanos: AtomicU64,
    last_used: AtomicU64,
}

/// The sums over all stripes.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Totals {
    pub(crate) succeeded: u64,
    pub(crate) failed: u64,
    pub(crate) neither: u64,
    pub(crate) average: Option<Duration>,
    pub(crate) last_used: Option<Instant>,
}

/// Calls on each lane whose time is always taken, and of how many one is taken from then on: a look at the clock costs
/// as much as a pick.
const FIRST: u64 = 64;
const ONE_IN: u64 = 32;

const FULL: u8 = 100;

impl Meter {
    pub(crate) fn new(outliers: Arc<Outliers>) -> Self {
        Self {
            stripes: (0..stripe_count()).map(|_| Pad::default()).collect(),
            score: AtomicU8::new(FULL),
            followed: AtomicBool::new(false),
            peaks: AtomicBool::new(false),
            ejection: Arc::default(),
            outliers,
            latency: Estimate::default(),
            failure: Kept::default(),
            reported: ReportedWeight::default(),
        }
    }

    /// Whether the time of the next call should be taken, for the statistics.
    #[inline]
    pub(crate) fn wants_time(&self) -> bool {
        // Relaxed here and below: counts order nothing.
        let lane = lane();
        let cell = &self.stripes[lane.stripe()];
        // Of this lane alone, which goes up by one for each call that ends here: steps of two would pass by every turn.
        let calls = cell.succeeded.of_lane(lane).wrapping_add(cell.failed.of_lane(lane));
        calls < FIRST || calls.is_multiple_of(ONE_IN)
    }

    /// Counts a call that has ended so.
    #[inline]
    pub(crate) fn settle(&self, how: Settled, started: Instant, timed: bool) {
        self.settle_sent(how, Sent::Maybe, started, timed);
    }

    /// The same of a call of which it is known whether anything was sent.
    #[inline]
    pub(crate) fn settle_sent(&self, how: Settled, sent: Sent, started: Instant, timed: bool) {
        let lane = lane();
        let cell = &self.stripes[lane.stripe()];
        let rare = |counter: &AtomicU64| {
            counter.fetch_add(1, Ordering::Relaxed);
        };
        match how {
            Settled::Succeeded | Settled::Declined => {
                cell.succeeded.add(lane, 1);
                if self.ejection.succeeded(started) {
                    self.outliers.returned(&self.ejection);
                }
            }
            Settled::Failed => {
                cell.failed.add(lane, 1);
                self.outliers.failed(&self.ejection, sent == Sent::Nothing, started);
            }
            Settled::Ignored | Settled::Refused | Settled::Unsent | Settled::Abandoned => rare(&cell.neither),
        }
        // Not a `fetch_max`: threads that share the stripe may lose the later of two moments that lie a call apart.
        if cell.last_used.load(Ordering::Relaxed) < started.as_nanos() {
            cell.last_used.store(started.as_nanos(), Ordering::Relaxed);
        }
        self.score(how);
        if timed {
            self.time(how, started, cell);
        }
    }

    fn time(&self, how: Settled, started: Instant, cell: &Cell) {
        let now = clock::end::read();
        let elapsed = now.saturating_since(started);
        let sample = match how {
            // Relaxed: the strategy has just changed, or it has not.
            Settled::Succeeded if self.peaks.load(Ordering::Relaxed) => Sample::Peak(elapsed),
            Settled::Succeeded => Sample::Answered(elapsed),
            // Each time: it takes less to be turned away than to be answered, and one that turns calls away would get
            // them all.
            Settled::Failed | Settled::Declined | Settled::Refused => Sample::Failed(elapsed),
            Settled::Ignored => Sample::Ignored(elapsed),
            Settled::Abandoned => Sample::AtLeast(elapsed),
            Settled::Unsent => Sample::Unsent,
        };
        self.latency.feed(sample, now);
        if matches!(how, Settled::Succeeded | Settled::Declined | Settled::Failed) {
            cell.timed.fetch_add(1, Ordering::Relaxed);
            cell.nanos.fetch_add(clock::nanos(elapsed), Ordering::Relaxed);
        }
    }

    /// One point up for a success, five down for a failure, from 0 to 100.
    #[inline]
    fn score(&self, how: Settled) {
        let step: fn(u8) -> u8 = match how {
            // A full score is only read, so that threads do not meet here while all is well.
            Settled::Succeeded | Settled::Declined if self.score.load(Ordering::Relaxed) == FULL => return,
            Settled::Succeeded | Settled::Declined => |score| (score + 1).min(FULL),
            Settled::Failed => |score| score.saturating_sub(5),
            Settled::Ignored | Settled::Refused | Settled::Unsent | Settled::Abandoned => return,
        };
        let _ = self.score.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |score| Some(step(score)));
    }

    /// Says how the estimate takes answers from now on; what it is stays.
    pub(crate) fn follow_peaks(&self, peaks: bool) {
        self.peaks.store(peaks, Ordering::Relaxed);
    }

    /// Says that a body is followed, before it is counted.
    pub(crate) fn follow(&self) {
        // Written once, so that the line stays shared. Relaxed: a reader that misses it misses a count of that moment.
        if !self.has_followed() {
            self.followed.store(true, Ordering::Relaxed);
        }
    }

    #[inline]
    pub(crate) fn has_followed(&self) -> bool {
        self.followed.load(Ordering::Relaxed)
    }

    pub(crate) fn health_score(&self) -> u8 {
        self.score.load(Ordering::Relaxed)
    }

    /// The instance has answered a call with what says nothing of it, such as that the payload is wrong.
    #[cold]
    pub(crate) fn told(&self) {
        self.stripes[stripe()].told.fetch_add(1, Ordering::Relaxed);
    }

    /// Calls that were answered so far, whatever was said but for failures.
    pub(crate) fn answered(&self) -> u64 {
        // Relaxed: as above.
        self.stripes
            .iter()
            .fold(0, |sum, cell| sum.wrapping_add(cell.succeeded.sum()).wrapping_add(cell.told.load(Ordering::Relaxed)))
    }

    pub(crate) fn totals(&self) -> Totals {
        let sum = |of: fn(&Cell) -> &AtomicU64| {
            self.stripes.iter().fold(0_u64, |sum, cell| sum.wrapping_add(of(cell).load(Ordering::Relaxed)))
        };
        let lanes =
            |of: fn(&Cell) -> &LaneCount| self.stripes.iter().fold(0_u64, |sum, cell| sum.wrapping_add(of(cell).sum()));
        let last_used = self.stripes.iter().map(|cell| cell.last_used.load(Ordering::Relaxed)).max().unwrap_or(0);
        Totals {
            succeeded: lanes(|cell| &cell.succeeded),
            failed: lanes(|cell| &cell.failed),
            neither: sum(|cell| &cell.neither),
            average: sum(|cell| &cell.nanos).checked_div(sum(|cell| &cell.timed)).map(Duration::from_nanos),
            last_used: (last_used != 0).then(|| Instant::from_nanos(last_used)),
        }
    }
}

impl Counted for Meter {
    fn judged(&self) -> (u64, u64) {
        let totals = self.totals();
        (totals.succeeded, totals.failed)
    }

    fn ejection(&self) -> &Arc<Ejection> {
        &self.ejection
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::estimate::Expected;

    #[test]
    fn the_score_falls_by_five_and_rises_by_one_within_its_bounds() {
        let meter = Meter::new(Arc::default());
        let settle = |how, times: usize| (0..times).for_each(|_| meter.settle(how, Instant::ZERO, false));
        settle(Settled::Succeeded, 3);
        assert_eq!(meter.health_score(), 100);
        settle(Settled::Failed, 2);
        assert_eq!(meter.health_score(), 90);
        settle(Settled::Succeeded, 4);
        settle(Settled::Ignored, 9);
        settle(Settled::Abandoned, 9);
        assert_eq!(meter.health_score(), 94);
        settle(Settled::Failed, 30);
        assert_eq!(meter.health_score(), 0);
    }

    #[test]
    fn what_an_outcome_says_of_the_instance() {
        use plugin_core::{Rejected, classify::Cause};
        let outcomes = [
            (Judgement::success(), Settled::Succeeded),
            (Judgement::success().with_cause(Cause::Http(429)), Settled::Declined),
            (Judgement::failure(), Settled::Failed),
            (Judgement::failure().with_sent(Sent::Nothing), Settled::Failed),
            (Judgement::from(&Rejected::overloaded()), Settled::Refused),
            (Judgement::ignored().with_sent(Sent::Nothing), Settled::Unsent),
            (Judgement::ignored(), Settled::Ignored),
            (Judgement::at_end(), Settled::Ignored),
        ];
        for (judged, how) in outcomes {
            assert_eq!(Settled::of(&judged), how, "{judged:?}");
        }
    }

    /// Succeeded, failed, neither; the score after a failure; whether the time is averaged; and the estimate in
    /// milliseconds where there was none, and where it was 100 and the call took 200 or 50.
    type Way = (Settled, [u64; 3], u8, bool, [u32; 3]);

    const EVERY_WAY: [Way; 7] = [
        (Settled::Succeeded, [1, 1, 0], 96, true, [200, 112, 94]),
        (Settled::Declined, [1, 1, 0], 96, true, [1000, 1000, 1000]),
        (Settled::Failed, [0, 2, 0], 90, true, [1000, 1000, 1000]),
        (Settled::Ignored, [0, 1, 1], 95, false, [1000, 200, 100]),
        (Settled::Refused, [0, 1, 1], 95, false, [1000, 1000, 1000]),
        (Settled::Unsent, [0, 1, 1], 95, false, [1000, 98, 99]),
        (Settled::Abandoned, [0, 1, 1], 95, false, [200, 200, 99]),
    ];

    #[tokio::test(start_paused = true)]
    async fn every_way_to_end_is_counted_and_moves_the_score_and_the_estimate_in_its_own_way() {
        for (how, counts, score, averaged, [fresh, slower, faster]) in EVERY_WAY {
            for (known, took, expected) in [(false, 200, fresh), (true, 200, slower), (true, 50, faster)] {
                let meter = Meter::new(Arc::default());
                meter.settle(Settled::Failed, Instant::ZERO, false);
                if known {
                    meter.latency.feed(Sample::Answered(Duration::from_millis(100)), clock::now());
                }
                let started = clock::now();
                tokio::time::advance(Duration::from_millis(took)).await;
                meter.settle(how, started, true);
                let totals = meter.totals();
                assert_eq!([totals.succeeded, totals.failed, totals.neither], counts, "{how:?}");
                assert_eq!((meter.health_score(), totals.average.is_some()), (score, averaged), "{how:?}");
                let expects = match meter.latency.read(clock::now()) {
                    Expected::Answer(nanos) => nanos / 1e6,
                    // What two failures in a row cost is tested beside the estimate.
                    other => panic!("{how:?}: {other:?}"),
                };
                assert!((expects - expected as f32).abs() < 1.0, "{how:?} after {took} ms: {expects} ms");
            }
        }
    }

    #[test]
    fn a_call_that_began_before_the_last_one_is_not_the_last() {
        let meter = Meter::new(Arc::default());
        for second in [1, 3, 2] {
            meter.settle(Settled::Succeeded, Instant::from_nanos(second * 1_000_000_000), false);
        }
        assert_eq!(meter.totals().last_used, Some(Instant::from_nanos(3_000_000_000)));
    }

    #[tokio::test(start_paused = true)]
    async fn the_average_is_that_of_the_calls_whose_time_was_taken() {
        let meter = Meter::new(Arc::default());
        let started = clock::now();
        tokio::time::advance(Duration::from_millis(10)).await;
        meter.settle(Settled::Succeeded, started, true);
        meter.settle(Settled::Abandoned, started, true);
        meter.settle(Settled::Succeeded, started, false);
        tokio::time::advance(Duration::from_millis(20)).await;
        meter.settle(Settled::Failed, started, true);
        let totals = meter.totals();
        assert_eq!(totals.average, Some(Duration::from_millis(20)));
        assert_eq!((totals.succeeded, totals.failed, totals.neither), (2, 1, 1));
        assert_eq!(totals.last_used, Some(started));
    }

    #[test]
    fn what_fails_on_other_threads_takes_no_turn_to_be_timed_away() {
        let meter = Meter::new(Arc::default());
        let mut timed = 0;
        for _ in 0..400 {
            timed += usize::from(meter.wants_time());
            meter.settle(Settled::Succeeded, Instant::ZERO, false);
            // On every stripe, so that it is on this one too.
            std::thread::scope(|scope| {
                for _ in 0..stripe_count() {
                    scope.spawn(|| meter.settle(Settled::Failed, Instant::ZERO, false));
                }
            });
        }
        assert_eq!(timed, 64 + (400 - 64) / 32 + 1);
    }

    #[test]
    fn after_the_first_calls_the_time_of_one_in_thirty_two_is_taken() {
        let meter = Meter::new(Arc::default());
        let timed = (0..1600).filter(|_| {
            let timed = meter.wants_time();
            meter.settle(Settled::Succeeded, Instant::ZERO, false);
            timed
        });
        assert_eq!(timed.count(), 64 + (1600 - 64) / 32);
    }
}
