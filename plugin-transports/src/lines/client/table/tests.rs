use std::{
    sync::atomic::{AtomicU64, Ordering},
    time::Duration,
};

use bytes::Bytes;
use plugin_core::CallContext;
use proptest::prelude::*;

use super::{
    super::super::codec::Answer,
    ids::{COUNT, SLOT_BITS, TAG, index},
    *,
};

const LIMITS: LineLimits =
    LineLimits { in_flight: 4, queued_bytes: 1 << 20, line: 1 << 20, noise: 16, json: crate::json::Limits::new() };

/// So much later at each look that nothing is held back any more.
fn now() -> Instant {
    static MINUTES: AtomicU64 = AtomicU64::new(1);
    Instant::ZERO.saturating_add(Duration::from_secs(60) * MINUTES.fetch_add(1, Ordering::Relaxed) as u32)
}

fn frame() -> Frame {
    Frame::new("execute", b"null", &CallContext::new(), 0)
}

fn insert(table: &mut Table) -> Result<u64, Failure> {
    insert_at(table, Place::Call)
}

fn insert_at(table: &mut Table, place: Place) -> Result<u64, Failure> {
    table.insert(frame(), Waker::noop().clone(), place, Caller::default())
}

fn fetch(table: &mut Table, id: u64) -> Option<Outcome> {
    table.fetch(id, Waker::noop()).map(|(outcome, _)| outcome)
}

fn written(table: &mut Table) -> usize {
    let mut out = Vec::new();
    table.take_queued(&mut out, usize::MAX, now);
    memchr::memchr_iter(b'\n', &out).count()
}

fn answer(id: u64) -> Outcome {
    Ok(Answer { id, result: Ok(Bytes::from(id.to_string())), metadata: Default::default() })
}

fn is_known(delivered: &Delivered) -> bool {
    !matches!(delivered, Delivered::ToNobody)
}

#[test]
fn a_late_reply_is_dropped_and_counted_even_when_its_slot_has_a_new_call() {
    let mut table = Table::new(LIMITS);
    let first = insert(&mut table).expect("room");
    assert_eq!(written(&mut table), 1);
    table.forget(first, now);
    let second = insert(&mut table).expect("room");
    assert_eq!(index(first), index(second), "the slot is used again");
    assert_eq!(written(&mut table), 1);
    assert!(matches!(table.complete(first, answer(first), now), Delivered::TooLate));
    assert_eq!(fetch(&mut table, second), None, "the late reply did not reach the new call");
    assert!(is_known(&table.complete(second, answer(second), now)));
    assert_eq!(fetch(&mut table, second), Some(answer(second)));
    assert_eq!(table.counts(), Counts { late: 1, ..Counts::default() });
}

#[test]
fn a_reply_to_what_was_never_asked_is_an_error() {
    let mut table = Table::new(LIMITS);
    let id = insert(&mut table).expect("room");
    assert!(!is_known(&table.complete(id, answer(id), now)), "it was not sent yet");
    assert!(!is_known(&table.complete(id + (1 << SLOT_BITS), answer(id), now)));
    assert!(!is_known(&table.complete(0, answer(0), now)));
    assert!(!is_known(&table.complete(u64::MAX, answer(0), now)));
    assert!(!is_known(&table.complete(id ^ TAG, answer(id), now)));
    assert_eq!(table.counts().late, 0);
}

#[test]
fn nobody_can_guess_where_ids_begin_and_none_is_a_decimal_number() {
    let begin = || {
        let mut table = Table::new(LIMITS);
        let id = insert(&mut table).expect("room");
        let digits = format!("{id:016x}");
        assert!(digits.starts_with(['a', 'b']), "{digits}");
        id
    };
    assert_ne!(begin(), begin());
}

#[test]
fn the_count_of_calls_goes_on_past_its_last_number() {
    let mut table = Table::new(LIMITS);
    table.ids.first = COUNT - 1;
    for call in 1..=4 {
        let id = insert(&mut table).expect("room");
        assert_eq!((id >> SLOT_BITS) & COUNT, (call + COUNT - 1) & COUNT);
        assert_eq!(written(&mut table), 1);
        assert!(matches!(table.complete(id, answer(id), now), Delivered::ToItsCall(Some(_))));
        assert_eq!(fetch(&mut table, id), Some(answer(id)));
        assert!(matches!(table.complete(id, answer(id), now), Delivered::Twice), "it is late, and was asked for once");
    }
    assert!(!is_known(&table.complete(TAG | (4 << SLOT_BITS), answer(0), now)), "the next but one");
}

#[test]
fn a_question_of_the_host_is_outside_of_the_bounds_of_calls_and_goes_first() {
    let mut table = Table::new(LineLimits { queued_bytes: 4 * frame().len(), ..LIMITS });
    let calls: Vec<_> = (0..4).map(|_| insert(&mut table).expect("room")).collect();
    assert_eq!(insert(&mut table), Err(Failure::QueueFull(4 * frame().len())));
    let last = insert_at(&mut table, Place::Last).expect("it is no call");
    let question = insert_at(&mut table, Place::Ahead).expect("it is no call");
    assert_eq!(table.counts().in_flight, 4, "of calls");
    let mut out = Vec::new();
    table.take_queued(&mut out, usize::MAX, now);
    let id = |line: &[u8]| serde_json::from_slice::<serde_json::Value>(line).expect("JSON")["id"].clone();
    let order: Vec<_> = out.split_inclusive(|byte| *byte == b'\n').map(id).collect();
    let written = [&[question][..], &calls, &[last]].concat();
    assert_eq!(
        order,
        written.iter().map(|id| format!("{id:016x}")).collect::<Vec<_>>(),
        "what is said last ends what is read"
    );
    assert_eq!(table.queued_bytes, 0);
    assert_eq!(insert(&mut table), Err(Failure::TooMany(4)), "and they leave calls no more room than they had");
    for id in [question, last] {
        assert!(is_known(&table.complete(id, answer(id), now)));
        assert_eq!(fetch(&mut table, id), Some(answer(id)));
    }
    table.forget(calls[0], now);
    assert!(insert(&mut table).is_ok(), "a slot that the host had may be a call's");
    assert_eq!((table.in_flight(), table.requests()), (4, 4));
}

#[test]
fn the_hosts_own_questions_are_bounded_too() {
    let mut table = Table::new(LIMITS);
    for _ in 0..10_000 {
        let id = insert_at(&mut table, Place::Ahead).expect("room");
        table.forget(id, now);
    }
    assert!(table.queues.ahead.len() <= 2 * MAX_OWN + 1, "{}", table.queues.ahead.len());
    for _ in 0..MAX_OWN {
        insert_at(&mut table, Place::Ahead).expect("room");
    }
    assert_eq!(insert_at(&mut table, Place::Ahead), Err(Failure::TooMany(MAX_OWN)));
    assert!(insert(&mut table).is_ok(), "of which calls know nothing");
    assert_eq!(table.queued_bytes, frame().len());
}

#[test]
fn a_second_reply_does_not_replace_the_first() {
    let mut table = Table::new(LIMITS);
    let id = insert(&mut table).expect("room");
    written(&mut table);
    assert!(is_known(&table.complete(id, answer(1), now)));
    assert!(is_known(&table.complete(id, answer(2), now)));
    assert_eq!(fetch(&mut table, id), Some(answer(1)));
    assert_eq!(table.counts().late, 1);
}

#[test]
fn a_call_that_is_dropped_before_it_was_written_never_is() {
    let mut table = Table::new(LIMITS);
    let ids: Vec<_> = (0..3).map(|_| insert(&mut table).expect("room")).collect();
    table.forget(ids[1], now);
    assert_eq!(written(&mut table), 2);
    assert_eq!(table.queued_bytes, 0);
}

#[test]
fn calls_and_bytes_are_bounded_and_room_comes_back() {
    let mut table = Table::new(LIMITS);
    let ids: Vec<_> = (0..4).map(|_| insert(&mut table).expect("room")).collect();
    assert_eq!(insert(&mut table), Err(Failure::TooMany(4)));
    table.forget(ids[0], now);
    assert!(insert(&mut table).is_ok());

    let mut narrow = Table::new(LineLimits { queued_bytes: 2 * frame().len(), ..LIMITS });
    let ids = [insert(&mut narrow).expect("room"), insert(&mut narrow).expect("room")];
    assert_eq!(insert(&mut narrow), Err(Failure::QueueFull(2 * frame().len())));
    narrow.forget(ids[1], now);
    assert!(insert(&mut narrow).is_ok());
    written(&mut narrow);
    assert!(insert(&mut narrow).is_ok());

    let mut tiny = Table::new(LineLimits { queued_bytes: 1, ..LIMITS });
    assert!(insert(&mut tiny).is_ok(), "one request always passes");
    assert_eq!(insert(&mut tiny), Err(Failure::QueueFull(1)));
}

#[test]
fn withdrawn_calls_do_not_pile_up_while_the_plugin_does_not_read() {
    let mut table = Table::new(LIMITS);
    for _ in 0..10_000 {
        let id = insert(&mut table).expect("room");
        table.forget(id, now);
    }
    assert!(table.queues.in_turn.len() <= 2 * (LIMITS.in_flight + MAX_OWN), "{}", table.queues.in_turn.len());
    assert_eq!(table.queued_bytes, 0);
}

#[test]
fn withdrawing_a_request_tells_whether_it_had_been_taken_to_be_written() {
    let mut table = Table::new(LIMITS);
    let taken = insert(&mut table).expect("room");
    written(&mut table);
    let queued = insert(&mut table).expect("room");
    assert_eq!(table.forget(queued, now).sent(), Sent::Nothing);
    assert_eq!(written(&mut table), 0, "what was withdrawn unsent is never written");
    assert_eq!(table.forget(taken, now).sent(), Sent::Maybe);
    assert_eq!(table.forget(taken, now).sent(), Sent::Maybe, "of what is not known anything may have happened");
    let lost = insert(&mut table).expect("room");
    table.close(&"gone".into(), &mut Vec::new());
    assert_eq!(table.forget(lost, now).sent(), Sent::Nothing);
}

#[test]
fn what_a_broken_pipe_did_not_take_was_not_sent() {
    let mut table = Table::new(LIMITS);
    let ids: Vec<_> = (0..2).map(|_| insert(&mut table).expect("room")).collect();
    assert_eq!(written(&mut table), 2);
    assert_eq!(table.taken(), 2 * frame().len() as u64);
    // All but the first byte of the first.
    table.unsent_from(1);
    assert!(!is_known(&table.complete(ids[1], answer(ids[1]), now)), "a reply to it can only be a guess");
    table.close(&"gone".into(), &mut Vec::new());
    let lost = |sent| Some(Err(Failure::Lost("gone".into(), sent)));
    assert_eq!(fetch(&mut table, ids[0]), lost(Sent::Maybe));
    assert_eq!(fetch(&mut table, ids[1]), lost(Sent::Nothing));
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
    assert!(insert_at(&mut table, Place::Ahead).is_ok());
    table.close(&"gone".into(), &mut Vec::new());
    assert!(insert_at(&mut table, Place::Ahead).is_err());
}

#[derive(Clone, Copy, Debug)]
enum Step {
    Insert(Place),
    Write,
    Complete(usize),
    Fetch(usize),
    Forget(usize),
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        Just(Step::Insert(Place::Call)),
        prop::sample::select(vec![Place::Ahead, Place::Last]).prop_map(Step::Insert),
        Just(Step::Write),
        (0..40_usize).prop_map(Step::Complete),
        (0..40_usize).prop_map(Step::Fetch),
        (0..40_usize).prop_map(Step::Forget),
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
                Step::Insert(place) => {
                    if let Ok(id) = insert_at(&mut table, place) {
                        prop_assert!(!ids.contains(&id));
                        ids.push(id);
                    }
                }
                Step::Write => { written(&mut table); }
                Step::Complete(at) => if let Some(id) = pick(at) { let _ = table.complete(id, answer(id), now); },
                Step::Fetch(at) => if let Some(id) = pick(at) && let Some(Ok(got)) = fetch(&mut table, id) {
                    prop_assert_eq!(got.id, id);
                },
                Step::Forget(at) => if let Some(id) = pick(at) { let _ = table.forget(id, now); },
            }
            prop_assert!(table.in_flight() <= LIMITS.in_flight);
        }
        for id in ids {
            let _ = table.forget(id, now);
        }
        prop_assert_eq!((table.requests(), table.own, table.queued_bytes), (0, 0, 0));
    }
}
