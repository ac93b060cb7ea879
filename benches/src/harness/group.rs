//! A group of rows that are measured together.

use std::fmt;
use std::hint::black_box;
use std::sync::Arc;

use tower_service::Service;

use super::aim::Aim;
use super::case::{Batch, Case};
use super::drive::call_now;
use super::plan::Plan;

/// Rows under one heading. All are compared with the first.
#[derive(Debug)]
pub struct Group {
    name: &'static str,
    about: &'static str,
    cases: Vec<Case>,
    notes: Vec<String>,
    aims: Vec<Aim>,
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

impl Group {
    /// A group without rows.
    #[must_use]
    pub fn new(name: &'static str, about: &'static str) -> Self {
        Self { name, about, cases: Vec::new(), notes: Vec::new(), aims: Vec::new(), own_table: None }
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

    /// Like [`shared`](Self::shared), for code that says whether a call went as it is to go: a bucket that gives a token, or one
    /// that gives none. The row panics when a call is `false`.
    pub fn always<T>(
        &mut self,
        name: impl Into<String>,
        state: T,
        call: impl Fn(&T) -> bool + Clone + Send + 'static,
    ) -> &mut Case
    where
        T: Send + Sync + 'static,
    {
        let name: Arc<str> = name.into().into();
        let row = Arc::clone(&name);
        self.shared(&*name, state, move |state| {
            if !call(state) {
                wrong_answer(&row, "went another way");
            }
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
        self.cases.push(Case::new(name, factory));
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

    /// States what a call of this row is to take at most, in ns on the machine of the aims. Beneath the table stand the floors of
    /// the machine at hand, the aim in their proportion, and whether it is met.
    pub fn aim(&mut self, row: impl Into<String>, ns: f64) {
        self.aims.push(Aim { row: row.into(), without: None, ns });
    }

    /// The same for what a row takes on top of another.
    pub fn aim_on_top(&mut self, row: impl Into<String>, of: impl Into<String>, ns: f64) {
        self.aims.push(Aim { row: row.into(), without: Some(of.into()), ns });
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

    /// Whether it has a row of this name.
    pub(crate) fn has_row(&self, name: &str) -> bool {
        self.cases.iter().any(|case| case.name() == name)
    }

    /// What makes the calls of each row.
    #[cfg(all(test, debug_assertions))]
    pub(crate) fn all_batches(&self) -> Vec<Batch> {
        self.cases.iter().map(Case::build).collect()
    }

    pub(super) fn aims(&self) -> &[Aim] {
        &self.aims
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
            if self.cases[..index].iter().any(|earlier| earlier.name() == case.name()) {
                return Err(format!("group {}: two rows are named `{}`", self.name, case.name()));
            }
            if let Some(peer) = case.compared_with()
                && !self.has_row(peer)
            {
                return Err(format!(
                    "group {}: `{}` is compared with `{peer}`, which is no row",
                    self.name,
                    case.name()
                ));
            }
        }
        for row in self.aims.iter().flat_map(|aim| std::iter::once(&aim.row).chain(&aim.without)) {
            if !self.has_row(row) {
                return Err(format!("group {}: there is an aim for `{row}`, which is no row", self.name));
            }
        }
        Ok(())
    }
}

#[cold]
pub(super) fn wrong_answer(row: &str, what: &str) -> ! {
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
    #[should_panic(expected = "row `admits`: a call went another way")]
    fn a_state_that_changes_is_a_clear_failure() {
        let mut group = Group::new("g", "");
        let calls = AtomicU64::new(0);
        group.always("admits", calls, |calls| calls.fetch_add(1, Relaxed) < 10);
        group.cases()[0].build()(11);
    }

    #[test]
    fn a_group_that_cannot_be_measured_is_told_why() {
        let mut group = Group::new("g", "");
        assert!(group.validate().unwrap_err().contains("no rows"));
        group.case("a", || || ()).against("b");
        assert!(group.validate().unwrap_err().contains("`a` is compared with `b`"));
        group.case("b", || || ());
        assert_eq!(group.validate(), Ok(()));
        group.aim("c", 7.0);
        assert!(group.validate().unwrap_err().contains("an aim for `c`"));
        group.case("c", || || ());
        group.case("b", || || ());
        assert!(group.validate().unwrap_err().contains("two rows are named `b`"));
    }
}
