//! A value of a document, before a table says what it should be.

use std::borrow::Cow;
use std::fmt;

/// A value of a configuration, without its place. `{:?}` shows neither text nor numbers, which may be a secret: nothing knows
/// yet what they mean.
#[derive(Clone, PartialEq)]
#[non_exhaustive]
pub enum Value {
    /// Nothing. A key with this value counts as absent.
    Null,
    /// `true` or `false`.
    Bool(bool),
    /// A whole number.
    Int(i128),
    /// A number with a point or an exponent.
    Float(f64),
    /// Text.
    Str(String),
    /// Text that was written without a type, as `${VAR}` is and a word without quotes: it may be read as text, or as what it
    /// says.
    Untyped {
        /// The text.
        text: String,
        /// What the text says.
        value: Box<Value>,
    },
    /// Values in order.
    List(Vec<Value>),
    /// Values by key, in order.
    Map(Vec<(String, Value)>),
}

/// Stands for what is not shown.
pub(super) struct Hidden;

impl fmt::Debug for Hidden {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("..")
    }
}

impl fmt::Debug for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Null => f.write_str("Null"),
            Self::Bool(value) => f.debug_tuple("Bool").field(value).finish(),
            Self::Int(_) => f.debug_tuple("Int").field(&Hidden).finish(),
            Self::Float(_) => f.debug_tuple("Float").field(&Hidden).finish(),
            Self::Str(_) => f.debug_tuple("Str").field(&Hidden).finish(),
            // What the text says is the text once more: `12345` may be a password.
            Self::Untyped { .. } => f.debug_tuple("Untyped").field(&Hidden).finish(),
            Self::List(items) => f.debug_tuple("List").field(items).finish(),
            Self::Map(entries) => {
                f.write_str("Map ")?;
                f.debug_map().entries(entries.iter().map(|(key, value)| (key, value))).finish()
            }
        }
    }
}

impl Value {
    /// The value of `key`, when this is a map that has it.
    #[must_use]
    pub fn get(&self, key: &str) -> Option<&Value> {
        let Self::Map(entries) = self else { return None };
        entries.iter().find(|(name, _)| name == key).map(|(_, value)| value)
    }

    /// The text, when this is a string.
    #[must_use]
    pub fn as_str(&self) -> Option<&str> {
        match self {
            Self::Str(text) | Self::Untyped { text, .. } => Some(text),
            _ => None,
        }
    }

    /// The value as text: a string, or a number or `true` as it was written.
    #[must_use]
    pub fn as_text(&self) -> Option<Cow<'_, str>> {
        match self {
            Self::Bool(value) => Some(Cow::Owned(value.to_string())),
            Self::Int(value) => Some(Cow::Owned(value.to_string())),
            Self::Float(value) => Some(Cow::Owned(format!("{value:?}"))),
            _ => self.as_str().map(Cow::Borrowed),
        }
    }

    /// The value with a type.
    #[must_use]
    pub fn typed(&self) -> &Value {
        if let Self::Untyped { value, .. } = self { value } else { self }
    }

    /// Whether a key with this value counts as absent.
    #[must_use]
    pub fn is_null(&self) -> bool {
        matches!(self, Self::Null)
    }

    /// Whether it is nothing, or what Go writes for a value that was never set: zero, false, empty, or a struct of such.
    #[must_use]
    pub fn is_zero(&self) -> bool {
        match self.typed() {
            Self::Null => true,
            Self::Bool(value) => !value,
            Self::Int(value) => *value == 0,
            Self::Float(value) => *value == 0.0,
            Self::Str(text) => matches!(text.as_str(), "" | "0" | "0s"),
            Self::List(items) => items.is_empty(),
            Self::Map(entries) => entries.iter().all(|(_, value)| value.is_zero()),
            Self::Untyped { .. } => false,
        }
    }

    /// Whether it switches nothing on: it is zero, a section that says `enabled: false`, or one of only such sections.
    #[must_use]
    pub fn is_off(&self) -> bool {
        let off = |entries: &[(String, Value)]| {
            let says = entries.iter().find(|(name, _)| name == "enabled").map(|(_, value)| value.typed());
            matches!(says, Some(Self::Bool(false))) || entries.iter().all(|(_, value)| value.is_off())
        };
        self.is_zero() || matches!(self.typed(), Self::Map(entries) if off(entries))
    }

    /// What it is, in words.
    pub(super) fn describe(&self) -> String {
        match self {
            Self::Null => "nothing".to_owned(),
            Self::Bool(value) => value.to_string(),
            Self::Int(value) => value.to_string(),
            Self::Float(value) => format!("{value:?}"),
            Self::Str(text) | Self::Untyped { text, .. } => format!("{text:?}"),
            Self::List(_) => "a list".to_owned(),
            Self::Map(_) => "a map".to_owned(),
        }
    }
}
