//! Reading a section by its table.

use std::path::{Path, PathBuf};
use std::time::Duration;

use plugin_core::{Code, ConfigError};
use secrecy::SecretString;

use super::super::document::{Field, Integer, Node, Section, Span, Value};
use super::{Key, Kind, Table};

/// The shortest time that is one.
const INSTANT: Duration = Duration::from_nanos(1);

/// What reading needs to know besides the document.
pub(in crate::config) struct Context<'e> {
    /// The directory that relative paths start from.
    pub(in crate::config) dir: PathBuf,
    pub(in crate::config) env: &'e dyn Fn(&str) -> Option<String>,
}

impl Context<'_> {
    /// The path as the process can use it, whatever directory it works in.
    pub(in crate::config) fn path(&self, path: impl AsRef<Path>) -> PathBuf {
        self.dir.join(path)
    }
}

/// A section that is being read.
///
/// Each method reads the key of that name, whose kind in the table it must fit. It gives `None` when the key is absent and
/// has no default, and when it is wrong, which is a fault then.
pub(in crate::config) struct Keys<'r, 's> {
    section: &'r mut Section<'s>,
    table: &'static Table,
    context: &'r Context<'r>,
    /// The transport of the plugin that is being read, once it is known; else empty, which every key serves.
    transport: &'static str,
    asked: Vec<&'static str>,
    faults_before: usize,
}

impl<'r, 's> Keys<'r, 's> {
    /// Lets `read` ask for every key of `table`.
    pub(in crate::config) fn read<T>(
        section: &'r mut Section<'s>,
        table: &'static Table,
        context: &'r Context<'r>,
        transport: &'static str,
        read: impl FnOnce(&mut Self) -> T,
    ) -> T {
        for key in table.unavailable() {
            let field = section.get(key).coded(Code::ConfigSchema);
            if field.is_present() {
                field.fault(format!("`{key}` is not available in this version"));
            }
        }
        let faults_before = section.fault_count();
        let mut keys = Self { section, table, context, transport: "", asked: Vec::new(), faults_before };
        keys.serve(transport);
        let value = read(&mut keys);
        debug_assert!(
            table.keys.iter().all(|key| keys.asked.contains(&key.name)),
            "`{}` declares keys that nothing reads: {:?}",
            table.name,
            table.keys.iter().map(|key| key.name).filter(|name| !keys.asked.contains(name)).collect::<Vec<_>>()
        );
        value
    }

    /// From here on, and in the sections inside, keys that have no effect with `transport` are faults.
    pub(in crate::config) fn serve(&mut self, transport: &'static str) {
        self.transport = transport;
        if transport.is_empty() {
            return;
        }
        for key in self.table.keys.iter().filter(|key| !key.serves(transport)) {
            let field = self.section.get(key.name).coded(Code::ConfigSchema);
            if field.is_present() {
                let others = key.only.join(", ");
                field.fault(format!("`{}` has no effect with the transport {transport}; it is for {others}", key.name));
            }
        }
    }

    /// The value of a key with what the table says of it.
    fn ask(&mut self, name: &'static str) -> Option<(Field<'s>, &'static Key)> {
        let key = self.table.key(name);
        debug_assert!(key.is_some(), "`{}` has no key `{name}`", self.table.name);
        self.asked.push(name);
        let key = key?;
        Some((if key.required { self.section.require(name) } else { self.section.get(name) }, key))
    }

    /// The value of a key, for one that no other method reads.
    pub(in crate::config) fn field(&mut self, name: &'static str) -> Option<Field<'s>> {
        self.ask(name).map(|(field, _)| field)
    }

    pub(in crate::config) fn bool(&mut self, name: &'static str) -> Option<bool> {
        self.field(name)?.bool()
    }

    pub(in crate::config) fn integer<T: Integer>(&mut self, name: &'static str) -> Option<T> {
        match self.ask(name)? {
            (field, Key { kind: Kind::Integer(low, high), .. }) => {
                let low = T::narrow(i128::from(*low)).unwrap_or(T::MIN);
                field.integer_in(low..=T::narrow(i128::from(*high)).unwrap_or(T::MAX))
            }
            (_, key) => misread(key),
        }
    }

    pub(in crate::config) fn number(&mut self, name: &'static str) -> Option<f64> {
        use std::ops::Bound::{Excluded, Included};
        match self.ask(name)? {
            (field, Key { kind: Kind::Number(low, high), .. }) => field.float_in(*low..=*high),
            (field, Key { kind: Kind::Positive(high), .. }) => field.float_in((Excluded(0.0), Included(*high))),
            (_, key) => misread(key),
        }
    }

    pub(in crate::config) fn time(&mut self, name: &'static str) -> Option<Duration> {
        match self.ask(name)? {
            (field, Key { kind: Kind::Time, .. }) => field.duration_in(INSTANT..),
            (field, Key { kind: Kind::TimeOrZero, .. }) => field.duration(),
            (_, key) => misread(key),
        }
    }

    pub(in crate::config) fn size(&mut self, name: &'static str) -> Option<u64> {
        self.field(name)?.byte_size_in(1..)
    }

    /// Text. An empty one counts as absent, as Go writes what is not set; where the key is required it is a fault.
    pub(in crate::config) fn text(&mut self, name: &'static str) -> Option<String> {
        let (field, key) = self.ask(name)?;
        if key.required { field.non_empty_string() } else { field.string().filter(|text| !text.is_empty()) }
    }

    /// Text that may be empty, which counts as absent.
    pub(in crate::config) fn secret(&mut self, name: &'static str) -> Option<SecretString> {
        self.field(name)?.string().filter(|text| !text.is_empty()).map(SecretString::from)
    }

    /// A path, absolute from here on.
    pub(in crate::config) fn path(&mut self, name: &'static str) -> Option<PathBuf> {
        let text = self.text(name)?;
        Some(self.context.path(text))
    }

    /// A map of whatever is in it.
    pub(in crate::config) fn object(
        &mut self,
        name: &'static str,
    ) -> Option<serde_json::Map<String, serde_json::Value>> {
        let field = self.field(name)?;
        match field.clone().json()? {
            serde_json::Value::Object(map) => Some(map),
            _ => {
                field.fault("expected a map");
                None
            }
        }
    }

    /// One of the words of the table, as the value that belongs to it.
    pub(in crate::config) fn word<T: Clone>(
        &mut self,
        name: &'static str,
        of: impl Fn(&str) -> Option<T>,
    ) -> Option<T> {
        self.word_coded(name, Code::ConfigSchema, of)
    }

    /// The same with a code of its own for another word.
    pub(in crate::config) fn word_coded<T: Clone>(
        &mut self,
        name: &'static str,
        code: Code,
        of: impl Fn(&str) -> Option<T>,
    ) -> Option<T> {
        let (field, key) = self.ask(name)?;
        let field = field.coded(code);
        let pairs = |words: &'static [&'static str]| -> Vec<(&str, T)> {
            words.iter().filter_map(|word| Some((*word, of(word)?))).collect()
        };
        match key.kind {
            Kind::Word(words) => field.enumeration(&pairs(words)),
            Kind::WordOrNumber(words) => {
                let pairs = pairs(words);
                let numbers: Vec<(i64, T)> = (0..).zip(pairs.iter().map(|(_, value)| value.clone())).collect();
                field.enumeration_or_number(&pairs, &numbers)
            }
            _ => misread(key),
        }
    }

    /// The same for a key with further words, `later`, whose feature this version does not have.
    pub(in crate::config) fn word_or_later<T: Clone>(
        &mut self,
        name: &'static str,
        later: &[&str],
        unknown: Code,
        unsupported: Code,
        of: impl Fn(&str) -> Option<T>,
    ) -> Option<T> {
        let (field, key) = self.ask(name)?;
        let Kind::Word(words) = key.kind else { return misread(key) };
        if let Some(text) = field.node().and_then(Node::as_str).filter(|text| later.contains(text)) {
            let here = words.join(", ");
            field.coded(unsupported).fault(format!("{text:?} is not in this build; expected one of {here}"));
            return None;
        }
        // The words that are not served take part, so that a slip in one of them is not taken for another word.
        let all: Vec<_> = words.iter().chain(later).map(|word| (*word, of(word))).collect();
        field.coded(unknown).enumeration(&all).flatten()
    }

    /// A section. The closure gets its keys.
    pub(in crate::config) fn section<T>(
        &mut self,
        name: &'static str,
        read: impl FnOnce(&mut Keys<'_, '_>) -> T,
    ) -> Option<T> {
        let (context, transport) = (self.context, self.transport);
        match self.ask(name)? {
            (field, Key { kind: Kind::Section(table) | Kind::Optional(table), .. }) => {
                field.section(|section| Keys::read(section, table, context, transport, read))
            }
            (_, key) => misread(key),
        }
    }

    /// A list of sections. The closure gets the keys of each, and its index.
    pub(in crate::config) fn sections<T>(
        &mut self,
        name: &'static str,
        mut read: impl FnMut(&mut Keys<'_, '_>, usize) -> Option<T>,
    ) -> Option<Vec<T>> {
        let (context, transport) = (self.context, self.transport);
        let mut index = 0;
        match self.ask(name)? {
            (field, Key { kind: Kind::List(table), .. }) => field.list(|item| {
                index += 1;
                item.section(|section| Keys::read(section, table, context, transport, |keys| read(keys, index - 1)))
                    .flatten()
            }),
            (_, key) => misread(key),
        }
    }

    /// Whether the key has a value, a default included.
    pub(in crate::config) fn has(&mut self, name: &'static str) -> bool {
        self.section.get(name).is_present()
    }

    /// The text of a key and where it is, without a fault when it is none.
    pub(in crate::config) fn place_of(&mut self, name: &'static str) -> Option<(String, Span)> {
        let field = self.section.get(name);
        Some((field.node()?.as_str()?.to_owned(), field.span().clone()))
    }

    /// Whether a list is absent or has no items. What is no list at all is neither.
    pub(in crate::config) fn is_none_or_empty(&mut self, name: &'static str) -> bool {
        match self.section.get(name).node().map(|node| &node.value) {
            None => true,
            Some(Value::List(items)) => items.is_empty(),
            Some(_) => false,
        }
    }

    pub(in crate::config) fn context(&self) -> &'r Context<'r> {
        self.context
    }

    /// Notes a fault at `key`, which may be further in (`slow.ratio`).
    pub(in crate::config) fn fault(&self, key: &str, code: Code, problem: impl Into<String>) {
        self.section.fault_coded(key, code, problem);
    }

    /// Whether no fault was found in this section so far. What two keys make together is only judged then.
    pub(in crate::config) fn are_sound(&self) -> bool {
        self.section.fault_count() == self.faults_before
    }

    /// The settings, or notes at its key what is wrong with them.
    pub(in crate::config) fn check<T>(&self, result: Result<T, ConfigError>) -> Option<T> {
        self.check_in("", result)
    }

    /// The same for settings whose errors name keys with `prefix` before them.
    pub(in crate::config) fn check_in<T>(&self, prefix: &str, result: Result<T, ConfigError>) -> Option<T> {
        let note = |error: &ConfigError| {
            if self.are_sound() {
                let key = error.field().strip_prefix(prefix).unwrap_or(error.field());
                self.fault(key, Code::ConfigValue, error.problem());
            }
        };
        result.inspect_err(note).ok()
    }
}

/// A key is read as something that the table does not declare it to be: a fault of this crate, which its tests find.
fn misread<T>(key: &Key) -> Option<T> {
    debug_assert!(false, "`{}` is not what it is read as", key.name);
    None
}
