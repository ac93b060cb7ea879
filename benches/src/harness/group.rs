//! A group of rows that are measured together.

use std::fmt;
use std::hint::black_box;
use std::sync::Arc;
use std::time::Duration;

use tower_service::Service;

use super::{drive::call_now, measure::Plan};

/// Makes the given number of calls in a tight loop that was compiled for its row.
pub(super) type Batch = Box<dyn FnMut(u64) + Send>;

/// Rows under one heading. All are compared with the first.
#[derive(Debug)]
pub struct Group {
    name: &'static str,
    about: &'static str,
    cases: Vec<Case>,
    notes: Vec<String>,
    own_table: Option<MeasureOwn>,
}

/// Measures a group whose rows are no calls of this process.
pub(crate) type MeasureOwn = fn(&Plan) -> Result<OwnTable, String>;

/// What such a group found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OwnTable {
    /// The table.
    pub markdown: String,
    /// Sentences beneath it.
    pub notes: Vec<String>,
}

/// One row.
pub struct Case {
    name: String,
    against: Option<String>,
    two_threads: bool,
    /// How many times as long as that of another row its part of a round is.
    longer: u32,
    factory: Box<dyn Fn() -> Batch>,
}

impl Group {
    /// A group without rows.
    #[must_use]
    pub fn new(name: &'static str, about: &'static str) -> Self {
        Self { name, about, cases: Vec::new(), notes: Vec::new(), own_table: None }
    }

    /// Adds a row for a service. Each call asks for readiness, makes a request, calls, and drops the response.
    ///
    /// The single-thread run and each of the two threads get a clone, so what the clones share is what threads share.
    ///
    /// The row panics when the service is not ready at once or answers with an error: a layer that only refuses is fast
    /// for the wrong reason.
    pub fn service<S, Req, R>(&mut self, name: impl Into<String>, service: S, request: R) -> &mut Case
    where
        S: Service<Req, Error: fmt::Debug> + Clone + Send + 'static,
        R: Fn() -> Req + Clone + Send + 'static,
        Req: 'static,
    {
        let name = name.into();
        let row = name.clone();
        self.case(name, move || {
            let (mut service, request, row) = (service.clone(), request.clone(), row.clone());
            move || match call_now(&mut service, black_box(request())) {
                Ok(response) => response,
                Err(error) => wrong_answer(&row, &format!("failed with {error:?}")),
            }
        })
    }

    /// Adds a row for a service that refuses: like [`service`](Self::service), but every answer must be an error.
    pub fn refusal<S, Req, R>(&mut self, name: impl Into<String>, service: S, request: R) -> &mut Case
    where
        S: Service<Req> + Clone + Send + 'static,
        R: Fn() -> Req + Clone + Send + 'static,
        Req: 'static,
    {
        let name = name.into();
        let row = name.clone();
        self.case(name, move || {
            let (mut service, request, row) = (service.clone(), request.clone(), row.clone());
            move || match call_now(&mut service, black_box(request())) {
                Ok(_) => wrong_answer(&row, "was let through"),
                Err(error) => error,
            }
        })
    }

    /// Adds a row for code that works on something which all calls, and both threads, share.
    pub fn shared<T, U>(
        &mut self,
        name: impl Into<String>,
        state: T,
        call: impl Fn(&T) -> U + Clone + Send + 'static,
    ) -> &mut Case
    where
        T: Send + Sync + 'static,
    {
        let state = Arc::new(state);
        self.case(name, move || {
            let (state, call) = (Arc::clone(&state), call.clone());
            move || call(&state)
        })
    }

    /// Adds a row for any code. `factory` is called once for the single-thread run and once for each of the two threads;
    /// what the calls shall share it holds in an `Arc`. What the code returns is kept from the optimiser and dropped.
    pub fn case<F, T>(&mut self, name: impl Into<String>, factory: impl Fn() -> F + 'static) -> &mut Case
    where
        F: FnMut() -> T + Send + 'static,
    {
        let batch = move || -> Batch {
            let mut call = factory();
            Box::new(move |calls| {
                for _ in 0..calls {
                    black_box(call());
                }
            })
        };
        self.batches(name.into(), batch)
    }

    /// Adds a row whose calls are made by whatever `factory` returns.
    pub(super) fn batches(&mut self, name: String, factory: impl Fn() -> Batch + 'static) -> &mut Case {
        self.cases.push(Case { name, against: None, two_threads: true, longer: 1, factory: Box::new(factory) });
        self.cases.last_mut().expect("a row was just added")
    }

    /// Brings a measurement and a table of its own, in place of rows: for what other processes do.
    pub(crate) fn measured_by(&mut self, measure: MeasureOwn) {
        self.own_table = Some(measure);
    }

    /// The measurement that it has brought.
    pub(crate) fn own_table(&self) -> Option<MeasureOwn> {
        self.own_table
    }

    /// Adds a sentence beneath the table, such as why a bar is missed.
    pub fn note(&mut self, note: impl Into<String>) {
        self.notes.push(note.into());
    }

    pub(super) fn name(&self) -> &'static str {
        self.name
    }

    pub(super) fn about(&self) -> &'static str {
        self.about
    }

    pub(super) fn cases(&self) -> &[Case] {
        &self.cases
    }

    pub(super) fn notes(&self) -> &[String] {
        &self.notes
    }

    /// Finds what would only show after minutes of measuring.
    pub(super) fn validate(&self) -> Result<(), String> {
        if self.cases.is_empty() {
            return Err(format!("group {} has no rows", self.name));
        }
        for (index, case) in self.cases.iter().enumerate() {
            if self.cases[..index].iter().any(|earlier| earlier.name == case.name) {
                return Err(format!("group {}: two rows are named `{}`", self.name, case.name));
            }
            if let Some(peer) = &case.against
                && !self.cases.iter().any(|other| other.name == *peer)
            {
                return Err(format!("group {}: `{}` is compared with `{peer}`, which is no row", self.name, case.name));
            }
        }
        Ok(())
    }
}

impl Case {
    /// A row in which threads meet nowhere.
    pub(super) fn unshared() -> Self {
        let factory = || -> Batch { Box::new(|calls| (0..calls).for_each(|call| _ = black_box(call))) };
        let name = "shares nothing".to_owned();
        Self { name, against: None, two_threads: true, longer: 1, factory: Box::new(factory) }
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

    /// Its calls are so long that few of them fit into a round.
    pub(super) fn longer(&mut self, times: u32) -> &mut Self {
        self.longer = times;
        self
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

#[cold]
fn wrong_answer(row: &str, what: &str) -> ! {
    panic!("row `{row}`: a call {what}, so its time would mean nothing")
}

#[cfg(test)]
mod tests {
    use std::convert::Infallible;
    use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

    use super::*;
    use crate::harness::echo;

    #[test]
    fn a_batch_makes_exactly_the_calls_it_is_told() {
        let made = Arc::new(AtomicU64::new(0));
        let mut group = Group::new("g", "");
        group.shared("count", Arc::clone(&made), |made| made.fetch_add(1, Relaxed));
        group.cases()[0].build()(17);
        group.cases()[0].build()(3);
        assert_eq!(made.load(Relaxed), 20);
    }

    #[test]
    #[should_panic(expected = "row `open`: a call was let through")]
    fn a_refusal_that_lets_a_call_through_is_a_clear_failure() {
        let mut group = Group::new("g", "");
        group.refusal("open", echo::<Infallible>(), || ());
        group.cases()[0].build()(1);
    }

    #[test]
    #[should_panic(expected = "row `closed`: a call failed with \"no\"")]
    fn a_service_that_fails_is_a_clear_failure() {
        let mut group = Group::new("g", "");
        let fails = tower::service_fn(|()| std::future::ready(Err::<(), _>("no")));
        group.service("closed", fails, || ());
        group.cases()[0].build()(1);
    }

    #[test]
    fn a_group_that_cannot_be_measured_is_told_why() {
        let mut group = Group::new("g", "");
        assert!(group.validate().unwrap_err().contains("no rows"));
        group.case("a", || || ()).against("b");
        assert!(group.validate().unwrap_err().contains("`a` is compared with `b`"));
        group.case("b", || || ());
        assert_eq!(group.validate(), Ok(()));
        group.case("b", || || ());
        assert!(group.validate().unwrap_err().contains("two rows are named `b`"));
    }
}
