//! A test that holds a declaration, its readers and its page together.
//!
//! ```no_run
//! # use plugin_core::{ConfigError, settings::{Settings, Table, Values}};
//! # #[derive(Debug)] struct Backup;
//! # static TABLE: Table = Table::new("backup", "", &[]);
//! # impl Settings for Backup {
//! #     const TABLE: &'static Table = &TABLE;
//! #     fn from_values(_: &Values) -> Result<Self, ConfigError> { Ok(Self) }
//! #     fn to_values(&self) -> Values { Values::new(&TABLE) }
//! # }
//! # impl serde::Serialize for Backup {
//! #     fn serialize<S: serde::Serializer>(&self, s: S) -> Result<S::Ok, S::Error> { plugin_core::settings::serialize(self, s) }
//! # }
//! # impl<'de> serde::Deserialize<'de> for Backup {
//! #     fn deserialize<D: serde::Deserializer<'de>>(d: D) -> Result<Self, D::Error> { plugin_core::settings::deserialize(d) }
//! # }
//! use plugin_settings::conform::Conform;
//!
//! // In a test of the crate. What a key needs beside it, to be at its limits, stands in `around`.
//! let conform = Conform::<Backup>::new().around("upload", r#"{"source": "/", "upload": {"url": "http://a"}}"#);
//! conform.readers();
//! conform.written();
//! conform.page(concat!(env!("CARGO_MANIFEST_DIR"), "/README.md"));
//! ```

mod builders;
mod probe;
mod validate;

use std::collections::BTreeSet;
use std::fmt::Debug;
use std::marker::PhantomData;
use std::path::Path;

use plugin_core::settings::{Key, Kind, Settings, Table};
use serde::{Serialize, de::DeserializeOwned};
use serde_json::{Map, Value, json};

use self::probe::{Probe, probes};
pub use self::validate::errors;
use super::{on_page, schema, settings_from_text};

/// Set to anything, this variable lets [`Conform::page`] write the page.
pub const UPDATE: &str = "UPDATE_PAGES";

/// A declaration that is held to its readers and its page. Every method panics with what does not fit.
#[derive(Clone, Debug)]
pub struct Conform<T> {
    around: Vec<(&'static str, &'static str)>,
    texts: Vec<(&'static str, &'static [&'static str])>,
    silent: Vec<&'static str>,
    settings: PhantomData<fn() -> T>,
}

impl<T: Settings + DeserializeOwned + Debug> Default for Conform<T> {
    fn default() -> Self {
        Self { around: Vec::new(), texts: Vec::new(), silent: Vec::new(), settings: PhantomData }
    }
}

impl<T: Settings + DeserializeOwned + Debug> Conform<T> {
    /// A declaration whose keys need nothing beside them.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// The document, in JSON, in which the key or section of this path (`failure_rate.window`) is tried. The longest path
    /// holds; the empty one is for all that have none. `method=bearer` is for one word of a key, which may need others
    /// beside it.
    #[must_use]
    pub fn around(mut self, path: &'static str, json: &'static str) -> Self {
        self.around.push((path, json));
        self
    }

    /// Texts that a key takes, where it does not take just any: a URL, say. They are tried in place of any text, each alone where the
    /// key takes a list.
    #[must_use]
    pub fn taking(mut self, path: &'static str, texts: &'static [&'static str]) -> Self {
        self.texts.push((path, texts));
        self
    }

    /// A key whose effect `Debug` does not show.
    #[must_use]
    pub fn silent(mut self, path: &'static str) -> Self {
        self.silent.push(path);
        self
    }

    /// Gives every key each of its words, what is at its bounds, what is past them, and what it does not take, to the reader
    /// with places, to serde and to the schema. They must agree, each key must have an effect, and a default must be what
    /// holds without it. What is past the bounds is also set without a reader, as a program does by a builder: it must hear
    /// the same of it.
    ///
    /// # Panics
    ///
    /// With what does not fit.
    pub fn readers(&self) {
        let schema = schema("test", T::TABLE);
        self.each(&mut |path, key, around| {
            let without = read::<T>(around);
            let mut effects = BTreeSet::from([without.clone()]);
            for Probe { value, fits, in_schema } in self.probes(path, key) {
                let document = self.with(path, value);
                let outcome = read::<T>(&document);
                assert_eq!(outcome.is_ok(), fits, "{document}: {outcome:?}");
                if in_schema {
                    let errors = errors(&schema, &document);
                    assert_eq!(errors.is_empty(), fits, "{document}: the schema says {errors:?}");
                }
                effects.extend(outcome.is_ok().then_some(outcome));
            }
            let silent = self.silent.contains(&path.join(".").as_str());
            assert!(silent || effects.len() > 1, "`{}` has no effect", path.join("."));
            self.built(path, key);
            if let Some(default) = key.default_value() {
                let document = with(around, path, probe::json(&default));
                assert_eq!(read::<T>(&document), without, "{document} is not what holds without the key");
            }
        });
        for path in sections(T::TABLE) {
            let around = self.document(&path);
            let unknown = [&path[..], &["no_such_key"]].concat();
            let outcome = read::<T>(&with(&around, &unknown, Value::Bool(true)));
            assert!(outcome.as_ref().is_err_and(|error| error.contains("no_such_key")), "{path:?}: {outcome:?}");
        }
    }

    /// Writes the settings of every document that [`readers`](Self::readers) tries, and reads them back.
    ///
    /// # Panics
    ///
    /// When they are others then.
    pub fn written(&self)
    where
        T: Serialize,
    {
        self.each(&mut |path, key, _| {
            for probe in self.probes(path, key).into_iter().filter(|probe| probe.fits) {
                let document = self.with(path, probe.value);
                let settings: T = serde_json::from_value(document.clone()).expect("it fits");
                let text = serde_json::to_value(&settings).expect("plain");
                let again = serde_json::from_value::<T>(text.clone()).map(|again| format!("{again:?}"));
                assert_eq!(again.map_err(|error| error.to_string()), Ok(format!("{settings:?}")), "{document}: {text}");
            }
        });
    }

    /// Holds the table between `<!-- settings: NAME -->` and `<!-- end -->` on the page to the declaration; with
    /// `UPDATE_PAGES=1` it writes the page instead.
    ///
    /// # Panics
    ///
    /// When they differ, or the page cannot be read.
    pub fn page(&self, path: impl AsRef<Path>) {
        let path = path.as_ref();
        let page = std::fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        let right = on_page(&page, T::TABLE).unwrap_or_else(|problem| panic!("{}: {problem}", path.display()));
        if page == right {
            return;
        }
        assert!(
            std::env::var_os(UPDATE).is_some(),
            "the table of `{}` on {} is not what the declaration says; `{UPDATE}=1 cargo test --all-features -p {}` writes it",
            T::TABLE.name(),
            path.display(),
            path.parent().and_then(Path::file_name).unwrap_or_default().to_string_lossy(),
        );
        std::fs::write(path, right).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    }

    /// Calls `try_key` for every key that is no section, with its path and the document around it.
    fn each(&self, try_key: &mut dyn FnMut(&[&'static str], &'static Key, &Value)) {
        for section in sections(T::TABLE) {
            let table = section.iter().fold(T::TABLE, |table, name| {
                table.key(name).and_then(|key| key.kind().table()).expect("a path of `sections`")
            });
            for key in table.keys().filter(|key| key.kind().table().is_none()) {
                let path = [&section[..], &[key.name()]].concat();
                try_key(&path, key, &self.document(&path));
            }
        }
    }

    /// Sets what is past the bounds of a key without a reader.
    fn built(&self, path: &[&str], key: &'static Key) {
        let name = path.join(".");
        let alone = Table::new("alone", "A key by itself.", std::slice::from_ref(key));
        for value in builders::outside(key.kind()) {
            let said = alone.fits(key.name(), value.clone()).expect_err("it is past the bounds");
            let built = T::from_values(&builders::values::<T>(&self.document(path), path, value));
            let error = built.expect_err(&format!("a builder takes what `{name}` does not: {}", said.problem()));
            assert_eq!(format!("{} {}", error.path(), error.problem()), format!("{name} {}", said.problem()));
        }
    }

    fn probes(&self, path: &[&str], key: &Key) -> Vec<Probe> {
        let mut probes = probes(key);
        if let Some((_, texts)) = self.texts.iter().find(|(at, _)| *at == path.join(".")) {
            probes.retain(|probe| !probe.fits);
            let is_list = matches!(key.kind(), Kind::Texts | Kind::Names(_));
            let value = |text: &str| if is_list { json!([text]) } else { json!(text) };
            probes.extend(texts.iter().map(|text| Probe { value: value(text), fits: true, in_schema: true }));
        }
        probes
    }

    /// The document in which this value of the key is tried, with it.
    fn with(&self, path: &[&str], value: Value) -> Value {
        let word = value.as_str().map(|word| format!("{}={word}", path.join(".")));
        let around = word.and_then(|word| self.around.iter().find(|(at, _)| *at == word));
        let document = around.map_or_else(|| self.document(path), |(_, json)| parse(json));
        with(&document, path, value)
    }

    fn document(&self, path: &[&str]) -> Value {
        let path = path.join(".");
        let holds =
            |at: &str| at.is_empty() || path == at || path.strip_prefix(at).is_some_and(|rest| rest.starts_with('.'));
        let found = self.around.iter().filter(|(at, _)| holds(at)).max_by_key(|(at, _)| at.len());
        found.map_or_else(|| Value::Object(Map::new()), |(_, json)| parse(json))
    }
}

fn parse(json: &str) -> Value {
    serde_json::from_str(json).unwrap_or_else(|error| panic!("{json}: {error}"))
}

/// The paths of the sections of a table, its own, which is empty, included.
fn sections(table: &'static Table) -> Vec<Vec<&'static str>> {
    let mut paths = vec![Vec::new()];
    for key in table.keys() {
        if let Some(inner) = key.kind().table() {
            paths.extend(sections(inner).into_iter().map(|path| [&[key.name()], &path[..]].concat()));
        }
    }
    paths
}

/// What both readers make of a document, which must be the same.
fn read<T: Settings + DeserializeOwned + Debug>(document: &Value) -> Result<String, String> {
    let text = document.to_string();
    let placed = settings_from_text::<T>(Path::new("test.json"), &text, None, &|_| None);
    let placed = placed.map(|settings| format!("{settings:?}")).map_err(|faults| faults.to_string());
    let by_serde = serde_json::from_str::<T>(&text).map(|settings| format!("{settings:?}"));
    let by_serde = by_serde.map_err(|error| error.to_string());
    match (&placed, &by_serde) {
        (Ok(one), Ok(other)) => assert_eq!(one, other, "{document}: the readers make different settings of it"),
        (Err(_), Err(_)) => {}
        _ => panic!("{document}: with places {placed:?}, by serde {by_serde:?}"),
    }
    placed
}

/// The document with a value at the end of the path; sections on the way are made where there are none.
fn with(document: &Value, path: &[&str], value: Value) -> Value {
    let mut document = document.clone();
    let mut at = &mut document;
    for name in path {
        at = &mut at[*name];
    }
    *at = value;
    document
}

#[cfg(test)]
mod tests {
    use plugin_core::ConfigError;
    use plugin_core::settings::{Kind, Values};

    use super::*;

    /// Reads one of the keys that it declares.
    #[derive(Debug)]
    struct Careless {
        heard: bool,
    }

    static TABLE: Table = Table::new(
        "careless",
        "Reads one of its keys.",
        &[
            Key::new("heard", Kind::Bool, "Is read.").default("false"),
            Key::new("unheard", Kind::Bool, "Is not.").default("false"),
        ],
    );

    impl Settings for Careless {
        const TABLE: &'static Table = &TABLE;

        fn from_values(values: &Values) -> Result<Self, ConfigError> {
            Ok(Self { heard: values.bool("heard").unwrap_or(false) })
        }

        fn to_values(&self) -> Values {
            Values::new(&TABLE).with("heard", self.heard)
        }
    }

    impl<'de> serde::Deserialize<'de> for Careless {
        fn deserialize<D: serde::Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
            plugin_core::settings::deserialize(from)
        }
    }

    #[test]
    #[should_panic(expected = "`unheard` has no effect")]
    fn a_key_that_is_declared_and_not_read_is_named() {
        Conform::<Careless>::new().readers();
    }

    /// Takes whatever it is given.
    #[derive(Debug)]
    struct Lax {
        count: u32,
    }

    static COUNT: Table =
        Table::new("lax", "Has a bound.", &[Key::new("count", Kind::integer(1, 9), "So many.").default("1")]);

    impl Settings for Lax {
        const TABLE: &'static Table = &COUNT;

        fn from_values(values: &Values) -> Result<Self, ConfigError> {
            Ok(Self { count: values.integer("count").unwrap_or(1) })
        }

        fn to_values(&self) -> Values {
            Values::new(&COUNT).with("count", self.count)
        }
    }

    impl<'de> serde::Deserialize<'de> for Lax {
        fn deserialize<D: serde::Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
            plugin_core::settings::deserialize(from)
        }
    }

    #[test]
    #[should_panic(expected = "a builder takes what `count` does not: must be from 1 to 9, and is 0")]
    fn a_builder_that_takes_what_the_declaration_does_not_is_named() {
        Conform::<Lax>::new().readers();
    }

    #[test]
    fn a_key_whose_effect_is_not_shown_may_be_said_to_be_silent() {
        Conform::<Careless>::new().silent("unheard").readers();
    }
}
