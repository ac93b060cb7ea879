//! What is wrong with a value, before anybody knows where it was written.

use std::error::Error;
use std::fmt::{self, Write};

use super::declaration::Table;
use crate::{Code, ConfigError};

/// One step on the way to a value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Step {
    /// Into the value of this key.
    Key(String),
    /// Into the item with this index, counted from 0.
    Index(usize),
}

/// What is wrong with one value.
#[derive(Clone, Debug)]
pub struct Problem {
    /// The way to the value. For a key that is missing, or is none, the key is the last step.
    pub path: Vec<Step>,
    /// What is wrong.
    pub what: What,
    /// The stable code of the key, where it has one of its own.
    pub code: Option<Code>,
    /// The words of the key of which a later version knows what to make: a slip may be meant for one of them.
    pub later: &'static [&'static str],
}

impl Problem {
    /// The stable code: that of the key, or `CONFIG_1802` for what is past its bounds.
    #[must_use]
    pub fn stable_code(&self) -> Option<Code> {
        self.code.or(match self.what {
            What::Mismatch(_, Mismatch::Bounds(..)) => Some(Code::ConfigValue),
            _ => None,
        })
    }

    /// The keys on the way to the value, as a [`ConfigError`] names its field.
    pub(super) fn field(&self) -> String {
        let keys = self.path.iter().filter_map(|step| match step {
            Step::Key(key) => Some(key.as_str()),
            Step::Index(_) => None,
        });
        keys.collect::<Vec<_>>().join(".")
    }
}

/// What is wrong.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum What {
    /// The section has no such key.
    UnknownKey(&'static Table),
    /// The key is there twice.
    Twice,
    /// A key that must be there is absent.
    Missing,
    /// A word of which a later version knows what to make; the others are those that are right.
    Later(String, &'static [&'static str]),
    /// The key has no effect in this mode; the other is the modes that it is for.
    NoEffect(String, &'static [&'static str]),
    /// The value is not what the key takes. The first is what it is, in words that hold no secret.
    Mismatch(String, Mismatch),
}

/// Why a value is not what a key takes.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum Mismatch {
    /// It is past the bounds: what was expected, and the bounds in words (` from 1 to 9`).
    Bounds(&'static str, String),
    /// It is none of these words. The text says what else would be right, and may be empty.
    Word(&'static [&'static str], String),
    /// What would be right, in a clause: `expected true or false`.
    Other(String),
    /// A whole sentence, which does not say what was found.
    Plain(String),
}

impl Mismatch {
    pub(super) fn other(problem: impl Into<String>) -> Self {
        Self::Other(problem.into())
    }

    /// What would be right, in a clause.
    #[must_use]
    pub fn remedy(&self) -> String {
        match self {
            Self::Bounds(noun, bounds) => format!("expected {noun}{bounds}"),
            Self::Word(words, more) => {
                let words: Vec<_> = words.iter().map(|word| format!("{word:?}")).collect();
                format!("expected one of {}{more}", words.join(", "))
            }
            Self::Other(remedy) | Self::Plain(remedy) => remedy.clone(),
        }
    }

    /// A sentence that begins with the key.
    pub(super) fn sentence(&self, found: &str) -> String {
        match self {
            Self::Bounds(_, bounds) => {
                let bounds = bounds.strip_prefix(" of").unwrap_or(bounds);
                format!("must be{bounds}, and is {found}")
            }
            Self::Word(words, more) => format!("must be one of {}{more}, and is {found}", words.join(", ")),
            Self::Other(remedy) => format!("is {found}: {remedy}"),
            Self::Plain(problem) => format!("is not right: {problem}"),
        }
    }
}

/// The first thing that is wrong with a section: what serde reports.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReadError {
    path: String,
    problem: String,
    code: Option<Code>,
}

impl ReadError {
    /// The key, after the keys of the sections that it is in; empty for the section itself.
    #[must_use]
    pub fn path(&self) -> &str {
        &self.path
    }

    /// What is wrong with it.
    #[must_use]
    pub fn problem(&self) -> &str {
        &self.problem
    }

    /// The stable code, where it has one.
    #[must_use]
    pub fn code(&self) -> Option<Code> {
        self.code
    }
}

impl From<&Problem> for ReadError {
    fn from(problem: &Problem) -> Self {
        let path = text(&problem.path);
        let said = match &problem.what {
            What::UnknownKey(table) => {
                let names: Vec<_> = table.keys().map(|key| format!("`{}`", key.name())).collect();
                let at = path.rsplit_once('.').map_or(String::new(), |(section, _)| format!(" in `{section}`"));
                let key = path.rsplit('.').next().unwrap_or_default();
                let problem = format!("unknown field `{key}`{at}; there are {}", names.join(", "));
                return Self { path: String::new(), problem, code: None };
            }
            What::Twice => "is given twice".to_owned(),
            What::Missing => "is missing, and is required".to_owned(),
            What::NoEffect(mode, only) => without_effect(mode, only),
            What::Later(word, words) => {
                format!("is {word:?}, which is not available in this version; expected one of {}", words.join(", "))
            }
            What::Mismatch(found, mismatch) => mismatch.sentence(found),
        };
        Self { path, problem: said, code: problem.code }
    }
}

impl From<ConfigError> for ReadError {
    fn from(error: ConfigError) -> Self {
        let code = Some(error.code()).filter(|code| *code != Code::ConfigValue);
        Self { path: error.path().into_owned(), problem: error.problem().to_owned(), code }
    }
}

/// `` `failure_rate.ratio` must be above 0 and at most 1, and is 2 ``
impl fmt::Display for ReadError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if !self.path.is_empty() {
            write!(f, "`{}` ", self.path)?;
        }
        f.write_str(&self.problem)?;
        match self.code {
            Some(code) => write!(f, " [{code}]"),
            None => Ok(()),
        }
    }
}

impl Error for ReadError {}

/// What to say of a key that has no effect, after its name.
#[must_use]
pub fn without_effect(mode: &str, only: &[&str]) -> String {
    format!("has no effect with {mode}; it is for {}", only.join(", "))
}

/// A path in words, such as `failure_rate.ratio` or `on[1]`.
fn text(path: &[Step]) -> String {
    let mut text = String::new();
    for step in path {
        // Writing to a string cannot fail.
        let _ = match step {
            Step::Key(key) if text.is_empty() => write!(text, "{key}"),
            Step::Key(key) => write!(text, ".{key}"),
            Step::Index(index) => write!(text, "[{index}]"),
        };
    }
    text
}
