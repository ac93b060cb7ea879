//! The counts of one service.

use std::{
    sync::{
        OnceLock,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use super::{
    Status, TelemetryStats,
    histogram::{BUCKETS, Bucket, Histogram},
};
use plugin_core::{
    Code,
    sync::{LANES, LaneCount, Pad, lane, stripe_count},
};

/// All counts of one layer.
pub(super) struct Counters {
    stripes: Box<[Pad<Stripe>]>,
    /// Only errors write here, so these are not striped.
    codes: Box<[AtomicU64]>,
}

#[derive(Default)]
struct Stripe {
    started: LaneCount,
    ended: [LaneCount; Status::ALL.len()],
    /// Of each lane that a call has ended on: most have nobody, and they are large.
    durations: [OnceLock<Histogram>; LANES],
}

impl Counters {
    pub(super) fn new() -> Self {
        Self {
            stripes: (0..stripe_count()).map(|_| Pad::default()).collect(),
            codes: Code::ALL.iter().map(|_| AtomicU64::new(0)).collect(),
        }
    }

    pub(super) fn start(&self) {
        let lane = lane();
        self.stripes[lane.stripe()].started.add(lane, 1);
    }

    pub(super) fn end(&self, status: Status, code: Option<Code>, took: u64) {
        let lane = lane();
        let stripe = &self.stripes[lane.stripe()];
        stripe.durations[lane.within()].get_or_init(Histogram::new).record(lane, took);
        if let Some(code) = code {
            // Relaxed: an independent count.
            self.codes[code.index()].fetch_add(1, Ordering::Relaxed);
        }
        // It is a release: a reader that sees this end then also sees the start of this call.
        stripe.ended[status as usize].add(lane, 1);
    }

    pub(super) fn snapshot(&self) -> TelemetryStats {
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
                *sum += cell.sum();
            }
        }
        let (mut min, mut max) = (u64::MAX, 0);
        for stripe in &self.stripes {
            snapshot.started += stripe.started.sum();
            for durations in stripe.durations.iter().filter_map(OnceLock::get) {
                durations.add_to(&mut snapshot.buckets, &mut min, &mut max);
            }
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
                        if lane().stripe() != 0 {
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
                let here = u64::from(index == lane().stripe());
                assert_eq!(cell.started.sum(), here, "stripe {index}");
                assert_eq!(cell.ended[Status::Failure as usize].sum(), here, "stripe {index}");
                let (mut buckets, mut min, mut max) = (vec![Bucket::default(); BUCKETS], u64::MAX, 0);
                for durations in cell.durations.iter().filter_map(OnceLock::get) {
                    durations.add_to(&mut buckets, &mut min, &mut max);
                }
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
