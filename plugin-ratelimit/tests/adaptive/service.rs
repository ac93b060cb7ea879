//! A service as queueing theory has it (M/M/c): so many servers, one line before them that has no bound, and times of service
//! that are exponentially distributed. What is sent is worked on, whether or not anybody still waits for it.

use std::collections::VecDeque;

/// Numbers that are the same in each run: xorshift64* of Vigna.
pub(crate) struct Random(u64);

impl Random {
    pub(crate) fn new(seed: u64) -> Self {
        Self(seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1)
    }

    /// Above 0, and at most 1.
    fn unit(&mut self) -> f64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        let bits = self.0.wrapping_mul(0x2545_F491_4F6C_DD1D) >> 11;
        (bits as f64 + 1.0) / (1_u64 << 53) as f64
    }

    pub(crate) fn exponential(&mut self, mean: f64) -> f64 {
        -self.unit().ln() * mean
    }
}

/// Calls that are being worked on, and those before them.
pub(crate) struct Service {
    pub(crate) servers: usize,
    /// Seconds that a call takes on the mean.
    pub(crate) mean: f64,
    busy: usize,
    line: VecDeque<usize>,
    random: Random,
}

/// A call that is begun with, and how many seconds it takes.
pub(crate) type Begun = (usize, f64);

impl Service {
    pub(crate) fn new(servers: usize, mean: f64) -> Self {
        Self { servers, mean, busy: 0, line: VecDeque::new(), random: Random::new(7) }
    }

    /// Calls that it can answer in a second.
    pub(crate) fn capacity(&self) -> f64 {
        self.servers as f64 / self.mean
    }

    pub(crate) fn send(&mut self, call: usize) -> Option<Begun> {
        self.line.push_back(call);
        self.begin()
    }

    /// A call is done.
    pub(crate) fn done(&mut self) -> Option<Begun> {
        self.busy -= 1;
        self.begin()
    }

    /// Begins with the next call, where a server is free. One by one, so that servers that are taken away finish their call.
    pub(crate) fn begin(&mut self) -> Option<Begun> {
        if self.busy >= self.servers {
            return None;
        }
        let call = self.line.pop_front()?;
        self.busy += 1;
        Some((call, self.random.exponential(self.mean)))
    }
}
