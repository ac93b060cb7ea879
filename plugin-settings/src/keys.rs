//! Reading a section by its table, for programs that make something of each key themselves.

use std::fmt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use plugin_core::settings::{self, Checked, Key, Kind, Problem, Settings, Step, Table, Values};
use plugin_core::{Code, ConfigError};
use secrecy::SecretString;

use super::declared::Unavailable;
use super::field::{Field, Integer};
use super::node::{Node, Value};
use super::section::Section;
use super::source::Span;

/// What the environment is asked through: the value of a variable, if it is set.
pub type Env<'e> = &'e dyn Fn(&str) -> Option<String>;

/// What reading needs to know besides the document.
pub struct Context<'e> {
    /// The directory that relative paths start from.
    pub dir: PathBuf,
    /// The environment.
    pub env: Env<'e>,
    /// Keys that are refused by name: those of each table that a later version will have.
    pub unavailable: Unavailable,
}

impl fmt::Debug for Context<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Context").field("dir", &self.dir).finish_non_exhaustive()
    }
}

impl Context<'_> {
    /// The path as the process can use it, whatever directory it works in.
    #[must_use]
    pub fn path(&self, path: impl AsRef<Path>) -> PathBuf {
        self.dir.join(path)
    }
}

/// A section that is being read, by a program that makes something of each key itself.
///
/// Each method reads the key of that name, whose kind in the table it must fit. It gives `None` when the key is absent and
/// has no default, and when it is wrong, which is a fault then. Sections that have [`Settings`] are read whole, by
/// [`settings`](Self::settings).
#[derive(Debug)]
pub struct Keys<'r, 's> {
    section: &'r mut Section<'s>,
    table: &'static Table,
    context: &'r Context<'r>,
    /// The mode that holds, once it is known; else empty, which every key serves.
    mode: &'static str,
    asked: Vec<&'static str>,
    faults_before: usize,
}

impl<'r, 's> Keys<'r, 's> {
    /// Lets `read` ask for every key of `table`. In debug builds it must.
    pub fn read<T>(
        section: &'r mut Section<'s>,
        table: &'static Table,
        context: &'r Context<'r>,
        mode: &'static str,
        read: impl FnOnce(&mut Self) -> T,
    ) -> T {
        let later =
            context.unavailable.iter().find(|(name, _)| *name == table.name()).map_or(&[][..], |(_, keys)| keys);
        later.iter().for_each(|key| section.get(key).coded(Code::ConfigSchema).not_yet(key));
        section.declared_by(table);
        let faults_before = section.fault_count();
        let mut keys = Self { section, table, context, mode: "", asked: Vec::new(), faults_before };
        keys.serve(mode);
        let value = read(&mut keys);
        let forgotten = || table.keys().map(Key::name).filter(|name| !keys.asked.contains(name)).collect::<Vec<_>>();
        debug_assert!(forgotten().is_empty(), "`{}` declares keys that nothing reads: {:?}", table.name(), forgotten());
        value
    }

    /// From here on, and in the sections inside, keys that have no effect in `mode` are faults.
    pub fn serve(&mut self, mode: &'static str) {
        self.mode = mode;
        for key in self.table.keys() {
            let field = self.section.get(key.name());
            let idle = field.node().and_then(|node| key.without_effect(mode, &node.to_value()));
            if let Some(what) = idle {
                let path = vec![Step::Key(key.name().to_owned())];
                field.say(&Problem { path, what, code: Some(Code::ConfigSchema) });
            }
        }
    }

    /// The value of a key with what the table says of it; none where the key has no effect.
    fn ask(&mut self, name: &'static str) -> Option<(Field<'s>, &'static Key)> {
        let key = self.table.key(name);
        debug_assert!(key.is_some(), "`{}` has no key `{name}`", self.table.name());
        self.asked.push(name);
        let key = key.filter(|key| key.serves(self.mode))?;
        let field = if key.is_required() { self.section.require(name) } else { self.section.get(name) };
        Some(match key.code() {
            Some(code) => (field.coded(code), key),
            None => (field, key),
        })
    }

    /// The value of a key, for one that no other method reads.
    pub fn field(&mut self, name: &'static str) -> Option<Field<'s>> {
        self.ask(name).map(|(field, _)| field)
    }

    /// The value of a key as its kind has it. An empty text counts as absent, as Go writes what is not set; where the key
    /// is required it is a fault.
    pub fn checked(&mut self, name: &'static str) -> Option<Checked> {
        let (field, key) = self.ask(name)?;
        if key.is_absent(&field.node()?.to_value()) {
            return None;
        }
        field.checked(key.kind())
    }

    /// `true` or `false`.
    pub fn bool(&mut self, name: &'static str) -> Option<bool> {
        if let Checked::Bool(value) = self.checked(name)? { Some(value) } else { misread(self.table, name) }
    }

    /// A whole number.
    pub fn integer<T: Integer>(&mut self, name: &'static str) -> Option<T> {
        if let Checked::Integer(value) = self.checked(name)? { T::narrow(value) } else { misread(self.table, name) }
    }

    /// A duration.
    pub fn time(&mut self, name: &'static str) -> Option<Duration> {
        if let Checked::Time(value) = self.checked(name)? { Some(value) } else { misread(self.table, name) }
    }

    /// A size in bytes.
    pub fn size(&mut self, name: &'static str) -> Option<u64> {
        if let Checked::Size(value) = self.checked(name)? { Some(value) } else { misread(self.table, name) }
    }

    /// Text.
    pub fn text(&mut self, name: &'static str) -> Option<String> {
        if let Checked::Text(value) = self.checked(name)? { Some(value) } else { misread(self.table, name) }
    }

    /// Text that is not shown. Also where the key is required, an empty one counts as absent.
    pub fn secret(&mut self, name: &'static str) -> Option<SecretString> {
        self.field(name)?.string().filter(|text| !text.is_empty()).map(SecretString::from)
    }

    /// A path, which [`settle`](super::settle()) has made absolute.
    pub fn path(&mut self, name: &'static str) -> Option<PathBuf> {
        self.text(name).map(PathBuf::from)
    }

    /// A map of whatever is in it.
    pub fn object(&mut self, name: &'static str) -> Option<serde_json::Map<String, serde_json::Value>> {
        let (field, key) = self.ask(name)?;
        field.clone().checked(key.kind())?;
        match field.json()? {
            serde_json::Value::Object(map) => Some(map),
            _ => None,
        }
    }

    /// The values of a section that declares its keys, when it is there: those that are right. The others are noted.
    pub fn values(&mut self, name: &'static str) -> Option<Found> {
        let (field, key) = self.ask(name)?;
        let Some(table) = key.kind().table() else { return misread(self.table, name) };
        self.find(&field, table, name.to_owned())
    }

    /// The same for each of a list of sections.
    pub fn values_of_each(&mut self, name: &'static str) -> Option<Vec<Found>> {
        let (field, key) = self.ask(name)?;
        let Kind::List(table) = key.kind() else { return misread(self.table, name) };
        let mut index = 0_usize..;
        field.list(|item| {
            let at = format!("{name}.{}", index.next().unwrap_or_default());
            self.find(&item, table, at)
        })
    }

    fn find(&self, field: &Field<'_>, table: &'static Table, at: String) -> Option<Found> {
        let (values, problems) = settings::read(table, &field.node()?.to_value(), self.mode);
        problems.iter().for_each(|problem| field.report(problem, self.context.unavailable));
        Some(Found { at, values, problems })
    }

    /// The settings of a section, when it is there. What does not hold between its keys is noted at the key.
    pub fn settings<T: Settings>(&mut self, name: &'static str) -> Option<T> {
        let found = self.values(name)?;
        self.make(&found)
    }

    /// The settings that are made of the values of a section. What does not hold between its keys is noted at the key.
    #[must_use]
    pub fn make<T: Settings>(&self, found: &Found) -> Option<T> {
        let note = |error: &ConfigError| {
            self.fault(&found.key(&error.path()), error.code(), error.problem());
        };
        settings::make(&found.values, &found.problems).map_err(|errors| errors.iter().for_each(note)).ok()
    }

    /// One of the words of the table, as the value that belongs to it.
    pub fn word<T>(&mut self, name: &'static str, of: impl Fn(&str) -> Option<T>) -> Option<T> {
        if let Checked::Word(word) = self.checked(name)? { of(word) } else { misread(self.table, name) }
    }

    /// The same for a key with further words, `later`, whose feature this version does not have.
    pub fn word_or_later<T: Clone>(
        &mut self,
        name: &'static str,
        later: &[&str],
        unknown: Code,
        unsupported: Code,
        of: impl Fn(&str) -> Option<T>,
    ) -> Option<T> {
        let (field, key) = self.ask(name)?;
        let Kind::Word(words) = key.kind() else { return misread(self.table, name) };
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
    pub fn section<T>(&mut self, name: &'static str, read: impl FnOnce(&mut Keys<'_, '_>) -> T) -> Option<T> {
        let (context, mode) = (self.context, self.mode);
        let (field, key) = self.ask(name)?;
        match key.kind() {
            Kind::Section(table) | Kind::Optional(table) => {
                field.section(|section| Keys::read(section, table, context, mode, read))
            }
            _ => misread(self.table, name),
        }
    }

    /// A list of sections. The closure gets the keys of each, and its index.
    pub fn sections<T>(
        &mut self,
        name: &'static str,
        mut read: impl FnMut(&mut Keys<'_, '_>, usize) -> Option<T>,
    ) -> Option<Vec<T>> {
        let (context, mode) = (self.context, self.mode);
        let mut index = 0;
        let (field, key) = self.ask(name)?;
        let Kind::List(table) = key.kind() else { return misread(self.table, name) };
        field.list(|item| {
            index += 1;
            item.section(|section| Keys::read(section, table, context, mode, |keys| read(keys, index - 1))).flatten()
        })
    }

    /// Whether the key has a value, a default included.
    pub fn has(&mut self, name: &'static str) -> bool {
        self.section.get(name).is_present()
    }

    /// The text of a key and where it is, without a fault when it is none.
    pub fn place_of(&mut self, name: &'static str) -> Option<(String, Span)> {
        let field = self.section.get(name);
        Some((field.node()?.as_text()?.into_owned(), field.span().clone()))
    }

    /// Whether a list is absent or has no items. What is no list at all is neither.
    pub fn is_none_or_empty(&mut self, name: &'static str) -> bool {
        match self.section.get(name).node().map(|node| &node.value) {
            None => true,
            Some(Value::List(items)) => items.is_empty(),
            Some(_) => false,
        }
    }

    /// What else is known.
    #[must_use]
    pub fn context(&self) -> &'r Context<'r> {
        self.context
    }

    /// Notes a fault at `key`, which may be further in (`slow.ratio`).
    pub fn fault(&self, key: &str, code: Code, problem: impl Into<String>) {
        self.section.fault_coded(key, code, problem);
    }

    /// Whether no fault was found in this section so far. What two keys make together is only judged then.
    #[must_use]
    pub fn are_sound(&self) -> bool {
        self.section.fault_count() == self.faults_before
    }

    /// The settings, or notes at its key what is wrong with them.
    pub fn check<T>(&self, result: Result<T, ConfigError>) -> Option<T> {
        self.check_in("", result)
    }

    /// The same for settings whose errors name keys with `prefix` before them.
    pub fn check_in<T>(&self, prefix: &str, result: Result<T, ConfigError>) -> Option<T> {
        let note = |error: &ConfigError| {
            if self.are_sound() {
                let path = error.path();
                self.fault(path.strip_prefix(prefix).unwrap_or(&path), error.code(), error.problem());
            }
        };
        result.inspect_err(note).ok()
    }
}

/// What a section of a document says: the values that are right, and what is wrong with the others.
#[derive(Clone, Debug)]
pub struct Found {
    at: String,
    values: Values,
    problems: Vec<Problem>,
}

impl Found {
    /// Where a key of it is, as [`Keys::fault`] takes it.
    #[must_use]
    pub fn key(&self, key: &str) -> String {
        format!("{}.{key}", self.at)
    }

    /// The values that are right.
    #[must_use]
    pub fn values(&self) -> &Values {
        &self.values
    }
}

/// A key is read as something that the table does not declare it to be: a fault of the program, which its tests find.
fn misread<T>(table: &Table, name: &str) -> Option<T> {
    debug_assert!(false, "`{name}` of `{}` is not what it is read as", table.name());
    None
}
