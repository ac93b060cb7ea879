//! The latency that the next call on an instance may expect.

use std::time::Duration;

use plugin_core::clock::{Instant, nanos};

use crate::sync::{AtomicU64, Ordering};

/// What a failed call is taken to have cost at least: an instance that fails fast must not look fast.
const FAILURE: Duration = Duration::from_secs(1);

/// The least share of a new sample.
const SHARE: f32 = 1.0 / 8.0;

/// Failures in a row, without an answer in between, from which an instance is taken to fail whatever it is asked: as
/// many as eject an instance from Envoy by default. Fewer may be chance, and instances that all fail now and then would
/// leave all calls to the few that have not for a while.
const IN_A_ROW: u32 = 5;

/// For how long an instance that fails again and again is left alone at the most after each failure: two half-lives. After the first
/// [`IN_A_ROW`] it is a sixteenth of that, and after the next a fourth: of many calls, each tenth of which fails, five fail in a row
/// now and then, and who has answered to that soon takes calls again.
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
            failures if ticks < LEFT_ALONE >> (2 * COUNTED.saturating_sub(failures)) => Expected::Failure,
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
mod tests;
