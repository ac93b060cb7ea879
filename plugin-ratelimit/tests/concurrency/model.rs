//! Any sequence of what can be done, against a model that is plain to see.

use plugin_ratelimit::concurrency::{Acquire, ConcurrencyLimit, Permit};
use proptest::prelude::*;
use tokio_test::task::Spawn;

use crate::support::{config, counts};

#[derive(Clone, Copy, Debug)]
enum Step {
    Try,
    Wait,
    /// One in flight ends: the one at this place among them.
    End(usize),
    /// One who waits goes away.
    Leave(usize),
    /// One who waits is polled.
    Poll(usize),
    Limit(u32),
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step = prop_oneof![
        2 => Just(Step::Try),
        4 => Just(Step::Wait),
        3 => any::<usize>().prop_map(Step::End),
        1 => any::<usize>().prop_map(Step::Leave),
        3 => any::<usize>().prop_map(Step::Poll),
        1 => (1..5_u32).prop_map(Step::Limit),
    ];
    proptest::collection::vec(step, 1..80)
}

const QUEUE: usize = 4;

/// Who is in the line, oldest first; those to whom a place was given have a mark.
#[derive(Default)]
struct Model {
    limit: usize,
    in_flight: usize,
    line: Vec<(u32, bool)>,
}

impl Model {
    fn waiting(&self) -> usize {
        self.line.iter().filter(|(_, served)| !served).count()
    }

    fn serve(&mut self) {
        for (_, served) in &mut self.line {
            if !*served && self.in_flight < self.limit {
                *served = true;
                self.in_flight += 1;
            }
        }
    }
}

fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build().expect("a runtime")
}

proptest! {
    #[test]
    fn the_limit_does_what_a_list_does(first in 1..5_u32, steps in steps()) {
        let runtime = runtime();
        let _entered = runtime.enter();
        let limit = ConcurrencyLimit::new(config(first, QUEUE as u32));
        let mut model = Model { limit: first as usize, ..Model::default() };
        let mut permits: Vec<Permit> = Vec::new();
        let mut line: Vec<(u32, Spawn<Acquire>)> = Vec::new();
        let mut names = 0;
        for step in steps {
            match step {
                Step::Try => {
                    let taken = limit.try_acquire().ok();
                    prop_assert_eq!(taken.is_some(), model.waiting() == 0 && model.in_flight < model.limit);
                    model.in_flight += usize::from(taken.is_some());
                    permits.extend(taken);
                }
                Step::Wait => {
                    let mut waiter = tokio_test::task::spawn(limit.acquire());
                    let polled = waiter.poll();
                    if model.waiting() == 0 && model.in_flight < model.limit {
                        model.in_flight += 1;
                        prop_assert!(matches!(&polled, std::task::Poll::Ready(Ok(_))));
                    } else if model.waiting() == QUEUE {
                        prop_assert!(matches!(&polled, std::task::Poll::Ready(Err(_))));
                    } else {
                        prop_assert!(polled.is_pending());
                        model.line.push((names, false));
                        line.push((names, waiter));
                        names += 1;
                        continue;
                    }
                    if let std::task::Poll::Ready(Ok(permit)) = polled {
                        permits.push(permit);
                    }
                }
                Step::End(which) if !permits.is_empty() => {
                    drop(permits.swap_remove(which % permits.len()));
                    model.in_flight -= 1;
                    model.serve();
                }
                Step::Leave(which) if !line.is_empty() => {
                    let (name, waiter) = line.remove(which % line.len());
                    drop(waiter);
                    let at = model.line.iter().position(|(other, _)| *other == name).expect("it is there");
                    let (_, served) = model.line.remove(at);
                    model.in_flight -= usize::from(served);
                    model.serve();
                }
                Step::Poll(which) if !line.is_empty() => {
                    let which = which % line.len();
                    let (name, waiter) = &mut line[which];
                    let at = model.line.iter().position(|(other, _)| other == name).expect("it is there");
                    let served = model.line[at].1;
                    let polled = waiter.poll();
                    prop_assert_eq!(polled.is_ready(), served);
                    if let std::task::Poll::Ready(permit) = polled {
                        permits.push(permit.expect("a place"));
                        model.line.remove(at);
                        drop(line.remove(which));
                    }
                }
                Step::Limit(to) => {
                    limit.reconfigure(config(to, QUEUE as u32));
                    model.limit = to as usize;
                    model.serve();
                }
                Step::End(_) | Step::Leave(_) | Step::Poll(_) => {}
            }
            prop_assert_eq!(counts(&limit), (model.in_flight as u32, model.waiting() as u32));
        }
        drop((permits, line));
        prop_assert_eq!(counts(&limit), (0, 0));
    }
}
