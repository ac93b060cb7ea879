//! The script's arithmetic, with its clock in the hands of the test, against a bucket that counts tokens.

use proptest::{prelude::*, test_runner::TestRunner};

use super::{server::Server, within};

/// In nanoseconds, as whole numbers.
struct Model {
    interval: i128,
    tolerance: i128,
    full_at: i128,
}

impl Model {
    fn decide(&mut self, now: i128, tokens: i128, most: i128, shift: i128) -> (i64, i64) {
        let debt = (self.full_at - now).clamp(0, self.tolerance);
        let mut debt = (debt + shift).clamp(0, self.tolerance);
        let free = (self.tolerance - debt) / self.interval;
        let taken = if tokens <= free { most.min(free) } else { 0 };
        debt += taken * self.interval;
        let is_look = tokens == 0 && taken == 0 && shift == 0;
        self.full_at = if is_look { self.full_at } else { now + debt };
        (i64::try_from(taken).expect("small"), i64::try_from(debt).expect("small"))
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_script_decides_as_a_bucket_that_counts_tokens() {
    let server = Server::start().await;
    let text = include_str!("../../src/shared/decide.lua");
    assert_eq!(text.matches("redis.call('TIME')").count(), 1);
    let text = text.replace("redis.call('TIME')", "{ARGV[6], ARGV[7]}");
    // What is written expires by the server's clock, and here the clock is the test's.
    let text = text.replace(", 'PX', string.format('%.0f', math.floor(debt / 1e6) + 1)", "");
    let connection = server.connection().await;
    let shift = prop_oneof![4 => Just(0_i64), 1 => -9_000_000_i64..9_000_000];
    // The limit becomes faster for a while, now and then.
    let faster = prop_oneof![4 => Just(1_i128), 1 => 2_i128..9];
    let step = (0_u64..3_000_000, 0_i64..8, 0_i64..5, shift, faster);
    let strategy = (1_u64..2_000_000_000, 1_u64..50, prop::collection::vec(step, 1..40));
    let handle = tokio::runtime::Handle::current();
    let mut runner =
        TestRunner::new(ProptestConfig { cases: 60, failure_persistence: None, ..ProptestConfig::default() });
    let bucket = std::cell::Cell::new(0);
    tokio::task::block_in_place(|| {
        runner.run(&strategy, |(interval, burst, steps)| {
            bucket.set(bucket.get() + 1);
            let mut connection = connection.clone();
            let (interval, mut micros) = (i128::from(interval), 1_764_377_663_000_000_u64);
            let mut model = Model { interval, tolerance: interval * i128::from(burst), full_at: 0 };
            for (elapsed, tokens, more, shift, faster) in steps {
                micros += elapsed;
                model.interval = (interval / faster).max(1);
                model.tolerance = model.interval * i128::from(burst);
                let mut eval = redis::cmd("EVAL");
                eval.arg(&text)
                    .arg(1)
                    .arg(format!("bucket-{}", bucket.get()))
                    .arg(model.interval as i64)
                    .arg(model.tolerance as i64);
                eval.arg(tokens).arg(tokens + more).arg(shift).arg(micros / 1_000_000).arg(micros % 1_000_000);
                let answer =
                    handle.block_on(within(eval.query_async::<(i64, i64)>(&mut connection))).expect("an answer");
                let now = i128::from(micros) * 1_000;
                let (tokens, more) = (i128::from(tokens), i128::from(more));
                prop_assert_eq!(answer, model.decide(now, tokens, tokens + more, shift.into()));
            }
            Ok(())
        })
    })
    .expect("the same");
}
