//! The one reader: a section by its table.

use super::check;
use super::contract::Settings;
use super::declaration::{Key, Kind, Table};
use super::problem::{Problem, ReadError, Step, What};
use super::value::Value;
use super::values::{Checked, Values};
use crate::{Code, ConfigError};

/// Reads a map by its table: every value that is right, and every problem with the others.
///
/// In `mode`, keys that have no effect in it are a problem; without one (empty) they are not. Null counts as absent. In a
/// section that can be switched off and says `enabled: false`, nothing else is a problem; one that Go never set
/// ([`Table::is_unset`]) counts as absent.
#[must_use]
pub fn read(table: &'static Table, value: &Value, mode: &str) -> (Values, Vec<Problem>) {
    let mut reader = Reader { mode: mode.to_owned(), path: Vec::new(), problems: Vec::new() };
    let values = reader.section(table, value).unwrap_or_else(|| Values::new(table));
    (values, reader.problems)
}

/// Reads settings; the first thing that is wrong is the error.
///
/// # Errors
///
/// The first value that is not what its key takes, then what does not hold between values.
pub fn from_value<T: Settings>(value: &Value) -> Result<T, ReadError> {
    let (values, problems) = read(T::TABLE, value, "");
    match problems.first() {
        Some(problem) => Err(ReadError::from(problem)),
        None => Ok(T::from_values(&values)?),
    }
}

/// Makes settings of the values that [`read`] found to be right, where `problems` is what it found besides.
///
/// # Errors
///
/// Everything that does not hold between values and does not hang on one that is wrong already; nothing, when that is all.
pub fn make<T: Settings>(values: &Values, problems: &[Problem]) -> Result<T, Vec<ConfigError>> {
    let unknown = |problem: &&Problem| matches!(problem.what, What::UnknownKey(_));
    let mut gone: Vec<String> = problems.iter().filter(|problem| !unknown(problem)).map(Problem::field).collect();
    let mut values = values.clone();
    let mut errors = Vec::new();
    loop {
        let error = match T::from_values(&values) {
            Ok(settings) if errors.is_empty() && problems.is_empty() => return Ok(settings),
            Ok(_) => return Err(errors),
            Err(error) => error,
        };
        // What the error is about is taken out, so that the next one is found; what then hangs on it says nothing.
        let keys: Vec<_> = std::iter::once(error.path()).chain(error.other_paths()).collect();
        let next = keys.iter().find(|key| !gone.iter().any(|other| other == *key));
        if !keys.iter().any(|key| gone.iter().any(|other| is_same(other, key))) {
            errors.push(error.clone());
        }
        let Some(key) = next else { return Err(errors) };
        values.remove(key);
        gone.push(key.to_string());
    }
}

/// Whether one of two keys is the other, or in it.
fn is_same(one: &str, other: &str) -> bool {
    let within = |inner: &str, outer: &str| inner.strip_prefix(outer).is_some_and(|rest| rest.starts_with('.'));
    one == other || within(one, other) || within(other, one)
}

struct Reader {
    mode: String,
    path: Vec<Step>,
    problems: Vec<Problem>,
}

impl Reader {
    fn section(&mut self, table: &'static Table, value: &Value) -> Option<Values> {
        let entries: &[(String, Value)] = match value.typed() {
            Value::Map(entries) => entries,
            other => {
                self.push(None, check::not_a_map(other));
                return None;
            }
        };
        let mut values = Values::new(table);
        if table.is_unset(value) {
            return Some(values);
        }
        let before = self.problems.len();
        for (index, (name, _)) in entries.iter().enumerate() {
            let twice = entries[..index].iter().any(|(other, _)| other == name);
            match table.key(name) {
                _ if twice => self.at(name, |reader| reader.push(None, What::Twice)),
                None => self.at(name, |reader| reader.push(None, What::UnknownKey(table))),
                Some(_) => {}
            }
        }
        let inner = table.mode_of(value, &self.mode);
        let outer = std::mem::replace(&mut self.mode, inner);
        for key in table.keys() {
            let value = value.typed().get(key.name()).filter(|value| !key.is_absent(value));
            let checked = self.at(key.name(), |reader| reader.key(key, value));
            if let Some(checked) = checked {
                values.set(key.name(), checked);
            }
        }
        self.mode = outer;
        // What is right in a section that is off is kept, for when it is switched on.
        if table.is_off(value) {
            self.problems.truncate(before);
        }
        Some(values)
    }

    fn key(&mut self, key: &'static Key, value: Option<&Value>) -> Option<Checked> {
        let Some(value) = value else {
            if key.is_required() {
                self.push(None, What::Missing);
            }
            return None;
        };
        if !key.serves(&self.mode) {
            if let Some(what) = key.without_effect(&self.mode, value) {
                self.push(None, what);
            }
            return None;
        }
        if let Some(word) = value.as_str().filter(|word| key.later_words().contains(word)) {
            self.push(Some(key.later_code()), What::Later(word.to_owned(), key.kind().words()));
            return None;
        }
        match key.kind() {
            Kind::Section(table) | Kind::Optional(table) => self.section(table, value).map(Checked::Section),
            Kind::List(table) => self.list(table, value),
            kind => {
                let (checked, found) = check::check(kind, value);
                for problem in found {
                    let path = self.path.iter().cloned().chain(problem.path).collect();
                    self.problems.push(Problem { path, code: key.code(), later: key.later_words(), ..problem });
                }
                checked
            }
        }
    }

    fn list(&mut self, table: &'static Table, value: &Value) -> Option<Checked> {
        let Value::List(items) = value.typed() else {
            self.push(None, check::not_a_list(value));
            return None;
        };
        let mut list = Vec::with_capacity(items.len());
        for (index, item) in items.iter().enumerate() {
            self.path.push(Step::Index(index));
            // One that is no section has its place in the list, which the others are counted by.
            list.push(self.section(table, item).unwrap_or_else(|| Values::new(table)));
            self.path.pop();
        }
        Some(Checked::List(list))
    }

    fn at<T>(&mut self, key: &str, read: impl FnOnce(&mut Self) -> T) -> T {
        self.path.push(Step::Key(key.to_owned()));
        let value = read(self);
        self.path.pop();
        value
    }

    fn push(&mut self, code: Option<Code>, what: What) {
        self.problems.push(Problem { path: self.path.clone(), what, code, later: &[] });
    }
}
