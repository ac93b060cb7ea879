//! The table of `maglev`: how even it is, and what a change of the membership moves.

use super::*;
use crate::pick::maglev::Table;

fn table(fakes: &[Fake]) -> Vec<u32> {
    Table::build(fakes.iter().map(|fake| (fake.name.as_str(), fake.weight))).entries().to_vec()
}

fn entries_of_each(fakes: &[Fake]) -> Vec<usize> {
    let mut counts = vec![0; fakes.len()];
    table(fakes).into_iter().for_each(|index| counts[index as usize] += 1);
    counts
}

#[test]
fn the_number_of_entries_is_prime_and_there_are_more_of_them_where_there_are_many_instances() {
    for (count, entries) in [(0, 0), (1, 1), (2, 65_537), (12, 65_537), (4096, 65_537), (4097, 655_373)] {
        assert_eq!(table(&fakes(count)).len(), entries, "{count}");
        assert!((2..).take_while(|divisor| divisor * divisor <= entries).all(|divisor| entries % divisor != 0));
    }
}

#[test]
fn equal_instances_have_as_many_entries_to_one() {
    for count in (1..=12).chain([100, 655, 1000]) {
        let counts = entries_of_each(&fakes(count));
        let (least, most) = (counts.iter().min().expect("one"), counts.iter().max().expect("one"));
        assert!(most - least <= 1, "{count}: {least} to {most}");
        // The paper's bound where there are 100 entries for each.
        assert!(count > 655 || *most as f64 / *least as f64 <= 1.011, "{count}: {least} to {most}");
    }
}

#[test]
fn entries_are_in_proportion_to_the_weights_and_the_least_has_one() {
    for weights in [vec![1, 2, 5, 8], vec![7, 1, 1], vec![999_983, 500_009, 40_000], (1..=12).collect()] {
        let total: u32 = weights.iter().sum();
        for (entries, weight) in entries_of_each(&weighted(&weights)).into_iter().zip(&weights) {
            let expected = 65_537.0 * f64::from(*weight) / f64::from(total);
            assert!((entries as f64 - expected).abs() <= 2.0, "{entries} of {expected} for {weights:?}");
        }
    }
    let least = entries_of_each(&weighted(&[1, 1_000_000, 1_000_000]));
    assert_eq!(least[0], 1, "{least:?}");
}

#[test]
fn a_table_is_the_same_in_whatever_order_the_instances_join() {
    let names = |fakes: &[Fake]| table(fakes).into_iter().map(|index| fakes[index as usize].id).collect::<Vec<_>>();
    for weights in [vec![1; 12], (1..=12).collect()] {
        let mut fakes = weighted(&weights);
        let before = names(&fakes);
        fakes.reverse();
        assert!(before == names(&fakes), "{weights:?}");
        fakes.rotate_left(5);
        fakes.swap(2, 7);
        assert!(before == names(&fakes), "{weights:?}");
    }
}

/// The share of the entries that are another instance's after a change, by name.
fn moved_entries(before: &[Fake], after: &[Fake]) -> f64 {
    let (old, new) = (table(before), table(after));
    let is_moved = |(old, new): &(&u32, &u32)| before[**old as usize].id != after[**new as usize].id;
    old.iter().zip(&new).filter(is_moved).count() as f64 / old.len() as f64
}

#[test]
fn one_that_joins_or_leaves_moves_little_more_than_its_own_entries() {
    // The paper trades a few more moves for even shares. There are more of them the fewer entries each has.
    for (count, more) in
        [(1, 0.0), (2, 0.001), (3, 0.001), (5, 0.003), (10, 0.006), (30, 0.008), (100, 0.012), (1000, 0.012)]
    {
        let all = fakes(count + 1);
        for leaves in [0, count / 2, count] {
            let mut rest = all.clone();
            rest.remove(leaves);
            if count > 1 {
                let (moved, own) = (moved_entries(&rest, &all), 1.0 / (count as f64 + 1.0));
                assert!(moved >= own - 1e-4 && moved <= own + more, "{count}, {leaves}: {moved}, {own} are its own");
                assert!((moved - moved_entries(&all, &rest)).abs() < 1e-9, "as many on the way back");
            }
        }
    }
}

#[test]
fn a_change_of_one_weight_moves_little_more_than_the_difference() {
    let before = weighted(&[10; 10]);
    let mut after = before.clone();
    after[4].weight = 12;
    // It had a tenth of the entries, and has 12 of 102 parts.
    let moved = moved_entries(&before, &after);
    assert!((0.0176..0.06).contains(&moved), "{moved}");
}

#[test]
fn of_a_thousand_instances_ten_leave_with_little_more_than_their_own_entries() {
    let all = fakes(1000);
    let mut rest = all.clone();
    rest.retain(|fake| !fake.name.ends_with("50"));
    assert_eq!(rest.len(), 990);
    let moved = moved_entries(&all, &rest);
    assert!((0.01..0.06).contains(&moved), "{moved}");
}
