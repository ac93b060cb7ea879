//! How many instances share the limit, by what their heartbeats say.

/// Counts that are kept. A count is taken down only when this many in a row are lower: a server that has lost its data hears
/// of each instance again within one interval, and an instance is forgotten after as many intervals.
pub(super) const KEPT: usize = 3;

/// No more than this are believed: the share of so many would be nothing, and whoever says so is no Redis that works.
const MOST: u32 = 100_000;

/// The last counts.
#[derive(Debug, Default)]
pub(super) struct Replicas {
    counts: [u32; KEPT],
    next: usize,
}

impl Replicas {
    pub(super) fn heard(&mut self, count: u32) {
        if count > MOST {
            return;
        }
        self.counts[self.next] = count;
        self.next = (self.next + 1) % KEPT;
    }

    /// The instances, at least `expected`, and at least one.
    pub(super) fn count(&self, expected: u32) -> u32 {
        self.counts.into_iter().fold(expected.max(1), u32::max)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn more_instances_count_at_once_and_fewer_after_three_heartbeats() {
        let mut replicas = Replicas::default();
        assert_eq!(replicas.count(0), 1);
        assert_eq!(replicas.count(4), 4, "before anybody was heard of");
        replicas.heard(5);
        assert_eq!(replicas.count(1), 5);
        replicas.heard(1);
        replicas.heard(2);
        assert_eq!(replicas.count(1), 5, "the server may have lost its data");
        replicas.heard(1);
        assert_eq!(replicas.count(1), 2);
        assert_eq!(replicas.count(3), 3);
    }

    #[test]
    fn a_count_that_cannot_be_is_not_believed() {
        let mut replicas = Replicas::default();
        replicas.heard(MOST + 1);
        replicas.heard(u32::MAX - 6);
        assert_eq!(replicas.count(2), 2);
        replicas.heard(MOST);
        assert_eq!(replicas.count(2), MOST);
    }
}
