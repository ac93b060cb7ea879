#[path = "key_state_any.rs"]
mod any;
#[path = "decide_model.rs"]
mod decide_model;

use decide_model::{Asked as AskedOf, Asker, Model};

use super::*;

const INTERVAL: u64 = 1_000;
const NOW: u64 = 5_000_000_000;

const fn limit(burst: u64) -> Limit {
    Limit { interval: INTERVAL, tolerance: INTERVAL * burst, window: 1_000_000_000 }
}

const fn standing(full_at: u64, pace: u64) -> Standing {
    Standing { full_at, pace }
}

/// Redis, as far as the script goes.
#[derive(Default)]
struct Server(Model);

impl Server {
    fn decide(&mut self, question: Question, limit: Limit, now: u64) -> Answer {
        let asker = Asker { interval: limit.interval.into(), tolerance: limit.tolerance.into() };
        let Question { tokens, most, shift } = question;
        let asked = AskedOf { tokens: tokens.into(), most: most.into(), shift: shift.into() };
        let (taken, debt, pace) = self.0.decide(now.into(), asker, asked);
        let number = |number: i64| u64::try_from(number).expect("not below zero");
        Answer { taken: u32::try_from(taken).expect("small"), debt: number(debt), pace: number(pace) }
    }

    fn full_at(&self) -> u64 {
        u64::try_from(self.0.full_at).expect("not below zero")
    }
}

fn try_one(state: &mut KeyState, server: &mut Server, limit: Limit, batch: u32, now: u64) -> bool {
    match state.known(limit, 1, now) {
        Known::Reserved => true,
        Known::Refused { .. } => false,
        Known::Unknown => {
            let asked = state.ask(limit, 1, 1, 1, batch, now);
            let answer = server.decide(asked.question, limit, now);
            state.answered(&asked, answer, now, now)
        }
    }
}

#[test]
fn what_redis_has_refused_is_refused_without_asking_until_it_can_fit() {
    let (mut state, mut server) = (KeyState::default(), Server::default());
    assert!(try_one(&mut state, &mut server, limit(1), 1, NOW));
    let refused = state.known(limit(1), 1, NOW + 1);
    assert_eq!(refused, Known::Refused { standing: standing(NOW + INTERVAL, INTERVAL), wait: INTERVAL - 1 });
    assert_eq!(state.known(limit(1), 1, NOW + INTERVAL), Known::Unknown);
}

#[test]
fn a_batch_is_as_large_as_the_demand_of_lately_and_no_larger_than_it_may_be() {
    let (mut state, mut server) = (KeyState::default(), Server::default());
    let mut questions = Vec::new();
    for _ in 0..100 {
        if state.known(limit(1_000), 1, NOW) == Known::Unknown {
            let asked = state.ask(limit(1_000), 1, 1, 1, 16, NOW);
            questions.push(asked.question.most);
            let answer = server.decide(asked.question, limit(1_000), NOW);
            assert!(state.answered(&asked, answer, NOW, NOW));
        }
    }
    assert_eq!(questions, [1, 2, 4, 8, 16, 16, 16, 16, 16, 16]);
    let later = NOW + 10 * PERIOD;
    assert_eq!(state.known(limit(1_000), 1, later), Known::Unknown, "what lay in reserve is too old");
    assert_eq!(state.ask(limit(1_000), 1, 1, 1, 16, later).question.most, 1, "and the demand is gone");
    assert_eq!(state.ask(limit(1_000), 1, 1, 9, 16, later).question.most, 9, "who waits is demand too");
    assert_eq!(state.ask(limit(1_000), 1, 1, 90, 16, later).question.most, 16);
}

#[test]
fn tokens_that_were_not_used_go_back_as_far_as_they_are_not_refilled() {
    let slow = Limit { interval: PERIOD, tolerance: PERIOD * 20, window: 1 };
    let (mut state, mut server) = (KeyState::default(), Server::default());
    for _ in 0..4 {
        // Takes one, then two, then four, of which one is used.
        assert!(try_one(&mut state, &mut server, slow, 4, NOW));
    }
    assert_eq!(server.full_at(), NOW + 7 * PERIOD);
    let later = NOW + 2 * PERIOD;
    let _known = state.known(slow, 1, later);
    let asked = state.ask(slow, 1, 1, 1, 4, later);
    assert_eq!(asked.question.shift, -3 * i64::try_from(PERIOD).expect("small"), "three of four");
    let much_later = NOW + 6 * PERIOD;
    let (mut state, mut server) = (KeyState::default(), Server::default());
    for _ in 0..4 {
        assert!(try_one(&mut state, &mut server, slow, 4, NOW));
    }
    let _known = state.known(slow, 1, much_later);
    let shift = state.ask(slow, 1, 1, 1, 4, much_later).question.shift;
    assert_eq!(shift, -i64::try_from(PERIOD).expect("small"), "six of seven are refilled");
}

#[test]
fn the_share_begins_where_redis_stood_and_its_debt_is_paid_afterwards() {
    let (mut state, mut server) = (KeyState::default(), Server::default());
    let limit = limit(8);
    for _ in 0..4 {
        assert!(try_one(&mut state, &mut server, limit, 1, NOW));
    }
    // Four of eight are left to four instances.
    let share = share_of(limit, 4);
    assert_eq!(state.take_share(share, 1, NOW), Ok(()));
    assert_eq!(state.take_share(share, 1, NOW), Err((NOW + 8 * INTERVAL, 4 * INTERVAL)));
    let asked = state.ask(limit, 4, 1, 1, 1, NOW);
    assert_eq!(asked.question.shift, i64::try_from(INTERVAL).expect("small"), "one token was taken meanwhile");
    state.unanswered(&asked);
    assert_eq!(state.ask(limit, 4, 1, 1, 1, NOW), asked, "it is still owed");
    let answer = server.decide(asked.question, limit, NOW);
    state.answered(&asked, answer, NOW, NOW);
    assert_eq!(server.full_at(), NOW + 6 * INTERVAL);
    assert_eq!(state.ask(limit, 4, 1, 1, 1, NOW).question.shift, 0, "it is paid once");
}

#[test]
fn a_request_that_is_larger_than_the_share_passes_when_the_share_is_full() {
    let mut state = KeyState::default();
    let share = share_of(limit(10), 4);
    assert_eq!(state.take_share(share, 10, NOW), Ok(()));
    assert!(state.take_share(share, 1, NOW + 30 * INTERVAL - 1).is_err());
    assert_eq!(state.take_share(share, 10, NOW + 40 * INTERVAL), Ok(()));
}

#[test]
fn a_key_is_forgotten_only_when_nothing_is_owed_and_nothing_lies_in_reserve() {
    let mut state = KeyState::default();
    let share = share_of(limit(5), 2);
    assert!(state.is_idle(NOW));
    assert_eq!(state.take_share(share, 1, NOW), Ok(()));
    assert!(!state.is_idle(NOW + 2 * INTERVAL - 1));
    assert!(state.is_idle(NOW + 2 * INTERVAL));
    let answer = Answer { taken: 3, debt: 0, pace: INTERVAL };
    state.answered(&Asked::default(), answer, NOW, NOW);
    assert!(!state.is_idle(NOW + PERIOD - 1));
    assert!(state.is_idle(NOW + PERIOD));
}

#[test]
fn as_many_tokens_are_owed_under_a_faster_limit_and_under_the_old_one_after_it() {
    let slow = Limit { interval: 1_000 * INTERVAL, ..limit(60_000) };
    let fast = limit(60);
    let used_up = || {
        let (mut state, mut server) = (KeyState::default(), Server::default());
        assert!((0..60).all(|_| try_one(&mut state, &mut server, slow, 1, NOW)));
        assert!(matches!(state.known(slow, 1, NOW), Known::Refused { .. }));
        state
    };
    let refused = Known::Refused { standing: standing(NOW + 60 * INTERVAL, INTERVAL), wait: INTERVAL };
    let mut state = used_up();
    assert_eq!(state.known(fast, 1, NOW), refused);
    assert!(matches!(state.known(limit(4), 1, NOW), Known::Refused { wait, .. } if wait == 57 * INTERVAL));
    assert_eq!(state.known(fast, 1, NOW), refused, "a smaller burst meanwhile has given nothing away");
    assert_eq!(state.known(fast, 1, NOW + INTERVAL), Known::Unknown, "Redis may say");

    let share = share_of(fast, 2);
    let mut state = used_up();
    assert_eq!(state.take_share(share, 1, NOW), Err((NOW + 60 * INTERVAL, 2 * INTERVAL)));
    assert_eq!(state.take_share(share, 1, NOW + 2 * INTERVAL), Ok(()));
    let paid = state.ask(fast, 2, 1, 1, 1, NOW + 2 * INTERVAL).question.shift;
    assert_eq!(paid, i64::try_from(INTERVAL).expect("small"), "what the share has given is told");

    let mut state = KeyState::default();
    assert_eq!(state.take_share(share_of(slow, 2), 30, NOW), Ok(()));
    assert!(state.take_share(share_of(slow, 2), 1, NOW).is_err());
    assert!(state.take_share(share_of(limit(4), 2), 1, NOW).is_err(), "thirty of four are owed");
    assert!(state.take_share(share_of(fast, 2), 1, NOW).is_err(), "and still thirty of thirty");
    assert_eq!(state.share_is_full_at(share, NOW), NOW + 60 * INTERVAL);
    assert!(!state.is_idle(NOW + 60 * INTERVAL - 1));
    assert!(state.is_idle(NOW + 60 * INTERVAL));
}

#[test]
fn as_many_tokens_of_a_share_are_owed_when_there_are_fewer_instances_or_more() {
    let limit = limit(40);
    let mut state = KeyState { seen: standing(NOW + 20 * INTERVAL, INTERVAL), ..KeyState::default() };
    assert_eq!(state.take_share(share_of(limit, 4), 5, NOW), Ok(()));
    assert_eq!(state.share_is_full_at(share_of(limit, 4), NOW), NOW + 40 * INTERVAL);
    assert_eq!(state.share_is_full_at(share_of(limit, 1), NOW), NOW + 25 * INTERVAL);
    assert_eq!(state.share_is_full_at(share_of(limit, 2), NOW), NOW + 30 * INTERVAL);
    let pays = state.ask(limit, 8, 1, 1, 1, NOW);
    assert_eq!(pays.question.shift, 5_000);
    assert_eq!(state.take_share(share_of(limit, 2), 1, NOW), Ok(()), "two more while the five are on their way");
    let answer = Answer { taken: 1, debt: 26 * INTERVAL, pace: INTERVAL };
    assert!(state.answered(&pays, answer, NOW, NOW));
    assert_eq!(state.ask(limit, 1, 1, 1, 1, NOW).question.shift, 1_000);
}

#[test]
fn who_has_a_slower_limit_is_refused_for_as_long_as_others_owe_at_their_pace() {
    let (fast, slow) = (limit(100), Limit { interval: 1_000 * INTERVAL, ..limit(100_000) });
    // The same whether it is another instance that is slower or this one whose limit has become so.
    for is_told in [true, false] {
        let (mut state, mut server) = (KeyState::default(), Server::default());
        if is_told {
            assert!((0..100).all(|_| try_one(&mut KeyState::default(), &mut server, fast, 1, NOW)));
            assert!(!try_one(&mut state, &mut server, slow, 1, NOW));
        } else {
            assert!((0..100).all(|_| try_one(&mut state, &mut server, fast, 1, NOW)));
        }
        let refused = Known::Refused { standing: standing(NOW + 100 * INTERVAL, INTERVAL), wait: INTERVAL };
        assert_eq!(state.known(slow, 1, NOW), refused);
        assert!(matches!(state.known(slow, 30, NOW), Known::Refused { wait, .. } if wait == 30 * INTERVAL));
        assert_eq!(state.known(slow, 1, NOW + INTERVAL), Known::Unknown);
        assert!(try_one(&mut state, &mut server, slow, 1, NOW + INTERVAL));
        // Who takes sets the pace.
        let (now, full_at) = (NOW + INTERVAL, NOW + INTERVAL + slow.tolerance);
        let refused = Known::Refused { standing: standing(full_at, slow.interval), wait: slow.interval };
        assert_eq!(state.known(slow, 1, now), refused);
    }
}

#[test]
fn a_refusal_holds_for_a_second_in_which_others_may_have_made_the_bucket_fill_faster() {
    let slow = Limit { interval: 60 * BELIEVED, tolerance: 600 * BELIEVED, window: 1 };
    let fast = Limit { interval: PERIOD, tolerance: 10 * PERIOD, window: 1 };
    let (mut state, mut server) = (KeyState::default(), Server::default());
    assert!((0..10).all(|_| try_one(&mut state, &mut server, slow, 1, NOW)));
    assert!(!try_one(&mut state, &mut server, slow, 1, NOW));
    assert!(!try_one(&mut KeyState::default(), &mut server, fast, 1, NOW));
    assert!(!try_one(&mut state, &mut server, slow, 1, NOW + BELIEVED - 1), "nobody has told it");
    assert!(try_one(&mut state, &mut server, slow, 1, NOW + BELIEVED));
}

#[test]
fn a_share_begins_with_what_others_owe_and_goes_at_its_own_pace_from_the_first_token_on() {
    let (fast, slow) = (limit(100), Limit { interval: 1_000 * INTERVAL, ..limit(100_000) });
    let (mut state, mut server) = (KeyState::default(), Server::default());
    assert!((0..100).all(|_| try_one(&mut KeyState::default(), &mut server, fast, 1, NOW)));
    assert!(!try_one(&mut state, &mut server, slow, 1, NOW));
    let share = share_of(slow, 2);
    // A token of two instances.
    assert!(matches!(state.take_share(share, 1, NOW), Err((_, wait)) if wait == 2 * INTERVAL));
    assert!(state.take_share(share, 1, NOW + 2 * INTERVAL - 1).is_err());
    let now = NOW + 50 * INTERVAL;
    assert!((0..25).all(|_| state.take_share(share, 1, now).is_ok()), "half of fifty");
    assert!(matches!(state.take_share(share, 1, now), Err((_, wait)) if wait == 2 * slow.interval));
    let paid = state.ask(slow, 2, 1, 1, 1, NOW + 100 * INTERVAL).question.shift;
    assert_eq!(
        paid,
        25 * i64::try_from(slow.interval).expect("small"),
        "what the share has given, and nothing of others"
    );
}

#[test]
fn an_answer_under_settings_that_have_changed_meanwhile_is_counted_at_those_of_now() {
    let (slow, mut state) = (limit(10), KeyState::default());
    let fast = Limit { interval: INTERVAL / 10, tolerance: INTERVAL, window: 1 };
    let asked = state.ask(slow, 1, 1, 1, 1, NOW);
    assert_eq!(state.known(fast, 1, NOW), Known::Unknown);
    state.answered(&asked, Answer { taken: 0, debt: 10 * INTERVAL, pace: INTERVAL }, NOW, NOW);
    let standing = standing(NOW + INTERVAL, INTERVAL / 10);
    assert_eq!(state.known(fast, 1, NOW), Known::Refused { standing, wait: INTERVAL / 10 });
}

#[test]
fn what_one_call_takes_of_the_share_is_owed_while_another_asks_in_vain() {
    let (limit, mut state) = (limit(2), KeyState::default());
    let share = share_of(limit, 1);
    let mut asked = state.ask(limit, 1, 1, 1, 1, NOW);
    let mut passed = 0;
    for _ in 0..100 {
        // Somebody asks before the one before has heard that there is no answer.
        let next = state.ask(limit, 1, 1, 1, 1, NOW);
        state.unanswered(&asked);
        passed += u32::from(state.take_share(share, 1, NOW).is_ok());
        asked = next;
    }
    assert_eq!(passed, 2, "the burst, at one moment");
}

#[test]
fn what_is_taken_of_the_share_while_it_is_paid_is_paid_later_and_nothing_twice() {
    let (limit, mut state, mut server) = (limit(10), KeyState::default(), Server::default());
    let share = share_of(limit, 1);
    for _ in 0..3 {
        state.take_share(share, 1, NOW).expect("the share is full");
    }
    let pays = state.ask(limit, 1, 1, 1, 1, NOW);
    assert_eq!(pays.question.shift, 3_000);
    assert_eq!(state.ask(limit, 1, 1, 1, 1, NOW).question.shift, 0, "it is on its way");
    state.take_share(share, 1, NOW).expect("six are left");
    let answer = server.decide(pays.question, limit, NOW);
    assert!(state.answered(&pays, answer, NOW, NOW));
    let next = state.ask(limit, 1, 1, 1, 1, NOW);
    assert_eq!(next.question.shift, 1_000);
    let answer = server.decide(next.question, limit, NOW);
    assert!(state.answered(&next, answer, NOW, NOW));
    assert_eq!(answer.debt, 6_000, "three, one, and those of two questions");
    assert_eq!(state.ask(limit, 1, 1, 1, 1, NOW).question.shift, 0);
}

#[test]
fn whatever_redis_has_said_last_the_share_is_no_more_than_empty_by_it() {
    for answer in [
        Answer { taken: 0, debt: u64::MAX, pace: INTERVAL },
        Answer { taken: 0, debt: u64::MAX / 2, pace: 1 },
        Answer { taken: 0, debt: 1_000_000 * INTERVAL, pace: INTERVAL },
    ] {
        let mut state = KeyState::default();
        let asked = state.ask(limit(10), 2, 1, 1, 1, NOW);
        assert!(!state.answered(&asked, answer, NOW, NOW));
        let share = share_of(limit(10), 2);
        assert!(state.take_share(share, 1, NOW).is_err());
        let full_again = NOW + share.limit.tolerance;
        let passed = (0..20).filter(|_| state.take_share(share, 1, full_again).is_ok()).count();
        assert!(passed >= 1, "{answer:?}");
    }
}
