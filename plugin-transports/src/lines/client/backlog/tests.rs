use std::time::Duration;

use super::{
    line::MOST,
    pace::{RECENT, SELDOM},
    watch::CALM,
    window::CAUTIOUS,
    *,
};

mod corners;

const SECOND: Duration = Duration::from_secs(1);

fn until(deadline: Option<Instant>) -> Caller {
    Caller { came: None, deadline }
}

/// A plugin, and the host's clock. A tick is a millisecond.
struct Trial {
    backlog: Backlog,
    now: Instant,
    written: u64,
    /// Nobody knows when the next calls came.
    is_unknown: bool,
}

impl Trial {
    /// With so many calls written.
    fn new(written: u64) -> Self {
        let now = Instant::ZERO.saturating_add(SECOND);
        let mut trial = Self { backlog: Backlog::default(), now, written: 0, is_unknown: false };
        assert_eq!(trial.fill(written), written);
        trial
    }

    /// The same, where an answer takes so long, and somebody was in a hurry. Nothing is in line.
    fn taking(ticks: u64) -> Self {
        let mut trial = Self::new(0);
        let now = trial.now;
        trial.backlog.missed(|| now);
        for _ in 0..RECENT {
            assert_eq!(trial.fill(1), 1);
            trial.pass(ticks);
            trial.answer(trial.written);
        }
        trial
    }

    fn pass(&mut self, ticks: u64) {
        self.now = self.now.saturating_add(Duration::from_millis(ticks));
    }

    fn write(&mut self, deadline: Option<Instant>) {
        let now = self.now;
        self.written += 1;
        self.backlog.wrote(
            self.written,
            self.written,
            Caller { came: (!self.is_unknown).then_some(now), deadline },
            || now,
        );
    }

    /// Writes calls as long as it may, this many at most, and says how many.
    fn fill(&mut self, most: u64) -> u64 {
        let now = self.now;
        (0..most)
            .take_while(|_| {
                let is_free = self.backlog.admit(Caller::default(), || now).is_ok();
                if is_free {
                    self.write(None);
                }
                is_free
            })
            .count() as u64
    }

    /// A call with so much time comes, and is written or not.
    fn hurry(&mut self, ticks: u64) -> Result<(), Option<u128>> {
        let (now, deadline) = (self.now, Some(self.now.saturating_add(Duration::from_millis(ticks))));
        let after = |until: Instant| Some(until.saturating_since(now).as_millis());
        match self.backlog.admit(until(deadline), || now) {
            Ok(()) => {}
            Err(Hold::All(until)) => return Err(after(until)),
            Err(Hold::Late) => self.backlog.admit_late(|| now).map_err(after)?,
        }
        self.write(deadline);
        Ok(())
    }

    fn answer(&mut self, number: u64) {
        let now = self.now;
        self.backlog.answered(number, true, || now);
    }

    fn answer_late(&mut self, number: u64) {
        let now = self.now;
        self.backlog.answered_late(number, true, || now);
    }

    fn give_up(&mut self, number: u64) {
        let now = self.now;
        self.backlog.given_up(number, || now);
    }

    /// How long until the next look, where all are held back.
    fn holds_for(&mut self) -> Option<u128> {
        let now = self.now;
        match self.backlog.admit(Caller::default(), || now) {
            Err(Hold::All(until)) => Some(until.saturating_since(now).as_millis()),
            Err(Hold::Late) => panic!("it has all the time"),
            Ok(()) => None,
        }
    }
}

#[test]
fn where_no_call_is_given_up_nothing_is_held_back_and_no_clock_is_read() {
    let mut backlog = Backlog::default();
    let never = || -> Instant { panic!("the clock was read") };
    for number in 1..=1000 {
        assert_eq!(backlog.admit(until(Some(Instant::ZERO)), never), Ok(()));
        backlog.wrote(number, number, until(Some(Instant::ZERO)), never);
        if number > 500 {
            backlog.answered(number - 500, true, never);
        }
    }
}

#[test]
fn who_has_less_time_than_answers_take_is_written_alone_and_holds_up_no_other() {
    let mut trial = Trial::taking(200);
    assert_eq!(trial.fill(3), 3);
    assert_eq!(trial.hurry(199), Err(Some(600)), "it comes after those, however long they take");
    assert_eq!(trial.hurry(200), Ok(()), "it has as much as one takes");
    for _ in 0..3 {
        trial.pass(200);
        trial.answer(trial.written - trial.backlog.line.len() as u64 + 1);
        assert!(trial.hurry(199).is_err());
    }
    trial.pass(200);
    trial.answer(trial.written);
    assert_eq!(trial.hurry(20), Ok(()), "nothing is in line");
    assert_eq!(trial.hurry(20), Err(Some(800)), "the fourth of those had to wait for all");
    trial.give_up(trial.written);
    assert_eq!(trial.fill(3), 3, "those that have time");
    // An answer that never comes keeps them for a while only, and for longer each time.
    assert_eq!(trial.hurry(20), Err(Some(3200)), "four times that");
    trial.pass(3200);
    assert_eq!(trial.hurry(20), Ok(()));
    assert_eq!(trial.hurry(20), Err(Some(8000)), "five times, and twice that, were no more than the most");
}

#[test]
fn where_calls_overtake_each_other_one_with_little_time_is_written_beside_the_others() {
    let mut trial = Trial::taking(200);
    assert_eq!(trial.fill(3), 3);
    trial.pass(200);
    trial.answer(trial.written);
    trial.answer(trial.written - 1);
    assert_eq!(trial.fill(3), 3);
    assert_eq!(trial.hurry(20), Ok(()));
    let first = trial.written;
    assert!(trial.hurry(20).is_err());
    assert_eq!(trial.fill(1), 1);
    trial.give_up(first);
    assert!(trial.hurry(20).is_err());
    trial.answer(trial.written);
    assert_eq!(trial.hurry(20), Ok(()), "it was overtaken");
}

#[test]
fn the_quickest_of_the_last_answers_says_who_is_in_a_hurry() {
    let mut trial = Trial::taking(3000);
    trial.backlog.late.is_in_order = false;
    assert_eq!(trial.hurry(1000), Ok(()));
    assert!(trial.hurry(1000).is_err());
    trial.pass(10);
    trial.answer(trial.written);
    for _ in 0..100 {
        assert_eq!(trial.hurry(1000), Ok(()));
    }
    assert_eq!(trial.hurry(9), Ok(()));
    assert!(trial.hurry(9).is_err());
    // And no older one does.
    for _ in 0..RECENT {
        trial.pass(1000);
        trial.answer(trial.written);
        trial.fill(1);
    }
    assert_eq!(trial.hurry(999), Ok(()));
    assert!(trial.hurry(999).is_err());
}

#[test]
fn once_more_were_given_up_than_half_of_those_that_wait_as_many_may_stand_in_line_as_wait() {
    let mut trial = Trial::new(9);
    trial.give_up(1);
    trial.give_up(2);
    trial.give_up(3);
    assert_eq!(trial.fill(1), 1, "three of nine, and six wait");
    trial.give_up(4);
    assert!(trial.holds_for().is_some(), "four, and six wait");
    for number in 1..=4 {
        assert!(trial.holds_for().is_some(), "{number}");
        trial.pass(100);
        trial.answer_late(number);
    }
    assert_eq!(trial.fill(100), 100, "none that was given up is in line");
}

#[test]
fn one_call_that_was_given_up_holds_nobody_back() {
    let mut trial = Trial::new(1);
    trial.give_up(1);
    assert_eq!(trial.fill(100), 100);
}

#[test]
fn while_some_are_worked_off_for_nobody_each_answer_to_somebody_makes_room_for_one_more() {
    let mut trial = Trial::new(8);
    // Those that wait are the first.
    (3..=8).for_each(|number| trial.give_up(number));
    for number in 1..=2 {
        assert!(trial.holds_for().is_some());
        trial.pass(100);
        trial.answer(number);
    }
    // Six are in line, and two and one more for each answer may be.
    for number in 3..=4 {
        assert!(trial.holds_for().is_some());
        trial.pass(100);
        trial.answer_late(number);
    }
    assert!(trial.holds_for().is_some());
    trial.pass(100);
    trial.answer_late(5);
    assert_eq!(trial.fill(100), 1, "three are in line");
}

#[test]
fn the_oftener_the_line_was_too_long_the_fewer_are_written_when_it_is_not() {
    let mut trial = Trial::new(0);
    for expected in [100, CAUTIOUS as u64, 4, 1, 1] {
        let first = trial.written + 1;
        let written = trial.fill(100);
        (first..=trial.written).for_each(|number| trial.give_up(number));
        assert!(trial.holds_for().is_some());
        (first..=trial.written).for_each(|number| trial.answer_late(number));
        assert!(written >= 1);
        assert_eq!(trial.fill(100), expected);
        let last = trial.written;
        trial.answer(last);
        // It overtook the others, which is not what this is about.
        trial.backlog.together = Together::default();
        // What was answered to somebody while nobody was in line in vain doubles it; that is undone by the next.
        trial.backlog.window.most = trial.backlog.window.most.min(expected as usize).max(2);
    }
}

#[test]
fn with_each_answer_twice_as_many_are_written_while_none_in_line_was_given_up() {
    let mut trial = Trial::new(4);
    let now = trial.now;
    trial.backlog.missed(|| now);
    trial.backlog.window.most = 4;
    assert!(trial.holds_for().is_some());
    trial.answer(1);
    assert_eq!(trial.fill(100), 5, "three are in line");
    trial.answer(2);
    assert_eq!(trial.fill(100), 9, "seven are");
}

#[test]
fn calls_that_hang_stand_in_nobodys_way_once_a_later_one_was_answered() {
    let mut trial = Trial::new(2);
    trial.pass(50);
    trial.give_up(1);
    trial.give_up(2);
    assert_eq!(trial.backlog.abandoned(), 2);
    assert_eq!(trial.holds_for(), Some(1000));
    trial.pass(1000);
    assert_eq!(trial.fill(2), 1, "nothing came, so one more is written");
    assert_eq!(trial.holds_for(), Some(2000), "and the next after twice as long");
    trial.pass(10);
    trial.answer(3);
    assert_eq!(trial.backlog.abandoned(), 0);
    assert_eq!(trial.fill(100), 100);
}

#[test]
fn the_time_until_one_more_is_written_has_a_bound() {
    let mut trial = Trial::new(2);
    trial.give_up(1);
    trial.give_up(2);
    for seconds in [1, 2, 4, 8, 8, 8] {
        assert_eq!(trial.holds_for(), Some(seconds * 1000));
        trial.pass(seconds as u64 * 1000);
        assert_eq!(trial.fill(2), 1);
    }
}

#[test]
fn a_call_that_comes_long_after_the_last_does_not_wait() {
    let mut trial = Trial::new(2);
    trial.give_up(1);
    trial.give_up(2);
    trial.pass(5000);
    assert_eq!(trial.fill(1), 1);
}

#[test]
fn an_answer_that_never_comes_changes_little_for_those_after_it() {
    let mut trial = Trial::new(6);
    (1..=6).for_each(|number| trial.give_up(number));
    // The first has no answer, and then all have. It may be that the plugin works on two at once.
    for number in 2..=3 {
        trial.pass(200);
        trial.answer_late(number);
        assert!(trial.holds_for().is_some());
    }
    trial.pass(200);
    trial.answer_late(4);
    assert_eq!(trial.fill(9), 1, "three have no answer, and up to twice two may");
    assert!(trial.hurry(0).is_err());
    for number in 5..=6 {
        trial.pass(200);
        trial.answer_late(number);
    }
    assert_eq!(trial.fill(100), 100, "none that was given up is in line");
}

#[test]
fn neither_a_second_answer_nor_one_to_what_was_not_written_moves_the_line() {
    let mut trial = Trial::new(4);
    (1..=4).for_each(|number| trial.give_up(number));
    for number in [1, 2] {
        trial.pass(2000);
        trial.answer_late(number);
    }
    let then = trial.backlog.progress();
    // The last one again, and an older one.
    for number in [2, 1, 2, 1, 7, u64::MAX] {
        trial.answer_late(number);
        assert_eq!((trial.backlog.progress(), trial.backlog.line.len()), (then, 2));
        assert!(trial.holds_for().is_some());
    }
}

#[test]
fn a_late_answer_to_a_call_that_somebody_waits_for_is_none() {
    let mut trial = Trial::new(2);
    trial.give_up(1);
    trial.answer_late(2);
    assert_eq!(trial.backlog.line.len(), 2);
}

#[test]
fn after_enough_answers_to_somebody_nothing_is_watched_any_more() {
    let mut trial = Trial::taking(200);
    let mut answered = trial.written;
    // What is held back and given up there is somebody in a hurry too.
    let now = trial.now;
    trial.backlog.missed(|| now);
    for _ in 0..CALM {
        assert_eq!(trial.hurry(1), Ok(()), "none like it is in line");
        assert!(trial.hurry(1).is_err());
        trial.pass(200);
        answered += 1;
        trial.answer(answered);
    }
    for _ in 0..100 {
        assert_eq!(trial.hurry(1), Ok(()));
    }
}

#[test]
fn how_full_the_line_was_is_forgotten_while_nobody_is_in_a_hurry_and_how_long_calls_take_is_not() {
    let mut trial = Trial::taking(200);
    trial.backlog.watch.calm = CALM;
    trial.backlog.window.shuts = 3;
    let now = trial.now;
    trial.backlog.missed(|| now);
    assert_eq!((trial.backlog.window.shuts, trial.backlog.window.most), (0, usize::MAX));
    assert_eq!(trial.hurry(1), Ok(()));
    assert!(trial.hurry(1).is_err());
}

#[test]
fn while_nobody_is_in_a_hurry_one_answer_in_many_is_looked_at_and_who_has_less_time_is_the_first_in_a_hurry() {
    let mut backlog = Backlog::default();
    let at = |ticks: u64| Instant::ZERO.saturating_add(Duration::from_millis(ticks));
    let comes = |ticks: u64, waits: u64| Caller { came: Some(at(ticks)), deadline: Some(at(ticks + waits)) };
    let mut looked = 0;
    for number in 1..=600 {
        let caller = comes(number * 1000, if looked == 0 { 1 } else { 200 });
        assert_eq!(backlog.admit(caller, || panic!("the clock was read")), Ok(()));
        backlog.wrote(number, number, caller, || panic!("the clock was read"));
        backlog.answered(number, true, || {
            looked += 1;
            at(number * 1000 + 200)
        });
    }
    assert_eq!(looked, RECENT as u64 + (600 - RECENT as u64) / u64::from(SELDOM));
    // Two who have less at once, beside one who has more.
    for (number, caller) in [(601, comes(601_000, 5000)), (602, comes(601_000, 199)), (603, comes(601_000, 199))] {
        let admitted = backlog.admit(caller, || at(601_000));
        assert_eq!(admitted, if number == 601 { Ok(()) } else { Err(Hold::Late) });
        if number == 601 {
            backlog.wrote(number, number, caller, || panic!("nobody was in a hurry"));
        }
    }
    assert!(backlog.admit_late(|| at(601_000)).is_err());
}

#[test]
fn what_nobody_answers_is_remembered_up_to_a_bound() {
    let mut trial = Trial::new(MOST as u64 + 10);
    for number in 1..=MOST as u64 + 10 {
        trial.give_up(number);
    }
    assert_eq!((trial.backlog.line.len(), trial.backlog.abandoned()), (MOST, MOST));
    trial.answer_late(MOST as u64 + 10);
    assert_eq!((trial.backlog.line.len(), trial.backlog.abandoned()), (0, 0));
}

#[test]
fn what_was_written_behind_calls_is_kept_waiting_by_them_and_by_no_others() {
    let mut trial = Trial::new(3);
    trial.answer(1);
    // The look before was after that answer too.
    let look = Look::default().next(trial.backlog.progress()).next(trial.backlog.progress());
    assert!(look.was_busy(trial.backlog.progress()), "somebody waits for the second");
    trial.give_up(2);
    assert!(!look.was_busy(trial.backlog.progress()), "nothing was answered, and nobody waits for the first of them");
    trial.fill(1);
    trial.answer_late(2);
    assert!(look.was_busy(trial.backlog.progress()));
    trial.answer(3);
    assert!(look.was_busy(trial.backlog.progress()), "it is next");
    trial.answer(4);
    assert!(!look.was_busy(trial.backlog.progress()), "it was overtaken");
}

#[test]
fn a_call_keeps_a_check_waiting_for_as_long_as_somebody_waits_for_it() {
    let mut trial = Trial::new(2);
    trial.answer(1);
    let mut look = Look::default();
    for _ in 0..10 {
        look = look.next(trial.backlog.progress());
        trial.pass(5000);
        assert!(look.was_busy(trial.backlog.progress()), "it was written before the check, and is the first");
    }
    trial.give_up(2);
    assert!(!look.was_busy(trial.backlog.progress()), "it took longer than it may");
    look = look.next(trial.backlog.progress());
    trial.fill(1);
    assert!(!look.was_busy(trial.backlog.progress()), "what is written after the check does not stand before it");
    trial.answer_late(2);
    assert!(look.was_busy(trial.backlog.progress()), "it was answered meanwhile");
    look = look.next(trial.backlog.progress());
    assert!(look.was_busy(trial.backlog.progress()), "and now the next stands before it");
    trial.answer(3);
    look = look.next(trial.backlog.progress());
    assert!(!look.was_busy(trial.backlog.progress()), "nothing stands before this check");
}

#[test]
fn no_call_keeps_a_check_waiting_at_a_plugin_that_was_seen_to_work_on_several_at_once() {
    let mut trial = Trial::new(3);
    trial.pass(100);
    trial.answer(2);
    trial.answer(1);
    let look = Look::default().next(trial.backlog.progress()).next(trial.backlog.progress());
    assert!(!look.was_busy(trial.backlog.progress()), "somebody waits for the third, and it stands in no other's way");
}

#[test]
fn an_abandoned_call_keeps_a_check_waiting_until_the_next_but_one() {
    let mut trial = Trial::new(3);
    (2..=3).for_each(|number| trial.give_up(number));
    trial.answer(1);
    let look = Look::default().next(trial.backlog.progress());
    assert!(look.was_busy(trial.backlog.progress()), "one was answered before, and two stand before the check");
    let look = look.next(trial.backlog.progress());
    assert!(!look.was_busy(trial.backlog.progress()), "none was since");
    trial.answer_late(2);
    let look = look.next(trial.backlog.progress());
    assert!(look.was_busy(trial.backlog.progress()));
    trial.answer_late(3);
    let look = look.next(trial.backlog.progress());
    assert!(!look.was_busy(trial.backlog.progress()), "nothing stands before this check");
}

#[test]
fn as_many_are_written_as_the_plugin_was_seen_to_work_on_at_once() {
    let mut trial = Trial::taking(3000);
    assert_eq!(trial.hurry(1000), Ok(()));
    assert!(trial.hurry(1000).is_err(), "it takes three times as long, as far as is known");
    assert_eq!(trial.fill(4), 4);
    (1..=4).for_each(|before| trial.give_up(trial.written - before));
    assert_eq!(trial.holds_for(), Some(3000));
    // The fifth of those is answered first: the plugin works on five.
    trial.pass(50);
    trial.answer(trial.written);
    // What was quick is known too; it takes four times as long again.
    for _ in 0..RECENT {
        assert_eq!(trial.fill(1), 1);
        trial.pass(3000);
        trial.answer(trial.written);
    }
    assert_eq!(trial.hurry(1000), Ok(()), "four have no answer, and are worked on");
    assert!(trial.hurry(1000).is_err());
    trial.backlog.window.most = 1;
    assert_eq!(trial.fill(100), 5, "of those that have time twice as many: ten have no answer");
}

#[test]
fn who_is_held_back_is_written_in_time_for_an_answer() {
    let mut trial = Trial::taking(200);
    assert_eq!(trial.fill(3), 3);
    (1..=3).for_each(|number| trial.give_up(RECENT as u64 + number));
    assert_eq!(trial.hurry(300), Err(Some(50)), "a call takes 200, and a quarter");
    assert_eq!(trial.hurry(10_000), Err(Some(200)), "as long as an answer is waited for");
    trial.pass(50);
    assert_eq!(trial.hurry(250), Ok(()));
    assert_eq!(trial.hurry(250), Ok(()));
    // What the first in line does not get, another would not either.
    trial.pass(200);
    assert_eq!(trial.hurry(250), Ok(()));
    trial.pass(1);
    assert!(trial.hurry(250).is_err());
}

#[test]
fn before_the_first_answer_who_is_held_back_is_written_while_there_is_much_more_time_than_silence() {
    let mut trial = Trial::new(2);
    trial.give_up(1);
    trial.give_up(2);
    assert_eq!(trial.hurry(30_000), Err(Some(1000)), "one is tried first");
    for seconds in [1, 2] {
        trial.pass(seconds * 1000);
        assert_eq!(trial.hurry(30_000 - 1000), Ok(()));
    }
    assert_eq!(trial.hurry(30_000 - 3000), Err(Some(3000)), "6 s of silence, and 24 that are left");
    trial.pass(3000);
    for _ in 0..10 {
        assert_eq!(trial.hurry(24_000), Ok(()));
    }
    assert!(trial.hurry(5_999).is_err(), "a call takes longer than that");
}

#[test]
fn where_those_that_were_written_so_late_are_given_up_no_others_are() {
    let mut trial = Trial::taking(200);
    assert_eq!(trial.fill(3), 3);
    (1..=3).for_each(|number| trial.give_up(RECENT as u64 + number));
    for _ in 0..2 {
        assert_eq!(trial.hurry(250), Ok(()));
    }
    let last = trial.written;
    trial.give_up(last);
    assert!(trial.hurry(250).is_err());
    // The other is answered. So it was of use as often as not.
    trial.pass(200);
    trial.answer(last - 1);
    assert_eq!(trial.fill(3), 3);
    (1..=3).for_each(|number| trial.give_up(last + number));
    assert_eq!(trial.hurry(250), Ok(()));
}

#[test]
fn a_call_had_not_come_to_its_turn_where_others_were_answered_and_one_stands_before_it() {
    let mut trial = Trial::new(4);
    let given_up = |trial: &mut Trial, number| {
        let now = trial.now;
        trial.backlog.given_up(number, || now)
    };
    assert!(!given_up(&mut trial, 4), "nobody was answered");
    trial.answer(1);
    assert!(given_up(&mut trial, 3), "the second stands before it");
    assert!(!given_up(&mut trial, 2), "it is the first");
    (5..=6).for_each(|_| trial.write(None));
    trial.answer_late(2);
    assert!(!given_up(&mut trial, 6), "since it was written none was answered to somebody");
    trial.answer(5);
    (7..=8).for_each(|_| trial.write(None));
    trial.answer(8);
    assert!(!given_up(&mut trial, 7), "one that was written later was answered");
}

#[test]
fn a_call_that_is_refused_at_once_says_nothing_of_how_many_are_worked_on_nor_how_long_others_take() {
    let mut trial = Trial::taking(2000);
    assert_eq!(trial.fill(8), 8);
    let now = trial.now;
    trial.backlog.answered(trial.written, false, || now);
    assert!(trial.backlog.together.is_one_at_a_time());
    assert_eq!(trial.hurry(1000), Ok(()), "nothing is in line");
    assert!(trial.hurry(1000).is_err(), "others take two seconds");
}

#[test]
fn where_the_first_in_line_seems_to_hang_others_are_written_in_time() {
    // How long the last answers took; who is given up of four; how long a call with half a second is held back.
    let all_alike = [200; 4];
    for (took, given_up, held) in
        [(all_alike, 1..=4, 250), (all_alike, 2..=4, 400), ([200, 200, 200, 1000], 1..=4, 2000)]
    {
        let mut trial = Trial::taking(200);
        for ticks in took {
            assert_eq!(trial.fill(1), 1);
            trial.pass(ticks);
            trial.answer(trial.written);
        }
        let before = trial.written;
        assert_eq!(trial.fill(4), 4);
        given_up.clone().for_each(|number| trial.give_up(before + number));
        trial.pass(took[3] + 100);
        assert_eq!(trial.hurry(5000), Ok(()), "one is let through");
        assert_eq!(trial.hurry(500), Err(Some(held)), "{took:?} {given_up:?}");
    }
}

#[test]
fn how_many_are_worked_on_is_seen_while_nobody_is_in_a_hurry_too_and_what_is_answered_counts_no_more() {
    let mut trial = Trial::new(0);
    for _ in 0..RECENT {
        assert_eq!(trial.fill(1), 1);
        trial.pass(100);
        trial.answer(trial.written);
    }
    assert_eq!(trial.fill(4), 4);
    trial.pass(100);
    trial.answer(RECENT as u64 + 4);
    assert!(!trial.backlog.together.is_one_at_a_time());
    assert!(trial.backlog.together.has_room(3) && !trial.backlog.together.has_room(4), "four were seen");
    trial.answer(RECENT as u64 + 2);
    trial.answer_late(RECENT as u64 + 2);
    trial.give_up(RECENT as u64 + 1);
    trial.answer_late(RECENT as u64 + 1);
    assert_eq!(trial.backlog.together.overtaken(), 1, "the third");
}

/// One that was written at about the same time as a burst, and is answered beside it, shows as many at work as there are.
#[test]
fn how_many_are_worked_on_is_doubted_each_time_that_too_many_are_given_up() {
    let mut trial = Trial::new(8);
    trial.pass(100);
    trial.answer(8);
    assert!(trial.backlog.together.has_room(7), "eight were seen");
    (1..8).for_each(|number| trial.answer(number));
    for expected in [4, 2, 1, 1] {
        assert_eq!(trial.fill(4), 4);
        let last = trial.written;
        (last - 3..=last).for_each(|number| trial.give_up(number));
        trial.pass(100);
        (last - 3..=last).for_each(|number| trial.answer_late(number));
        let together = &trial.backlog.together;
        assert_eq!((together.has_room(expected - 1), together.has_room(expected)), (true, false), "{expected}");
    }
}
