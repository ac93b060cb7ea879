//! What each rule counts, and when it counts it: one state, one answer, one call.

use super::*;

impl Trial {
    /// Answers with an error, as a plugin does that refuses a call at once.
    fn refuse(&mut self, number: u64) {
        let now = self.now;
        self.backlog.answered(number, false, || now);
    }

    fn miss(&mut self) {
        let now = self.now;
        self.backlog.missed(|| now);
    }

    /// An answer takes 200, and three calls in line were given up: no other call that has time is written.
    fn full() -> Self {
        let mut trial = Self::taking(200);
        trial.give_up_three();
        trial
    }

    fn give_up_three(&mut self) {
        assert_eq!(self.fill(3), 3);
        (self.written - 2..=self.written).for_each(|number| self.give_up(number));
        assert!(self.holds_for().is_some());
    }
}

#[test]
fn while_one_in_line_was_given_up_an_answer_makes_room_for_one_more_and_not_for_twice_as_many() {
    let mut trial = Trial::new(4);
    trial.miss();
    trial.backlog.window.most = 4;
    trial.give_up(4);
    trial.answer(1);
    assert_eq!(trial.fill(100), 2, "three are in line, and five may be");
}

#[test]
fn those_that_come_while_the_line_is_too_long_do_not_widen_it_when_one_of_them_is_given_up() {
    let mut trial = Trial::new(10);
    (1..=8).for_each(|number| trial.give_up(number));
    (11..=16).for_each(|_| trial.write(None));
    trial.give_up(16);
    (1..=8).for_each(|number| trial.answer_late(number));
    trial.answer(9);
    assert!(trial.holds_for().is_some(), "seven are in line, and two and one more may be");
}

#[test]
fn where_all_were_given_up_there_is_room_for_one_and_one_more_with_the_next_answer() {
    let mut trial = Trial::new(2);
    trial.give_up(1);
    trial.give_up(2);
    trial.write(None);
    trial.write(None);
    trial.give_up(4);
    trial.answer_late(1);
    trial.answer_late(2);
    trial.answer(3);
    assert_eq!(trial.fill(100), 1, "the fourth is in line, and two may be");
}

#[test]
fn a_line_that_was_longer_than_caution_allows_is_not_cut_when_all_is_well_again() {
    let mut trial = Trial::new(100);
    trial.miss();
    trial.backlog.window.shuts = 1;
    (1..=40).for_each(|number| trial.give_up(number));
    (1..=40).for_each(|number| trial.answer_late(number));
    trial.answer(41);
    assert_eq!(trial.fill(100), 61, "59 are in line, and twice 60 may be");
}

#[test]
fn a_line_without_a_bound_has_none_after_any_number_of_answers() {
    let mut trial = Trial::new(1);
    for number in 1..=100 {
        trial.miss();
        trial.answer(number);
        assert_eq!(trial.fill(1), 1);
    }
    assert_eq!(trial.fill(100), 100);
}

#[test]
fn how_many_were_seen_at_once_is_not_forgotten_when_there_are_fewer_and_each_answer_is_counted_once() {
    let mut trial = Trial::new(3);
    trial.give_up(1);
    trial.answer(3);
    // They were overtaken; for one of them nobody waits.
    trial.answer_late(1);
    trial.answer(2);
    trial.fill(1);
    trial.answer(4);
    trial.fill(2);
    assert!(trial.backlog.together.has_room(2), "it was seen to work on three");
    trial.fill(1);
    assert!(!trial.backlog.together.has_room(3));
}

#[test]
fn neither_a_refusal_nor_an_answer_to_what_was_forgotten_is_taken_for_a_call_that_is_worked_on_still() {
    let mut trial = Trial::new(2);
    trial.refuse(1);
    trial.answer(2);
    assert!(trial.backlog.together.is_one_at_a_time());
    let mut trial = Trial::new(MOST as u64 + 3);
    (1..=4).for_each(|number| trial.answer(number));
    assert!(trial.backlog.together.is_one_at_a_time(), "three of four had been forgotten");
}

#[test]
fn what_is_forgotten_keeps_no_call_with_little_time_waiting() {
    let mut trial = Trial::taking(200);
    assert_eq!(trial.hurry(20), Ok(()));
    (0..MOST).for_each(|_| trial.write(None));
    let now = trial.now;
    assert_eq!(trial.backlog.line.len(), MOST);
    // That it takes calls out of order is known, so only another like it would be waited for.
    trial.backlog.late.is_in_order = false;
    assert_eq!(trial.backlog.late.waits_for(&trial.backlog.line).map(|turn| turn.until(SECOND, now)), None);
}

#[test]
fn as_many_with_little_time_are_written_as_the_plugin_was_seen_to_work_on_at_once() {
    let mut trial = Trial::taking(200);
    assert_eq!(trial.fill(5), 5);
    trial.pass(200);
    let last = trial.written;
    (last - 4..=last).rev().for_each(|number| trial.answer(number));
    for _ in 0..5 {
        assert_eq!(trial.hurry(20), Ok(()));
    }
    assert!(trial.hurry(20).is_err());
}

#[test]
fn who_has_little_time_waits_where_the_line_is_too_long_for_all() {
    let mut trial = Trial::full();
    trial.backlog.late.is_in_order = false;
    assert_eq!(trial.hurry(20), Err(Some(200)));
}

#[test]
fn behind_a_call_of_which_it_is_not_known_how_long_it_is_there_nobody_is_written_sooner() {
    let mut trial = Trial::taking(200);
    trial.backlog.watch.calm = CALM;
    trial.is_unknown = true;
    trial.give_up_three();
    assert_eq!(trial.hurry(300), Err(Some(200)));
}

#[test]
fn before_the_first_answer_who_has_less_than_a_second_is_written_no_sooner_than_others() {
    let mut trial = Trial::new(2);
    trial.give_up(1);
    trial.give_up(2);
    trial.pass(100);
    assert_eq!(trial.hurry(999), Err(Some(900)));
    assert_eq!(trial.hurry(1000), Err(Some(120)), "a fifth of what is left beside four silences");
}

#[test]
fn silence_is_what_came_since_somebody_was_in_a_hurry_and_a_refusal_ends_it() {
    let mut trial = Trial::new(3);
    trial.refuse(1);
    trial.give_up(2);
    trial.give_up(3);
    assert_eq!(trial.hurry(30_000), Err(Some(1000)));
    trial.pass(1000);
    assert_eq!(trial.hurry(29_000), Ok(()));
    trial.pass(2000);
    assert_eq!(trial.hurry(27_000), Ok(()));
    assert_eq!(trial.hurry(27_000), Err(Some(3000)), "3 s of silence: the refusal was before");
    let now = trial.now;
    trial.backlog.answered_late(2, false, || now);
    for (after, left) in [(1000, 30_000), (2000, 28_000)] {
        trial.pass(after);
        assert_eq!(trial.hurry(left), Ok(()));
    }
    assert_eq!(trial.hurry(27_000), Err(Some(4000)), "it is not silent, and how long a call takes is not known");
}

#[test]
fn where_nothing_was_in_line_the_wait_begins_with_the_first_call() {
    let mut trial = Trial::taking(200);
    trial.pass(5000);
    trial.give_up_three();
    assert_eq!(trial.holds_for(), Some(200));
}

#[test]
fn only_a_call_that_could_not_be_held_back_any_longer_tells_whether_that_is_of_use() {
    // It was its turn.
    let mut trial = Trial::full();
    trial.pass(200);
    assert_eq!(trial.hurry(10_000), Ok(()));
    trial.give_up(trial.written);
    assert!(trial.backlog.rescue.is_of_use());
    assert_eq!(trial.hurry(250), Ok(()), "so it is tried");
    // It had little time in any case.
    let mut trial = Trial::full();
    trial.backlog.late.is_in_order = false;
    trial.pass(200);
    assert_eq!(trial.hurry(20), Ok(()));
    trial.give_up(trial.written);
    assert!(trial.backlog.rescue.is_of_use());
    // The plugin had room.
    let mut trial = Trial::taking(200);
    assert_eq!(trial.fill(5), 5);
    trial.pass(200);
    let last = trial.written;
    (last - 4..=last).rev().for_each(|number| trial.answer(number));
    trial.write(None);
    trial.write(None);
    (trial.written - 1..=trial.written).for_each(|number| trial.give_up(number));
    assert_eq!(trial.hurry(250), Ok(()));
    trial.give_up(trial.written);
    assert!(trial.backlog.rescue.is_of_use());
}

#[test]
fn a_call_that_was_written_so_late_was_of_use_when_its_caller_had_the_answer_and_not_when_it_came_later() {
    for is_answered in [true, false] {
        let mut trial = Trial::full();
        assert_eq!(trial.hurry(250), Ok(()));
        assert_eq!(trial.hurry(250), Ok(()));
        let last = trial.written;
        trial.give_up(last);
        assert!(!trial.backlog.rescue.is_of_use());
        (last - 4..last - 1).for_each(|number| trial.answer_late(number));
        if is_answered {
            trial.answer(last - 1);
        } else {
            trial.give_up(last - 1);
        }
        (last - 1..=last).for_each(|number| trial.answer_late(number));
        assert_eq!((trial.backlog.line.len(), trial.backlog.rescue.is_of_use()), (0, is_answered));
        // What is begun anew knows nothing of it.
        trial.backlog.watch.calm = CALM;
        trial.miss();
        assert!(trial.backlog.rescue.is_of_use());
    }
}

#[test]
fn how_long_an_answer_took_does_not_include_how_long_its_call_was_held_back() {
    let mut trial = Trial::taking(3000);
    let caller = Caller { came: Some(trial.now), deadline: None };
    trial.pass(5000);
    let now = trial.now;
    trial.written += 1;
    trial.backlog.wrote(trial.written, trial.written, caller, || now);
    trial.pass(100);
    trial.answer(trial.written);
    assert_eq!(trial.backlog.recent.quickest(), Some(SECOND / 10));
}

#[test]
fn who_comes_with_less_time_than_a_call_takes_has_all_looked_at_for_as_many_answers_as_who_gives_up() {
    let mut trial = Trial::taking(200);
    trial.backlog.watch.calm = CALM;
    let now = trial.now;
    let caller = Caller { came: Some(now), deadline: Some(now) };
    assert_eq!(trial.backlog.admit(caller, || now), Err(Hold::Late));
    for _ in 0..CALM {
        assert!(trial.backlog.watch.is_on());
        assert_eq!(trial.fill(1), 1);
        trial.answer(trial.written);
    }
    assert!(!trial.backlog.watch.is_on());
}
