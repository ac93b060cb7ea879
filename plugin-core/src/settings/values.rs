//! The values of a section, each of them checked.

use std::{fmt, time::Duration};

use super::declaration::Table;
use super::quantity;
use super::value::{Hidden, Value};

/// A value that is what its key takes. What is written of it by `{:?}` does not show text, paths, and whatever else may be
/// a secret: a value does not know its key.
#[derive(Clone, PartialEq)]
#[non_exhaustive]
pub enum Checked {
    /// `true` or `false`.
    Bool(bool),
    /// A whole number within its bounds.
    Integer(i128),
    /// A number within its bounds.
    Number(f64),
    /// A duration within its bounds.
    Time(Duration),
    /// Bytes within their bounds.
    Size(u64),
    /// Text, a path or a secret.
    Text(String),
    /// One of the words of the key, as the declaration has it.
    Word(&'static str),
    /// Texts in order.
    Texts(Vec<String>),
    /// Texts by name.
    Map(Vec<(String, String)>),
    /// Whatever it is.
    Any(Value),
    /// The values of a section.
    Section(Values),
    /// Sections in order.
    List(Vec<Values>),
}

/// The values of a section by key. What is absent is not in it. `{:?}` shows no secret.
#[derive(Clone)]
pub struct Values {
    table: &'static Table,
    entries: Vec<(&'static str, Checked)>,
}

/// Two are equal when they say the same: whose keys they are does not count.
impl PartialEq for Values {
    fn eq(&self, other: &Self) -> bool {
        self.entries == other.entries
    }
}

macro_rules! getters {
    ($($(#[$doc:meta])* $name:ident($variant:ident) -> $type:ty, $value:ident => $result:expr;)*) => {$(
        $(#[$doc])*
        #[must_use]
        pub fn $name(&self, key: &str) -> Option<$type> {
            match self.get(key)? {
                Checked::$variant($value) => Some($result),
                _ => misread(self.table, key),
            }
        }
    )*};
}

impl Checked {
    /// What it is, in words.
    pub(super) fn describe(&self) -> String {
        match self {
            Self::Bool(value) => value.to_string(),
            Self::Integer(value) => value.to_string(),
            Self::Number(value) => format!("{value:?}"),
            Self::Time(value) => quantity::time(value),
            Self::Size(value) => value.to_string(),
            Self::Text(text) => format!("{text:?}"),
            Self::Word(word) => format!("{word:?}"),
            Self::Texts(_) | Self::List(_) => "a list".to_owned(),
            Self::Map(_) | Self::Any(_) | Self::Section(_) => "a map".to_owned(),
        }
    }
}

impl Values {
    /// No values of the keys of `table`.
    #[must_use]
    pub fn new(table: &'static Table) -> Self {
        Self { table, entries: Vec::new() }
    }

    /// With this value of `key`; without one, when it is `None`.
    #[must_use]
    pub fn with(mut self, key: &str, value: impl Into<Given>) -> Self {
        let declared = self.table.declared(key);
        debug_assert!(declared.is_some(), "`{}` has no key `{key}`", self.table.name());
        if let (Some(key), Given(Some(value))) = (declared, value.into()) {
            self.set(key.name(), value);
        }
        self
    }

    pub(super) fn set(&mut self, key: &'static str, value: Checked) {
        self.entries.push((key, value));
    }

    /// Takes out the value of a key, which may be in a section (`failure_rate.ratio`).
    pub(super) fn remove(&mut self, path: &str) {
        match path.split_once('.') {
            None => self.entries.retain(|(key, _)| *key != path),
            Some((section, rest)) => {
                if let Some((_, Checked::Section(inner))) = self.entries.iter_mut().find(|(key, _)| *key == section) {
                    inner.remove(rest);
                }
            }
        }
    }

    /// The keys that these are values of.
    #[must_use]
    pub fn table(&self) -> &'static Table {
        self.table
    }

    /// The values in order.
    pub fn iter(&self) -> impl Iterator<Item = (&'static str, &Checked)> {
        self.entries.iter().map(|(key, value)| (*key, value))
    }

    /// Whether the key has a value.
    #[must_use]
    pub fn has(&self, key: &str) -> bool {
        self.get(key).is_some()
    }

    /// The value of a key, of whatever type.
    #[must_use]
    pub fn get(&self, key: &str) -> Option<&Checked> {
        debug_assert!(self.table.declared(key).is_some(), "`{}` has no key `{key}`", self.table.name());
        self.entries.iter().find(|(name, _)| *name == key).map(|(_, value)| value)
    }

    /// A whole number, as the type that its bounds fit in.
    ///
    /// # Panics
    ///
    /// When the bounds of the key go past the type and a value was taken that does not fit: a mistake of the declaration,
    /// which would otherwise pass for a key that is absent.
    #[must_use]
    pub fn integer<T: TryFrom<i128>>(&self, key: &str) -> Option<T> {
        match self.get(key)? {
            Checked::Integer(value) => {
                let fits = T::try_from(*value).ok();
                assert!(fits.is_some(), "`{key}` is {value}: its bounds go past the type that it is read as");
                fits
            }
            _ => misread(self.table, key),
        }
    }

    getters! {
        /// `true` or `false`.
        bool(Bool) -> bool, value => *value;
        /// A number.
        number(Number) -> f64, value => *value;
        /// A duration.
        time(Time) -> Duration, value => *value;
        /// Bytes.
        size(Size) -> u64, value => *value;
        /// Text, a path or a secret.
        text(Text) -> &str, value => value;
        /// A word, as the declaration has it.
        word(Word) -> &'static str, value => value;
        /// Texts or names in order.
        texts(Texts) -> &[String], value => value;
        /// Texts by name.
        map(Map) -> &[(String, String)], value => value;
        /// Whatever it is.
        any(Any) -> &Value, value => value;
        /// The values of a section.
        section(Section) -> &Values, value => value;
        /// The values of each section in a list.
        list(List) -> &[Values], value => value;
    }
}

/// A key is read as something that it is not declared to be: a fault of the program, which its tests find.
fn misread<T>(table: &Table, key: &str) -> Option<T> {
    debug_assert!(false, "`{key}` of `{}` is not what it is read as", table.name());
    None
}

impl fmt::Debug for Checked {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Bool(value) => f.debug_tuple("Bool").field(value).finish(),
            Self::Integer(value) => f.debug_tuple("Integer").field(value).finish(),
            Self::Number(value) => f.debug_tuple("Number").field(value).finish(),
            Self::Time(value) => f.debug_tuple("Time").field(value).finish(),
            Self::Size(value) => f.debug_tuple("Size").field(value).finish(),
            Self::Word(value) => f.debug_tuple("Word").field(value).finish(),
            Self::Text(_) => f.debug_tuple("Text").field(&Hidden).finish(),
            Self::Texts(_) => f.debug_tuple("Texts").field(&Hidden).finish(),
            Self::Map(map) => {
                f.write_str("Map ")?;
                f.debug_map().entries(map.iter().map(|(name, _)| (name, Hidden))).finish()
            }
            Self::Any(value) => f.debug_tuple("Any").field(value).finish(),
            Self::Section(values) => f.debug_tuple("Section").field(values).finish(),
            Self::List(list) => f.debug_tuple("List").field(list).finish(),
        }
    }
}

/// The keys are known here, so that only what is declared as a secret is hidden.
impl fmt::Debug for Values {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut map = f.debug_map();
        for (key, value) in &self.entries {
            let secret = self.table.declared(key).is_none_or(|declared| declared.kind().is_secret());
            match value {
                Checked::Text(text) if !secret => map.entry(key, text),
                Checked::Texts(texts) if !secret => map.entry(key, texts),
                Checked::Map(texts) if !secret => map.entry(key, texts),
                value => map.entry(key, value),
            };
        }
        map.finish()
    }
}

/// A value that is written, or none.
#[derive(Clone, Debug)]
pub struct Given(Option<Checked>);

impl Given {
    pub(super) fn into_checked(self) -> Option<Checked> {
        self.0
    }

    /// A word, as the declaration has it.
    #[must_use]
    pub fn word(word: &'static str) -> Self {
        Self(Some(Checked::Word(word)))
    }

    /// Bytes.
    #[must_use]
    pub fn size(bytes: usize) -> Self {
        Self(Some(Checked::Size(bytes as u64)))
    }
}

impl<T: Into<Given>> From<Option<T>> for Given {
    fn from(value: Option<T>) -> Self {
        value.map_or(Self(None), Into::into)
    }
}

impl From<Checked> for Given {
    fn from(value: Checked) -> Self {
        Self(Some(value))
    }
}

macro_rules! given {
    ($($type:ty, $value:ident => $checked:expr;)*) => {$(
        impl From<$type> for Given {
            fn from($value: $type) -> Self {
                Self(Some($checked))
            }
        }
    )*};
}

given! {
    bool, value => Checked::Bool(value);
    u16, value => Checked::Integer(value.into());
    u32, value => Checked::Integer(value.into());
    u64, value => Checked::Integer(value.into());
    i32, value => Checked::Integer(value.into());
    usize, value => Checked::Integer(value as i128);
    f64, value => Checked::Number(value);
    Duration, value => Checked::Time(value);
    &str, value => Checked::Text(value.to_owned());
    String, value => Checked::Text(value);
    Vec<String>, value => Checked::Texts(value);
    Values, value => Checked::Section(value);
}
