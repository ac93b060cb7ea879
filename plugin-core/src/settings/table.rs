//! The declaration of a section.

use super::check;
use super::kind::Kind;
use super::problem::What;
use super::value::Value;
use super::values::{Checked, Given};
use crate::{Code, ConfigError};

/// A section: a map with these keys.
#[derive(Debug)]
pub struct Table {
    name: &'static str,
    about: &'static str,
    keys: &'static [Key],
    base: Option<&'static Table>,
    without: &'static [&'static str],
    mode: Option<&'static str>,
    switched: bool,
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

    /// What it is called.
    #[must_use]
    pub fn name(&self) -> &'static str {
        self.name
    }

    /// What it is for, in a sentence.
    #[must_use]
    pub fn about(&self) -> &'static str {
        self.about
    }

    /// Its keys, those of the table under it last.
    pub fn keys(&self) -> impl Iterator<Item = &'static Key> {
        self.layers().enumerate().flat_map(move |(depth, table)| {
            let taken_out =
                move |key: &Key| self.layers().take(depth + 1).any(|table| table.without.contains(&key.name));
            let hidden = move |key: &Key| self.layers().take(depth).any(|above| above.has_own(key.name));
            table.keys.iter().filter(move |key| !taken_out(key) && !hidden(key))
        })
    }

    fn has_own(&self, name: &str) -> bool {
        self.keys.iter().any(|key| key.name == name)
    }

    /// Itself, the table under it, the one under that.
    fn layers(&self) -> impl Iterator<Item = &Self> {
        std::iter::successors(Some(self), |table| table.base)
    }

    fn all(&self) -> impl Iterator<Item = &'static Key> {
        self.layers().flat_map(|table| table.keys)
    }

    /// The key of this name, also when it was taken out: what asks for it gets nothing.
    pub(super) fn declared(&self, name: &str) -> Option<&'static Key> {
        self.all().find(|key| key.name == name)
    }

    /// The key of this name.
    #[must_use]
    pub fn key(&self, name: &str) -> Option<&'static Key> {
        self.keys().find(|key| key.name == name)
    }

    /// Whether a key takes a value: for builders, which say so in the words of the readers. `path` may go into sections
    /// (`failure_rate.ratio`).
    ///
    /// ```
    /// # use std::time::Duration;
    /// use plugin_core::settings::{Key, Kind, Table};
    ///
    /// static POLL: Table = Table::new("poll", "How often.", &[Key::new("burst", Kind::integer(1, 100), "At once.")]);
    ///
    /// assert!(POLL.fits("burst", 100_u32).is_ok());
    /// let error = POLL.fits("burst", 101_u32).unwrap_err();
    /// assert_eq!(error.to_string(), "`burst` must be from 1 to 100, and is 101");
    /// ```
    ///
    /// # Errors
    ///
    /// What is wrong with the value.
    pub fn fits(&self, path: &'static str, value: impl Into<Given>) -> Result<(), ConfigError> {
        let Some(value) = value.into().into_checked() else { return Ok(()) };
        let key = self.at(path);
        debug_assert!(key.is_some(), "`{}` has no key `{path}`", self.name);
        let Some((key, Err(mismatch))) = key.map(|key| (key, check::inside(&key.kind, &value))) else { return Ok(()) };
        let found = if key.kind.is_secret() { "a value that is not shown".to_owned() } else { value.describe() };
        let error = ConfigError::new(path, mismatch.sentence(&found));
        Err(match key.code {
            Some(code) => error.with_code(code),
            None => error,
        })
    }

    fn at(&self, path: &str) -> Option<&'static Key> {
        match path.split_once('.') {
            None => self.declared(path),
            Some((section, rest)) => self.declared(section)?.kind.table()?.at(rest),
        }
    }

    /// Whether `enabled: false` in it is all that counts.
    #[must_use]
    pub fn is_switched(&self) -> bool {
        self.switched
    }

    /// Whether this section is switched off. Nothing that is in one by this rule is looked at, wherever it is read.
    #[must_use]
    pub fn is_off(&self, section: &Value) -> bool {
        let says = section.typed().get("enabled").map(Value::typed);
        self.switched && matches!(says, Some(Value::Bool(false)))
    }

    /// Whether this section is what Go writes for a struct that was never set: every key of go-plugins is there, and all
    /// that is there is zero or empty. It counts as absent then.
    #[must_use]
    pub fn is_unset(&self, section: &Value) -> bool {
        let Value::Map(entries) = section.typed() else { return false };
        let mut go = self.keys().filter(|key| key.go).peekable();
        go.peek().is_some()
            && go.all(|key| section.typed().get(key.name).is_some())
            && entries.iter().all(|(_, value)| value.is_zero())
    }

    /// The mode that holds in this section, where `outer` is that around it. None (empty) holds where the key that says it
    /// is absent or wrong: every key has an effect then.
    #[must_use]
    pub fn mode_of(&self, section: &Value, outer: &str) -> String {
        let Some(name) = self.mode else { return outer.to_owned() };
        let said = self.key(name).zip(section.typed().get(name));
        match said.and_then(|(key, value)| key.kind.check(value).0) {
            Some(Checked::Word(word)) => word.to_owned(),
            Some(Checked::Text(text)) => text,
            _ => String::new(),
        }
    }
}

/// One key.
#[derive(Debug)]
pub struct Key {
    name: &'static str,
    kind: Kind,
    about: &'static str,
    default: &'static str,
    filled: bool,
    alias: bool,
    required: bool,
    go: bool,
    only: &'static [&'static str],
    code: Option<Code>,
    meant: &'static [&'static str],
    later: &'static [&'static str],
    later_code: Code,
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

    /// Its name.
    #[must_use]
    pub fn name(&self) -> &'static str {
        self.name
    }

    /// The words of which a later version knows what to make.
    #[must_use]
    pub fn later_words(&self) -> &'static [&'static str] {
        self.later
    }

    /// The code of those words.
    pub(super) fn later_code(&self) -> Code {
        self.later_code
    }

    /// Whether people mean it who write `name`, in whatever case.
    #[must_use]
    pub fn is_meant_by(&self, name: &str) -> bool {
        self.meant.iter().any(|other| other.eq_ignore_ascii_case(name))
    }

    /// What its value is.
    #[must_use]
    pub fn kind(&self) -> &Kind {
        &self.kind
    }

    /// What it means, in a sentence.
    #[must_use]
    pub fn about(&self) -> &'static str {
        self.about
    }

    /// What holds when it is absent, in words; empty for nothing.
    #[must_use]
    pub fn default_text(&self) -> &'static str {
        self.default
    }

    /// The value that holds when it is absent, where that is a value of its own.
    #[must_use]
    pub fn default_value(&self) -> Option<Value> {
        if self.filled && !self.default.is_empty() { self.kind.parse(self.default) } else { None }
    }

    /// What holds when it is absent, in words, where no value can stand for it: where it comes about in another way.
    #[must_use]
    pub fn unfilled_default(&self) -> Option<&'static str> {
        (!self.filled && !self.alias && !self.default.is_empty()).then_some(self.default)
    }

    /// Whether it must be there.
    #[must_use]
    pub fn is_required(&self) -> bool {
        self.required
    }

    /// Whether go-plugins has it too.
    #[must_use]
    pub fn is_go(&self) -> bool {
        self.go
    }

    /// The modes in which it has an effect; empty for all.
    #[must_use]
    pub fn modes(&self) -> &'static [&'static str] {
        self.only
    }

    /// Whether it has an effect in `mode`. In no mode (empty) every key has.
    #[must_use]
    pub fn serves(&self, mode: &str) -> bool {
        mode.is_empty() || self.only.is_empty() || self.only.contains(&mode)
    }

    /// Whether a key with this value counts as absent: with nothing, and with what Go writes for one that was never set, an
    /// empty text or a section of nothing but zeros ([`Table::is_unset`]). Where the key is required an empty text is a fault.
    #[must_use]
    pub fn is_absent(&self, value: &Value) -> bool {
        value.is_null()
            || (!self.required && self.kind.has_empty() && value.as_str() == Some(""))
            || self.kind.table().is_some_and(|table| table.is_unset(value))
    }

    /// Whether a value says no more than what holds without it: it is absent, an empty list or map, a section that is off or
    /// says nothing, or the default of a key that go-plugins writes whether it was set or not. A zero says something where the
    /// default is another.
    #[must_use]
    pub fn says_nothing(&self, value: &Value) -> bool {
        let is_default = || {
            let default = self.default_value().filter(|_| self.go).and_then(|default| self.kind.check(&default).0);
            default.is_some() && self.kind.check(value).0 == default
        };
        let has_nothing = match value.typed() {
            Value::List(items) => items.is_empty(),
            Value::Map(entries) => entries.is_empty(),
            _ => false,
        };
        let is_empty = |table: &Table| match value.typed() {
            Value::Map(entries) => {
                let known = |name: &str, value: &Value| table.key(name).is_some_and(|key| key.says_nothing(value));
                table.is_off(value) || entries.iter().all(|(name, value)| known(name, value))
            }
            _ => false,
        };
        self.is_absent(value) || has_nothing || self.kind.table().map_or_else(is_default, is_empty)
    }

    /// What is wrong with giving it this value in `mode`, where it has no effect.
    #[must_use]
    pub fn without_effect(&self, mode: &str, value: &Value) -> Option<What> {
        let idle = !self.serves(mode) && !self.says_nothing(value);
        idle.then(|| What::NoEffect(mode.to_owned(), self.only))
    }

    /// The stable code of a value that it does not take, where it has one of its own.
    #[must_use]
    pub fn code(&self) -> Option<Code> {
        self.code
    }
}
