//! Interleaved rounds.

use std::time::Duration;

use super::alloc::count_allocations;
use super::case::{Batch, Case};
use super::clock::now;
use super::group::Group;
use super::measured::{Measured, Measurement, TwoThreads, Waits};
use super::pair;
use super::plan::Plan;
use super::stats::{interquartile, median};

/// Allocations are counted over at most this many calls.
const COUNTED_CALLS: u64 = 1000;

/// How often a thread of a pair looks at the clock.
const LOOK: Duration = Duration::from_micros(20);

impl Group {
    /// Times every row.
    ///
    /// # Errors
    ///
    /// The group has no rows, two of one name, or a comparison with a row that is not there.
    ///
    /// # Panics
    ///
    /// When a row does, see [`Group::service`].
    pub fn measure(&self, plan: &Plan) -> Result<Measurement, String> {
        self.validate()?;
        let two_cores = std::thread::available_parallelism().is_ok_and(|cores| cores.get() >= 2);
        let control = Case::unshared();
        let cases = self.cases().iter().chain([&control]);
        let mut runners: Vec<Runner> = cases.map(|case| Runner::new(case, plan, two_cores)).collect();
        let count = runners.len();
        for round in 0..plan.rounds() {
            // All single-thread runs stand together, so that the rows that are compared lie close in time.
            (0..count).for_each(|place| runners[(round + place) % count].run_single());
            (0..count).for_each(|place| runners[(round + place) % count].run_pair(plan));
        }
        let mut rows: Vec<Measured> = runners.iter().map(|runner| runner.conclude(&runners)).collect();
        let control = rows.pop().and_then(|control| control.two_threads);
        Ok(Measurement { rows, unshared_scaling: control.map(|run| run.scaling) })
    }
}

/// One row while it is measured.
struct Runner<'a> {
    case: &'a Case,
    single: Batch,
    pair: Option<[Batch; 2]>,
    /// Calls per round.
    calls: u64,
    /// Calls between two looks at the clock in a two-thread run.
    calls_per_look: u64,
    allocations: f64,
    /// Per round.
    ns_per_call: Vec<f64>,
    /// Per round: calls per nanosecond of both threads together.
    throughput: Vec<f64>,
}

impl<'a> Runner<'a> {
    fn new(case: &'a Case, plan: &Plan, two_cores: bool) -> Self {
        let mut single = case.build();
        let round_time = case.round_time(plan.round_time);
        let calls = calibrate(&mut single, round_time);
        let counted = calls.min(COUNTED_CALLS);
        let allocations = count_allocations(|| single(counted)) as f64 / counted as f64;
        // What was timed so far was to warm up.
        case.forget_times();
        let share = LOOK.as_secs_f64() / round_time.as_secs_f64();
        Self {
            pair: (two_cores && case.runs_on_two_threads()).then(|| [case.build(), case.build()]),
            calls_per_look: ((calls as f64 * share) as u64).max(1),
            case,
            single,
            calls,
            allocations,
            ns_per_call: Vec::with_capacity(plan.rounds()),
            throughput: Vec::with_capacity(plan.rounds()),
        }
    }

    fn run_single(&mut self) {
        let took = time(&mut self.single, self.calls);
        self.ns_per_call.push(took.as_nanos() as f64 / self.calls as f64);
    }

    fn run_pair(&mut self, plan: &Plan) {
        if let Some(pair) = &mut self.pair {
            self.throughput.push(pair::throughput(pair, self.calls_per_look, plan.pair_time));
        }
    }

    fn conclude(&self, all: &[Runner<'_>]) -> Measured {
        let peer = self.case.compared_with().and_then(|name| all.iter().find(|other| other.case.name() == name));
        let per_thread: Vec<f64> = self.throughput.iter().map(|throughput| 2.0 / throughput).collect();
        let scaling: Vec<f64> = self.throughput.iter().zip(&self.ns_per_call).map(|(calls, ns)| calls * ns).collect();
        let two_threads = median(&scaling).zip(median(&per_thread));
        Measured {
            name: self.case.name().to_owned(),
            ns_per_call: median(&self.ns_per_call).unwrap_or(f64::NAN),
            spread: interquartile(&self.ns_per_call).unwrap_or(f64::NAN),
            waits: self.case.quantile(0.5).zip(self.case.quantile(0.99)).map(|(p50, p99)| Waits { p50, p99 }),
            to_first: self.relative_to(&all[0]),
            to_peer: peer.map(|peer| (peer.case.name().to_owned(), self.relative_to(peer))),
            allocations: self.allocations,
            two_threads: two_threads.map(|(scaling, ns_per_call)| TwoThreads { scaling, ns_per_call }),
        }
    }

    /// The median of the ratios within each round: what slows a whole round cancels out.
    fn relative_to(&self, other: &Runner<'_>) -> f64 {
        let ratios: Vec<f64> = self.ns_per_call.iter().zip(&other.ns_per_call).map(|(own, its)| own / its).collect();
        median(&ratios).unwrap_or(f64::NAN)
    }
}

/// Finds how many calls take about `goal`, and warms the row up on the way.
fn calibrate(batch: &mut Batch, goal: Duration) -> u64 {
    let mut calls: u64 = 1;
    loop {
        // The better of two: a single interruption would leave the row with too few calls.
        let took = time(batch, calls).min(time(batch, calls));
        if took >= goal / 4 {
            // The first calls of a connection take longer than all others: once more, now that they are over.
            let warm = filling(goal, calls, took);
            return filling(goal, warm, time(batch, warm).min(time(batch, warm)));
        }
        calls = calls.saturating_mul(4);
    }
}

/// How many calls take about `goal`, where so many took this long.
fn filling(goal: Duration, calls: u64, took: Duration) -> u64 {
    ((calls as f64 * goal.as_secs_f64() / took.as_secs_f64()) as u64).max(1)
}

fn time(batch: &mut Batch, calls: u64) -> Duration {
    let begun = now();
    batch(calls);
    begun.elapsed()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn short() -> Plan {
        Plan::default().with_rounds(3).with_times(Duration::from_micros(300), Duration::from_millis(2))
    }

    /// Takes about this long, however fast the machine is.
    fn busy(time: Duration) -> impl FnMut() + Send + 'static {
        move || {
            let begun = now();
            while begun.elapsed() < time {
                std::hint::spin_loop();
            }
        }
    }

    #[test]
    fn calibration_finds_how_many_calls_fill_a_round() {
        let mut wait = busy(Duration::from_micros(10));
        let mut batch: Batch = Box::new(move |calls| (0..calls).for_each(|_| wait()));
        let calls = calibrate(&mut batch, Duration::from_millis(3));
        // No call is faster than 10 us, so more than 300 cannot fit; how many fewer depends on the machine's load.
        assert!((1..=300).contains(&calls), "{calls}");
    }

    #[test]
    fn first_calls_that_take_longer_do_not_leave_a_row_with_too_few() {
        let (mut first, mut other) = (busy(Duration::from_millis(4)), busy(Duration::from_micros(10)));
        let mut made = 0_u32;
        let mut batch: Batch = Box::new(move |calls| {
            for _ in 0..calls {
                made += 1;
                if made <= 2 { first() } else { other() }
            }
        });
        let calls = calibrate(&mut batch, Duration::from_millis(3));
        // Where no other program is in the way they are 300.
        assert!((10..=300).contains(&calls), "{calls}");
    }

    #[test]
    fn a_row_is_timed_counted_and_left_out_of_two_threads_where_it_asks() {
        let mut group = Group::new("g", "");
        group.case("waits", || busy(Duration::from_micros(50))).one_thread();
        group.case("boxes", || || (Box::new(1_u64), Box::new(2_u64))).against("waits");
        let measured = group.measure(&short()).unwrap().rows;
        let [waits, boxes] = &measured[..] else { panic!("{measured:?}") };
        // Only bounds that hold however busy the machine is.
        assert!(waits.ns_per_call >= 50_000.0, "{waits:?}");
        assert_eq!((waits.to_first, waits.allocations, waits.two_threads), (1.0, 0.0, None));
        assert_eq!(boxes.allocations, 2.0);
        assert_eq!(boxes.to_peer, Some(("waits".to_owned(), boxes.to_first)));
    }

    #[test]
    fn ratios_are_taken_within_rounds_so_that_a_slow_round_cancels_out() {
        let mut group = Group::new("g", "");
        group.case("bare", || || ());
        group.case("layer", || || ()).against("bare");
        let runner = |index: usize, ns: [f64; 3], throughput: [f64; 3]| Runner {
            ns_per_call: ns.to_vec(),
            throughput: throughput.to_vec(),
            ..Runner::new(&group.cases()[index], &short(), false)
        };
        let all =
            [runner(0, [10.0, 100.0, 10.0], [0.2, 0.02, 0.2]), runner(1, [20.0, 200.0, 40.0], [0.05, 0.005, 0.025])];
        let layer = all[1].conclude(&all);
        assert_eq!((layer.ns_per_call, layer.to_first), (40.0, 2.0));
        assert_eq!(layer.to_peer, Some(("bare".to_owned(), 2.0)));
        // 0.05 calls per ns by two threads against 1 per 20 ns by one; each of the two needs 80 ns in the middle round.
        assert_eq!(layer.two_threads, Some(TwoThreads { scaling: 1.0, ns_per_call: 80.0 }));
    }
}
