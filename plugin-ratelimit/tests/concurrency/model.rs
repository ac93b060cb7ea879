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
    Enable(bool),
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step = prop_oneof![
        2 => Just(Step::Try),
        4 => Just(Step::Wait),
        3 => any::<usize>().prop_map(Step::End),
        1 => any::<usize>().prop_map(Step::Leave),
        3 => any::<usize>().prop_map(Step::Poll),
        // Beyond 64 places a caller takes one before it looks.
        1 => prop_oneof![1..5_u32, 64..68_u32].prop_map(Step::Limit),
        1 => any::<bool>().prop_map(Step::Enable),
    ];
    proptest::collection::vec(step, 1..80)
}

const QUEUE: usize = 4;

/// What somebody found who waited.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Turn {
    Waits,
    Served,
    /// The limit was off.
    Passed,
}

/// Who is in the line, oldest first.
#[derive(Default)]
struct Model {
    is_off: bool,
    limit: usize,
    in_flight: usize,
    line: Vec<(u32, Turn)>,
}

impl Model {
    fn waiting(&self) -> usize {
        self.line.iter().filter(|(_, turn)| *turn == Turn::Waits).count()
    }

    fn serve(&mut self) {
        for (_, turn) in self.line.iter_mut().filter(|(_, turn)| *turn == Turn::Waits) {
            if self.is_off {
                *turn = Turn::Passed;
            } else if self.in_flight < self.limit {
                *turn = Turn::Served;
                self.in_flight += 1;
            }
        }
    }

    /// Whether somebody who comes now is in at once.
    fn is_open(&self) -> bool {
        self.is_off || self.waiting() == 0 && self.in_flight < self.limit
    }

    /// Whether what somebody was given counts.
    fn admit(&mut self) -> bool {
        self.in_flight += usize::from(!self.is_off);
        !self.is_off
    }
}

fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build().expect("a runtime")
}

proptest! {
    #[test]
    fn the_limit_does_what_a_list_does(first in prop_oneof![1..5_u32, 64..68_u32], steps in steps()) {
        let runtime = runtime();
        let _entered = runtime.enter();
        let limit = ConcurrencyLimit::new(config(first, QUEUE as u32));
        let mut model = Model { limit: first as usize, ..Model::default() };
        let mut permits: Vec<(Permit, bool)> = Vec::new();
        let mut line: Vec<(u32, Spawn<Acquire>)> = Vec::new();
        let mut names = 0;
        for step in steps {
            match step {
                Step::Try => {
                    let taken = limit.try_acquire().ok();
                    prop_assert_eq!(taken.is_some(), model.is_open());
                    permits.extend(taken.map(|permit| (permit, model.admit())));
                }
                Step::Wait => {
                    let mut waiter = tokio_test::task::spawn(limit.acquire());
                    let polled = waiter.poll();
                    if model.is_open() {
                        prop_assert!(matches!(&polled, std::task::Poll::Ready(Ok(_))));
                    } else if model.waiting() == QUEUE {
                        prop_assert!(matches!(&polled, std::task::Poll::Ready(Err(_))));
                    } else {
                        prop_assert!(polled.is_pending());
                        model.line.push((names, Turn::Waits));
                        line.push((names, waiter));
                        names += 1;
                        continue;
                    }
                    if let std::task::Poll::Ready(Ok(permit)) = polled {
                        permits.push((permit, model.admit()));
                    }
                }
                Step::End(which) if !permits.is_empty() => {
                    let (permit, counted) = permits.swap_remove(which % permits.len());
                    drop(permit);
                    model.in_flight -= usize::from(counted);
                    model.serve();
                }
                Step::Leave(which) if !line.is_empty() => {
                    let (name, waiter) = line.remove(which % line.len());
                    drop(waiter);
                    let at = model.line.iter().position(|(other, _)| *other == name).expect("it is there");
                    let (_, turn) = model.line.remove(at);
                    model.in_flight -= usize::from(turn == Turn::Served);
                    model.serve();
                }
                Step::Poll(which) if !line.is_empty() => {
                    let which = which % line.len();
                    let (name, waiter) = &mut line[which];
                    let at = model.line.iter().position(|(other, _)| other == name).expect("it is there");
                    let turn = model.line[at].1;
                    let polled = waiter.poll();
                    prop_assert_eq!(polled.is_ready(), turn != Turn::Waits);
                    if let std::task::Poll::Ready(permit) = polled {
                        permits.push((permit.expect("a place"), turn == Turn::Served));
                        model.line.remove(at);
                        drop(line.remove(which));
                    }
                }
                Step::Limit(to) => {
                    limit.reconfigure(config(to, QUEUE as u32));
                    model.limit = to as usize;
                    model.serve();
                }
                Step::Enable(on) => {
                    if on {
                        limit.enable();
                    } else {
                        limit.disable();
                    }
                    model.is_off = !on;
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
