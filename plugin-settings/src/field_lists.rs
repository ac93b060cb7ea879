//! Reading lists and maps.

use std::collections::BTreeMap;

use plugin_core::settings::{Checked, Kind};

use super::field::Field;
use super::node::Value;
use super::path;
use super::redact::is_secret_key;
use super::section::Section;

impl<'a> Field<'a> {
    fn no_collection(mut self, remedy: &str) {
        self.declared.is_collection = true;
        self.wrong(None, remedy.to_owned());
    }

    /// A map with keys that `read` asks for. Keys that it does not ask for are faults.
    pub fn section<T>(self, read: impl FnOnce(&mut Section<'_>) -> T) -> Option<T> {
        let node = self.node?;
        let Value::Map(entries) = &node.value else {
            self.no_collection("expected a map");
            return None;
        };
        Some(Section::new(self.faults, entries, &self).run(read))
    }

    /// A list; `read` is called for each item. Items for which it returns `None` are left out.
    #[must_use]
    pub fn list<T>(self, read: impl FnMut(Field<'a>) -> Option<T>) -> Option<Vec<T>> {
        let node = self.node?;
        let Value::List(items) = &node.value else {
            self.no_collection("expected a list");
            return None;
        };
        let fields = items.iter().enumerate().map(|(index, item)| {
            let path = path::index(self.path(), index);
            Field::new(self.faults, Some(item), path, item.span.clone(), self.is_secret())
        });
        Some(fields.filter_map(read).collect())
    }

    /// A map with keys of the user's choice; `read` is called for each. Null values and those for which it returns `None`
    /// are left out.
    #[must_use]
    pub fn entries<T>(self, mut read: impl FnMut(&'a str, Field<'a>) -> Option<T>) -> Option<Vec<(String, T)>> {
        let node = self.node?;
        let Value::Map(entries) = &node.value else {
            self.no_collection("expected a map");
            return None;
        };
        let present = entries.iter().filter(|entry| !matches!(entry.value.value, Value::Null));
        let values = present.filter_map(|entry| {
            let path = path::join(self.path(), &entry.key);
            let secret = self.is_secret() || is_secret_key(&entry.key);
            let field = Field::new(self.faults, Some(&entry.value), path, entry.value.span.clone(), secret);
            Some((entry.key.clone(), read(&entry.key, field)?))
        });
        Some(values.collect())
    }

    /// A list of strings.
    #[must_use]
    pub fn strings(self) -> Option<Vec<String>> {
        if let Checked::Texts(list) = self.checked(&Kind::Texts)? { Some(list) } else { None }
    }

    /// Strings by name: a map, or a list of `"NAME=value"`.
    #[must_use]
    pub fn string_map(self) -> Option<BTreeMap<String, String>> {
        if let Checked::Map(map) = self.checked(&Kind::TextMap)? { Some(map.into_iter().collect()) } else { None }
    }

    /// Any value, as JSON.
    #[must_use]
    pub fn json(self) -> Option<serde_json::Value> {
        self.node.map(super::node::Node::to_json)
    }
}
