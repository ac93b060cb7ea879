//! What the value of a key is.

use std::ops::Bound;
use std::time::Duration;

use super::table::Table;
use super::value::Value;

/// From where to where a value may be.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Bounds<T> {
    /// The least.
    pub low: Bound<T>,
    /// The greatest.
    pub high: Bound<T>,
}

impl<T> Bounds<T> {
    /// From `low` to `high`, both inside.
    #[must_use]
    pub const fn from_to(low: T, high: T) -> Self
    where
        T: Copy,
    {
        Self { low: Bound::Included(low), high: Bound::Included(high) }
    }
}

impl<T: PartialOrd> Bounds<T> {
    /// Whether a value is inside.
    #[must_use]
    pub fn contains(&self, value: &T) -> bool {
        std::ops::RangeBounds::contains(&(self.low.as_ref(), self.high.as_ref()), value)
    }
}

/// What a key's value is, and from where to where it may be.
#[derive(Debug)]
#[non_exhaustive]
pub enum Kind {
    /// `true` or `false`.
    Bool,
    /// A whole number.
    Integer(Bounds<i128>),
    /// A number, with or without a point.
    Number(Bounds<f64>),
    /// A duration: text such as `1m30s`, or an integer of nanoseconds.
    Time(Bounds<Duration>),
    /// A whole number, or a duration as text.
    CountOrTime(Bounds<i128>, Bounds<Duration>),
    /// A size in bytes: text such as `10MiB`, or an integer.
    Size(Bounds<u64>),
    /// Text; a number or `true` is taken as it was written. An empty one counts as absent.
    Text,
    /// Text that is never shown; a file may hold it (`file:PATH`). An empty one counts as absent.
    Secret,
    /// The path of a file or directory, relative to the directory of the configuration. An empty one counts as absent.
    Path,
    /// One of these words. An empty one counts as absent.
    Word(&'static [&'static str]),
    /// One of these words, in whatever case; the declaration has them in lower case. An empty one counts as absent.
    AnyCase(&'static [&'static str]),
    /// One of these words, or its place in the list, counted from 0.
    WordOrNumber(&'static [&'static str]),
    /// One of these words, or a share from 0.0 to 1.0.
    WordOrShare(&'static [&'static str]),
    /// A list of texts.
    Texts,
    /// A list of names; a whole number is one too (`503`). The function says of a name that is none what would be right,
    /// in words that follow "expected".
    Names(fn(&str) -> Result<(), String>),
    /// Text by name: a map, or a list of `NAME=value`.
    TextMap,
    /// Secrets by name.
    SecretMap,
    /// A map from names to one of these words, in whatever case.
    AnyCaseMap(&'static [&'static str]),
    /// Any map.
    Object,
    /// A section; when it is absent, its defaults hold.
    Section(&'static Table),
    /// A section that may be absent.
    Optional(&'static Table),
    /// A list of sections.
    List(&'static Table),
}

/// The shortest time that is one.
const INSTANT: Duration = Duration::from_nanos(1);

impl Kind {
    /// A whole number from `low` to `high`.
    #[must_use]
    pub const fn integer(low: i128, high: i128) -> Self {
        Self::Integer(Bounds::from_to(low, high))
    }

    /// A number from `low` to `high`.
    #[must_use]
    pub const fn number(low: f64, high: f64) -> Self {
        Self::Number(Bounds::from_to(low, high))
    }

    /// A number above 0, up to `high`.
    #[must_use]
    pub const fn positive(high: f64) -> Self {
        Self::Number(Bounds { low: Bound::Excluded(0.0), high: Bound::Included(high) })
    }

    /// A duration longer than zero.
    #[must_use]
    pub const fn time() -> Self {
        Self::Time(Bounds { low: Bound::Included(INSTANT), high: Bound::Unbounded })
    }

    /// A duration, which may be zero.
    #[must_use]
    pub const fn time_or_zero() -> Self {
        Self::Time(Bounds { low: Bound::Unbounded, high: Bound::Unbounded })
    }

    /// A duration of at least `low`.
    #[must_use]
    pub const fn time_from(low: Duration) -> Self {
        Self::Time(Bounds { low: Bound::Included(low), high: Bound::Unbounded })
    }

    /// A duration from `low` to `high`.
    #[must_use]
    pub const fn time_in(low: Duration, high: Duration) -> Self {
        Self::Time(Bounds::from_to(low, high))
    }

    /// A duration longer than zero, up to `high`.
    #[must_use]
    pub const fn time_up_to(high: Duration) -> Self {
        Self::time_in(INSTANT, high)
    }

    /// A size from `low` to `high` bytes.
    #[must_use]
    pub const fn size(low: u64, high: u64) -> Self {
        Self::Size(Bounds::from_to(low, high))
    }

    /// The table of a section, or of each in a list.
    #[must_use]
    pub fn table(&self) -> Option<&'static Table> {
        match self {
            Self::Section(table) | Self::Optional(table) | Self::List(table) => Some(table),
            _ => None,
        }
    }

    /// Whether its value must not be shown.
    #[must_use]
    pub fn is_secret(&self) -> bool {
        matches!(self, Self::Secret | Self::SecretMap)
    }

    /// Whether Go writes an empty text for a value of it that was never set.
    pub(super) fn has_empty(&self) -> bool {
        matches!(self, Self::Text | Self::Secret | Self::Path) || self.is_word()
    }

    fn is_word(&self) -> bool {
        matches!(self, Self::Word(_) | Self::AnyCase(_) | Self::WordOrNumber(_) | Self::WordOrShare(_))
    }

    /// The words that it takes.
    #[must_use]
    pub fn words(&self) -> &'static [&'static str] {
        match self {
            Self::Word(words) | Self::AnyCase(words) | Self::WordOrNumber(words) | Self::WordOrShare(words) => words,
            Self::AnyCaseMap(words) => words,
            _ => &[],
        }
    }

    /// The value that a default is written for.
    pub(super) fn parse(&self, text: &str) -> Option<Value> {
        let int = || text.parse().ok().map(Value::Int);
        let float = || text.parse().ok().map(Value::Float);
        match self {
            Self::Bool => text.parse().ok().map(Value::Bool),
            Self::Integer(_) => int(),
            Self::Number(_) => float(),
            Self::WordOrShare(words) if !words.contains(&text) => float(),
            Self::CountOrTime(..) | Self::Size(_) | Self::WordOrNumber(_) if int().is_some() => int(),
            Self::Section(_) | Self::Optional(_) | Self::List(_) | Self::Object => None,
            Self::Texts | Self::Names(_) | Self::TextMap | Self::SecretMap | Self::AnyCaseMap(_) => None,
            _ => Some(Value::Str(text.to_owned())),
        }
    }
}
