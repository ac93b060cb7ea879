//! The latency that the next call on an instance may expect.

use std::{
    sync::atomic::{AtomicU64, Ordering},
    time::Duration,
};

use plugin_core::clock::{Instant, nanos};

/// What a failed call is taken to have cost at least: an instance that fails fast must not look fast.
const FAILURE: Duration = Duration::from_secs(1);

/// The least share of a new sample.
const SHARE: f32 = 1.0 / 8.0;

/// Failures in a row, without an answer in between, from which an instance is taken to fail whatever it is asked: as
/// many as eject an instance from Envoy by default. Fewer may be chance, and instances that all fail now and then would
/// leave all calls to the few that have not for a while.
const IN_A_ROW: u32 = 5;

/// For how long an instance that fails again and again is left alone after each failure: two half-lives.
const LEFT_ALONE: u32 = 2 * HALF_LIFE;

/// An exponentially weighted average that remembers when it was last fed, in one word.
///
/// A sample weighs an eighth, and more when the last one is long ago. As it is read it halves for every five seconds
/// without a sample, so that an instance that was slow, or failed, is asked again one day. Failures, and calls that
/// ended without an answer after more than what is read, raise it at once, and never lower it. An answer that says
/// nothing of the instance leaves it what it was when it was last fed, or takes an instance that was never measured to
/// be as slow as one that fails.
///
/// What a failure is taken to cost is outweighed where others are slow, or busy: then the one that fails would be given
/// all calls, and fail them at once. So it also counts failures in a row, see [`Expected`].
///
/// Where peaks are followed, an answer that took longer than the average is the new average, and one that took less
/// lowers it with time alone: by half of the difference in five to seven seconds, and not by an eighth each.
#[derive(Debug, Default)]
pub(crate) struct Estimate(AtomicU64);

/// What the next call may expect.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Expected {
    /// Nobody knows: no call has ended yet.
    Nothing,
    /// An answer after so many nanoseconds.
    Answer(f32),
    /// It has failed again and again, and was left alone since: one call may try, at this cost.
    Trial(f32),
    /// It fails again and again, the last time just now.
    Failure,
}

/// How a call went.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Sample {
    /// It answered after this time.
    Answered(Duration),
    /// The same where peaks are followed.
    Peak(Duration),
    /// It failed after this time, or was turned away.
    Failed(Duration),
    /// An answer would have taken longer than this: the caller went away or was in a hurry.
    AtLeast(Duration),
    /// It was answered after this time, and the answer says nothing of the instance, such as its caller's mistake.
    Ignored(Duration),
    /// It never reached the instance, through no fault of that: the caller's mistake.
    Unsent,
}

impl Estimate {
    /// Feeds a sample.
    pub(crate) fn feed(&self, sample: Sample, now: Instant) {
        // Relaxed: the word is complete in itself and publishes nothing else.
        let _ = self.0.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |word| {
            Some(Word::from_bits(word).fed(sample, now).bits())
        });
    }

    /// What the next call may expect.
    pub(crate) fn read(&self, now: Instant) -> Expected {
        Word::from_bits(self.0.load(Ordering::Relaxed)).read(now)
    }
}

/// Nanoseconds, at least 1 once there was a sample, the tick of the last one, and how many in a row have failed.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Word {
    value: f32,
    tick: u32,
    failures: u32,
}

/// The last bits of the average, which hold the failures in a row instead: it still has six digits.
const COUNTED: u32 = 0b111;

/// A tick is 2^20 ns, about a millisecond; 32 bits of them are 52 days. An instance that was not called for longer
/// reads as if it had been called more recently, which costs it one late call.
const TICK: u32 = 20;

/// Ticks that a moment may lie before the last sample, about a minute: what is further back is taken to have wrapped.
const BEHIND: u32 = 1 << 16;

/// Ticks in five seconds.
const HALF_LIFE: u32 = 4768;

impl Word {
    fn from_bits(bits: u64) -> Self {
        #[expect(clippy::cast_possible_truncation, reason = "the two halves are what is wanted")]
        let (high, tick) = ((bits >> 32) as u32, bits as u32);
        Self { value: f32::from_bits(high & !COUNTED), tick, failures: high & COUNTED }
    }

    fn bits(self) -> u64 {
        u64::from(self.value.to_bits() & !COUNTED | self.failures) << 32 | u64::from(self.tick)
    }

    fn is_empty(self) -> bool {
        self.value == 0.0
    }

    fn fed(self, sample: Sample, now: Instant) -> Self {
        let ticks = self.ticks(now);
        let after = |elapsed: Duration| {
            #[expect(clippy::cast_precision_loss, reason = "an average needs no more than seven digits")]
            let nanos = nanos(elapsed) as f32;
            nanos.max(1.0)
        };
        let value = match sample {
            Sample::Answered(elapsed) if self.is_empty() => after(elapsed),
            Sample::Answered(elapsed) => {
                let share = (1.0 - decay(ticks)).max(SHARE);
                (self.value + (after(elapsed) - self.value) * share).max(1.0)
            }
            // After Finagle's `PeakEwma`: it is quick to leave what is slow, and slow to believe that it is fast again.
            Sample::Peak(elapsed) => {
                let elapsed = after(elapsed);
                (elapsed + (self.value - elapsed).max(0.0) * decay(ticks)).max(1.0)
            }
            // Against what is left of the average, which is what a pick reads.
            Sample::Failed(elapsed) => (self.value * decay(ticks)).max(after(elapsed.max(FAILURE))),
            Sample::AtLeast(elapsed) if after(elapsed) > self.value * decay(ticks) => after(elapsed),
            // It takes less to say that a call is wrong than to answer it, and an instance that says it of every call,
            // since it is set up wrong, would look like the fastest. So it lowers nothing, not even by its age.
            Sample::Ignored(elapsed) if self.is_empty() => after(elapsed.max(FAILURE)),
            Sample::Ignored(elapsed) => self.value.max(after(elapsed)),
            // One that was never measured would be asked by every call again. It is taken to be as slow as one that
            // fails, until that has decayed.
            Sample::Unsent if self.is_empty() => after(FAILURE),
            // It says only what was expected, or nothing.
            Sample::AtLeast(_) | Sample::Unsent => return self,
        };
        let failures = match sample {
            Sample::Answered(_) | Sample::Peak(_) => 0,
            Sample::Failed(_) => (self.failures + 1).min(COUNTED),
            Sample::AtLeast(_) | Sample::Ignored(_) | Sample::Unsent => self.failures,
        };
        Self { value, tick: self.tick.wrapping_add(ticks), failures }
    }

    fn read(self, now: Instant) -> Expected {
        let ticks = self.ticks(now);
        let left = self.value * decay(ticks);
        match self.failures {
            _ if self.is_empty() => Expected::Nothing,
            ..IN_A_ROW => Expected::Answer(left),
            _ if ticks < LEFT_ALONE => Expected::Failure,
            _ => Expected::Trial(left),
        }
    }

    /// Ticks since the last sample. None when another thread has fed a later one since this thread looked at the clock.
    fn ticks(self, now: Instant) -> u32 {
        let ticks = tick(now).wrapping_sub(self.tick);
        if ticks > u32::MAX - BEHIND { 0 } else { ticks }
    }
}

#[expect(clippy::cast_possible_truncation, reason = "ticks wrap")]
fn tick(now: Instant) -> u32 {
    (now.as_nanos() >> TICK) as u32
}

/// 2^-(ticks / half-life), linear between the halvings.
#[expect(clippy::cast_precision_loss, reason = "the remainder is below 2^13")]
fn decay(ticks: u32) -> f32 {
    let (halvings, rest) = (ticks / HALF_LIFE, ticks % HALF_LIFE);
    let fraction = 1.0 - 0.5 * (rest as f32 / HALF_LIFE as f32);
    // The exponent of an f32 reaches down to 2^-126.
    fraction * f32::from_bits((127 - halvings.min(126)) << 23)
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: Duration = Duration::from_millis(1);

    fn at(seconds: u64) -> Instant {
        Instant::from_nanos(seconds * 1_000_000_000)
    }

    /// What is left of the average.
    fn millis(estimate: &Estimate, now: Instant) -> f32 {
        let word = Word::from_bits(estimate.0.load(Ordering::Relaxed));
        assert!(!word.is_empty());
        word.value * decay(word.ticks(now)) / 1e6
    }

    #[test]
    fn nothing_is_expected_before_the_first_sample_and_the_first_counts_whole() {
        let estimate = Estimate::default();
        assert_eq!(estimate.read(at(1)), Expected::Nothing);
        estimate.feed(Sample::Answered(8 * MS), at(1));
        assert!((millis(&estimate, at(1)) - 8.0).abs() < 0.01);
        estimate.feed(Sample::Answered(16 * MS), at(1));
        assert!((millis(&estimate, at(1)) - 9.0).abs() < 0.01, "an eighth of the difference");
    }

    #[test]
    fn a_fast_failure_is_not_fast() {
        let estimate = Estimate::default();
        estimate.feed(Sample::Answered(MS), at(1));
        estimate.feed(Sample::Failed(Duration::from_micros(3)), at(1));
        assert!((millis(&estimate, at(1)) - 1000.0).abs() < 0.1);
        estimate.feed(Sample::Failed(3000 * MS), at(1));
        assert!((millis(&estimate, at(1)) - 3000.0).abs() < 0.1, "nor is a slow one as fast as that");
    }

    #[test]
    fn the_estimate_halves_every_five_seconds_and_a_late_sample_replaces_it() {
        let estimate = Estimate::default();
        estimate.feed(Sample::Failed(MS), at(1));
        assert!((millis(&estimate, Instant::from_nanos(3_500_000_000)) - 750.0).abs() < 1.0, "evenly in between");
        assert!((millis(&estimate, at(6)) - 500.0).abs() < 1.0);
        assert!((millis(&estimate, at(51)) - 0.97).abs() < 0.02);
        estimate.feed(Sample::Answered(2 * MS), at(51));
        assert!(millis(&estimate, at(51)) < 4.0, "ten half-lives leave a thousandth of the failure");
        // However long ago: minutes without a call are no clock that ran backwards.
        estimate.feed(Sample::Failed(MS), at(60));
        for later in [65, 120, 600, 86_400, 30 * 86_400] {
            let left = millis(&estimate, at(60 + later));
            assert!(left < 1000.0 / later as f32, "{left} ms are left after {later} s");
        }
    }

    #[test]
    fn a_peak_is_taken_at_once_and_is_left_behind_with_time_however_many_answers_come() {
        for per_second in [10_u64, 100, 5000] {
            let estimate = Estimate::default();
            estimate.feed(Sample::Peak(10 * MS), at(1));
            estimate.feed(Sample::Peak(810 * MS), at(1));
            assert!((millis(&estimate, at(1)) - 810.0).abs() < 0.1);
            for half_lives in 1..=4_i32 {
                for answer in 0..5 * per_second {
                    let since = 5 * (half_lives as u64 - 1) * per_second + answer + 1;
                    estimate.feed(
                        Sample::Peak(10 * MS),
                        Instant::from_nanos((per_second + since) * 1_000_000_000 / per_second),
                    );
                }
                // Many small steps of a decay that is linear between the halvings leave e^-0.5, where one step leaves a
                // half.
                let left = (millis(&estimate, at(1 + 5 * half_lives as u64)) - 10.0) / 800.0;
                let (least, most) = (0.6_f32.powi(half_lives), 0.61_f32.powi(half_lives));
                assert!((least..most).contains(&left), "{left} is left at {per_second}/s after {half_lives}");
            }
        }
    }

    #[test]
    fn an_instance_that_fails_again_and_again_is_left_alone_for_a_while_and_one_that_fails_by_chance_is_not() {
        let estimate = Estimate::default();
        let is_answer = |at: Instant| matches!(estimate.read(at), Expected::Answer(_));
        let fail = |times: usize, at: Instant| (0..times).for_each(|_| estimate.feed(Sample::Failed(MS), at));
        for _ in 0..10 {
            fail(4, at(1));
            assert!(is_answer(at(1)));
            estimate.feed(Sample::Answered(MS), at(1));
        }
        fail(4, at(1));
        for says_nothing in [Sample::Ignored(MS), Sample::Unsent, Sample::AtLeast(2000 * MS)] {
            estimate.feed(says_nothing, at(2));
        }
        assert!(is_answer(at(2)));
        // However often.
        for failure in 1..12 {
            let at = |seconds: u64| at(20 * failure + seconds);
            fail(1, at(0));
            assert_eq!([0, 1, 9].map(|seconds| estimate.read(at(seconds))), [Expected::Failure; 3]);
            assert!(matches!(estimate.read(at(11)), Expected::Trial(nanos) if nanos < 1e9), "{failure}");
        }
        estimate.feed(Sample::Peak(MS), at(400));
        assert!(is_answer(at(400)));
    }

    #[test]
    fn a_call_that_was_given_up_counts_only_as_far_as_it_says_something() {
        let estimate = Estimate::default();
        estimate.feed(Sample::AtLeast(5 * MS), at(1));
        estimate.feed(Sample::AtLeast(2 * MS), at(1));
        assert!((millis(&estimate, at(1)) - 5.0).abs() < 0.01);
        estimate.feed(Sample::AtLeast(9 * MS), at(1));
        assert!((millis(&estimate, at(1)) - 9.0).abs() < 0.01);
    }

    #[test]
    fn an_answer_that_says_nothing_of_the_instance_makes_it_no_faster_however_often_it_comes() {
        let estimate = Estimate::default();
        estimate.feed(Sample::Ignored(MS), at(1));
        assert!((millis(&estimate, at(1)) - 1_000.0).abs() < 0.1);
        for second in 2..=100 {
            estimate.feed(Sample::Ignored(MS), at(second));
            assert!((millis(&estimate, at(second)) - 1_000.0).abs() < 0.1, "{second}");
        }
        estimate.feed(Sample::Ignored(3_000 * MS), at(101));
        assert!((millis(&estimate, at(101)) - 3_000.0).abs() < 1.0);
        estimate.feed(Sample::Answered(20 * MS), at(161));
        assert!(millis(&estimate, at(161)) < 30.0, "an answer is what it is measured by");
    }

    #[test]
    fn what_is_at_least_expected_is_held_against_what_is_left_of_the_average() {
        let estimate = Estimate::default();
        estimate.feed(Sample::Answered(20_000 * MS), at(0));
        assert!(millis(&estimate, at(60)) < 5.0, "twelve half-lives");
        estimate.feed(Sample::AtLeast(MS), at(60));
        assert!(millis(&estimate, at(60)) > 4.0, "it says nothing new, and lowers nothing");
        for second in 60..=68 {
            estimate.feed(Sample::AtLeast(2_000 * MS), at(second));
            assert!((millis(&estimate, at(second)) - 2_000.0).abs() < 0.5, "{} ms", millis(&estimate, at(second)));
        }
    }

    #[test]
    fn a_failure_brings_back_no_average_that_has_decayed() {
        let estimate = Estimate::default();
        estimate.feed(Sample::Answered(20_000 * MS), at(0));
        estimate.feed(Sample::Failed(MS), at(60));
        assert!((millis(&estimate, at(60)) - 1_000.0).abs() < 0.5, "{} ms", millis(&estimate, at(60)));
        estimate.feed(Sample::Answered(20_000 * MS), at(120));
        estimate.feed(Sample::Failed(MS), at(125));
        assert!((millis(&estimate, at(125)) - 10_000.0).abs() < 10.0, "{} ms", millis(&estimate, at(125)));
    }

    #[test]
    fn a_moment_that_was_read_before_the_last_sample_and_is_fed_after_it_is_no_long_time_later() {
        let estimate = Estimate::default();
        let (before, now) = (Instant::from_nanos(9_000_000_000), at(10));
        estimate.feed(Sample::Answered(800 * MS), now);
        assert!((millis(&estimate, before) - 800.0).abs() < 0.5, "{} ms", millis(&estimate, before));
        estimate.feed(Sample::AtLeast(MS), before);
        estimate.feed(Sample::Answered(1600 * MS), before);
        assert!((millis(&estimate, now) - 900.0).abs() < 0.5, "{} ms", millis(&estimate, now));
    }

    #[test]
    fn an_instance_that_was_never_measured_is_measured_by_a_call_that_never_reached_it() {
        let estimate = Estimate::default();
        estimate.feed(Sample::Unsent, at(1));
        assert!((millis(&estimate, at(1)) - 1000.0).abs() < 0.1);
        estimate.feed(Sample::Answered(MS), at(51));
        let answered = estimate.read(at(51));
        estimate.feed(Sample::Unsent, at(51));
        assert_eq!(estimate.read(at(51)), answered);
    }

    #[test]
    fn a_sample_of_no_time_is_still_a_sample() {
        let estimate = Estimate::default();
        estimate.feed(Sample::Answered(Duration::ZERO), Instant::ZERO);
        assert_eq!(estimate.read(Instant::ZERO), Expected::Answer(1.0));
        assert!(matches!(estimate.read(at(4_000_000)), Expected::Answer(nanos) if nanos > 0.0));
    }
}
