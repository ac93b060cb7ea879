//! A section that was read by its table, for programs that make something of each key themselves.

use std::collections::BTreeMap;
use std::fmt::{self, Display};
use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::time::Duration;

use plugin_core::settings::{self, Checked, Problem, Settings, Step, Table, Values, What};
use plugin_core::{Code, ConfigError};
use secrecy::SecretString;

use super::declared::Unavailable;
use super::fault::Faults;
use super::field::{Field, Integer};
use super::node::{Node, Value};
use super::section;
use super::section_problems::Within;
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

/// A section that was read, for a program that makes something of each key itself.
///
/// What is in it was checked by [`settings::read`], the reader that serde has too, and everything that is wrong is noted with
/// its place already. Each method gives the value of the key of that name, and `None` when it is absent and has no default,
/// has no effect, or is wrong. Sections that have [`Settings`] are made whole, by [`settings`](Self::settings).
#[derive(Debug)]
pub struct Keys<'r> {
    values: &'r Values,
    place: Field<'r>,
    /// What is wrong in it.
    problems: Within<'r>,
    context: &'r Context<'r>,
    faults_before: usize,
    asked: Vec<&'static str>,
    whole: bool,
}

/// Reads a document by `table`, and lets `make` ask for every key. In debug builds it must.
///
/// # Errors
///
/// Everything that is wrong.
pub(super) fn read<T>(
    tree: &Node,
    table: &'static Table,
    context: &Context<'_>,
    make: impl FnOnce(&mut Keys<'_>) -> Option<T>,
) -> Result<Option<T>, Faults> {
    let (values, problems) = settings::read(table, &tree.to_value(), "");
    section::collect(tree, |root| {
        let root = root.clone().with_table(table);
        problems.iter().for_each(|problem| root.report(problem, context.unavailable));
        // What is no section at all has no keys to ask for.
        let is_section = matches!(tree.value, Value::Map(_));
        let root = || Keys::new(&values, root.clone(), Within::all(&problems), context);
        is_section.then(|| root().run(make)).flatten()
    })
}

impl<'r> Keys<'r> {
    fn new(values: &'r Values, place: Field<'r>, problems: Within<'r>, context: &'r Context<'r>) -> Self {
        let faults_before = place.fault_count();
        Self { values, place, problems, context, faults_before, asked: Vec::new(), whole: false }
    }

    fn run<T>(mut self, make: impl FnOnce(&mut Self) -> T) -> T {
        let made = make(&mut self);
        debug_assert!(
            self.whole || self.is_off() || self.forgotten().is_empty(),
            "`{}` declares keys that nothing reads: {:?}",
            self.values.table().name(),
            self.forgotten()
        );
        made
    }

    fn forgotten(&self) -> Vec<&'static str> {
        let names = self.values.table().keys().map(settings::Key::name);
        names.filter(|name| !self.asked.contains(name)).collect()
    }

    fn ask(&mut self, name: &'static str) -> &'r Values {
        let table = self.values.table();
        debug_assert!(table.key(name).is_some(), "`{}` has no key `{name}`", table.name());
        self.asked.push(name);
        self.values
    }

    /// Where the value of a key is, or would be.
    fn place(&self, name: &str) -> Field<'r> {
        self.place.step(&Step::Key(name.to_owned()))
    }

    /// The value of a key as its kind has it.
    pub fn checked(&mut self, name: &'static str) -> Option<&'r Checked> {
        self.ask(name).get(name)
    }

    /// `true` or `false`.
    pub fn bool(&mut self, name: &'static str) -> Option<bool> {
        self.ask(name).bool(name)
    }

    /// A whole number. One that the type does not hold is a fault, whatever the table says of it.
    pub fn integer<T: Integer>(&mut self, name: &'static str) -> Option<T> {
        let number = self.ask(name).integer(name)?;
        let fits = T::narrow(number);
        if fits.is_none() {
            let remedy = format!("expected a whole number from {} to {}", T::MIN.wide(), T::MAX.wide());
            self.place(name).coded(Code::ConfigValue).wrong(None, remedy);
        }
        fits
    }

    /// A duration.
    pub fn time(&mut self, name: &'static str) -> Option<Duration> {
        self.ask(name).time(name)
    }

    /// A size in bytes.
    pub fn size(&mut self, name: &'static str) -> Option<u64> {
        self.ask(name).size(name)
    }

    /// Text.
    pub fn text(&mut self, name: &'static str) -> Option<String> {
        self.ask(name).text(name).map(str::to_owned)
    }

    /// Text that has a form of its own, such as an address. `expected` follows the word "expected".
    pub fn parsed<T: FromStr>(&mut self, name: &'static str, expected: &str) -> Option<T>
    where
        T::Err: Display,
    {
        self.ask(name).text(name)?;
        self.place(name).parsed(expected)
    }

    /// Text that `make` makes something of; its error says what would be right, and has this stable code.
    pub fn text_with<T, E: Display>(
        &mut self,
        name: &'static str,
        code: Code,
        make: impl FnOnce(&str) -> Result<T, E>,
    ) -> Option<T> {
        let text = self.ask(name).text(name)?;
        let note = |error: E| self.place(name).coded(code).wrong(None, error.to_string());
        make(text).map_err(note).ok()
    }

    /// Text that is not shown.
    pub fn secret(&mut self, name: &'static str) -> Option<SecretString> {
        self.ask(name).text(name).map(SecretString::from)
    }

    /// A path, which [`settle`](super::settle()) has made absolute.
    pub fn path(&mut self, name: &'static str) -> Option<PathBuf> {
        self.ask(name).text(name).map(PathBuf::from)
    }

    /// Texts in order; none when the key is absent.
    pub fn texts(&mut self, name: &'static str) -> Vec<String> {
        self.ask(name).texts(name).unwrap_or_default().to_vec()
    }

    /// Texts by name; none when the key is absent.
    pub fn map(&mut self, name: &'static str) -> BTreeMap<String, String> {
        self.ask(name).map(name).unwrap_or_default().iter().cloned().collect()
    }

    /// A map of whatever is in it.
    pub fn object(&mut self, name: &'static str) -> Option<serde_json::Map<String, serde_json::Value>> {
        self.ask(name).any(name)?;
        // The document knows how its values were written.
        match self.place(name).json()? {
            serde_json::Value::Object(map) => Some(map),
            _ => None,
        }
    }

    /// One of the words of the table, as the value that belongs to it.
    pub fn word<T>(&mut self, name: &'static str, of: impl Fn(&str) -> Option<T>) -> Option<T> {
        of(self.ask(name).word(name)?)
    }

    /// A section, when it is there. The closure gets its keys.
    pub fn section<T>(&mut self, name: &'static str, make: impl FnOnce(&mut Keys<'r>) -> T) -> Option<T> {
        let values = self.ask(name).section(name)?;
        let (place, problems) = (self.place(name), self.problems.under(name));
        Some(Keys::new(values, place, problems, self.context).run(make))
    }

    /// A list of sections. The closure gets the keys of each, and its index. Those for which it returns `None` are left out.
    pub fn sections<T>(
        &mut self,
        name: &'static str,
        mut make: impl FnMut(&mut Keys<'r>, usize) -> Option<T>,
    ) -> Option<Vec<T>> {
        let list = self.ask(name).list(name)?;
        let mut made = Vec::with_capacity(list.len());
        let problems = self.problems.under(name).of_items(list.len());
        for ((index, values), problems) in list.iter().enumerate().zip(problems) {
            let place = self.place(name).step(&Step::Index(index));
            let is_section = place.node().is_some_and(|node| matches!(node.value, Value::Map(_)));
            // What is no section is a fault already.
            let keys = is_section.then(|| Keys::new(values, place, problems, self.context));
            made.extend(keys.and_then(|keys| keys.run(|keys| make(keys, index))));
        }
        Some(made)
    }

    /// The settings of a section, when it is there. What does not hold between its keys is noted at the key.
    pub fn settings<T: Settings>(&mut self, name: &'static str) -> Option<T> {
        self.section(name, Keys::make).flatten()
    }

    /// The settings that this section is as a whole. What does not hold between its keys is noted at the key.
    pub fn make<T: Settings>(&mut self) -> Option<T> {
        self.whole = true;
        let problems: Vec<_> = self.problems.relative().collect();
        let note = |error: &ConfigError| self.fault(&error.path(), error.code(), error.problem());
        settings::make(self.values, &problems).map_err(|errors| errors.iter().for_each(note)).ok()
    }

    /// Whether it says `enabled: false` where that switches it off. Nothing in it need be asked for then.
    #[must_use]
    pub fn is_off(&self) -> bool {
        let table = self.values.table();
        table.is_switched() && table.key("enabled").is_some() && self.values.bool("enabled") == Some(false)
    }

    /// Whether the key is there with a value, right or wrong, a default included.
    #[must_use]
    pub fn has(&self, name: &str) -> bool {
        let key = self.values.table().key(name);
        self.place(name).node().is_some_and(|node| key.is_none_or(|key| !key.is_absent(&node.to_value())))
    }

    /// Whether the key is there with another value than its default, right or wrong. A default was filled in, or stands in a file that
    /// repeats what is in effect: it asks for nothing.
    #[must_use]
    pub fn has_other_than_default(&self, name: &str) -> bool {
        let default = self.values.table().key(name).and_then(settings::Key::default_value);
        self.has(name) && self.place(name).node().is_none_or(|node| Some(node.to_value()) != default)
    }

    /// Where the value of a key is; where the section is when there is none.
    #[must_use]
    pub fn span(&self, name: &str) -> Span {
        self.place(name).span().clone()
    }

    /// What else is known.
    #[must_use]
    pub fn context(&self) -> &'r Context<'r> {
        self.context
    }

    /// Notes a fault at `key`, which may be further in (`slow.ratio`, `instances.0.name`). Where a value on the way is absent,
    /// the fault is at the last one that is there.
    pub fn fault(&self, key: &str, code: Code, problem: impl Into<String>) {
        let step = |field: Field<'r>, name: &str| {
            let items = field.node().is_some_and(|node| matches!(node.value, Value::List(_)));
            field.step(&match name.parse() {
                Ok(index) if items => Step::Index(index),
                _ => Step::Key(name.to_owned()),
            })
        };
        key.split('.').fold(self.place.clone(), step).coded(code).fault(problem);
    }

    /// What `make` gives, and the faults that it notes, which are then not faults of the document: for what only matters
    /// where something holds that is known later.
    pub fn apart<T>(&mut self, make: impl FnOnce(&mut Self) -> T) -> (T, Faults) {
        // What was wrong before still is, and what was not is not by the faults of others.
        let within = if self.is_clean() { 0 } else { usize::MAX };
        let before = std::mem::replace(&mut self.faults_before, within);
        let noted = self.place.exchange_faults(Faults::new());
        let made = make(self);
        self.faults_before = before;
        (made, self.place.exchange_faults(noted))
    }

    fn is_clean(&self) -> bool {
        self.place.fault_count() == self.faults_before
    }

    /// Whether no value of this section was found to be wrong so far. What several keys make together is only judged then.
    #[must_use]
    pub fn are_sound(&self) -> bool {
        let is_value = |problem: &Problem| !matches!(problem.what, What::UnknownKey(_) | What::NoEffect(..));
        self.is_clean() && !self.problems.iter().any(is_value)
    }

    /// The settings, or notes at its key what is wrong with them.
    pub fn check<T>(&self, result: Result<T, ConfigError>) -> Option<T> {
        let note = |error: &ConfigError| {
            if self.are_sound() {
                self.fault(&error.path(), error.code(), error.problem());
            }
        };
        result.inspect_err(note).ok()
    }
}
