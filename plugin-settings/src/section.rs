//! Reading a map key by key, with every fault collected.

use std::cell::RefCell;
use std::fmt::Display;

use super::fault::{Fault, Faults};
use super::field::Field;
use super::node::{Entry, Node, Value};
use super::path;
use super::redact::is_secret_key;
use super::source::Span;
use super::suggest;

/// Reads the map at the top of a document.
///
/// `read` asks for each key, and gets `None` where a key is absent, null or wrong; a wrong one is noted. When it returns,
/// keys that it did not ask for are noted too.
///
/// ```
/// use std::path::Path;
/// use std::time::Duration;
///
/// use plugin_settings::{Syntax, parse, read};
///
/// #[derive(Debug, Default)]
/// struct Settings {
///     name: String,
///     port: u16,
///     timeout: Duration,
///     max_retries: Option<u32>,
/// }
///
/// let root = parse(Path::new("s.yaml"), b"name: a\ntimeout: 1m30s\nretry: {max: 5}", None)?;
/// let settings = read(&root, |m| Settings {
///     name: m.require("name").non_empty_string().unwrap_or_default(),
///     port: m.get("port").integer_in(1..=65_535).unwrap_or(8080),
///     timeout: m.get("timeout").duration().unwrap_or(Duration::from_secs(30)),
///     max_retries: m.get("retry").section(|m| m.get("max").integer()).flatten(),
/// })?;
/// assert_eq!((settings.port, settings.timeout.as_secs(), settings.max_retries), (8080, 90, Some(5)));
///
/// let root = parse(Path::new("s.yaml"), b"nmae: a\nport: 0", None)?;
/// let faults = read(&root, |m| {
///     let name = m.require("name").string();
///     let port = m.get("port").integer_in::<u16>(1..);
///     (name, port)
/// });
/// assert_eq!(
///     faults.unwrap_err().to_string(),
///     "s.yaml:1:1: name: required key is missing\n\
///      s.yaml:1:1: nmae: unknown key; did you mean \"name\"?\n\
///      s.yaml:2:7: port: found 0; expected a whole number of at least 1 [CONFIG_1802]"
/// );
/// # Ok::<(), plugin_settings::Faults>(())
/// ```
///
/// # Errors
///
/// Every fault that was noted, by place; the value that `read` made is dropped.
pub fn read<T>(root: &Node, read: impl FnOnce(&mut Section<'_>) -> T) -> Result<T, Faults> {
    let value = collect(root, |field| match &root.value {
        // An empty file has no keys, which is no fault of its own.
        Value::Null => Some(Section::new(field.faults, &[], field).run(read)),
        _ => field.clone().section(read),
    })?;
    // Without a value there is a fault: that it is no map.
    value.ok_or_else(Faults::new)
}

/// What `read` makes of the top of a document, unless it notes a fault.
pub(super) fn collect<T>(root: &Node, read: impl FnOnce(&Field<'_>) -> T) -> Result<T, Faults> {
    let faults = RefCell::new(Faults::new());
    let value = read(&Field::new(&faults, Some(root), String::new(), root.span.clone(), false));
    faults.into_inner().into_result(value)
}

/// A map that is being read.
///
/// Ask for every key before the first `?` or early return: what was not asked for is reported as unknown.
#[derive(Debug)]
pub struct Section<'a> {
    faults: &'a RefCell<Faults>,
    entries: &'a [Entry],
    path: String,
    span: Span,
    secret: bool,
    known: Vec<&'static str>,
    open: bool,
}

impl<'a> Section<'a> {
    pub(super) fn new(faults: &'a RefCell<Faults>, entries: &'a [Entry], field: &Field<'a>) -> Self {
        Self {
            faults,
            entries,
            path: field.path().to_owned(),
            span: field.span().clone(),
            secret: field.is_secret(),
            known: Vec::new(),
            open: false,
        }
    }

    /// Lets `read` ask for keys, then reports those that it did not ask for.
    pub(super) fn run<T>(mut self, read: impl FnOnce(&mut Section<'_>) -> T) -> T {
        let value = read(&mut self);
        if !self.open {
            self.report_unknown();
        }
        value
    }

    /// The value of `key`, which may be absent.
    pub fn get(&mut self, key: &'static str) -> Field<'a> {
        if !self.known.contains(&key) {
            self.known.push(key);
        }
        self.field(key)
    }

    /// The value of `key`; a fault when it is absent or null.
    pub fn require(&mut self, key: &'static str) -> Field<'a> {
        let field = self.get(key);
        if !field.is_present() {
            field.fault("required key is missing");
        }
        field
    }

    /// Leaves keys that are not asked for alone, instead of reporting them.
    pub fn allow_unknown(&mut self) {
        self.open = true;
    }

    /// Notes a fault at `key`, for rules that hold between keys.
    pub fn fault(&self, key: &str, problem: impl Into<String>) {
        self.field(key).fault(problem);
    }

    /// The value, or notes the error as a fault of this section: for settings that check themselves.
    pub fn check<T, E: Display>(&self, result: Result<T, E>) -> Option<T> {
        result.map_err(|error| self.push(Fault::new(self.span.clone(), self.path.clone(), error.to_string()))).ok()
    }

    /// The config path of this map, such as `plugins[0].retry`; empty at the top.
    #[must_use]
    pub fn path(&self) -> &str {
        &self.path
    }

    /// Where this map begins.
    #[must_use]
    pub fn span(&self) -> &Span {
        &self.span
    }

    fn field(&self, key: &str) -> Field<'a> {
        let entry = self.entries.iter().find(|entry| entry.key == key);
        let node = entry.map(|entry| &entry.value).filter(|node| !matches!(node.value, Value::Null));
        // An absent value is the fault of its map, a null one of its key.
        let span = match (node, entry) {
            (Some(node), _) => &node.span,
            (None, Some(entry)) => &entry.key_span,
            (None, None) => &self.span,
        };
        let secret = self.secret || is_secret_key(key);
        Field::new(self.faults, node, path::join(&self.path, key), span.clone(), secret)
    }

    fn report_unknown(&self) {
        for entry in self.entries.iter().filter(|entry| !self.known.contains(&entry.key.as_str())) {
            let fault = Fault::new(entry.key_span.clone(), path::join(&self.path, &entry.key), "unknown key");
            self.push(match suggest::nearest(&entry.key, self.known.iter().copied()) {
                Some(known) => fault.with_remedy(format!("did you mean {}?", path::quoted(known))),
                None => fault,
            });
        }
    }

    fn push(&self, fault: Fault) {
        self.faults.borrow_mut().push(fault);
    }
}
