//! The tree that all three syntaxes are parsed into.

use std::borrow::Cow;
use std::fmt;

use super::source::Span;

/// A value, where it was written, and where it came from.
///
/// Two nodes are equal when their values are: places and provenance are not compared, and the order of a map's keys does
/// not count. So the same document in two syntaxes, or the same file before and after a comment was added, is equal.
///
/// `{:?}` shows places and keys, and neither text nor numbers, which may be a secret.
#[derive(Clone)]
pub struct Node {
    /// The value.
    pub value: Value,
    /// Where it begins. For a value that a YAML alias repeats, where it was first written.
    pub span: Span,
    /// Text of it came from the environment, so it may be a secret: never print it.
    pub tainted: bool,
    /// The whole of it was one `${...}`, so it was written without a type: `"10"` may be read as a number.
    pub untyped: bool,
    /// A number or a boolean as it stands in the file, where that is not how it would be printed: `1.10`.
    pub(super) written: Option<Box<str>>,
    /// Nothing, with no word for it: what a YAML key has with nothing behind it.
    bare: bool,
}

/// What a [`Node`] holds. `{:?}` shows neither text nor numbers.
#[derive(Clone)]
#[non_exhaustive]
pub enum Value {
    /// Nothing. A key with this value counts as absent.
    Null,
    /// `true` or `false`.
    Bool(bool),
    /// A whole number. Parsed ones are from `i64::MIN` to `u64::MAX`.
    Int(i128),
    /// A number with a point or an exponent. Parsed ones are finite.
    Float(f64),
    /// Text.
    Str(String),
    /// Values in order.
    List(Vec<Node>),
    /// Values by key, in the order of the file. No key is there twice.
    Map(Vec<Entry>),
}

/// One key of a map and its value.
#[derive(Clone, Debug)]
pub struct Entry {
    /// The key.
    pub key: String,
    /// Where the key is.
    pub key_span: Span,
    /// Its value.
    pub value: Node,
}

impl Node {
    /// A value that was written at `span`.
    #[must_use]
    pub fn new(value: Value, span: Span) -> Self {
        Self { value, span, tainted: false, untyped: false, written: None, bare: false }
    }

    /// The same; a number or a boolean stands in the file as `written`.
    pub(super) fn with_written(mut self, written: &str) -> Self {
        let is_scalar = matches!(self.value, Value::Bool(_) | Value::Int(_) | Value::Float(_));
        if is_scalar && self.as_text().is_some_and(|printed| printed != written) {
            self.written = Some(written.into());
        }
        self.bare = written.is_empty() && matches!(self.value, Value::Null);
        self
    }

    /// The same place with another value.
    pub(super) fn with_value(&self, value: Value) -> Self {
        Self { value, span: self.span.clone(), written: None, bare: false, ..*self }
    }

    /// Whether nothing stands there at all, not even `null`.
    pub(super) fn is_bare(&self) -> bool {
        self.bare
    }

    /// The value of `key`, when this is a map that has it.
    #[must_use]
    pub fn get(&self, key: &str) -> Option<&Node> {
        let Value::Map(entries) = &self.value else {
            return None;
        };
        entries.iter().find(|entry| entry.key == key).map(|entry| &entry.value)
    }

    /// The text, when this is a string.
    #[must_use]
    pub fn as_str(&self) -> Option<&str> {
        if let Value::Str(text) = &self.value { Some(text) } else { None }
    }

    /// The value as text: a string, or a number or `true` as it was written.
    #[must_use]
    pub fn as_text(&self) -> Option<Cow<'_, str>> {
        match (&self.value, &self.written) {
            (Value::Str(text), _) => Some(Cow::Borrowed(text)),
            (_, Some(written)) => Some(Cow::Borrowed(written)),
            (Value::Bool(value), None) => Some(Cow::Owned(value.to_string())),
            (Value::Int(value), None) => Some(Cow::Owned(value.to_string())),
            (Value::Float(value), None) => Some(Cow::Owned(format!("{value:?}"))),
            _ => None,
        }
    }

    /// Values in this tree, itself included, and bytes of text in it.
    pub(super) fn size(&self) -> (usize, usize) {
        let add = |a: (usize, usize), b: (usize, usize)| (a.0 + b.0, a.1 + b.1);
        match &self.value {
            Value::Str(text) => (1, text.len()),
            Value::List(items) => items.iter().map(Node::size).fold((1, 0), add),
            Value::Map(entries) => {
                entries.iter().map(|entry| add((0, entry.key.len()), entry.value.size())).fold((1, 0), add)
            }
            _ => (1, 0),
        }
    }

    /// Lists and maps inside one another: 0 for a scalar.
    pub(super) fn depth(&self) -> usize {
        match &self.value {
            Value::List(items) => 1 + items.iter().map(Node::depth).max().unwrap_or(0),
            Value::Map(entries) => 1 + entries.iter().map(|entry| entry.value.depth()).max().unwrap_or(0),
            _ => 0,
        }
    }
}

impl fmt::Debug for Node {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Node").field("value", &self.value).field("span", &self.span).finish_non_exhaustive()
    }
}

impl fmt::Debug for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Null => f.write_str("Null"),
            Self::Bool(value) => f.debug_tuple("Bool").field(value).finish(),
            Self::Int(_) => f.write_str("Int(..)"),
            Self::Float(_) => f.write_str("Float(..)"),
            Self::Str(_) => f.write_str("Str(..)"),
            Self::List(items) => f.debug_tuple("List").field(items).finish(),
            Self::Map(entries) => f.debug_tuple("Map").field(entries).finish(),
        }
    }
}

impl PartialEq for Node {
    fn eq(&self, other: &Self) -> bool {
        self.value == other.value
    }
}

impl PartialEq for Value {
    fn eq(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Null, Self::Null) => true,
            (Self::Bool(a), Self::Bool(b)) => a == b,
            (Self::Int(a), Self::Int(b)) => a == b,
            (Self::Float(a), Self::Float(b)) => a == b,
            (Self::Str(a), Self::Str(b)) => a == b,
            (Self::List(a), Self::List(b)) => a == b,
            (Self::Map(a), Self::Map(b)) => a.len() == b.len() && sorted(a).eq(sorted(b)),
            _ => false,
        }
    }
}

/// The entries of a map by key, so that maps of any size compare in n log n.
fn sorted(entries: &[Entry]) -> impl Iterator<Item = (&str, &Node)> {
    let mut pairs: Vec<_> = entries.iter().map(|entry| (entry.key.as_str(), &entry.value)).collect();
    pairs.sort_by_key(|(key, _)| *key);
    pairs.into_iter()
}
