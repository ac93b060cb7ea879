//! What is true of one bucket whoever asks, at whatever moments, and however the script finds it.

use std::cell::Cell;

use proptest::{prelude::*, test_runner::TestRunner};
use tokio::{runtime::Handle, task::block_in_place};

use super::{
    script::{Answered, Asked, Asker, NOW, Script, YEAR, asker},
    server::Server,
};

/// The most tokens that were let through, less those given back, in any stretch of time that ends now, beyond what the highest rate
/// brings in it. It knows nothing of how a bucket is kept.
#[derive(Debug)]
struct Beyond {
    tokens: f64,
    micros: i64,
    interval: f64,
    burst: f64,
}

impl Beyond {
    fn of(askers: &[Asker]) -> Self {
        let interval = askers.iter().map(|asker| asker.interval).min().expect("one") as f64;
        let burst = askers.iter().map(|asker| asker.tolerance / asker.interval).max().expect("one") as f64;
        Self { tokens: 0.0, micros: NOW, interval, burst }
    }

    /// Whether it is still within the largest burst.
    fn holds(&mut self, micros: i64, asker: Asker, shift: i128, taken: i64) -> bool {
        // A clock that is set back brings nothing.
        let elapsed = (micros - self.micros).max(0) as f64 * 1e3;
        let given_back = (-shift).max(0) as f64 / asker.interval as f64;
        self.micros = micros;
        self.tokens = (self.tokens - elapsed / self.interval - given_back).max(0.0) + taken as f64;
        // Both sides count with doubles. No token can hide in a thousandth of one, or in a billionth of all.
        self.tokens <= self.burst * (1.0 + 1e-9) + 1e-3
    }
}

/// How much time has passed since the question before.
#[derive(Clone, Copy, Debug)]
enum Elapsed {
    Micros(i64),
    /// In tokens of who asks.
    Tokens(f64),
    /// In the time that the bucket of who asks takes to fill.
    Buckets(f64),
}

/// What is paid or, below zero, given back, by who asks.
#[derive(Clone, Copy, Debug)]
enum Shift {
    None,
    Tokens(f64),
    Buckets(f64),
}

#[derive(Clone, Copy, Debug)]
struct Step {
    who: usize,
    elapsed: Elapsed,
    tokens: i128,
    more: i128,
    shift: Shift,
}

impl Step {
    fn micros(self, asker: Asker) -> i64 {
        match self.elapsed {
            Elapsed::Micros(micros) => micros,
            Elapsed::Tokens(tokens) => (tokens * asker.interval as f64 / 1e3) as i64,
            Elapsed::Buckets(buckets) => (buckets * asker.tolerance as f64 / 1e3) as i64,
        }
    }

    fn asked(self, asker: Asker) -> Asked {
        let shift = match self.shift {
            Shift::None => 0,
            Shift::Tokens(tokens) => (tokens * asker.interval as f64) as i128,
            Shift::Buckets(buckets) => (buckets * asker.tolerance as f64) as i128,
        };
        Asked { tokens: self.tokens, most: self.tokens + self.more, shift }
    }
}

/// Rates that are a thousand times slower to a hundred thousand times faster than the first, and bursts of all sizes.
fn askers() -> impl Strategy<Value = Vec<Asker>> {
    let others = prop::collection::vec((-5.0..3.0_f64, 0.0..4.0_f64), 0..3);
    (4.0..10.0_f64, 0.0..4.0_f64, others).prop_map(|(interval, burst, others)| {
        let all = std::iter::once((0.0, burst)).chain(others);
        let asker = |(ratio, burst): (f64, f64)| {
            let interval = (10_f64.powf(interval + ratio) as i128).max(1);
            asker(interval, (10_f64.powf(burst) as i128).min(YEAR / interval))
        };
        all.map(asker).collect()
    })
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let elapsed = prop_oneof![
        3 => Just(Elapsed::Micros(0)),
        2 => (0..1_000_i64).prop_map(Elapsed::Micros),
        3 => (0.0..3.0).prop_map(Elapsed::Tokens),
        1 => (0.0..1.5).prop_map(Elapsed::Buckets),
        // The clock is set back.
        1 => (-2_000_000..0_i64).prop_map(Elapsed::Micros),
        1 => (-2.0..0.0).prop_map(Elapsed::Buckets),
    ];
    let shift = prop_oneof![
        5 => Just(Shift::None),
        3 => (-3.0..3.0).prop_map(Shift::Tokens),
        1 => (-1.0..1.0).prop_map(Shift::Buckets),
    ];
    let more = prop_oneof![2 => Just(0_i128), 1 => 0..4_i128, 2 => Just(100_000)];
    let step = (0_usize..3, elapsed, 0..8_i128, more, shift);
    let step = step.prop_map(|(who, elapsed, tokens, more, shift)| Step { who, elapsed, tokens, more, shift });
    prop::collection::vec(step, 1..30)
}

/// Asks about a bucket of its own in each case, with whatever steps, and hands each answer to `judge`.
fn run(
    cases: u32,
    ask: impl Fn(&str, i64, Asker, Asked) -> Answered,
    judge: impl Fn(&str, &mut Beyond, i64, (Asker, Asked), Answered) -> Result<(), TestCaseError>,
) {
    let mut runner = TestRunner::new(ProptestConfig { cases, failure_persistence: None, ..ProptestConfig::default() });
    let bucket = Cell::new(0);
    let result = runner.run(&(askers(), steps()), |(askers, steps)| {
        bucket.set(bucket.get() + 1);
        let (key, mut micros) = (format!("bucket-{}", bucket.get()), NOW);
        let mut beyond = Beyond::of(&askers);
        for step in steps {
            let asker = askers[step.who % askers.len()];
            // Seconds of ten digits, as they are from 2001 on.
            micros = (micros + step.micros(asker)).max(1_000_000_000_000_000);
            let asked = step.asked(asker);
            judge(&key, &mut beyond, micros, (asker, asked), ask(&key, micros, asker, asked))?;
        }
        Ok(())
    });
    result.expect("never");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_askers_get_more_than_the_largest_burst_and_the_highest_rate_brings() {
    let server = Server::start().await;
    let (script, connection, handle) = (Script::of_now(), server.connection().await, Handle::current());
    let ask = |key: &str, micros, asker, asked| handle.block_on(script.ask(&connection, key, micros, asker, asked));
    block_in_place(|| {
        run(2_000, ask, |_, beyond, micros, (asker, asked), (taken, ..)| {
            prop_assert!(beyond.holds(micros, asker, asked.shift, taken), "{beyond:?} after {asked:?} of {asker:?}");
            Ok(())
        });
    });
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_is_refused_gets_his_tokens_when_he_is_told_and_not_before() {
    let server = Server::start().await;
    let (script, connection, handle) = (Script::of_now(), server.connection().await, Handle::current());
    let ask = |key: &str, micros, asker, asked| handle.block_on(script.ask(&connection, key, micros, asker, asked));
    block_in_place(|| {
        run(400, ask, |key, _, micros, (asker, asked), (taken, full_after, pace)| {
            let asked = Asked { shift: 0, ..asked };
            let burst = asker.tolerance / asker.interval;
            if taken > 0 || asked.tokens == 0 || asked.tokens > burst {
                return Ok(());
            }
            let wait = i128::from(full_after) - (burst - asked.tokens) * i128::from(pace);
            let wait = i64::try_from(wait / 1_000).expect("years");
            // A copy, so that what comes after is asked of the bucket as it was. A server knows no part of a microsecond.
            for (wait, is_there) in [(wait - 1, false), (wait + 2, true)] {
                let mut copy = redis::cmd("COPY");
                copy.arg(key).arg("copy").arg("REPLACE");
                let _: i64 = handle.block_on(copy.query_async(&mut connection.clone())).expect("a copy");
                let then = ask("copy", micros + wait, asker, asked);
                prop_assert_eq!(then.0 > 0, is_there, "{} us after {:?} of {:?}: {:?}", wait, asked, asker, then);
            }
            Ok(())
        });
    });
}
