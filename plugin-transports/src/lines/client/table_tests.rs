use std::{
    sync::atomic::{AtomicUsize, Ordering},
    task::Wake,
};

use bytes::Bytes;
use plugin_core::CallContext;
use proptest::prelude::*;

use super::*;

const LIMITS: Limits = Limits { in_flight: 4, queued_bytes: 1 << 20, line: 1 << 20, garbage: 16 };

fn frame() -> Frame {
    Frame::new("execute", b"null", &CallContext::new(), 0)
}

fn insert(table: &mut Table) -> Result<u64, Failure> {
    table.insert(frame(), Instant::MAX, Waker::noop().clone(), false)
}

fn fetch(table: &mut Table, id: u64) -> Option<Outcome> {
    table.fetch(id, Waker::noop())
}

fn written(table: &mut Table) -> usize {
    let mut out = Vec::new();
    table.take_queued(&mut out, usize::MAX);
    memchr::memchr_iter(b'\n', &out).count()
}

fn answer(id: u64) -> Outcome {
    Ok(Answer { id, result: Ok(Bytes::from(id.to_string())), metadata: Default::default() })
}

#[derive(Default)]
struct Woken(AtomicUsize);

impl Wake for Woken {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, Ordering::SeqCst);
    }
}

#[test]
fn a_late_reply_is_dropped_and_counted_even_when_its_slot_has_a_new_call() {
    let mut table = Table::new(LIMITS);
    let first = insert(&mut table).expect("room");
    assert_eq!(written(&mut table), 1);
    table.forget(first);
    let second = insert(&mut table).expect("room");
    assert_eq!(index(first), index(second), "the slot is used again");
    assert_eq!(written(&mut table), 1);
    assert!(matches!(table.complete(first, answer(first)), Ok(None)));
    assert_eq!(fetch(&mut table, second), None, "the late reply did not reach the new call");
    assert!(table.complete(second, answer(second)).is_ok());
    assert_eq!(fetch(&mut table, second), Some(answer(second)));
    assert_eq!(table.counts(), Counts { late: 1, garbage: 0, in_flight: 0 });
}

#[test]
fn a_reply_to_what_was_never_asked_is_an_error() {
    let mut table = Table::new(LIMITS);
    let id = insert(&mut table).expect("room");
    assert!(table.complete(id, answer(id)).is_err(), "it was not sent yet");
    assert!(table.complete(id + (1 << SLOT_BITS), answer(id)).is_err());
    assert!(table.complete(0, answer(0)).is_err());
    assert!(table.complete(u64::MAX, answer(0)).is_err());
    assert_eq!(table.counts().late, 0);
}

#[test]
fn a_second_reply_does_not_replace_the_first() {
    let mut table = Table::new(LIMITS);
    let id = insert(&mut table).expect("room");
    written(&mut table);
    assert!(table.complete(id, answer(1)).is_ok());
    assert!(table.complete(id, answer(2)).is_ok());
    assert_eq!(fetch(&mut table, id), Some(answer(1)));
    assert_eq!(table.counts().late, 1);
}

#[test]
fn a_call_that_is_dropped_before_it_was_written_never_is() {
    let mut table = Table::new(LIMITS);
    let ids: Vec<_> = (0..3).map(|_| insert(&mut table).expect("room")).collect();
    table.forget(ids[1]);
    assert_eq!(written(&mut table), 2);
    assert_eq!(table.queued_bytes, 0);
}

#[test]
fn calls_and_bytes_are_bounded_and_room_comes_back() {
    let mut table = Table::new(LIMITS);
    let ids: Vec<_> = (0..4).map(|_| insert(&mut table).expect("room")).collect();
    assert_eq!(insert(&mut table), Err(Failure::TooMany(4)));
    table.forget(ids[0]);
    assert!(insert(&mut table).is_ok());

    let mut narrow = Table::new(Limits { queued_bytes: 2 * frame().len(), ..LIMITS });
    let ids = [insert(&mut narrow).expect("room"), insert(&mut narrow).expect("room")];
    assert_eq!(insert(&mut narrow), Err(Failure::QueueFull(2 * frame().len())));
    narrow.forget(ids[1]);
    assert!(insert(&mut narrow).is_ok());
    written(&mut narrow);
    assert!(insert(&mut narrow).is_ok());

    let mut tiny = Table::new(Limits { queued_bytes: 1, ..LIMITS });
    assert!(insert(&mut tiny).is_ok(), "one request always passes");
    assert_eq!(insert(&mut tiny), Err(Failure::QueueFull(1)));
}

#[test]
fn withdrawn_calls_do_not_pile_up_while_the_plugin_does_not_read() {
    let mut table = Table::new(LIMITS);
    for _ in 0..10_000 {
        let id = insert(&mut table).expect("room");
        table.forget(id);
    }
    assert!(table.queue.len() <= 2 * LIMITS.in_flight, "{}", table.queue.len());
    assert_eq!(table.queued_bytes, 0);
}

#[test]
fn a_deadline_wakes_its_call_alone_and_says_whether_anything_was_sent() {
    let mut table = Table::new(LIMITS);
    let woken = Arc::new(Woken::default());
    let at = |nanos| Instant::from_nanos(nanos);
    let waker = Waker::from(woken.clone());
    let sent = table.insert(frame(), at(10), waker.clone(), false).expect("room");
    written(&mut table);
    let queued = table.insert(frame(), at(20), waker.clone(), false).expect("room");
    let patient = table.insert(frame(), at(30), waker, false).expect("room");
    assert_eq!(table.earliest(), at(10));

    let mut wake = Vec::new();
    table.expire(at(9), &mut wake);
    assert!(wake.is_empty());
    table.expire(at(20), &mut wake);
    wake.into_iter().for_each(Waker::wake);
    assert_eq!(woken.0.load(Ordering::SeqCst), 2);
    assert_eq!(table.earliest(), at(30));
    assert_eq!(fetch(&mut table, sent), Some(Err(Failure::Late(Sent::Maybe))));
    assert_eq!(fetch(&mut table, queued), Some(Err(Failure::Late(Sent::Nothing))));
    assert_eq!(fetch(&mut table, patient), None);
    assert_eq!(written(&mut table), 1, "the request that was too late is not written");
}

#[test]
fn the_end_fails_every_call_and_every_later_one_with_the_first_reason() {
    let mut table = Table::new(LIMITS);
    let sent = insert(&mut table).expect("room");
    written(&mut table);
    let queued = insert(&mut table).expect("room");
    let mut wake = Vec::new();
    table.close(&"first".into(), &mut wake);
    table.close(&"second".into(), &mut wake);
    assert_eq!(wake.len(), 2);
    assert_eq!(fetch(&mut table, sent), Some(Err(Failure::Lost("first".into(), Sent::Maybe))));
    assert_eq!(fetch(&mut table, queued), Some(Err(Failure::Lost("first".into(), Sent::Nothing))));
    assert_eq!(insert(&mut table), Err(Failure::Lost("first".into(), Sent::Nothing)));
    assert_eq!(table.in_flight(), 0);
}

#[test]
fn a_connection_that_refuses_new_calls_still_takes_the_hosts_own() {
    let mut table = Table::new(LIMITS);
    table.refuse_new();
    assert_eq!(insert(&mut table), Err(Failure::Closing));
    assert!(table.insert(frame(), Instant::MAX, Waker::noop().clone(), true).is_ok());
    table.close(&"gone".into(), &mut Vec::new());
    assert!(table.insert(frame(), Instant::MAX, Waker::noop().clone(), true).is_err());
}

#[derive(Clone, Copy, Debug)]
enum Step {
    Insert(u64),
    Write,
    Complete(usize),
    Fetch(usize),
    Forget(usize),
    Expire(u64),
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        (0..50_u64).prop_map(Step::Insert),
        Just(Step::Write),
        (0..40_usize).prop_map(Step::Complete),
        (0..40_usize).prop_map(Step::Fetch),
        (0..40_usize).prop_map(Step::Forget),
        (0..50_u64).prop_map(Step::Expire),
    ]
}

proptest! {
    /// Whatever order things happen in: a call gets its own reply or none, and nothing is left at the end.
    #[test]
    fn no_call_ever_gets_the_reply_of_another(steps in prop::collection::vec(step(), 0..200)) {
        let mut table = Table::new(LIMITS);
        let mut ids = Vec::new();
        for step in steps {
            let pick = |at: usize| ids.get(at).copied();
            match step {
                Step::Insert(deadline) => {
                    if let Ok(id) = table.insert(frame(), Instant::from_nanos(deadline), Waker::noop().clone(), false) {
                        prop_assert!(!ids.contains(&id));
                        ids.push(id);
                    }
                }
                Step::Write => { written(&mut table); }
                Step::Complete(at) => if let Some(id) = pick(at) { let _ = table.complete(id, answer(id)); },
                Step::Fetch(at) => if let Some(id) = pick(at) && let Some(Ok(got)) = fetch(&mut table, id) {
                    prop_assert_eq!(got.id, id);
                },
                Step::Forget(at) => if let Some(id) = pick(at) { table.forget(id) },
                Step::Expire(now) => table.expire(Instant::from_nanos(now), &mut Vec::new()),
            }
            prop_assert!(table.in_flight() <= LIMITS.in_flight);
        }
        for id in ids {
            table.forget(id);
        }
        prop_assert_eq!((table.in_flight(), table.queued_bytes), (0, 0));
    }
}
