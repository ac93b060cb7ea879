//! Shares by what backends report, over whichever of them are there.

use super::*;

fn reporting(weights: &[Option<f32>]) -> Vec<Fake> {
    let mut fakes = fakes(weights.len());
    fakes.iter_mut().zip(weights).for_each(|(fake, weight)| fake.reported = *weight);
    fakes
}

/// What A58 makes of reports: the mean for those without, and with fewer than two the same for all.
fn expected(weights: &[Option<f32>]) -> Vec<f64> {
    let known: Vec<f64> = weights.iter().flatten().map(|weight| f64::from(*weight)).collect();
    let mean = known.iter().sum::<f64>() / known.len().max(1) as f64;
    let of = |weight: &Option<f32>| match known.len() {
        ..2 => 1.0,
        _ => weight.map_or(mean, f64::from).clamp(mean / 10.0, mean * 10.0),
    };
    let all: Vec<f64> = weights.iter().map(of).collect();
    let total: f64 = all.iter().sum();
    all.into_iter().map(|weight| weight / total).collect()
}

#[test]
fn shares_are_those_of_the_reports() {
    for weights in [
        vec![Some(5.0), Some(2.0), Some(1.25)],
        vec![Some(1.0), None, Some(3.0), None],
        vec![None, None, None],
        vec![None, Some(9.0), None],
        vec![Some(1e-30), Some(1.0), Some(1e30)],
        vec![Some(7.0)],
        (1..=40).map(|weight| Some(weight as f32)).collect(),
    ] {
        let counts = spread(Strategy::ReportedWeights, &reporting(&weights), 20_000);
        for (count, share) in counts.iter().zip(expected(&weights)) {
            assert!((*count as f64 - 20_000.0 * share).abs() < 4.0, "{counts:?} for {weights:?}: {share}");
        }
    }
}

#[test]
fn with_fewer_than_two_reports_all_take_turns() {
    for weights in [vec![None; 4], vec![None, Some(100.0), None, None]] {
        let (fakes, draw) = (reporting(&weights), Seeded::new());
        let picker = picker(Strategy::ReportedWeights, &fakes);
        let picks: Vec<_> = (0..6).filter_map(|_| picker.pick(&Pool::new(&fakes, &[], &[]), &draw)).collect();
        assert_eq!(picks, [0, 1, 2, 3, 0, 1]);
    }
}

#[test]
fn turns_are_spread_and_do_not_come_all_at_once() {
    // In each hundred picks an instance has its share, give or take one or two.
    let weights: Vec<_> = [8.0, 4.0, 2.0, 1.0, 1.0].map(Some).to_vec();
    let (fakes, draw) = (reporting(&weights), Seeded::new());
    let picker = picker(Strategy::ReportedWeights, &fakes);
    for _ in 0..50 {
        let mut counts = [0; 5];
        (0..160).for_each(|_| counts[picker.pick(&Pool::new(&fakes, &[], &[]), &draw).expect("one")] += 1);
        for (count, wanted) in counts.iter().zip([80_i32, 40, 20, 10, 10]) {
            assert!((count - wanted).abs() <= 2, "{counts:?}");
        }
    }
}

#[test]
fn many_of_one_weight_do_not_come_all_at_once_beside_one_of_ten_times_that() {
    let mut weights = vec![Some(1.0); 200];
    weights[0] = Some(10.0);
    let (fakes, draw) = (reporting(&weights), Seeded::new());
    let picker = picker(Strategy::ReportedWeights, &fakes);
    let picks: Vec<_> =
        (0..4180).map(|_| picker.pick(&Pool::new(&fakes, &[], &[]), &draw).expect("one") == 0).collect();
    // One in 20.9 is for the first: in ten times that it has its ten, and never three in a row.
    for some in picks.chunks(209) {
        let own = some.iter().filter(|is_first| **is_first).count();
        assert!((8..=12).contains(&own), "{own} of 209");
    }
    assert!(picks.windows(3).all(|three| three.iter().any(|is_first| !is_first)));
}

#[test]
fn the_share_of_those_that_are_down_is_spread_by_the_reports() {
    let mut fakes = reporting(&[Some(6.0), Some(3.0), Some(2.0), Some(1.0)]);
    for down in 0..4 {
        fakes.iter_mut().for_each(|fake| fake.health = HealthState::Unknown);
        fakes[down].health = HealthState::Offline;
        let up: Vec<u32> = [6, 3, 2, 1].iter().enumerate().map(|(n, w)| if n == down { 0 } else { *w }).collect();
        assert_shares(&spread(Strategy::ReportedWeights, &fakes, 40_000), &up, 0.015);
    }
}

#[test]
fn few_turns_are_passed_over() {
    let mut one_boasts = vec![Some(1.0); 100];
    one_boasts[50] = Some(1e9);
    let honest = (1..=40).map(|weight| Some(weight as f32)).collect();
    for (weights, most) in [(honest, 20_000), (vec![None; 7], 10_000), (one_boasts, 1_000_000)] {
        let (fakes, draw) = (reporting(&weights), Seeded::new());
        let picker = picker(Strategy::ReportedWeights, &fakes);
        for _ in 0..10_000 {
            picker.pick(&Pool::new(&fakes, &[], &[]), &draw).expect("one");
        }
        assert!(draw.turn.get() <= most, "{} turns for 10,000 picks", draw.turn.get());
    }
}

#[test]
fn weights_are_read_anew_once_in_a_period() {
    let (mut fakes, draw) = (reporting(&[Some(1.0), Some(3.0)]), Seeded::new());
    let picker = picker(Strategy::ReportedWeights, &fakes);
    let shares = |fakes: &[Fake]| {
        let mut counts = [0; 2];
        let pool = Pool::new(fakes, &[], &[]);
        (0..400).for_each(|_| counts[picker.pick(&pool, &draw).expect("one")] += 1);
        counts
    };
    let is_about = |counts: [usize; 2], first: usize| counts[0].abs_diff(first) <= 2;
    assert!(is_about(shares(&fakes), 100));
    fakes[0].reported = Some(9.0);
    draw.now.set(Instant::from_nanos(999_999_999));
    assert!(is_about(shares(&fakes), 100), "not before the second is over");
    draw.now.set(Instant::from_nanos(1_000_000_000));
    assert!(is_about(shares(&fakes), 300));
    fakes[0].reported = None;
    draw.now.set(Instant::from_nanos(5_000_000_000));
    assert!(is_about(shares(&fakes), 200), "one alone counts for nothing");
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn shares_are_those_of_any_reports(
        weights in prop::collection::vec(prop::option::weighted(0.8, 1e-3_f32..1e6), 1..30),
    ) {
        let counts = spread(Strategy::ReportedWeights, &reporting(&weights), 10_000);
        for (count, share) in counts.iter().zip(expected(&weights)) {
            prop_assert!((*count as f64 - 10_000.0 * share).abs() <= 4.0, "{:?} for {:?}", counts, weights);
        }
    }
}
