//! One value that is being read, and the types it may have.

use std::borrow::Cow;
use std::cell::RefCell;
use std::fmt::Display;
use std::ops::RangeBounds;
use std::str::FromStr;
use std::time::Duration;

use plugin_core::Code;
use plugin_core::settings::{Bounds, Checked, Kind};

use super::fault::{Fault, Faults};
use super::node::{Node, Value};
use super::path::quoted;
use super::place::{self, Declared};
use super::scalar;
use super::source::Span;
use super::suggest;

/// The value of a key or the item of a list, on its way to a type.
///
/// Each method that reads returns `None` when the value is absent or null, and also when it is wrong: then it has noted a
/// fault that says what was found and what would be right. So `m.get("port").integer().unwrap_or(8080)` is all there is to
/// a key with a default.
///
/// A value that was wholly `${...}` may be read as any type that its text has in YAML; any other string is only a string.
#[derive(Clone, Debug)]
#[must_use = "a field does nothing until it is read"]
pub struct Field<'a> {
    pub(super) faults: &'a RefCell<Faults>,
    pub(super) node: Option<&'a Node>,
    path: String,
    span: Span,
    secret: bool,
    pub(super) declared: Declared,
    code: Option<Code>,
}

impl<'a> Field<'a> {
    pub(super) fn new(
        faults: &'a RefCell<Faults>,
        node: Option<&'a Node>,
        path: String,
        span: Span,
        secret: bool,
    ) -> Self {
        Self { faults, node, path, span, secret, declared: Declared::default(), code: None }
    }

    /// Whether there is a value, of whatever type.
    #[must_use]
    pub fn is_present(&self) -> bool {
        self.node.is_some()
    }

    /// Whether the value would be read as an integer: for keys that take a number or something else.
    #[must_use]
    pub fn is_integer(&self) -> bool {
        self.typed().is_some_and(|value| matches!(*value, Value::Int(_)))
    }

    /// The value as it is in the tree.
    #[must_use]
    pub fn node(&self) -> Option<&'a Node> {
        self.node
    }

    /// The config path, such as `plugins[0].name`.
    #[must_use]
    pub fn path(&self) -> &str {
        &self.path
    }

    /// Where the value is; where its key or its map is when there is none.
    #[must_use]
    pub fn span(&self) -> &Span {
        &self.span
    }

    /// Notes a fault of this value.
    pub fn fault(&self, problem: impl Into<String>) {
        self.push(Fault::new(self.span.clone(), self.path.clone(), problem));
    }

    /// The same value; what is wrong with it has this stable code.
    pub fn coded(mut self, code: Code) -> Self {
        self.code = Some(code);
        self
    }

    /// The value as a key of this kind has it.
    #[must_use]
    pub fn checked(mut self, kind: &Kind) -> Option<Checked> {
        self.secret |= kind.is_secret();
        self.declared.is_collection = place::is_collection(kind);
        let (checked, problems) = kind.check(&self.node?.to_value());
        problems.iter().for_each(|problem| self.report(problem, &[]));
        checked
    }

    /// `true` or `false`.
    #[must_use]
    pub fn bool(self) -> Option<bool> {
        if let Checked::Bool(value) = self.checked(&Kind::Bool)? { Some(value) } else { None }
    }

    /// A whole number that the type holds.
    #[must_use]
    pub fn integer<T: Integer>(self) -> Option<T> {
        self.integer_in(T::MIN..=T::MAX)
    }

    /// A whole number in `range`.
    #[must_use]
    pub fn integer_in<T: Integer>(self, range: impl RangeBounds<T>) -> Option<T> {
        let bounds =
            Bounds { low: range.start_bound().map(|low| low.wide()), high: range.end_bound().map(|high| high.wide()) };
        if let Checked::Integer(value) = self.checked(&Kind::Integer(bounds))? { T::narrow(value) } else { None }
    }

    /// A number in `range`, with or without a point.
    #[must_use]
    pub fn float_in(self, range: impl RangeBounds<f64>) -> Option<f64> {
        if let Checked::Number(value) = self.checked(&Kind::Number(bounds(&range)))? { Some(value) } else { None }
    }

    /// A duration: text such as `"1m30s"`, or an integer of nanoseconds.
    #[must_use]
    pub fn duration(self) -> Option<Duration> {
        self.duration_in(..)
    }

    /// A duration in `range`.
    #[must_use]
    pub fn duration_in(self, range: impl RangeBounds<Duration>) -> Option<Duration> {
        if let Checked::Time(value) = self.checked(&Kind::Time(bounds(&range)))? { Some(value) } else { None }
    }

    /// A size in bytes: text such as `"10MiB"`, or an integer of bytes.
    #[must_use]
    pub fn byte_size(self) -> Option<u64> {
        self.byte_size_in(..)
    }

    /// A size in bytes, in `range`.
    #[must_use]
    pub fn byte_size_in(self, range: impl RangeBounds<u64>) -> Option<u64> {
        if let Checked::Size(value) = self.checked(&Kind::Size(bounds(&range)))? { Some(value) } else { None }
    }

    /// Text. A number or `true` is taken as it was written.
    #[must_use]
    pub fn string(self) -> Option<String> {
        self.text().map(Cow::into_owned)
    }

    /// Text that is not empty.
    #[must_use]
    pub fn non_empty_string(self) -> Option<String> {
        let text = self.text()?;
        if text.is_empty() {
            self.fault("the string is empty");
            return None;
        }
        Some(text.into_owned())
    }

    /// Text that has a form of its own, such as an address. `expected` follows the word "expected".
    #[must_use]
    pub fn parsed<T: FromStr>(self, expected: &str) -> Option<T>
    where
        T::Err: Display,
    {
        let text = self.text()?;
        text.parse().map_err(|error| self.wrong(Some(&error), format!("expected {expected}"))).ok()
    }

    /// Text that `read` makes something of; its error says what would be right.
    #[must_use]
    pub fn string_with<T, E: Display>(self, read: impl FnOnce(&str) -> Result<T, E>) -> Option<T> {
        let text = self.text()?;
        read(&text).map_err(|error| self.wrong(None, error.to_string())).ok()
    }

    /// One of several names, written exactly so.
    #[must_use]
    pub fn enumeration<T: Clone>(self, names: &[(&str, T)]) -> Option<T> {
        self.enumeration_or_number(names, &[])
    }

    /// One of several names, or the number that go-plugins has for it.
    #[must_use]
    pub fn enumeration_or_number<T: Clone>(self, names: &[(&str, T)], numbers: &[(i64, T)]) -> Option<T> {
        let node = self.node?;
        let as_number = |value: &Value| match value {
            Value::Int(number) => {
                numbers.iter().find(|(known, _)| i128::from(*known) == *number).map(|(_, it)| it.clone())
            }
            _ => None,
        };
        let by_name = node.as_str().and_then(|text| names.iter().find(|(name, _)| *name == text));
        if let Some((_, it)) = by_name {
            return Some(it.clone());
        }
        if let Some(it) = self.typed().and_then(|value| as_number(&value)) {
            return Some(it);
        }
        let meant = self.compared();
        let remedy = match meant.and_then(|text| suggest::nearest(text, names.iter().map(|(name, _)| *name))) {
            Some(name) => format!("did you mean {name:?}?"),
            None => {
                let names = names.iter().map(|(name, _)| format!("{name:?}"));
                let numbers = numbers.iter().map(|(number, _)| number.to_string());
                format!("expected one of {}", names.chain(numbers).collect::<Vec<_>>().join(", "))
            }
        };
        self.wrong(None, remedy);
        None
    }

    /// How many faults were noted so far, in the whole document.
    pub(super) fn fault_count(&self) -> usize {
        self.faults.borrow().len()
    }

    /// Exchanges the faults that were noted so far, in the whole document, for others.
    pub(super) fn exchange_faults(&self, others: Faults) -> Faults {
        self.faults.replace(others)
    }

    /// The code of what is wrong with it.
    pub(super) fn code(&self) -> Option<Code> {
        self.code
    }

    /// Whether its value must not be shown.
    pub(super) fn is_secret(&self) -> bool {
        self.secret
    }

    /// Text, with a fault for anything else.
    pub(super) fn text(&self) -> Option<Cow<'a, str>> {
        let text = self.node?.as_text();
        if text.is_none() {
            self.wrong(None, "expected a string".to_owned());
        }
        text
    }

    /// Notes that the value is wrong: what it is, an error of whoever tried it, and what would be right.
    pub(super) fn wrong(&self, error: Option<&dyn Display>, remedy: String) {
        let Some(node) = self.node else { return };
        let hides = self.hides(node);
        let found = match self.declared.is_collection && !hides {
            true => kind_of(node),
            false => found(node, hides),
        };
        let mut problem = format!("found {found}");
        // An error may repeat the text that it is about.
        if let Some(error) = error.filter(|_| !hides) {
            problem = format!("{problem}: {error}");
        }
        let fault = Fault::new(self.span.clone(), self.path.clone(), problem).with_remedy(remedy);
        self.push(fault);
    }

    pub(super) fn push(&self, fault: Fault) {
        let is_text = self.declared.is_collection && self.node.is_some_and(|node| node.as_str().is_some());
        let fault = match self.secret || self.declared.is_beside_secrets || is_text {
            true => fault.without_snippet(),
            false => fault,
        };
        self.faults.borrow_mut().push(match self.code {
            Some(code) => fault.with_code(code),
            None => fault,
        });
    }

    /// The value with the type that its text has, for one that was written as `${...}`.
    fn typed(&self) -> Option<Cow<'a, Value>> {
        let node = self.node?;
        match node.as_str() {
            Some(text) if node.untyped => scalar::resolve(text).ok().map(Cow::Owned),
            _ => None,
        }
        .or(Some(Cow::Borrowed(&node.value)))
    }

    /// Its text, to compare with words that are known: nothing else of it is told by which is near.
    pub(super) fn compared(&self) -> Option<&'a str> {
        self.node.filter(|node| !self.secret && !node.tainted)?.as_str()
    }

    fn hides(&self, node: &Node) -> bool {
        self.secret || self.declared.is_beside_secrets || node.tainted
    }
}

fn bounds<T: Copy>(range: &impl RangeBounds<T>) -> Bounds<T> {
    Bounds { low: range.start_bound().cloned(), high: range.end_bound().cloned() }
}

/// What stands where a list or a map is to be: its text may be one of those that belong further in, some of which are secrets
/// (`env`, `headers`, the arguments of a program).
fn kind_of(node: &Node) -> String {
    match &node.value {
        Value::Str(_) => "a string".to_owned(),
        _ => found(node, false),
    }
}

/// What a value is, in words; its text only when it may be shown.
fn found(node: &Node, hide: bool) -> String {
    match &node.value {
        Value::Null => "nothing".to_owned(),
        Value::List(_) => "a list".to_owned(),
        Value::Map(_) => "a map".to_owned(),
        Value::Bool(_) | Value::Int(_) | Value::Float(_) | Value::Str(_) if hide && node.tainted => {
            "a value from the environment".to_owned()
        }
        Value::Bool(_) | Value::Int(_) | Value::Float(_) if hide => "a value that is no string".to_owned(),
        Value::Str(_) if hide => "a string that is not shown".to_owned(),
        Value::Bool(value) => value.to_string(),
        Value::Int(value) => value.to_string(),
        Value::Float(value) => format!("{value:?}"),
        Value::Str(text) => format!("the string {}", quoted(text)),
    }
}

/// The integers that [`Field::integer`] reads.
pub trait Integer: Copy + sealed::Sealed {
    /// The least.
    const MIN: Self;
    /// The greatest.
    const MAX: Self;
    /// The same number, wider than any of them.
    fn wide(self) -> i128;
    /// The same number, if it fits.
    fn narrow(wide: i128) -> Option<Self>;
}

mod sealed {
    pub trait Sealed {}
}

macro_rules! integers {
    ($($integer:ty)*) => {$(
        impl sealed::Sealed for $integer {}

        impl Integer for $integer {
            const MIN: Self = <$integer>::MIN;
            const MAX: Self = <$integer>::MAX;

            fn wide(self) -> i128 {
                self as i128
            }

            fn narrow(wide: i128) -> Option<Self> {
                Self::try_from(wide).ok()
            }
        }
    )*};
}

integers!(u8 u16 u32 u64 usize i8 i16 i32 i64 isize);
