use super::*;

const SECOND: Duration = Duration::from_secs(1);

/// A plugin, and the host's clock. A tick is a millisecond.
struct Trial {
    backlog: Backlog,
    now: Instant,
    written: u64,
}

impl Trial {
    /// With so many calls written.
    fn new(written: u64) -> Self {
        let mut trial = Self { backlog: Backlog::new(), now: Instant::ZERO.saturating_add(SECOND), written: 0 };
        assert_eq!(trial.fill(written), written);
        trial
    }

    fn pass(&mut self, ticks: u64) {
        self.now = self.now.saturating_add(Duration::from_millis(ticks));
    }

    /// Writes calls as long as it may, this many at most, and says how many.
    fn fill(&mut self, most: u64) -> u64 {
        let now = self.now;
        (0..most)
            .take_while(|_| {
                let is_free = self.backlog.admit(|| now).is_ok();
                if is_free {
                    self.written += 1;
                    self.backlog.wrote(self.written, || now);
                }
                is_free
            })
            .count() as u64
    }

    fn answer(&mut self, number: u64) {
        let now = self.now;
        self.backlog.answered(number, true, || now);
    }

    fn answer_late(&mut self, number: u64) {
        let now = self.now;
        self.backlog.answered(number, false, || now);
    }

    /// Of a call that might have taken 30 seconds, as it was configured.
    fn give_up(&mut self, number: u64) {
        let now = self.now;
        self.backlog.given_up(number, Some(30 * SECOND), || now);
    }

    /// How long until the next look, where a call is held back.
    fn holds_for(&mut self) -> Option<u128> {
        let now = self.now;
        self.backlog.admit(|| now).err().map(|until| until.saturating_since(now).as_millis())
    }
}

#[test]
fn where_no_call_is_given_up_nothing_is_held_back_and_no_clock_is_read() {
    let mut backlog = Backlog::new();
    backlog.wrote(1, || Instant::ZERO);
    backlog.answered(1, true, || Instant::ZERO);
    let never = || -> Instant { panic!("the clock was read") };
    for number in 2..=1000 {
        assert_eq!(backlog.admit(never), Ok(()));
        backlog.wrote(number, never);
        if number > 500 {
            backlog.answered(number - 500, true, never);
        }
    }
}

#[test]
fn after_a_call_was_given_up_a_serial_plugin_gets_what_it_does_within_a_second() {
    let mut trial = Trial::new(10);
    trial.give_up(1);
    for number in 1..=6 {
        assert!(trial.holds_for().is_some(), "{number}");
        trial.pass(200);
        trial.answer_late(number);
    }
    for number in 7..=10 {
        assert_eq!(trial.fill(100), 1, "four stand in line, and it does five in a second");
        trial.pass(200);
        trial.answer_late(number);
    }
}

#[test]
fn a_plugin_that_does_a_hundred_in_a_fifth_of_a_second_is_held_back_for_two_answers() {
    let mut trial = Trial::new(100);
    trial.give_up(50);
    let mut answered = 0;
    for _ in 0..2 {
        assert!(trial.holds_for().is_some());
        trial.pass(2);
        answered += 1;
        trial.answer(answered);
    }
    assert_eq!(trial.fill(2), 2);
    for _ in 0..300 {
        trial.pass(2);
        answered += 1;
        // One in ten is given up again.
        if answered % 10 == 0 {
            trial.give_up(answered);
            trial.answer_late(answered);
        } else {
            trial.answer(answered);
        }
        assert_eq!(trial.fill(1), 1, "{answered}");
    }
}

#[test]
fn one_that_gives_many_answers_at_once_keeps_getting_as_many() {
    let mut trial = Trial::new(32);
    trial.give_up(3);
    let mut answered = 0;
    for round in 0..20 {
        trial.pass(100);
        for _ in 0..32 {
            answered += 1;
            trial.answer(answered);
        }
        trial.give_up(answered + 1);
        assert_eq!(trial.fill(32), 32, "{round}");
    }
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
    assert_eq!(trial.fill(1), 1, "nothing came, so one more is written");
    assert_eq!(trial.holds_for(), Some(2000), "and the next after twice as long");
    trial.pass(10);
    trial.answer(3);
    assert_eq!(trial.backlog.abandoned(), 0);
    assert_eq!(trial.fill(1), 1);
    trial.pass(10);
    trial.answer(4);
    assert_eq!(trial.fill(90), 90, "it does a hundred in a second");
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
fn an_answer_that_never_comes_changes_nothing_for_those_after_it() {
    let mut trial = Trial::new(6);
    trial.give_up(1);
    // The first has no answer, and then all have.
    for number in 2..=4 {
        trial.pass(200);
        trial.answer_late(number);
    }
    assert_eq!(trial.fill(100), 3, "two stand in line, and it does five in a second");
    for number in 5..=7 {
        trial.pass(200);
        trial.answer_late(number);
        assert_eq!(trial.fill(100), 1);
    }
}

#[test]
fn neither_a_second_answer_nor_one_to_what_was_not_written_moves_the_line() {
    let mut trial = Trial::new(4);
    trial.give_up(1);
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
fn after_enough_answers_to_somebody_nothing_is_watched_any_more() {
    let mut trial = Trial::new(200);
    trial.give_up(1);
    for number in 2..=u64::from(CALM) {
        trial.pass(500);
        trial.answer(number);
        assert!(trial.holds_for().is_some(), "{number}");
    }
    trial.pass(500);
    trial.answer(u64::from(CALM) + 1);
    assert_eq!(trial.fill(1000), 1000);
}

#[test]
fn a_plugin_that_has_become_slow_is_held_back_before_it_answers() {
    let mut trial = Trial::new(1);
    trial.give_up(1);
    for number in 1..=50 {
        trial.pass(5);
        trial.answer_late(number);
        assert_eq!(trial.fill(1), 1);
    }
    assert_eq!(trial.fill(100), 100, "five milliseconds for each");
    trial.pass(400);
    assert_eq!(trial.fill(100), 1, "nothing for four hundred: ten times as slow at least");
}

#[test]
fn where_a_call_may_take_less_the_line_may_be_less_long() {
    let mut trial = Trial::new(2);
    let now = trial.now;
    trial.backlog.given_up(1, Some(SECOND), || now);
    assert_eq!(trial.holds_for(), Some(125));
    // Who went away without being cut says nothing of limits, and the most patient one decides.
    trial.backlog.given_up(2, None, || now);
    assert_eq!(trial.holds_for(), Some(125));
    trial.backlog.given_up(2, Some(2 * SECOND), || now);
    assert_eq!(trial.holds_for(), Some(250));
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
    let then = trial.backlog.progress();
    assert!(!then.was_busy(trial.backlog.progress()), "nothing was answered");
    trial.fill(1);
    trial.answer(2);
    assert!(then.was_busy(trial.backlog.progress()));
    trial.answer(3);
    assert!(then.was_busy(trial.backlog.progress()), "it is next");
    trial.answer(4);
    assert!(!then.was_busy(trial.backlog.progress()), "it was overtaken");
}

#[test]
fn a_slow_plugin_that_takes_one_call_at_a_time_gets_one_at_a_time_and_no_more_for_want_of_an_answer() {
    let mut trial = Trial::new(1);
    trial.give_up(1);
    for number in 1..=3 {
        trial.pass(2000);
        trial.answer_late(number);
        assert_eq!(trial.fill(100), 1);
    }
    for _ in 0..3 {
        trial.pass(2000);
        assert_eq!(trial.fill(100), 0, "an answer takes two seconds");
    }
    trial.pass(2000);
    assert_eq!(trial.fill(100), 1, "it takes four times as long");
}

#[test]
fn a_plugin_that_takes_two_seconds_for_each_and_serves_many_side_by_side_keeps_as_many() {
    let mut trial = Trial::new(1);
    trial.pass(2000);
    trial.answer(1);
    // Sixty callers, evenly spread, one of whom gives up each second.
    let mut written = std::collections::VecDeque::new();
    let (mut held, mut ended) = (0, 0);
    for tick in 0..60_000_u64 / 25 {
        trial.pass(25);
        while written.front().is_some_and(|(when, _)| tick >= *when) {
            let Some((_, number)) = written.pop_front() else { break };
            trial.answer(number);
            ended += 1;
        }
        if tick % 40 == 39 {
            let last = trial.written;
            trial.give_up(last);
        }
        if trial.fill(1) == 1 {
            written.push_back((tick + 80, trial.written));
        } else {
            held += 1;
        }
    }
    assert!(held < 60 && ended > 2200, "{held} held, {ended} ended");
}

#[test]
fn one_whose_first_call_was_slow_has_no_more_in_line_than_when_a_call_was_given_up() {
    let mut trial = Trial::new(1);
    trial.pass(3000);
    trial.answer(1);
    // From now on each takes a fifth of a second, one after the other, and callers in a hurry write what they may.
    assert_eq!(trial.fill(8), 8);
    trial.give_up(2);
    for number in 2..200 {
        trial.pass(200);
        trial.answer_late(number);
        trial.fill(100);
        let last = trial.written;
        trial.give_up(last);
    }
    assert!(trial.backlog.line.len() < 8, "{}", trial.backlog.line.len());
}
