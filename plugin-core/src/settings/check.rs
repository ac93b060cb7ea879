//! Whether a value is what a key takes: the one place where that is decided.

use std::borrow::Cow;
use std::ops::Bound;
use std::time::Duration;

use super::bounds::Bounds;
use super::byte_size;
use super::declaration::Kind;
use super::problem::{Mismatch, Problem, Step, What};
use super::quantity;
use super::value::Value;
use super::values::Checked;

impl Kind {
    /// The value as this kind has it, and what is wrong with it or with parts of it. Sections are read by
    /// [`read`](super::read()).
    #[must_use]
    pub fn check(&self, value: &Value) -> (Option<Checked>, Vec<Problem>) {
        check(self, value)
    }
}

pub(super) fn check(kind: &Kind, value: &Value) -> (Option<Checked>, Vec<Problem>) {
    let mut problems = Vec::new();
    let mut note = |path: Vec<Step>, value: &Value, mismatch| {
        let found = if kind.is_secret() { "a value that is not shown".to_owned() } else { value.describe() };
        problems.push(Problem { path, what: What::Mismatch(found, mismatch), code: None, later: &[] });
    };
    let checked = match kind {
        Kind::Texts => texts(None, value, &mut note).map(Checked::Texts),
        Kind::Names(fits) => texts(Some(*fits), value, &mut note).map(Checked::Texts),
        Kind::TextMap | Kind::SecretMap => text_map(value, &mut note).map(Checked::Map),
        Kind::AnyCaseMap(words) => word_map(words, value, &mut note).map(Checked::Map),
        Kind::Object => match value {
            Value::Map(_) => Some(Checked::Any(value.clone())),
            _ => {
                note(Vec::new(), value, Mismatch::other("expected a map"));
                None
            }
        },
        _ => match scalar(kind, value).and_then(|checked| inside(kind, &checked).map(|()| checked)) {
            Ok(checked) => Some(checked),
            Err(mismatch) => {
                note(Vec::new(), value, mismatch);
                None
            }
        },
    };
    (checked, problems)
}

pub(super) fn not_a_map(value: &Value) -> What {
    What::Mismatch(value.describe(), Mismatch::other("expected a map"))
}

pub(super) fn not_a_list(value: &Value) -> What {
    What::Mismatch(value.describe(), Mismatch::other("expected a list"))
}

fn scalar(kind: &Kind, value: &Value) -> Result<Checked, Mismatch> {
    match kind {
        Kind::Bool => boolean(value.typed()).map(Checked::Bool),
        Kind::Integer(bounds) => integer(bounds, value.typed()).map(Checked::Integer),
        Kind::Number(bounds) => number(bounds, value.typed()).map(Checked::Number),
        Kind::Time(_) => time(value.typed()).map(Checked::Time),
        Kind::CountOrTime(count, _) => match value.typed() {
            value @ Value::Int(_) => integer(count, value).map(Checked::Integer),
            value => time(value).map(Checked::Time).map_err(|mismatch| match value {
                Value::Str(_) => mismatch,
                _ => Mismatch::other("expected a whole number of calls, or a duration such as \"30s\""),
            }),
        },
        Kind::Size(_) => size(value.typed()).map(Checked::Size),
        Kind::Text | Kind::Path | Kind::Secret => text(value).map(Cow::into_owned).map(Checked::Text),
        Kind::AnyCase(words) => {
            any_case(words, value).ok_or_else(|| Mismatch::Word(words, String::new())).map(Checked::Word)
        }
        Kind::Word(words) => word(words, value).ok_or_else(|| Mismatch::Word(words, String::new())).map(Checked::Word),
        Kind::WordOrNumber(words) => {
            let by_number = match value.typed() {
                Value::Int(number) => usize::try_from(*number).ok().and_then(|number| words.get(number)).copied(),
                _ => None,
            };
            let last = words.len().saturating_sub(1);
            let more = format!(", or its number from 0 to {last}");
            word(words, value).or(by_number).ok_or(Mismatch::Word(words, more)).map(Checked::Word)
        }
        Kind::WordOrShare(words) => match value.typed() {
            value @ (Value::Int(_) | Value::Float(_)) => number(SHARE, value).map(Checked::Number),
            _ => {
                let more = || ", or a share from 0.0 to 1.0".to_owned();
                word(words, value).ok_or_else(|| Mismatch::Word(words, more())).map(Checked::Word)
            }
        },
        _ => Err(Mismatch::other("expected something else")),
    }
}

const SHARE: &Bounds<f64> = &Bounds { low: Bound::Included(0.0), high: Bound::Included(1.0) };

/// Whether a value of the right type is within the bounds of its kind: the readers ask, and the builders.
pub(super) fn inside(kind: &Kind, value: &Checked) -> Result<(), Mismatch> {
    let bounds = |inside, noun, words: String| if inside { Ok(()) } else { Err(Mismatch::Bounds(noun, words)) };
    match (kind, value) {
        (Kind::Integer(range) | Kind::CountOrTime(range, _), Checked::Integer(value)) => {
            bounds(range.contains(value), "a whole number", quantity::range(range, ToString::to_string))
        }
        (Kind::Number(range), Checked::Number(value)) => within(range, *value),
        (Kind::WordOrShare(_), Checked::Number(value)) => within(SHARE, *value),
        (Kind::Time(range) | Kind::CountOrTime(_, range), Checked::Time(value)) => {
            bounds(range.contains(value), "a duration", quantity::times(range))
        }
        (Kind::Size(range), Checked::Size(value)) => {
            bounds(range.contains(value), "a size in bytes", quantity::range(range, ToString::to_string))
        }
        (Kind::Text | Kind::Path | Kind::Secret, Checked::Text(text)) if text.is_empty() => {
            Err(Mismatch::Plain("the string is empty".to_owned()))
        }
        _ => Ok(()),
    }
}

fn within(range: &Bounds<f64>, value: f64) -> Result<(), Mismatch> {
    let inside = value.is_finite() && range.contains(&value);
    let words = || quantity::range(range, ToString::to_string);
    if inside { Ok(()) } else { Err(Mismatch::Bounds("a number", words())) }
}

fn boolean(value: &Value) -> Result<bool, Mismatch> {
    match value {
        Value::Bool(value) => Ok(*value),
        Value::Str(word) => Err(Mismatch::other(match word.to_ascii_lowercase().as_str() {
            "true" => "write true, without quotes",
            "false" => "write false, without quotes",
            // Text in YAML 1.2 whether it stands in quotes or not.
            "yes" | "on" | "y" => "write true",
            "no" | "off" | "n" => "write false",
            _ => "expected true or false",
        })),
        _ => Err(Mismatch::other("expected true or false")),
    }
}

fn integer(bounds: &Bounds<i128>, value: &Value) -> Result<i128, Mismatch> {
    let words = || quantity::range(bounds, |value| value.to_string());
    match value {
        Value::Int(value) => Ok(*value),
        Value::Str(text) if !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit()) => {
            Err(Mismatch::other(format!("expected a whole number{}, without quotes", words())))
        }
        _ => Err(Mismatch::other(format!("expected a whole number{}", words()))),
    }
}

fn number(bounds: &Bounds<f64>, value: &Value) -> Result<f64, Mismatch> {
    match value {
        Value::Int(value) => Ok(*value as f64),
        Value::Float(value) => Ok(*value),
        _ => Err(Mismatch::other(format!("expected a number{}", quantity::range(bounds, ToString::to_string)))),
    }
}

fn time(value: &Value) -> Result<Duration, Mismatch> {
    let duration = match value {
        Value::Int(nanos) => quantity::nanoseconds(*nanos),
        Value::Str(text) => quantity::duration(text),
        _ => Err(quantity::duration_expected()),
    };
    duration.map_err(Mismatch::Other)
}

fn size(value: &Value) -> Result<u64, Mismatch> {
    let bytes = match value {
        Value::Int(bytes) => u64::try_from(*bytes).map_err(|_| "a size cannot be negative"),
        Value::Str(text) => byte_size::parse(text),
        _ => Err("expected a size such as \"10MiB\", or a number of bytes"),
    };
    bytes.map_err(Mismatch::other)
}

/// Text. A number and `true` are too, as they were written where that is known, so that `1.10` keeps its zero.
fn text(value: &Value) -> Result<Cow<'_, str>, Mismatch> {
    value.as_text().ok_or_else(|| Mismatch::other("expected a string"))
}

/// A word. One that looks like a number, such as `1.3`, needs no quotes.
fn word(words: &'static [&'static str], value: &Value) -> Option<&'static str> {
    let text = value.as_text()?;
    let is_it = |word: &str| match value.typed() {
        Value::Float(number) => word.parse() == Ok(*number),
        _ => word == text,
    };
    words.iter().copied().find(|word| is_it(word))
}

fn any_case(words: &'static [&'static str], value: &Value) -> Option<&'static str> {
    let text = value.as_str()?;
    words.iter().find(|word| word.eq_ignore_ascii_case(text)).copied()
}

type Found<'n> = &'n mut dyn FnMut(Vec<Step>, &Value, Mismatch);

/// Says what would be right when a name is not.
type Fits = fn(&str) -> Result<(), String>;

/// Texts, or names when there is a check of each.
fn texts(fits: Option<Fits>, value: &Value, note: Found<'_>) -> Option<Vec<String>> {
    let Value::List(items) = value.typed() else {
        note(Vec::new(), value, Mismatch::other("expected a list"));
        return None;
    };
    let mut list = Vec::with_capacity(items.len());
    for (index, item) in items.iter().enumerate() {
        let fitting = text(item).map(Cow::into_owned).and_then(|name| match fits.map(|fits| fits(&name)) {
            Some(Err(expected)) => Err(Mismatch::Other(format!("expected {expected}"))),
            _ => Ok(name),
        });
        match fitting {
            Ok(name) => list.push(name),
            Err(mismatch) => note(vec![Step::Index(index)], item, mismatch),
        }
    }
    Some(list)
}

fn text_map(value: &Value, note: Found<'_>) -> Option<Vec<(String, String)>> {
    let mut map: Vec<(String, String)> = Vec::new();
    match value.typed() {
        Value::Map(entries) => {
            for (key, value) in entries.iter().filter(|(_, value)| !value.is_null()) {
                match text(value) {
                    Ok(text) => map.push((key.clone(), text.into_owned())),
                    Err(mismatch) => note(vec![Step::Key(key.clone())], value, mismatch),
                }
            }
        }
        Value::List(items) => {
            for (index, item) in items.iter().enumerate() {
                let at = vec![Step::Index(index)];
                let text = match text(item) {
                    Ok(text) => text,
                    Err(mismatch) => {
                        note(at, item, mismatch);
                        continue;
                    }
                };
                // The text itself is not repeated: it may be a secret.
                let Some((name, value)) = text.split_once('=').filter(|(name, _)| !name.is_empty()) else {
                    let problem = "a string without a name; expected \"NAME=value\"".to_owned();
                    note(at, item, Mismatch::Plain(problem));
                    continue;
                };
                if map.iter().any(|(other, _)| other == name) {
                    note(at, item, Mismatch::Plain(format!("{name:?} is given twice")));
                    continue;
                }
                map.push((name.to_owned(), value.to_owned()));
            }
        }
        other => {
            note(Vec::new(), other, Mismatch::other("expected a map"));
            return None;
        }
    }
    Some(map)
}

fn word_map(words: &'static [&'static str], value: &Value, note: Found<'_>) -> Option<Vec<(String, String)>> {
    let Value::Map(entries) = value.typed() else {
        note(Vec::new(), value, Mismatch::other("expected a map"));
        return None;
    };
    let mut map = Vec::new();
    for (key, value) in entries.iter().filter(|(_, value)| !value.is_null()) {
        match any_case(words, value) {
            Some(word) => map.push((key.clone(), word.to_owned())),
            None => note(vec![Step::Key(key.clone())], value, Mismatch::Word(words, String::new())),
        }
    }
    Some(map)
}

/// The bounds of a kind in words, to follow a noun (` from 1 to 9`); empty where it has none.
#[must_use]
pub fn bounds_in_words(kind: &Kind) -> String {
    match kind {
        Kind::Integer(bounds) => quantity::range(bounds, |value| value.to_string()),
        Kind::Number(bounds) => quantity::range(bounds, |value| format!("{value:?}")),
        Kind::Time(bounds) => quantity::times(bounds),
        Kind::Size(bounds) => quantity::range(bounds, |value| quantity::bytes(*value)),
        Kind::CountOrTime(count, time) => {
            let count = quantity::range(count, |value| value.to_string());
            format!("{count}, or a duration{}", quantity::times(time))
        }
        _ => String::new(),
    }
}
