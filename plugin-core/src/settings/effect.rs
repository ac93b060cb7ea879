//! Whether a key has an effect where it is written.

use super::declaration::{Key, Table};
use super::problem::What;
use super::value::Value;
use super::values::Checked;

impl Table {
    /// The mode that holds in this section, where `outer` is that around it. Where the key that says it is absent, its default does;
    /// where there is none, or it is wrong, no mode (empty) holds, and every key has an effect.
    #[must_use]
    pub fn mode_of(&self, section: &Value, outer: &str) -> String {
        let Some(name) = self.mode else { return outer.to_owned() };
        let said =
            self.key(name).and_then(|key| match section.typed().get(name).filter(|value| !key.is_absent(value)) {
                Some(value) => key.kind.check(value).0,
                None => key.kind.check(&key.default_value()?).0,
            });
        match said {
            Some(Checked::Word(word)) => word.to_owned(),
            Some(Checked::Text(text)) => text,
            _ => String::new(),
        }
    }
}

impl Key {
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
}
