//! The problems of one section of a document.

use plugin_core::settings::{Problem, Step};

/// What is wrong in one section. Each section hands its own on to those in it, so that what a document has wrong is looked at
/// once for each level that it is nested, and not once for each section of the document.
#[derive(Clone, Debug)]
pub(super) struct Within<'r> {
    problems: Vec<&'r Problem>,
    /// How many steps of their paths lead here.
    depth: usize,
}

impl<'r> Within<'r> {
    /// Those of a whole document.
    pub(super) fn all(problems: &'r [Problem]) -> Self {
        Self { problems: problems.iter().collect(), depth: 0 }
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &'r Problem> {
        self.problems.iter().inspect(|_| looked::note()).copied()
    }

    /// Those at a key, and below it.
    pub(super) fn under(&self, key: &str) -> Self {
        let is_under =
            |problem: &&Problem| matches!(problem.path.get(self.depth), Some(Step::Key(name)) if name == key);
        Self { problems: self.iter().filter(is_under).collect(), depth: self.depth + 1 }
    }

    /// Those of each item of a list that is here.
    pub(super) fn of_items(&self, count: usize) -> Vec<Self> {
        let mut items = vec![Self { problems: Vec::new(), depth: self.depth + 1 }; count];
        for problem in self.iter() {
            if let Some(Step::Index(index)) = problem.path.get(self.depth)
                && let Some(item) = items.get_mut(*index)
            {
                item.problems.push(problem);
            }
        }
        items
    }

    /// Each with the way from here.
    pub(super) fn relative(&self) -> impl Iterator<Item = Problem> {
        self.iter().map(|problem| Problem {
            path: problem.path.get(self.depth..).unwrap_or_default().to_vec(),
            ..problem.clone()
        })
    }
}

/// Counts how often a problem was looked at, for tests.
pub(super) mod looked {
    #[cfg(test)]
    thread_local! {
        static TIMES: std::cell::Cell<usize> = const { std::cell::Cell::new(0) };
    }

    #[inline]
    pub(super) fn note() {
        #[cfg(test)]
        TIMES.set(TIMES.get() + 1);
    }

    #[cfg(test)]
    pub(crate) fn times() -> usize {
        TIMES.get()
    }
}
