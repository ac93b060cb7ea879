//! What an estimate makes of samples, moment by moment.

use super::*;

const MS: Duration = Duration::from_millis(1);

fn at(seconds: u64) -> Instant {
    Instant::from_nanos(seconds * 1_000_000_000)
}

/// What is left of the average.
fn millis(estimate: &Estimate, now: Instant) -> f32 {
    let word = Word::from_bits(estimate.0.load(Ordering::Relaxed));
    assert!(!word.is_empty());
    word.value * decay(word.ticks(now)) / 1e6
}

#[test]
fn nothing_is_expected_before_the_first_sample_and_the_first_counts_whole() {
    let estimate = Estimate::default();
    assert_eq!(estimate.read(at(1)), Expected::Nothing);
    estimate.feed(Sample::Answered(8 * MS), at(1));
    assert!((millis(&estimate, at(1)) - 8.0).abs() < 0.01);
    estimate.feed(Sample::Answered(16 * MS), at(1));
    assert!((millis(&estimate, at(1)) - 9.0).abs() < 0.01, "an eighth of the difference");
}

#[test]
fn a_fast_failure_is_not_fast() {
    let estimate = Estimate::default();
    estimate.feed(Sample::Answered(MS), at(1));
    estimate.feed(Sample::Failed(Duration::from_micros(3)), at(1));
    assert!((millis(&estimate, at(1)) - 1000.0).abs() < 0.1);
    estimate.feed(Sample::Failed(3000 * MS), at(1));
    assert!((millis(&estimate, at(1)) - 3000.0).abs() < 0.1, "nor is a slow one as fast as that");
}

#[test]
fn the_estimate_halves_every_five_seconds_and_a_late_sample_replaces_it() {
    let estimate = Estimate::default();
    estimate.feed(Sample::Failed(MS), at(1));
    assert!((millis(&estimate, Instant::from_nanos(3_500_000_000)) - 750.0).abs() < 1.0, "evenly in between");
    assert!((millis(&estimate, at(6)) - 500.0).abs() < 1.0);
    assert!((millis(&estimate, at(51)) - 0.97).abs() < 0.02);
    estimate.feed(Sample::Answered(2 * MS), at(51));
    assert!(millis(&estimate, at(51)) < 4.0, "ten half-lives leave a thousandth of the failure");
    // However long ago: minutes without a call are no clock that ran backwards.
    estimate.feed(Sample::Failed(MS), at(60));
    for later in [65, 120, 600, 86_400, 30 * 86_400] {
        let left = millis(&estimate, at(60 + later));
        assert!(left < 1000.0 / later as f32, "{left} ms are left after {later} s");
    }
}

#[test]
fn a_peak_is_taken_at_once_and_is_left_behind_with_time_however_many_answers_come() {
    for per_second in [10_u64, 100, 5000] {
        let estimate = Estimate::default();
        estimate.feed(Sample::Peak(10 * MS), at(1));
        estimate.feed(Sample::Peak(810 * MS), at(1));
        assert!((millis(&estimate, at(1)) - 810.0).abs() < 0.1);
        for half_lives in 1..=4_i32 {
            for answer in 0..5 * per_second {
                let since = 5 * (half_lives as u64 - 1) * per_second + answer + 1;
                estimate.feed(
                    Sample::Peak(10 * MS),
                    Instant::from_nanos((per_second + since) * 1_000_000_000 / per_second),
                );
            }
            // Many small steps of a decay that is linear between the halvings leave e^-0.5, where one step leaves a
            // half.
            let left = (millis(&estimate, at(1 + 5 * half_lives as u64)) - 10.0) / 800.0;
            let (least, most) = (0.6_f32.powi(half_lives), 0.61_f32.powi(half_lives));
            assert!((least..most).contains(&left), "{left} is left at {per_second}/s after {half_lives}");
        }
    }
}

#[test]
fn an_instance_that_fails_again_and_again_is_left_alone_for_a_while_and_one_that_fails_by_chance_is_not() {
    let estimate = Estimate::default();
    let is_answer = |at: Instant| matches!(estimate.read(at), Expected::Answer(_));
    let fail = |times: usize, at: Instant| (0..times).for_each(|_| estimate.feed(Sample::Failed(MS), at));
    for _ in 0..10 {
        fail(4, at(1));
        assert!(is_answer(at(1)));
        estimate.feed(Sample::Answered(MS), at(1));
    }
    fail(4, at(1));
    for says_nothing in [Sample::Ignored(MS), Sample::Unsent, Sample::AtLeast(2000 * MS)] {
        estimate.feed(says_nothing, at(2));
    }
    assert!(is_answer(at(2)));
    // For longer with each, up to ten seconds, however often.
    for (failure, alone) in (1..12).map(|failure: u64| (failure, [600, 2_490, 9_990][(failure as usize - 1).min(2)])) {
        let at = |millis: u64| Instant::from_nanos((20_000 * failure + millis) * 1_000_000);
        fail(1, at(0));
        assert_eq!([0, alone / 2, alone].map(|millis| estimate.read(at(millis))), [Expected::Failure; 3], "{failure}");
        assert!(matches!(estimate.read(at(alone + 50)), Expected::Trial(nanos) if nanos <= 1e9), "{failure}");
    }
    estimate.feed(Sample::Peak(MS), at(400));
    assert!(is_answer(at(400)));
}

#[test]
fn a_call_that_was_given_up_counts_only_as_far_as_it_says_something() {
    let estimate = Estimate::default();
    estimate.feed(Sample::AtLeast(5 * MS), at(1));
    estimate.feed(Sample::AtLeast(2 * MS), at(1));
    assert!((millis(&estimate, at(1)) - 5.0).abs() < 0.01);
    estimate.feed(Sample::AtLeast(9 * MS), at(1));
    assert!((millis(&estimate, at(1)) - 9.0).abs() < 0.01);
}

#[test]
fn an_answer_that_says_nothing_of_the_instance_makes_it_no_faster_however_often_it_comes() {
    let estimate = Estimate::default();
    estimate.feed(Sample::Ignored(MS), at(1));
    assert!((millis(&estimate, at(1)) - 1_000.0).abs() < 0.1);
    for second in 2..=100 {
        estimate.feed(Sample::Ignored(MS), at(second));
        assert!((millis(&estimate, at(second)) - 1_000.0).abs() < 0.1, "{second}");
    }
    estimate.feed(Sample::Ignored(3_000 * MS), at(101));
    assert!((millis(&estimate, at(101)) - 3_000.0).abs() < 1.0);
    estimate.feed(Sample::Answered(20 * MS), at(161));
    assert!(millis(&estimate, at(161)) < 30.0, "an answer is what it is measured by");
}

#[test]
fn what_is_at_least_expected_is_held_against_what_is_left_of_the_average() {
    let estimate = Estimate::default();
    estimate.feed(Sample::Answered(20_000 * MS), at(0));
    assert!(millis(&estimate, at(60)) < 5.0, "twelve half-lives");
    estimate.feed(Sample::AtLeast(MS), at(60));
    assert!(millis(&estimate, at(60)) > 4.0, "it says nothing new, and lowers nothing");
    for second in 60..=68 {
        estimate.feed(Sample::AtLeast(2_000 * MS), at(second));
        assert!((millis(&estimate, at(second)) - 2_000.0).abs() < 0.5, "{} ms", millis(&estimate, at(second)));
    }
}

#[test]
fn a_failure_brings_back_no_average_that_has_decayed() {
    let estimate = Estimate::default();
    estimate.feed(Sample::Answered(20_000 * MS), at(0));
    estimate.feed(Sample::Failed(MS), at(60));
    assert!((millis(&estimate, at(60)) - 1_000.0).abs() < 0.5, "{} ms", millis(&estimate, at(60)));
    estimate.feed(Sample::Answered(20_000 * MS), at(120));
    estimate.feed(Sample::Failed(MS), at(125));
    assert!((millis(&estimate, at(125)) - 10_000.0).abs() < 10.0, "{} ms", millis(&estimate, at(125)));
}

#[test]
fn a_moment_that_was_read_before_the_last_sample_and_is_fed_after_it_is_no_long_time_later() {
    let estimate = Estimate::default();
    let (before, now) = (Instant::from_nanos(9_000_000_000), at(10));
    estimate.feed(Sample::Answered(800 * MS), now);
    assert!((millis(&estimate, before) - 800.0).abs() < 0.5, "{} ms", millis(&estimate, before));
    estimate.feed(Sample::AtLeast(MS), before);
    estimate.feed(Sample::Answered(1600 * MS), before);
    assert!((millis(&estimate, now) - 900.0).abs() < 0.5, "{} ms", millis(&estimate, now));
}

#[test]
fn an_instance_that_was_never_measured_is_measured_by_a_call_that_never_reached_it() {
    let estimate = Estimate::default();
    estimate.feed(Sample::Unsent, at(1));
    assert!((millis(&estimate, at(1)) - 1000.0).abs() < 0.1);
    estimate.feed(Sample::Answered(MS), at(51));
    let answered = estimate.read(at(51));
    estimate.feed(Sample::Unsent, at(51));
    assert_eq!(estimate.read(at(51)), answered);
}

#[test]
fn a_sample_of_no_time_is_still_a_sample() {
    let estimate = Estimate::default();
    estimate.feed(Sample::Answered(Duration::ZERO), Instant::ZERO);
    assert_eq!(estimate.read(Instant::ZERO), Expected::Answer(1.0));
    assert!(matches!(estimate.read(at(4_000_000)), Expected::Answer(nanos) if nanos > 0.0));
}
