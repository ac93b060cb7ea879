//! A window over the last N calls.

use super::sums::Sums;

/// One bit per call and property, in a ring. It slides with every call: successes are appended in bulk, as zeros, when
/// the next failure or slow call arrives, which tells how many there were since the last one.
///
/// So the window is exact. Only for calls that finish at the same moment on different threads is their order open.
#[derive(Clone, Debug)]
pub(crate) struct CallWindow {
    failed: Bits,
    slow: Bits,
    size: usize,
    /// Where the next call goes.
    next: usize,
    /// Calls in the window, at most `size`.
    filled: usize,
    /// Fast successes that have been appended.
    seen: u64,
}

impl CallWindow {
    pub(crate) fn new(size: usize) -> Self {
        Self { failed: Bits::new(size), slow: Bits::new(size), size, next: 0, filled: 0, seen: 0 }
    }

    pub(crate) fn size(&self) -> usize {
        self.size
    }

    /// Appends the fast successes that have come since, of which there were `successes` in all.
    pub(crate) fn catch_up(&mut self, successes: u64) {
        let new = successes.saturating_sub(self.seen);
        self.seen = self.seen.max(successes);
        self.append_fast(new);
    }

    /// Appends a call that was not a fast success.
    pub(crate) fn record(&mut self, failed: bool, slow: bool) {
        self.failed.set(self.next, failed);
        self.slow.set(self.next, slow);
        self.step(1);
    }

    /// Appends fast successes that are in no cell.
    pub(crate) fn append_fast(&mut self, count: u64) {
        let count = usize::try_from(count).unwrap_or(usize::MAX).min(self.size);
        let first = count.min(self.size - self.next);
        for bits in [&mut self.failed, &mut self.slow] {
            bits.clear(self.next, first);
            bits.clear(0, count - first);
        }
        self.step(count);
    }

    /// Appends calls of which only the numbers are known, those that were fast first.
    pub(crate) fn append(&mut self, sums: Sums) {
        let others = sums.failures.max(sums.slow);
        self.append_fast(sums.calls.saturating_sub(others));
        (0..others).for_each(|index| self.record(index < sums.failures, index < sums.slow));
    }

    fn step(&mut self, count: usize) {
        self.next = (self.next + count) % self.size;
        self.filled = (self.filled + count).min(self.size);
    }

    pub(crate) fn sums(&self) -> Sums {
        Sums { calls: self.filled as u64, failures: self.failed.ones, slow: self.slow.ones }
    }

    pub(crate) fn clear(&mut self) {
        *self = Self::new(self.size);
    }

    /// The same calls in a window of another size: all of them, or the newest that fit. `seen` starts anew.
    pub(crate) fn resized(&self, size: usize) -> Self {
        let mut other = Self::new(size);
        for age in (0..self.filled.min(size)).rev() {
            let at = (self.next + self.size - 1 - age) % self.size;
            other.record(self.failed.get(at), self.slow.get(at));
        }
        other
    }

    /// Bytes on the heap.
    pub(crate) fn heap(&self) -> usize {
        2 * size_of_val(&*self.failed.words)
    }
}

/// A row of bits that knows how many are set.
#[derive(Clone, Debug)]
struct Bits {
    words: Box<[u64]>,
    ones: u64,
}

impl Bits {
    fn new(size: usize) -> Self {
        Self { words: vec![0; size.div_ceil(64)].into_boxed_slice(), ones: 0 }
    }

    fn get(&self, at: usize) -> bool {
        self.words[at / 64] >> (at % 64) & 1 == 1
    }

    fn set(&mut self, at: usize, on: bool) {
        self.clear(at, 1);
        if on {
            self.words[at / 64] |= 1 << (at % 64);
            self.ones += 1;
        }
    }

    fn clear(&mut self, from: usize, count: usize) {
        let (mut at, end) = (from, from + count);
        while at < end && self.ones > 0 {
            let bits = (64 - at % 64).min(end - at);
            let mask = (u64::MAX >> (64 - bits)) << (at % 64);
            let word = &mut self.words[at / 64];
            self.ones -= u64::from((*word & mask).count_ones());
            *word &= !mask;
            at += bits;
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::VecDeque;

    use proptest::prelude::*;

    use super::*;

    #[test]
    fn an_old_failure_slides_out_of_the_window() {
        let mut window = CallWindow::new(100);
        window.record(true, false);
        window.catch_up(99);
        assert_eq!(window.sums(), Sums { calls: 100, failures: 1, slow: 0 });
        window.catch_up(100);
        assert_eq!(window.sums(), Sums { calls: 100, failures: 0, slow: 0 });
    }

    #[test]
    fn calls_of_which_only_the_numbers_are_known_are_all_there_and_those_that_were_fast_are_the_oldest() {
        for sums in [
            Sums { calls: 10, failures: 3, slow: 5 },
            Sums { calls: 10, failures: 5, slow: 3 },
            Sums { calls: 4, failures: 4, slow: 0 },
        ] {
            let mut window = CallWindow::new(100);
            window.append(sums);
            assert_eq!(window.sums(), sums);
        }
        let mut window = CallWindow::new(4);
        window.append(Sums { calls: 10, failures: 3, slow: 2 });
        assert_eq!(window.sums(), Sums { calls: 4, failures: 3, slow: 2 });
    }

    #[derive(Clone, Debug)]
    enum Step {
        Fast(u64),
        Other(bool, bool),
        Resize(usize),
    }

    fn steps() -> impl Strategy<Value = Vec<Step>> {
        let step = prop_oneof![
            (0u64..200).prop_map(Step::Fast),
            (any::<bool>(), any::<bool>()).prop_map(|(failed, slow)| Step::Other(failed, slow)),
            (1usize..200).prop_map(Step::Resize),
        ];
        proptest::collection::vec(step, 1..200)
    }

    proptest! {
        #[test]
        fn the_ring_of_bits_agrees_with_a_list_of_the_last_calls(size in 1usize..200, steps in steps()) {
            let mut window = CallWindow::new(size);
            let mut list: VecDeque<(bool, bool)> = VecDeque::new();
            let mut size = size;
            let mut fast = 0;
            for step in steps {
                match step {
                    Step::Fast(count) => {
                        fast += count;
                        window.catch_up(fast);
                        list.extend((0..count).map(|_| (false, false)));
                    }
                    Step::Other(failed, slow) => {
                        window.record(failed, slow);
                        list.push_back((failed, slow));
                    }
                    Step::Resize(new) => {
                        window = window.resized(new);
                        size = new;
                        fast = 0;
                    }
                }
                while list.len() > size {
                    list.pop_front();
                }
                let expected = Sums {
                    calls: list.len() as u64,
                    failures: list.iter().filter(|call| call.0).count() as u64,
                    slow: list.iter().filter(|call| call.1).count() as u64,
                };
                prop_assert_eq!(window.sums(), expected);
            }
        }
    }
}
