//! A setting that cannot be used.

use std::{borrow::Cow, error::Error, fmt};

use crate::Code;

/// A setting that cannot be used: which field, and what would be right.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConfigError {
    field: &'static str,
    problem: Cow<'static, str>,
    others: &'static [&'static str],
    code: Option<Code>,
}

impl ConfigError {
    /// `problem` completes the sentence that begins with the field's name, such as "must be at least 1, and is 0".
    #[must_use]
    pub fn new(field: &'static str, problem: impl Into<Cow<'static, str>>) -> Self {
        Self { field, problem: problem.into(), others: &[], code: None }
    }

    /// Says which other fields it hangs on, so that nobody is told of it who has yet to mend one of those.
    #[must_use]
    pub fn with_others(mut self, fields: &'static [&'static str]) -> Self {
        self.others = fields;
        self
    }

    /// Gives it a stable code of its own.
    #[must_use]
    pub fn with_code(mut self, code: Code) -> Self {
        self.code = Some(code);
        self
    }

    /// The field, by the name that configuration files use.
    #[must_use]
    pub fn field(&self) -> &'static str {
        self.field
    }

    /// What is wrong with it.
    #[must_use]
    pub fn problem(&self) -> &str {
        &self.problem
    }

    /// The other fields that it hangs on.
    #[must_use]
    pub fn others(&self) -> &'static [&'static str] {
        self.others
    }

    /// The stable code; `CONFIG_1802` when it has none of its own.
    #[must_use]
    pub fn code(&self) -> Code {
        self.code.unwrap_or(Code::ConfigValue)
    }
}

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "`{}` {}", self.field, self.problem)
    }
}

impl Error for ConfigError {}
