//! Two threads that make calls at the same time.

use std::panic::resume_unwind;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::Duration;

use super::case::Batch;
use super::clock::now;

/// Lets both batches run for `at_least` on threads of their own and returns the calls per nanosecond of both together.
///
/// Both run for the whole time, looking at the clock every `calls_per_look` calls: with a fixed number of calls the faster
/// thread would end early and leave the slower one without contention.
pub(super) fn throughput(pair: &mut [Batch; 2], calls_per_look: u64, at_least: Duration) -> f64 {
    let arrived = AtomicUsize::new(0);
    thread::scope(|scope| {
        let threads = pair.each_mut().map(|batch| {
            let arrived = &arrived;
            scope.spawn(move || {
                let arrival = Arrival(arrived);
                // The first call of a thread sets up what belongs to the thread.
                batch(1);
                arrival.meet();
                run_for(batch, calls_per_look, at_least)
            })
        });
        threads.map(|thread| thread.join().unwrap_or_else(|panic| resume_unwind(panic))).iter().sum()
    })
}

/// Counts its thread as arrived when it is dropped: also by a panic, or the other thread would wait for ever.
struct Arrival<'a>(&'a AtomicUsize);

impl Arrival<'_> {
    /// Waits for the other thread without going to sleep, so that both start within a moment.
    fn meet(self) {
        let arrived = self.0;
        drop(self);
        // Relaxed, here and below: the number is all that is passed on, no other memory is read by its light.
        while arrived.load(Ordering::Relaxed) < 2 {
            // Yields, because with one free core the other thread can only arrive if this one steps aside.
            thread::yield_now();
        }
    }
}

impl Drop for Arrival<'_> {
    fn drop(&mut self) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }
}

fn run_for(batch: &mut Batch, calls_per_look: u64, at_least: Duration) -> f64 {
    let begun = now();
    let mut calls = 0;
    loop {
        batch(calls_per_look);
        calls += calls_per_look;
        let elapsed = begun.elapsed();
        if elapsed >= at_least {
            return calls as f64 / elapsed.as_nanos() as f64;
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::AtomicU64;

    use super::*;

    #[test]
    fn both_threads_run_at_once_and_their_calls_are_added() {
        let both = Arc::new(std::sync::Barrier::new(2));
        let made = Arc::new(AtomicU64::new(0));
        let mut pair: [Batch; 2] = std::array::from_fn(|_| {
            let (both, made) = (Arc::clone(&both), Arc::clone(&made));
            let mut first = true;
            Box::new(move |calls| {
                // Passes only when the other thread stands here too.
                if std::mem::take(&mut first) {
                    both.wait();
                }
                made.fetch_add(calls, Ordering::Relaxed);
            }) as Batch
        });
        let at_least = Duration::from_millis(2);
        let throughput = throughput(&mut pair, 10, at_least);
        // Each thread ran for the time or longer, so the calls per nanosecond cannot be more than this.
        let most = made.load(Ordering::Relaxed) as f64 / at_least.as_nanos() as f64;
        assert!(throughput > 0.0 && throughput <= most, "{throughput} {most}");
    }

    #[test]
    #[should_panic(expected = "broke at once")]
    fn a_panic_in_the_first_call_does_not_leave_the_other_thread_waiting() {
        let mut pair: [Batch; 2] = [Box::new(|_| panic!("broke at once")), Box::new(|_| ())];
        throughput(&mut pair, 10, Duration::from_millis(1));
    }

    #[test]
    #[should_panic(expected = "row broke")]
    fn a_panic_on_a_thread_reaches_the_caller() {
        let mut pair: [Batch; 2] = [Box::new(|calls| assert!(calls == 1, "row broke")), Box::new(|_| ())];
        throughput(&mut pair, 10, Duration::from_millis(1));
    }
}
