//! Rows that wait: calls that leave the thread, over sockets and pipes, and come back.
//!
//! The callers of all rows of a group share one runtime of one thread, which is the thread that measures. So the allocations of a
//! row are those of the client's side, its background tasks included, and nothing is driven while another row is timed but what
//! that row wakes.

use std::{
    fmt,
    future::Future,
    panic::resume_unwind,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
};

use tokio::runtime::Runtime;

use super::{
    case::{Batch, Case, Times},
    clock::now,
    group::Group,
    histogram::Histogram,
};

/// A call takes tens of microseconds, and a round of sixteen callers has a beginning and an end in which there are fewer.
const LONGER: u32 = 8;

/// One who makes a call, waits for its answer, and then makes the next.
pub trait Caller: Send + 'static {
    /// Makes one whole call.
    ///
    /// A call that fails, or brings back something else than was sent, must panic: its time would mean nothing.
    fn call(&mut self) -> impl Future<Output = ()> + Send;
}

impl Group {
    /// Adds a row whose calls are made on `runtime`, which has one thread, by those that `connect` returns: one after the other by
    /// a single caller, and at once by more, each with a task of its own. The time per call is the time in which all together make
    /// one more, so half of it is twice the throughput. Each call is timed on its own besides.
    ///
    /// There is no two-thread run.
    pub fn round_trips<C: Caller>(
        &mut self,
        name: impl Into<String>,
        runtime: &Arc<Runtime>,
        connect: impl Fn() -> Vec<C> + 'static,
    ) -> &mut Case {
        let runtime = Arc::clone(runtime);
        let times: Times = Arc::new(Mutex::new(Histogram::new()));
        let row_times = Arc::clone(&times);
        self.batches(name.into(), move || {
            let timed = connect().into_iter().map(|caller| Timed { caller, times: Arc::clone(&times) });
            let (runtime, mut callers) = (Arc::clone(&runtime), Callers(timed.collect()));
            assert!(!callers.0.is_empty(), "a row needs somebody who calls");
            Box::new(move |calls| runtime.block_on(callers.make(calls))) as Batch
        })
        .one_thread()
        .longer(LONGER, &row_times)
    }
}

/// A caller whose calls are timed.
struct Timed<C> {
    caller: C,
    times: Times,
}

impl<C: Caller> Timed<C> {
    async fn call(&mut self) {
        let begun = now();
        self.caller.call().await;
        let took = u64::try_from(begun.elapsed().as_nanos()).unwrap_or(u64::MAX);
        self.times.lock().unwrap_or_else(PoisonError::into_inner).count(took);
    }
}

struct Callers<C>(Vec<Timed<C>>);

impl<C: Caller> Callers<C> {
    async fn make(&mut self, calls: u64) {
        if let [caller] = &mut self.0[..] {
            for _ in 0..calls {
                caller.call().await;
            }
            return;
        }
        let left = Arc::new(AtomicU64::new(calls));
        let tasks: Vec<_> = self.0.drain(..).map(|caller| tokio::spawn(share(caller, Arc::clone(&left)))).collect();
        for task in tasks {
            self.0.push(task.await.unwrap_or_else(|error| resume_unwind(error.into_panic())));
        }
    }
}

/// Makes calls as long as there are some `left`, and gives the caller back.
async fn share<C: Caller>(mut caller: Timed<C>, left: Arc<AtomicU64>) -> Timed<C> {
    // Relaxed: the number is all that is passed on.
    while left.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |left| left.checked_sub(1)).is_ok() {
        caller.call().await;
    }
    caller
}

impl<C> fmt::Debug for Callers<C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Callers").field(&self.0.len()).finish()
    }
}

#[cfg(test)]
mod tests {
    use std::{sync::atomic::AtomicUsize, time::Duration};

    use super::*;

    /// Counts its calls, and how many were under way at once.
    #[derive(Clone, Default)]
    struct Counting {
        made: Arc<AtomicU64>,
        now: Arc<AtomicUsize>,
        most: Arc<AtomicUsize>,
    }

    impl Caller for Counting {
        async fn call(&mut self) {
            let now = self.now.fetch_add(1, Ordering::Relaxed) + 1;
            self.most.fetch_max(now, Ordering::Relaxed);
            tokio::task::yield_now().await;
            self.now.fetch_sub(1, Ordering::Relaxed);
            self.made.fetch_add(1, Ordering::Relaxed);
        }
    }

    fn batch(callers: usize, counting: &Counting) -> Batch {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        let mut group = Group::new("g", "");
        let counting = counting.clone();
        group.round_trips("row", &Arc::new(runtime), move || vec![counting.clone(); callers]);
        assert!(!group.cases()[0].runs_on_two_threads());
        group.cases()[0].build()
    }

    #[test]
    fn as_many_calls_as_there_are_callers_are_made_at_once_and_exactly_those_that_were_told() {
        for callers in [1, 16] {
            let counting = Counting::default();
            let mut batch = batch(callers, &counting);
            batch(100);
            batch(7);
            assert_eq!(counting.made.load(Ordering::Relaxed), 107);
            assert_eq!(counting.most.load(Ordering::Relaxed), callers);
        }
    }

    #[test]
    fn each_call_is_timed_on_its_own_until_its_time_is_forgotten() {
        /// Takes this long, and lets nobody else call meanwhile.
        struct Busy(Duration);
        impl Caller for Busy {
            async fn call(&mut self) {
                let begun = now();
                while begun.elapsed() < self.0 {
                    std::hint::spin_loop();
                }
            }
        }
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        let mut group = Group::new("g", "");
        group.round_trips("row", &Arc::new(runtime), || {
            vec![Busy(Duration::from_millis(1)), Busy(Duration::from_millis(1))]
        });
        let case = &group.cases()[0];
        let mut batch = case.build();
        assert_eq!(case.quantile(0.5), None);
        batch(6);
        // No upper bounds: this thread may have to wait for its turn on the machine.
        assert!(case.quantile(0.0).unwrap() >= 0.98e6);
        assert!(case.quantile(0.99).unwrap() >= 0.98e6);
        case.forget_times();
        assert_eq!(case.quantile(0.99), None);
    }

    #[test]
    #[should_panic(expected = "the answer is another")]
    fn a_call_that_panics_on_its_task_reaches_the_caller() {
        struct Wrong;
        impl Caller for Wrong {
            async fn call(&mut self) {
                panic!("the answer is another");
            }
        }
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        let mut group = Group::new("g", "");
        group.round_trips("row", &Arc::new(runtime), || vec![Wrong, Wrong]);
        group.cases()[0].build()(2);
    }
}
