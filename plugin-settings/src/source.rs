//! Where a value was written: the file, the line and the column.

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// A file that was parsed: its path, for messages, and its text, for snippets.
pub struct Source {
    path: PathBuf,
    text: Box<str>,
}

impl Source {
    /// Keeps `text` under the name `path`. The path is only printed, never opened.
    pub fn new(path: impl Into<PathBuf>, text: impl Into<Box<str>>) -> Arc<Self> {
        Arc::new(Self { path: path.into(), text: text.into() })
    }

    /// The path as it was given.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The text that was parsed, without a byte order mark.
    #[must_use]
    pub fn text(&self) -> &str {
        &self.text
    }

    /// The line with this number, counted from 1, without its line break.
    #[must_use]
    pub fn line(&self, number: u32) -> Option<&str> {
        let index = usize::try_from(number).ok()?.checked_sub(1)?;
        let line = self.text.split('\n').nth(index)?;
        Some(line.strip_suffix('\r').unwrap_or(line))
    }
}

/// Prints the path and the size alone: the text may hold secrets.
impl fmt::Debug for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Source").field("path", &self.path).field("bytes", &self.text.len()).finish()
    }
}

/// A place in a [`Source`]. Lines and columns count from 1, columns in characters.
#[derive(Clone)]
pub struct Span {
    source: Arc<Source>,
    line: u32,
    column: u32,
}

impl Span {
    /// The place at `line` and `column`, both counted from 1.
    #[must_use]
    pub fn new(source: &Arc<Source>, line: u32, column: u32) -> Self {
        Self { source: Arc::clone(source), line, column }
    }

    /// A file as a whole: what is said of a file that could not be read.
    #[must_use]
    pub fn whole_file(source: &Arc<Source>) -> Self {
        Self::new(source, 0, 0)
    }

    /// The file.
    #[must_use]
    pub fn source(&self) -> &Arc<Source> {
        &self.source
    }

    /// The line, counted from 1; 0 for a file as a whole.
    #[must_use]
    pub fn line(&self) -> u32 {
        self.line
    }

    /// The column in characters, counted from 1; 0 for a file as a whole.
    #[must_use]
    pub fn column(&self) -> u32 {
        self.column
    }

    /// What places are sorted by.
    pub(super) fn order(&self) -> (&Path, u32, u32) {
        (&self.source.path, self.line, self.column)
    }
}

/// `path:line:column`, or the path alone for a file as a whole.
impl fmt::Display for Span {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let path = self.source.path.display();
        if self.line == 0 { write!(f, "{path}") } else { write!(f, "{path}:{}:{}", self.line, self.column) }
    }
}

impl fmt::Debug for Span {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self}")
    }
}

impl PartialEq for Span {
    fn eq(&self, other: &Self) -> bool {
        self.order() == other.order()
    }
}

impl Eq for Span {}

/// Turns byte offsets into places.
///
/// Asked in rising order, a whole file costs one pass over its text, also when it is all one line.
#[derive(Debug)]
pub(super) struct Locator {
    source: Arc<Source>,
    line_starts: Vec<usize>,
    /// The last answer: offset, index of its line, characters before it in that line.
    last: (usize, usize, usize),
}

impl Locator {
    pub(super) fn new(source: &Arc<Source>) -> Self {
        let breaks = source.text.bytes().enumerate().filter(|(_, byte)| *byte == b'\n');
        let line_starts = std::iter::once(0).chain(breaks.map(|(at, _)| at + 1)).collect();
        Self { source: Arc::clone(source), line_starts, last: (0, 0, 0) }
    }

    pub(super) fn span(&mut self, offset: usize) -> Span {
        let text = &*self.source.text;
        let mut offset = offset.min(text.len());
        while !text.is_char_boundary(offset) {
            offset -= 1;
        }
        let line = self.line_starts.partition_point(|start| *start <= offset) - 1;
        let (from, before) = match self.last {
            (last, last_line, chars) if last_line == line && last <= offset => (last, chars),
            _ => (self.line_starts[line], 0),
        };
        let chars = before + text[from..offset].chars().count();
        self.last = (offset, line, chars);
        // A file is at most a few megabytes, so neither number comes near the limit.
        let number = |index: usize| u32::try_from(index + 1).unwrap_or(u32::MAX);
        Span::new(&self.source, number(line), number(chars))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_count_characters_and_lines_count_line_feeds() {
        let source = Source::new("a.yaml", "ab\r\ncé: x\n\nz");
        let mut locator = Locator::new(&source);
        let mut at = |offset| {
            let span = locator.span(offset);
            (span.line(), span.column())
        };
        assert_eq!(at(0), (1, 1));
        assert_eq!(at(4), (2, 1));
        assert_eq!(at(7), (2, 3), "the two bytes of é are one column");
        assert_eq!(at(6), (2, 2), "an offset inside a character is its start; going back works");
        assert_eq!(at(11), (3, 1));
        assert_eq!(at(12), (4, 1));
        assert_eq!(at(99), (4, 2), "past the end is the end");
        assert_eq!(source.line(1), Some("ab"));
        assert_eq!(source.line(4), Some("z"));
        assert_eq!(source.line(5), None);
        assert_eq!(source.line(0), None);
    }

    #[test]
    fn debug_of_a_source_does_not_print_its_text() {
        let source = Source::new("a.yaml", "token: hunter2");
        assert_eq!(format!("{source:?}"), r#"Source { path: "a.yaml", bytes: 14 }"#);
    }
}
