//! What is asked of a key.

use super::declaration::{Key, Kind};
use super::value::Value;
use crate::Code;

impl Key {
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
    /// empty text or a section of nothing but zeros ([`Table::is_unset`](super::Table::is_unset)). Where the key is required
    /// an empty text is a fault.
    #[must_use]
    pub fn is_absent(&self, value: &Value) -> bool {
        value.is_null()
            || (!self.required && self.kind.has_empty() && value.as_str() == Some(""))
            || self.kind.table().is_some_and(|table| table.is_unset(value))
    }

    /// The stable code of a value that it does not take, where it has one of its own.
    #[must_use]
    pub fn code(&self) -> Option<Code> {
        self.code
    }
}
