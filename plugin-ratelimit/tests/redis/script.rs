//! The script's arithmetic, with its clock in the hands of the test, step by step against the same in whole numbers. Who asks has
//! settings of his own each time, as while a change of settings goes round. What must be true of it, however it is written, is in
//! `any_askers.rs`.

use proptest::{prelude::*, test_runner::TestRunner};
use redis::{FromRedisValue, aio::MultiplexedConnection};

#[path = "../../src/shared/decide_model.rs"]
mod decide_model;

use decide_model::Model;
pub(super) use decide_model::{Answered, Asked, Asker};

use super::{server::Server, within};

pub(super) const YEAR: i128 = 365 * 24 * 3_600 * 1_000_000_000;

/// A script of this crate, with the moment as two arguments more; what it writes does not expire by the server's clock.
pub(super) struct Script(String);

impl Script {
    fn new(text: &str, debt: &str) -> Self {
        assert_eq!(text.matches("redis.call('TIME')").count(), 1);
        let expiry = format!(", 'PX', string.format('%.0f', math.floor({debt} / 1e6) + 1)");
        assert_eq!(text.matches(&expiry).count(), 1);
        Self(text.replace("redis.call('TIME')", "{ARGV[6], ARGV[7]}").replace(&expiry, ""))
    }

    pub(super) fn of_now() -> Self {
        Self::new(include_str!("../../src/shared/decide.lua"), "stored")
    }

    /// As it was when a value was the moment alone.
    fn of_before() -> Self {
        Self::new(include_str!("plain_values.lua"), "debt")
    }

    pub(super) async fn ask(
        &self,
        connection: &MultiplexedConnection,
        key: &str,
        micros: i64,
        asker: Asker,
        asked: Asked,
    ) -> Answered {
        self.run(connection, key, micros, asker, asked).await
    }

    async fn run<T: FromRedisValue>(
        &self,
        connection: &MultiplexedConnection,
        key: &str,
        micros: i64,
        asker: Asker,
        asked: Asked,
    ) -> T {
        let mut eval = redis::cmd("EVAL");
        eval.arg(&self.0).arg(1).arg(key);
        for number in [asker.interval, asker.tolerance, asked.tokens, asked.most, asked.shift] {
            eval.arg(i64::try_from(number).expect("small"));
        }
        eval.arg(micros / 1_000_000).arg(micros % 1_000_000);
        within(eval.query_async(&mut connection.clone())).await.expect("an answer")
    }
}

pub(super) const NOW: i64 = 1_764_377_663_000_000;

pub(super) fn asker(interval: i128, burst: i128) -> Asker {
    Asker { interval, tolerance: interval * burst }
}

fn one() -> Asked {
    Asked { tokens: 1, most: 1, shift: 0 }
}

/// Gateways of one rate or of several, so that a double counts exactly what one owes at the rate of another.
fn askers() -> impl Strategy<Value = Vec<Asker>> {
    let of_one_rate = (1_i128..2_000_000_000, prop::collection::vec(1_i128..50, 1..4))
        .prop_map(|(interval, bursts)| bursts.into_iter().map(|burst| asker(interval, burst)).collect());
    let of_several = (1_i128..1_000_000, prop::collection::vec((1_i128..9, 1_i128..20), 1..4))
        .prop_map(|(base, askers)| askers.into_iter().map(|(times, burst)| asker(base * times, burst)).collect());
    prop_oneof![of_one_rate, of_several]
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_script_decides_as_a_bucket_that_counts_tokens_whoever_asks() {
    let server = Server::start().await;
    let script = Script::of_now();
    let connection = server.connection().await;
    let shift = prop_oneof![4 => Just(0_i64), 1 => -9_000_000_i64..9_000_000];
    // In tokens of the first asker, so that they mean something at any rate; now and then the clock is set back.
    let elapsed = prop_oneof![9 => 0.0..3.0_f64, 1 => -40.0..0.0];
    let step = (0_usize..4, elapsed, 0_i128..8, 0_i128..5, shift);
    let strategy = (askers(), prop::collection::vec(step, 1..40));
    let handle = tokio::runtime::Handle::current();
    let mut runner =
        TestRunner::new(ProptestConfig { cases: 80, failure_persistence: None, ..ProptestConfig::default() });
    let bucket = std::cell::Cell::new(0);
    tokio::task::block_in_place(|| {
        runner.run(&strategy, |(askers, steps)| {
            bucket.set(bucket.get() + 1);
            let (key, mut micros) = (format!("bucket-{}", bucket.get()), NOW);
            let mut model = Model::default();
            for (who, elapsed, tokens, more, shift) in steps {
                let asker = askers[who % askers.len()];
                micros += (elapsed * askers[0].interval as f64 / 1_000.0) as i64;
                let asked = Asked { tokens, most: tokens + more, shift: shift.into() };
                let answer = handle.block_on(script.ask(&connection, &key, micros, asker, asked));
                let now = i128::from(micros) * 1_000;
                prop_assert_eq!(answer, model.decide(now, asker, asked));
            }
            Ok(())
        })
    })
    .expect("the same");
}

#[tokio::test]
async fn who_is_refused_under_a_smaller_burst_leaves_what_others_owe_as_it_is() {
    let server = Server::start().await;
    let (script, connection) = (Script::of_now(), server.connection().await);
    let (large, small) = (asker(1_000_000_000, 300), asker(1_000_000_000, 5));
    let ask = |micros, asker, asked| script.ask(&connection, "bucket", micros, asker, asked);
    let all = Asked { tokens: 1, most: 300, shift: 0 };
    assert_eq!(ask(NOW, large, all).await, (300, 300_000_000_000, 1_000_000_000));
    let stored: String = server.query("GET bucket").await;
    assert_eq!(ask(NOW, small, one()).await, (0, 300_000_000_000, 1_000_000_000), "it is told how long that is");
    assert_eq!(server.query::<String>("GET bucket").await, stored, "a refusal writes nothing");
    assert_eq!(ask(NOW, large, all).await.0, 0);
    // What another has let through while Redis was away, and what he gives back.
    let pays = Asked { shift: 3_000_000_000, ..one() };
    assert_eq!(ask(NOW, small, pays).await, (0, 300_000_000_000, 1_000_000_000), "his bucket holds no more");
    let gives = Asked { shift: -2_000_000_000, ..one() };
    assert_eq!(ask(NOW, small, gives).await, (0, 298_000_000_000, 1_000_000_000));
    assert_eq!(ask(NOW, large, all).await.0, 2);
    // Time alone brings the rest back, for each as far as his burst goes.
    let later = NOW + 296_000_000;
    assert_eq!(ask(later, small, all).await, (1, 5_000_000_000, 1_000_000_000));
    assert_eq!(ask(later, large, all).await.0, 295, "and his burst is what it was");
}

#[tokio::test]
async fn what_is_owed_is_as_many_tokens_at_another_rate_and_a_slower_asker_slows_down_nobody() {
    let server = Server::start().await;
    let (script, connection) = (Script::of_now(), server.connection().await);
    let (slow, fast) = (asker(1_000_000_000, 10), asker(1_000_000, 100));
    let ask = |micros, asker, asked| script.ask(&connection, "bucket", micros, asker, asked);
    let all = Asked { tokens: 1, most: 1_000, shift: 0 };
    assert_eq!(ask(NOW, slow, all).await, (10, 10_000_000_000, 1_000_000_000));
    assert_eq!(ask(NOW, fast, all).await, (90, 100_000_000, 1_000_000), "ten of a hundred are owed");
    assert_eq!(ask(NOW, slow, one()).await, (0, 100_000_000, 1_000_000), "and come back at the pace of the fast one");
    let pays = Asked { shift: 1_000_000_000, ..one() };
    assert_eq!(ask(NOW, slow, pays).await, (0, 100_000_000, 1_000_000));
    assert_eq!(ask(NOW + 10_000, fast, all).await, (10, 100_000_000, 1_000_000), "in 10 ms ten have come back");
    assert_eq!(ask(NOW + 110_000, slow, all).await, (10, 10_000_000_000, 1_000_000_000));
    // A change to the faster limit goes round: who is refused makes what is owed come back at its pace.
    let few = asker(1_000_000, 10);
    assert_eq!(ask(NOW + 110_000, few, one()).await, (0, 10_000_000, 1_000_000));
    assert_eq!(ask(NOW + 111_000, few, all).await, (1, 10_000_000, 1_000_000));
}

#[tokio::test]
async fn a_slower_asker_who_pays_and_takes_nothing_leaves_all_that_others_owe() {
    let server = Server::start().await;
    let (script, connection) = (Script::of_now(), server.connection().await);
    // Counted at the other's interval and back, all that the large one can owe is a nanosecond more.
    let (large, small) = (asker(14_285_715, 200), asker(3_333_333_334, 5));
    let ask = |micros, asker, asked| script.ask(&connection, "bucket", micros, asker, asked);
    let all = Asked { tokens: 1, most: 200, shift: 0 };
    assert_eq!(ask(NOW, large, all).await.0, 200);
    let pays = Asked { shift: small.interval, ..one() };
    assert_eq!(ask(NOW - 1_000_000, small, pays).await.0, 0);
    assert_eq!(ask(NOW - 999_900, large, all).await, (0, large.tolerance as i64 - 100_000, large.interval as i64));
}

#[tokio::test]
async fn a_clock_that_was_set_back_leaves_no_more_owed_than_the_bucket_of_who_wrote_it_holds() {
    let server = Server::start().await;
    let (script, connection) = (Script::of_now(), server.connection().await);
    let (large, small) = (asker(1_000_000_000, 300), asker(1_000_000_000, 5));
    let ask = |micros, asker, asked| script.ask(&connection, "bucket", micros, asker, asked);
    let some = Asked { tokens: 200, most: 200, shift: 0 };
    assert_eq!(ask(NOW, large, some).await, (200, 200_000_000_000, 1_000_000_000));
    let back = NOW - 3_600_000_000;
    assert_eq!(ask(back, small, Asked::default()).await, (0, 300_000_000_000, 1_000_000_000), "a look writes nothing");
    assert_eq!(
        ask(back, small, one()).await,
        (0, 300_000_000_000, 1_000_000_000),
        "not of an hour, and not of five tokens"
    );
    assert_eq!(
        ask(back + 1_000_000, large, one()).await,
        (1, 300_000_000_000, 1_000_000_000),
        "it was kept, and one has come back"
    );
}

#[tokio::test]
async fn gateways_of_before_read_what_is_written_now_and_what_they_write_is_read() {
    let server = Server::start().await;
    let (now, before, connection) = (Script::of_now(), Script::of_before(), server.connection().await);
    let (large, small) = (asker(7_654_321, 300), asker(7_654_321, 5));
    let all = Asked { tokens: 1, most: 300, shift: 0 };
    for turn in 0..50_i64 {
        let (key, micros) = (format!("bucket-{turn}"), NOW + turn * 1_234_567);
        let (some, more) = (Asked { tokens: 100, most: 100, shift: 0 }, Asked { tokens: 7, most: 7, shift: 0 });
        assert_eq!(now.ask(&connection, &key, micros, large, some).await, (100, 765_432_100, 7_654_321));
        let stored: String = server.query(&format!("GET {key}")).await;
        assert!(stored.len() == 62 && stored.contains(".00000000"), "{stored}");
        let answer: (i64, i64) = before.run(&connection, &key, micros, large, more).await;
        assert_eq!(answer, (7, 819_012_347), "to the nanosecond");
        let stored: String = server.query(&format!("GET {key}")).await;
        assert_eq!(stored.len(), 19, "{stored}");
        assert_eq!(
            now.ask(&connection, &key, micros, small, one()).await,
            (0, 819_012_347, 7_654_321),
            "no bound is known"
        );
        assert_eq!(server.query::<String>(&format!("GET {key}")).await, stored, "and nothing is cut");
        assert_eq!(now.ask(&connection, &key, micros, large, all).await, (193, large.tolerance as i64, 7_654_321));
    }
    // Of settings whose bucket takes a year to fill.
    let year = asker(YEAR / 7, 7);
    let taken = now.ask(&connection, "year", NOW, year, Asked { tokens: 7, most: 7, shift: 0 }).await;
    assert_eq!(taken.0, 7);
    let answer: (i64, i64) = before.run(&connection, "year", NOW, year, one()).await;
    assert_eq!(answer.0, 0);
    assert_eq!(now.ask(&connection, "year", NOW, year, one()).await.0, 0);
}
