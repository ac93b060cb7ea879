//! What keys there are: one table per section, from which the reader, the schema and `config show` all work.
//!
//! So a key cannot be in one of them and not in the others, and a default is written once. [`Keys`] reads a section by its
//! table; in debug builds it also holds the reader to it, both ways.

mod reader;
mod unavailable;

pub(super) use reader::{Context, Keys};
pub(super) use unavailable::UNAVAILABLE;

/// A section: a map with these keys.
#[derive(Debug)]
pub(super) struct Table {
    /// What it is called in [`UNAVAILABLE`] and in the schema's `$defs`.
    pub(super) name: &'static str,
    pub(super) about: &'static str,
    pub(super) keys: &'static [Key],
}

impl Table {
    pub(super) fn key(&self, name: &str) -> Option<&'static Key> {
        self.keys.iter().find(|key| key.name == name)
    }

    /// Keys that a later version will have.
    pub(super) fn unavailable(&self) -> &'static [&'static str] {
        UNAVAILABLE.iter().find(|(table, _)| *table == self.name).map_or(&[], |(_, keys)| keys)
    }
}

/// One key.
#[derive(Debug)]
pub(super) struct Key {
    pub(super) name: &'static str,
    pub(super) kind: Kind,
    pub(super) about: &'static str,
    /// As YAML writes it; empty for none.
    pub(super) default: &'static str,
    /// Whether the default is written into the document before it is read. False where another key may stand in for it.
    pub(super) filled: bool,
    pub(super) required: bool,
    /// The transports for which it has an effect; empty for all.
    pub(super) only: &'static [&'static str],
}

impl Key {
    pub(super) const fn new(name: &'static str, kind: Kind, about: &'static str) -> Self {
        Self { name, kind, about, default: "", filled: true, required: false, only: &[] }
    }

    pub(super) const fn default(mut self, default: &'static str) -> Self {
        self.default = default;
        self
    }

    /// A default that comes about in another way, and is here to be documented.
    pub(super) const fn derived_default(mut self, default: &'static str) -> Self {
        self.default = default;
        self.filled = false;
        self
    }

    pub(super) const fn required(mut self) -> Self {
        self.required = true;
        self
    }

    pub(super) const fn only(mut self, transports: &'static [&'static str]) -> Self {
        self.only = transports;
        self
    }

    pub(super) fn serves(&self, transport: &str) -> bool {
        self.only.is_empty() || self.only.contains(&transport)
    }
}

/// What a key's value is.
#[derive(Debug)]
pub(super) enum Kind {
    Bool,
    /// A whole number from the first to the second.
    Integer(i64, i64),
    /// A number from the first to the second.
    Number(f64, f64),
    /// A number above 0, up to this.
    Positive(f64),
    /// A duration longer than zero.
    Time,
    /// A duration.
    TimeOrZero,
    /// A whole number up to this, or a duration.
    CountOrTime(i64),
    /// A size in bytes, of at least one.
    Size,
    /// Text that is not empty.
    Text,
    /// Text that is never shown; `file:PATH` reads it from a file.
    Secret,
    /// The path of a file or directory, relative to the directory of the configuration.
    Path,
    /// One of these words.
    Word(&'static [&'static str]),
    /// One of these words, or its place in the list, counted from 0.
    WordOrNumber(&'static [&'static str]),
    Texts,
    /// Text by name: a map, or a list of `NAME=value`.
    TextMap,
    /// Secrets by name.
    SecretMap,
    /// A map from names to one of these words.
    WordMap(&'static [&'static str]),
    /// Any map; the plugin knows what is in it.
    Object,
    /// A section; when it is absent, its defaults hold.
    Section(&'static Table),
    /// A section that may be absent.
    Optional(&'static Table),
    /// A list of sections.
    List(&'static Table),
}
