//! What is declared: a section, its keys, and what each of them takes. A section may be the value of a key, so that the
//! three know each other and stand together; what is asked of them stands in other files.

use std::ops::Bound;
use std::time::Duration;

use super::bounds::Bounds;
use crate::Code;

/// A section: a map with these keys.
#[derive(Debug)]
pub struct Table {
    pub(super) name: &'static str,
    pub(super) about: &'static str,
    pub(super) keys: &'static [Key],
    pub(super) base: Option<&'static Table>,
    pub(super) without: &'static [&'static str],
    pub(super) mode: Option<&'static str>,
    pub(super) switched: bool,
}

impl Table {
    /// A section that is called `name`, which is unique in a program. `about` is a sentence.
    #[must_use]
    pub const fn new(name: &'static str, about: &'static str, keys: &'static [Key]) -> Self {
        Self { name, about, keys, base: None, without: &[], mode: None, switched: false }
    }

    /// The keys of `base` besides: for a program that adds keys of its own to those of a crate. A key that both have is
    /// that of this table.
    #[must_use]
    pub const fn over(mut self, base: &'static Table) -> Self {
        self.base = Some(base);
        self.switched = self.switched || base.switched;
        self
    }

    /// The value of this key is the mode that holds in the section, and in those inside it: see [`Key::only`].
    #[must_use]
    pub const fn moded_by(mut self, key: &'static str) -> Self {
        self.mode = Some(key);
        self
    }

    /// All but these keys of the table under it, which the program does not have.
    #[must_use]
    pub const fn without(mut self, names: &'static [&'static str]) -> Self {
        self.without = names;
        self
    }

    /// A section that is off when it says `enabled: false`: nothing else in it is checked then.
    #[must_use]
    pub const fn switched(mut self) -> Self {
        self.switched = true;
        self
    }
}

/// One key.
#[derive(Debug)]
pub struct Key {
    pub(super) name: &'static str,
    pub(super) kind: Kind,
    pub(super) about: &'static str,
    pub(super) default: &'static str,
    pub(super) filled: bool,
    pub(super) alias: bool,
    pub(super) required: bool,
    pub(super) go: bool,
    pub(super) only: &'static [&'static str],
    pub(super) code: Option<Code>,
    pub(super) meant: &'static [&'static str],
    pub(super) later: &'static [&'static str],
    pub(super) later_code: Code,
}

impl Key {
    /// A key that may be absent. `about` is a sentence.
    #[must_use]
    pub const fn new(name: &'static str, kind: Kind, about: &'static str) -> Self {
        Self {
            name,
            kind,
            about,
            default: "",
            filled: true,
            alias: false,
            required: false,
            go: false,
            only: &[],
            code: None,
            meant: &[],
            later: &[],
            later_code: Code::ConfigSchema,
        }
    }

    /// What holds when it is absent, as a configuration file writes it.
    #[must_use]
    pub const fn default(mut self, default: &'static str) -> Self {
        self.default = default;
        self
    }

    /// A default that comes about in another way, and is here to be documented. May be a few words.
    #[must_use]
    pub const fn derived_default(mut self, default: &'static str) -> Self {
        self.default = default;
        self.filled = false;
        self
    }

    /// Another name of a key, which is shown under that one.
    #[must_use]
    pub const fn alias(mut self) -> Self {
        self.alias = true;
        self
    }

    /// A key that must be there.
    #[must_use]
    pub const fn required(mut self) -> Self {
        self.required = true;
        self
    }

    /// A key that go-plugins has too. A section in which all of these are there and zero, as Go writes a struct that was
    /// never set, counts as absent.
    #[must_use]
    pub const fn go(mut self) -> Self {
        self.go = true;
        self
    }

    /// A key that has an effect in these modes alone; for a plugin, with these transports.
    #[must_use]
    pub const fn only(mut self, modes: &'static [&'static str]) -> Self {
        self.only = modes;
        self
    }

    /// The stable code of a value that the key does not take, where it has one of its own.
    #[must_use]
    pub const fn coded(mut self, code: Code) -> Self {
        self.code = Some(code);
        self
    }

    /// Other names that people write for it. They are unknown keys, and the fault says this one.
    #[must_use]
    pub const fn meant_by(mut self, names: &'static [&'static str]) -> Self {
        self.meant = names;
        self
    }

    /// Further words, of which a later version knows what to make. They are refused by name, with this stable code, and are
    /// not taken for a slip of the finger.
    #[must_use]
    pub const fn later(mut self, words: &'static [&'static str], code: Code) -> Self {
        self.later = words;
        self.later_code = code;
        self
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
}
