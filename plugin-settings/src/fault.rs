//! A fault in a configuration: its text and its place.

use std::error::Error;
use std::fmt;

use plugin_core::Code;

use super::redact;
use super::source::Span;

/// One thing that is wrong: the place, the config path, what was found and what would be right.
///
/// Its text never holds a value that came from the environment, or the value of a key that names a secret.
#[derive(Clone, Debug, PartialEq, Eq)]
#[must_use]
pub struct Fault {
    span: Span,
    path: String,
    problem: String,
    remedy: Option<String>,
    code: Option<Code>,
    has_snippet: bool,
}

impl Fault {
    /// A fault at `span`. `path` is the config path, such as `plugins[0].name`, or empty for the whole file.
    pub fn new(span: Span, path: impl Into<String>, problem: impl Into<String>) -> Self {
        Self { span, path: path.into(), problem: problem.into(), remedy: None, code: None, has_snippet: true }
    }

    /// Shows nothing of its line, on which a secret may stand.
    pub(super) fn without_snippet(self) -> Self {
        Self { has_snippet: false, ..self }
    }

    /// Adds what would be right.
    pub fn with_remedy(mut self, remedy: impl Into<String>) -> Self {
        self.remedy = Some(remedy.into());
        self
    }

    /// Gives it a stable code, which its text ends with.
    pub fn with_code(mut self, code: Code) -> Self {
        self.code = Some(code);
        self
    }

    /// The stable code, where it has one.
    #[must_use]
    pub fn code(&self) -> Option<Code> {
        self.code
    }

    /// Where it is.
    #[must_use]
    pub fn span(&self) -> &Span {
        &self.span
    }

    /// The config path, such as `plugins[0].circuit_breaker`; empty for a fault of syntax.
    #[must_use]
    pub fn path(&self) -> &str {
        &self.path
    }

    /// What is wrong, with what was found.
    #[must_use]
    pub fn problem(&self) -> &str {
        &self.problem
    }

    /// What would be right, where that is known.
    #[must_use]
    pub fn remedy(&self) -> Option<&str> {
        self.remedy.as_deref()
    }

    /// The line with a mark under the column, or `None` where there is no line or where it speaks of a secret.
    #[must_use]
    pub fn snippet(&self) -> Option<String> {
        /// Lines are cut to this many characters, so that a one-line file prints as one line.
        const WIDTH: usize = 120;
        let line = self.span.source().line(self.span.line())?;
        if !self.has_snippet || redact::mentions_secret(line) {
            return None;
        }
        let column = usize::try_from(self.span.column()).ok()?.checked_sub(1)?;
        let start = column.saturating_sub(WIDTH / 2);
        let shown: String =
            line.chars().skip(start).take(WIDTH).map(|c| if c.is_control() { ' ' } else { c }).collect();
        let number = self.span.line().to_string();
        let gutter = " ".repeat(number.len());
        let mark = " ".repeat(column - start);
        Some(format!("{number} | {shown}\n{gutter} | {mark}^"))
    }
}

/// `gateway.yaml:12:7: plugins[0].retry.max_retrys: unknown key; did you mean "max_retries"?`
impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: ", self.span)?;
        if !self.path.is_empty() {
            write!(f, "{}: ", self.path)?;
        }
        f.write_str(&self.problem)?;
        if let Some(remedy) = &self.remedy {
            write!(f, "; {remedy}")?;
        }
        match self.code {
            Some(code) => write!(f, " [{code}]"),
            None => Ok(()),
        }
    }
}

impl Error for Fault {}

/// Every fault that was found, sorted by place.
///
/// The first [`Faults::MAX`] are kept and the rest counted.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[must_use]
pub struct Faults {
    list: Vec<Fault>,
    more: usize,
}

impl Faults {
    /// How many faults are kept.
    pub const MAX: usize = 200;

    /// Gives each fault without a path the one that is known of its place.
    pub(super) fn locate(&mut self, mut path_of: impl FnMut(&Span) -> Option<String>) {
        for fault in self.list.iter_mut().filter(|fault| fault.path.is_empty()) {
            fault.path = path_of(&fault.span).unwrap_or_default();
        }
    }

    /// No faults.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds one, unless the very same is there already.
    pub fn push(&mut self, fault: Fault) {
        // Behind its equals in place, so that what was found first is said first.
        let at = self.list.partition_point(|other| other.span.order() <= fault.span.order());
        if self.list[..at].iter().rev().take_while(|other| other.span == fault.span).any(|other| *other == fault) {
            return;
        }
        self.list.insert(at, fault);
        if self.list.len() > Self::MAX {
            self.list.truncate(Self::MAX);
            self.more += 1;
        }
    }

    /// Adds all of `other`.
    pub fn append(&mut self, other: Self) {
        other.list.into_iter().for_each(|fault| self.push(fault));
        self.more += other.more;
    }

    /// Gives `code` to each that has none.
    pub fn or_code(mut self, code: Code) -> Self {
        self.list.iter_mut().for_each(|fault| fault.code = fault.code.or(Some(code)));
        self
    }

    /// Leaves out those for which `keep` is false.
    pub fn retain(&mut self, keep: impl FnMut(&Fault) -> bool) {
        self.list.retain(keep);
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.list.is_empty()
    }

    /// How many were found, those that were not kept included.
    #[must_use]
    pub fn len(&self) -> usize {
        self.list.len() + self.more
    }

    /// The faults that were kept, by file, line and column.
    pub fn iter(&self) -> std::slice::Iter<'_, Fault> {
        self.list.iter()
    }

    /// `value` when there is no fault.
    ///
    /// # Errors
    ///
    /// The faults, when there are any.
    pub fn into_result<T>(self, value: T) -> Result<T, Self> {
        if self.is_empty() { Ok(value) } else { Err(self) }
    }
}

impl From<Fault> for Faults {
    fn from(fault: Fault) -> Self {
        Self { list: vec![fault], more: 0 }
    }
}

impl<'a> IntoIterator for &'a Faults {
    type Item = &'a Fault;
    type IntoIter = std::slice::Iter<'a, Fault>;

    fn into_iter(self) -> Self::IntoIter {
        self.iter()
    }
}

/// One fault per line.
impl fmt::Display for Faults {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, fault) in self.list.iter().enumerate() {
            if index > 0 {
                f.write_str("\n")?;
            }
            write!(f, "{fault}")?;
        }
        if self.more > 0 {
            write!(f, "\nand {} more", self.more)?;
        }
        Ok(())
    }
}

impl Error for Faults {}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::source::Source;

    #[test]
    fn faults_are_sorted_by_place_and_print_one_per_line() {
        let source = Source::new("g.yaml", "a: 1\nbb: 2\n");
        let mut faults = Faults::new();
        faults.push(Fault::new(Span::new(&source, 2, 1), "bb", "unknown key").with_remedy("did you mean \"b\"?"));
        faults.push(Fault::new(Span::new(&source, 1, 4), "a", "found 1"));
        faults.push(Fault::new(Span::new(&source, 1, 4), "a", "found 1"));
        assert_eq!(faults.to_string(), "g.yaml:1:4: a: found 1\ng.yaml:2:1: bb: unknown key; did you mean \"b\"?");
        assert_eq!(faults.iter().nth(1).unwrap().snippet().unwrap(), "2 | bb: 2\n  | ^");
    }

    #[test]
    fn more_faults_than_are_kept_are_counted() {
        let source = Source::new("g.yaml", "");
        let mut faults = Faults::new();
        for line in (1..=Faults::MAX as u32 + 7).rev() {
            faults.push(Fault::new(Span::new(&source, line, 1), "", "x"));
        }
        assert_eq!(faults.iter().count(), Faults::MAX);
        assert_eq!(faults.len(), Faults::MAX + 7);
        assert_eq!(faults.iter().next().unwrap().span().line(), 1, "the first by place are kept");
        assert!(faults.to_string().ends_with("g.yaml:200:1: x\nand 7 more"));
    }

    #[test]
    fn a_line_that_speaks_of_a_secret_is_not_shown() {
        let source = Source::new("g.yaml", "auth: {token: hunter2, methd: x}\n");
        let fault = Fault::new(Span::new(&source, 1, 24), "auth.methd", "unknown key");
        assert_eq!(fault.snippet(), None);
        assert_eq!(Fault::new(Span::whole_file(&source), "", "x").snippet(), None);
    }
}
