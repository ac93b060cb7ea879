//! What came out.

use std::{collections::BTreeMap, fmt};

use super::Ability;

/// Why a case does not hold: what was looked at, what had to be, and what was.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    about: String,
    expected: String,
    got: String,
}

impl Finding {
    pub(super) fn new(about: impl Into<String>, expected: impl Into<String>, got: impl Into<String>) -> Self {
        Self { about: about.into(), expected: expected.into(), got: got.into() }
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: expected {}, got {}", self.about, self.expected, self.got)
    }
}

/// How one case ended.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Outcome {
    /// It holds.
    Held,
    /// The transport cannot do this, for the reason that its author gives.
    Lacking(Ability, &'static str),
    /// The author gave no such peer.
    NotTried,
    /// It does not hold.
    Failed(Finding),
}

/// What came out of a run: each case by its name.
#[derive(Clone, Debug)]
#[must_use = "it says what does not hold"]
pub struct Report {
    pub(super) subject: String,
    pub(super) outcomes: Vec<(&'static str, Outcome)>,
}

impl Report {
    /// The outcomes, in the order in which the cases ran.
    #[must_use]
    pub fn outcomes(&self) -> &[(&'static str, Outcome)] {
        &self.outcomes
    }

    /// Cases that do not hold.
    #[must_use]
    pub fn failed(&self) -> usize {
        self.outcomes.iter().filter(|(_, outcome)| matches!(outcome, Outcome::Failed(_))).count()
    }

    /// Cases for which there was no peer.
    pub fn not_tried(&self) -> impl Iterator<Item = &'static str> {
        self.outcomes.iter().filter(|(_, outcome)| *outcome == Outcome::NotTried).map(|(name, _)| *name)
    }
}

/// One line for the whole, and one for each case that does not simply hold.
impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let held = self.outcomes.iter().filter(|(_, outcome)| *outcome == Outcome::Held).count();
        let failed = self.failed();
        write!(f, "{}: {held} of {} cases hold, {failed} failed", self.subject, self.outcomes.len())?;
        for (name, outcome) in &self.outcomes {
            match outcome {
                Outcome::Held => {}
                Outcome::Lacking(_, why) => write!(f, "\n  cannot  {name}: {why}")?,
                Outcome::NotTried => write!(f, "\n  no peer {name}")?,
                Outcome::Failed(finding) => write!(f, "\n  FAILED  {name}\n          {finding}")?,
            }
        }
        Ok(())
    }
}

/// What the calls of a [`soak`](super::soak) ended with. None had the reply of another caller, and none no typed error: or there would
/// be no report.
#[derive(Clone, Debug, Default)]
pub struct SoakReport {
    pub(super) calls: usize,
    pub(super) answers: usize,
    pub(super) given_up: usize,
    pub(super) kills: usize,
    /// By their codes.
    pub(super) errors: BTreeMap<&'static str, usize>,
}

impl SoakReport {
    /// Adds up.
    pub(super) fn add(&mut self, other: Self) {
        self.calls += other.calls;
        self.answers += other.answers;
        self.given_up += other.given_up;
        self.kills += other.kills;
        for (code, count) in other.errors {
            *self.errors.entry(code).or_default() += count;
        }
    }
}

/// On one line.
impl fmt::Display for SoakReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { calls, answers, given_up, kills, errors } = self;
        write!(f, "{calls} calls, {kills} kills: {answers} answered, {given_up} given up")?;
        errors.iter().try_for_each(|(code, count)| write!(f, ", {count} {code}"))
    }
}
