//! What is asked of a section.

use super::declaration::{Key, Table};
use super::value::Value;

impl Table {
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
}
