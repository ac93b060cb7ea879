use super::*;

const SECOND: Duration = Duration::from_secs(1);

fn at(seconds: u64) -> Instant {
    Instant::from_nanos(seconds * 1_000_000_000)
}

/// Half-open with two places, which a probe gives up after 5 s.
fn half_open() -> (Machine, SuccessCounters) {
    let config = CircuitBreakerConfig::builder().with_half_open_max(2).with_half_open_timeout(5 * SECOND);
    let (mut machine, cells) = (Machine::new(Arc::new(config.build().expect("valid")), at(0)), SuccessCounters::new());
    machine.enter(CircuitState::HalfOpen, Reason::OpenTimeOver, at(10), &cells);
    (machine, cells)
}

#[test]
fn who_comes_for_a_place_that_another_took_meanwhile_hears_why_there_is_none() {
    let (mut machine, cells) = half_open();
    let late = machine.admit(at(10), None, &cells).expect("a place");
    machine.admit(at(12), None, &cells).expect("a place");
    assert!(matches!(machine.admit(at(14), None, &cells), Err(Refusal::Full(_))), "nobody has outlived the time");
    machine.admit(at(15), None, &cells).expect("the place that was given up");
    // The next to give its place up is the one of second 12.
    let left = nanos(SECOND);
    assert!(matches!(machine.admit(at(16), None, &cells), Err(Refusal::ProbeTimeout(time)) if time == left));
    assert!(machine.nothing(late, None));
    assert!(matches!(machine.admit(at(16), None, &cells), Err(Refusal::Full(_))), "the late one has ended");
}

#[test]
fn the_end_of_a_call_of_an_earlier_stay_is_not_taken_for_that_of_a_late_probe() {
    let (mut machine, cells) = half_open();
    let stale = machine.admit(at(10), None, &cells).expect("a place");
    machine.enter(CircuitState::HalfOpen, Reason::OpenTimeOver, at(20), &cells);
    machine.admit(at(20), None, &cells).expect("a place");
    machine.admit(at(25), None, &cells).expect("the place that was given up");
    assert_eq!(machine.overdue(), 1);
    assert!(!machine.nothing(stale, None));
    assert_eq!(machine.overdue(), 1);
}

#[test]
fn who_asks_before_all_know_that_a_probe_was_given_up_gets_no_place_with_as_little_time() {
    let (mut machine, cells) = half_open();
    let hurried = machine.admit(at(10), Some(SECOND), &cells).expect("a place");
    assert!(machine.nothing(hurried, Some(at(11))));
    let left = nanos(29 * SECOND);
    assert!(matches!(machine.admit(at(12), Some(SECOND), &cells), Err(Refusal::Hurried(time)) if time == left));
    machine.admit(at(12), Some(2 * SECOND), &cells).expect("it has more time than that");
    machine.admit(at(12), None, &cells).expect("nothing is known of its time");
}

#[test]
fn a_stay_knows_nothing_of_who_gave_up_in_the_one_before() {
    let (mut machine, cells) = half_open();
    let hurried = machine.admit(at(10), Some(SECOND), &cells).expect("a place");
    assert!(machine.nothing(hurried, Some(at(11))));
    machine.enter(CircuitState::HalfOpen, Reason::OpenTimeOver, at(12), &cells);
    assert_eq!(machine.hurried(), None);
    machine.admit(at(12), Some(SECOND), &cells).expect("nobody has given up in this one");
}

#[test]
fn a_success_of_an_earlier_stay_ends_no_row_of_failures() {
    let config = CircuitBreakerConfig::builder().with_failure_threshold(2).with_min_request_threshold(0);
    let (mut machine, cells) = (Machine::new(Arc::new(config.build().expect("valid")), at(0)), SuccessCounters::new());
    let stale = machine.admit(at(0), None, &cells).expect("closed");
    machine.enter(CircuitState::Closed, Reason::Operator, at(1), &cells);
    let of = machine.admit(at(1), None, &cells).expect("closed");
    let failure = Evidence { failed: true, slow: false, push_back: None };
    assert!(machine.evidence(of, failure, at(1), 0.5, &cells));
    assert!(!machine.end_streak(stale));
    assert_eq!(machine.streak(), 1);
    assert!(machine.end_streak(of));
    assert_eq!(machine.streak(), 0);
}
