//! What the script decides, in whole numbers, for the tests of what an instance remembers. The tests over a server hold it against
//! the script itself.

/// Whose settings a question has, in nanoseconds.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Asker {
    pub(crate) interval: i128,
    pub(crate) tolerance: i128,
}

/// Tokens, at least and at most, and what is paid first.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Asked {
    pub(crate) tokens: i128,
    pub(crate) most: i128,
    pub(crate) shift: i128,
}

/// Tokens, the nanoseconds until the bucket is full, and the interval that a token comes back in until then.
pub(crate) type Answered = (i64, i64, i64);

/// The value of a bucket.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Model {
    pub(crate) full_at: i128,
    interval: i128,
    /// The most that anybody can owe.
    bound: i128,
}

fn counted(debt: i128, from: i128, to: i128) -> i128 {
    (debt * to + from - 1) / from
}

impl Model {
    pub(crate) fn decide(&mut self, now: i128, asker: Asker, asked: Asked) -> Answered {
        let Asker { interval, tolerance } = asker;
        let read = (self.full_at - now).max(0);
        // Where nothing is owed, nothing is known of who wrote it.
        let (pace, bound) = if read == 0 { (interval, tolerance) } else { (self.interval, self.bound) };
        let mut stored = read.min(bound);
        let before = counted(stored, pace, interval);
        let mut debt = if asked.shift > 0 {
            before.max((before + asked.shift).min(tolerance))
        } else {
            (before + asked.shift).max(0)
        };
        let free = (tolerance - debt).div_euclid(interval);
        let taken = if asked.tokens <= free { asked.most.min(free) } else { 0 };
        debt += taken * interval;
        let mut left = Self { full_at: now + stored, interval: pace, bound };
        if taken > 0 || interval <= pace {
            let bound = if debt > tolerance { counted(bound, pace, interval) } else { tolerance };
            left = Self { full_at: now + debt, interval, bound };
        } else if debt != before {
            let top = bound.max(counted(tolerance, interval, pace));
            stored = counted(debt, interval, pace).min(top);
            left = Self { full_at: now + stored, interval: pace, bound: if stored > bound { top } else { bound } };
        }
        let is_faster = interval < pace && debt > 0;
        if taken > 0 || asked.shift != 0 || (asked.tokens > 0 && (read > bound || is_faster)) {
            *self = left;
        }
        let told = left.interval.min(interval);
        let number = |number: i128| i64::try_from(number).expect("small");
        (number(taken), number(left.full_at - now), number(told))
    }
}
