//! A setting that cannot be used.

use std::{borrow::Cow, error::Error, fmt};

use crate::Code;

/// A setting that cannot be used: which field, and what would be right.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConfigError {
    section: Option<Cow<'static, str>>,
    field: &'static str,
    problem: Cow<'static, str>,
    others: &'static [&'static str],
    code: Option<Code>,
}

impl ConfigError {
    /// `problem` completes the sentence that begins with the field's name, such as "must be at least 1, and is 0".
    #[must_use]
    pub fn new(field: &'static str, problem: impl Into<Cow<'static, str>>) -> Self {
        Self { section: None, field, problem: problem.into(), others: &[], code: None }
    }

    /// Names other fields that must be valid first. While one of them is invalid, this fault is not shown.
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

    /// Says in which section it is, for settings that have others inside: its fields are then those of that section. Said again,
    /// that section is in this one.
    #[must_use]
    pub fn within(mut self, section: &'static str) -> Self {
        self.section = Some(match self.section {
            None => Cow::Borrowed(section),
            Some(inner) => Cow::Owned(format!("{section}.{inner}")),
        });
        self
    }

    /// The field after the section that it is in (`restart.max`).
    #[must_use]
    pub fn path(&self) -> Cow<'static, str> {
        self.in_section(self.field)
    }

    /// The other fields that must be valid first, each as [`path`](Self::path) names it.
    pub fn other_paths(&self) -> impl Iterator<Item = Cow<'static, str>> {
        self.others.iter().map(|field| self.in_section(field))
    }

    fn in_section(&self, field: &'static str) -> Cow<'static, str> {
        self.section.as_ref().map_or(Cow::Borrowed(field), |section| Cow::Owned(format!("{section}.{field}")))
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

    /// The other fields that must be valid before this one can be judged.
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
        write!(f, "`{}` {}", self.path(), self.problem)
    }
}

impl Error for ConfigError {}
