//! A row.

use std::fmt;
use std::hint::black_box;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use super::histogram::Histogram;

/// Makes the given number of calls in a tight loop that was compiled for its row.
pub(crate) type Batch = Box<dyn FnMut(u64) + Send>;

/// How long the calls of a row took, each on its own. Those who call share it.
pub(super) type Times = Arc<Mutex<Histogram>>;

/// One row.
pub struct Case {
    name: String,
    against: Option<String>,
    two_threads: bool,
    /// How many times as long as that of another row its part of a round is.
    longer: u32,
    /// Where its calls are timed each on its own.
    times: Option<Times>,
    factory: Box<dyn Fn() -> Batch>,
}

impl Case {
    /// A row whose calls are made by whatever `factory` returns.
    pub(super) fn new(name: String, factory: impl Fn() -> Batch + 'static) -> Self {
        Self { name, against: None, two_threads: true, longer: 1, times: None, factory: Box::new(factory) }
    }

    /// A row in which threads meet nowhere.
    pub(super) fn unshared() -> Self {
        let factory = || -> Batch { Box::new(|calls| (0..calls).for_each(|call| _ = black_box(call))) };
        Self::new("shares nothing".to_owned(), factory)
    }

    /// Compares this row with another of its group by name, besides the first one.
    pub fn against(&mut self, row: impl Into<String>) -> &mut Self {
        self.against = Some(row.into());
        self
    }

    /// Leaves out the two-thread run, for what two threads cannot do at once.
    pub fn one_thread(&mut self) -> &mut Self {
        self.two_threads = false;
        self
    }

    /// Its calls are so long that few of them fit into a round, and are timed each on its own.
    pub(super) fn longer(&mut self, by: u32, times: &Times) -> &mut Self {
        self.longer = by;
        self.times = Some(Arc::clone(times));
        self
    }

    /// The nanoseconds within which this share of its calls were over, where each is timed on its own.
    pub(super) fn quantile(&self, share: f64) -> Option<f64> {
        self.times.as_ref()?.lock().unwrap_or_else(PoisonError::into_inner).quantile(share)
    }

    /// Forgets the calls that were timed each on its own.
    pub(super) fn forget_times(&self) {
        self.times.iter().for_each(|times| times.lock().unwrap_or_else(PoisonError::into_inner).clear());
    }

    /// How long its part of a round is, where that of others is this long.
    pub(super) fn round_time(&self, of_others: Duration) -> Duration {
        of_others * self.longer
    }

    pub(super) fn name(&self) -> &str {
        &self.name
    }

    pub(super) fn compared_with(&self) -> Option<&str> {
        self.against.as_deref()
    }

    pub(super) fn runs_on_two_threads(&self) -> bool {
        self.two_threads
    }

    pub(super) fn build(&self) -> Batch {
        (self.factory)()
    }
}

impl fmt::Debug for Case {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Case")
            .field("name", &self.name)
            .field("against", &self.against)
            .field("two_threads", &self.two_threads)
            .finish_non_exhaustive()
    }
}
