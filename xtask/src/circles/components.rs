//! Circles of a graph: the sets of nodes that lead to each other.

use std::collections::{BTreeMap, BTreeSet};

/// Sets of two nodes or more of which each leads to each other one.
pub(super) fn circles<'a>(arrows: impl Iterator<Item = (&'a str, &'a str)>) -> Vec<BTreeSet<&'a str>> {
    let mut forth: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
    let mut back: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
    for (from, to) in arrows {
        forth.entry(from).or_default().insert(to);
        back.entry(to).or_default().insert(from);
    }
    let mut placed = BTreeSet::new();
    let mut circles = Vec::new();
    for node in forth.keys().copied() {
        if placed.contains(node) {
            continue;
        }
        let before = reached(&back, node);
        let circle: BTreeSet<&str> = reached(&forth, node).intersection(&before).copied().collect();
        placed.extend(circle.iter().copied());
        circles.extend((circle.len() > 1).then_some(circle));
    }
    circles
}

/// Where one comes from a node, itself included.
fn reached<'a>(arrows: &BTreeMap<&'a str, BTreeSet<&'a str>>, from: &'a str) -> BTreeSet<&'a str> {
    let mut reached = BTreeSet::from([from]);
    let mut todo = vec![from];
    while let Some(node) = todo.pop() {
        let next = arrows.get(node).into_iter().flatten();
        todo.extend(next.filter(|next| reached.insert(next)).copied());
    }
    reached
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nodes_that_lead_to_each_other_are_a_circle() {
        let arrows = [("a", "b"), ("b", "c"), ("c", "a"), ("c", "d"), ("e", "d"), ("d", "f"), ("f", "d")];
        assert_eq!(circles(arrows.into_iter()), [BTreeSet::from(["a", "b", "c"]), BTreeSet::from(["d", "f"])]);
    }

    #[test]
    fn arrows_that_lead_down_are_none() {
        let arrows = [("a", "b"), ("a", "c"), ("b", "d"), ("c", "d")];
        assert!(circles(arrows.into_iter()).is_empty());
    }
}
