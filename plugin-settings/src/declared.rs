//! The faults that the reader of tables found, each at the place where the value was written.

use plugin_core::settings::{Key, Kind, Mismatch, Problem, Step, Table, What, without_effect};

use super::fault::Fault;
use super::field::Field;
use super::node::{Node, Value};
use super::path::{self, quoted};
use super::place::{Declared, has_secrets};
use super::redact::is_secret_key;
use super::source::Span;
use super::suggest;

/// Keys that are refused by name, rather than taken for a slip of the finger: those of each table that a later version
/// will have.
pub type Unavailable = &'static [(&'static str, &'static [&'static str])];

/// Small letters and underscores, and few: no digit, dash or capital, of which a secret has some.
fn is_written_as_keys_are(key: &str) -> bool {
    key.len() <= 24 && key.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'_')
}

impl<'a> Field<'a> {
    /// The same value, which is a section with these keys.
    pub(super) fn with_table(mut self, table: &'static Table) -> Self {
        self.declared = Declared::section(table);
        self
    }

    /// Notes a problem with this value, or with one inside it.
    pub(super) fn report(&self, problem: &Problem, unavailable: &[(&'static str, &'static [&'static str])]) {
        let Some((last, way)) = problem.path.split_last() else {
            self.say(problem);
            return;
        };
        let around = way.iter().fold(self.clone(), |field, step| field.step(step));
        let field = around.step(last);
        match (&problem.what, last) {
            (What::UnknownKey(table), Step::Key(key)) => {
                let later =
                    unavailable.iter().find(|(name, _)| *name == table.name()).map_or(&[][..], |(_, keys)| keys);
                around.unknown(key, table, later);
            }
            _ => field.say(problem),
        }
    }

    /// Notes that a map has a key that it should not have.
    fn unknown(&self, key: &str, table: &'static Table, later: &[&'static str]) {
        if later.contains(&key) {
            return self.step(&Step::Key(key.to_owned())).not_yet(key);
        }
        let span = self.entry(key).map_or_else(|| self.span().clone(), |entry| entry.key_span.clone());
        let fault = |problem: String| Fault::new(span.clone(), path::join(self.path(), key), problem);
        self.push(match suggest::key(key, table, later) {
            Some(known) => fault("unknown key".to_owned()).with_remedy(format!("did you mean {}?", quoted(known))),
            // A secret may stand where its key is to be. One that is written as keys are is rather a mistake in one.
            None if has_secrets(table) && !is_written_as_keys_are(key) => {
                let names: Vec<_> = table.keys().map(|key| quoted(key.name())).collect();
                Fault::new(span, self.path(), "has a key that is none of its own, and is not shown")
                    .with_remedy(format!("expected one of {}", names.join(", ")))
            }
            None => fault("unknown key".to_owned()),
        });
    }

    /// Notes that a later version will have this key, unless the value switches nothing on.
    pub(super) fn not_yet(&self, key: &str) {
        if self.node.is_some_and(|node| !node.to_value().is_off()) {
            self.fault(format!("`{key}` is not available in this version"));
        }
    }

    /// Notes a problem with this very value.
    pub(super) fn say(&self, problem: &Problem) {
        let field = match problem.code.or(self.code()).or(problem.stable_code()) {
            Some(code) => self.clone().coded(code),
            None => self.clone(),
        };
        match &problem.what {
            What::Missing => field.fault("required key is missing"),
            What::NoEffect(mode, only) => {
                let key = problem.path.iter().rev().find_map(|step| match step {
                    Step::Key(key) => Some(key.as_str()),
                    Step::Index(_) => None,
                });
                field.fault(format!("`{}` {}", key.unwrap_or_default(), without_effect(mode, only)));
            }
            What::Later(word, words) => {
                field.fault(format!("{word:?} is not available in this version; expected one of {}", words.join(", ")));
            }
            What::Mismatch(_, Mismatch::Plain(problem)) => field.fault(problem.clone()),
            What::Mismatch(_, mismatch) => field.wrong(None, field.remedy(mismatch, problem.later)),
            What::Twice => field.fault("is given twice"),
            _ => field.fault("is not right"),
        }
    }

    /// What would be right: the nearest word, where one is near.
    fn remedy(&self, mismatch: &Mismatch, later: &'static [&'static str]) -> String {
        let near = match mismatch {
            Mismatch::Word(words, _) => {
                let known = words.iter().chain(later).copied();
                self.compared().and_then(|text| suggest::nearest(text, known))
            }
            _ => None,
        };
        near.map_or_else(|| mismatch.remedy(), |word| format!("did you mean {word:?}?"))
    }

    /// The value inside this one.
    pub(super) fn step(&self, step: &Step) -> Field<'a> {
        match (step, self.node.map(|node| &node.value)) {
            (Step::Index(index), Some(Value::List(items))) => {
                let item = items.get(*index);
                let span = item.map_or_else(|| self.span().clone(), |item| item.span.clone());
                let path = path::index(self.path(), *index);
                self.inside(item, path, span, self.is_secret(), self.declared.item())
            }
            (Step::Index(_), _) => self.clone(),
            (Step::Key(key), _) => {
                let entry = self.entry(key);
                let node = entry.map(|entry| &entry.value).filter(|node| !matches!(node.value, Value::Null));
                // An absent value is the fault of its map, a null one of its key.
                let span = match (node, entry) {
                    (Some(node), _) => &node.span,
                    (None, Some(entry)) => &entry.key_span,
                    (None, None) => self.span(),
                };
                let kind = self.declared.table.and_then(|table| table.key(key)).map(Key::kind);
                let secret = self.is_secret() || is_secret_key(key) || kind.is_some_and(Kind::is_secret);
                self.inside(node, path::join(self.path(), key), span.clone(), secret, self.declared.of(kind))
            }
        }
    }

    fn inside(&self, node: Option<&'a Node>, path: String, span: Span, secret: bool, declared: Declared) -> Field<'a> {
        let mut field = Field::new(self.faults, node, path, span, secret);
        field.declared = declared;
        field
    }

    fn entry(&self, key: &str) -> Option<&'a super::node::Entry> {
        let Value::Map(entries) = &self.node?.value else { return None };
        entries.iter().find(|entry| entry.key == key)
    }
}
