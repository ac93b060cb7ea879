//! What is asked of a kind of value.

use super::declaration::{Kind, Table};
use super::value::Value;

impl Kind {
    /// The table of a section, or of each in a list.
    #[must_use]
    pub fn table(&self) -> Option<&'static Table> {
        match self {
            Self::Section(table) | Self::Optional(table) | Self::List(table) => Some(table),
            _ => None,
        }
    }

    /// Whether its value must not be shown.
    #[must_use]
    pub fn is_secret(&self) -> bool {
        matches!(self, Self::Secret | Self::SecretMap)
    }

    /// Whether Go writes an empty text for a value of it that was never set.
    pub(super) fn has_empty(&self) -> bool {
        matches!(self, Self::Text | Self::Secret | Self::Path) || self.is_word()
    }

    fn is_word(&self) -> bool {
        matches!(self, Self::Word(_) | Self::AnyCase(_) | Self::WordOrNumber(_) | Self::WordOrShare(_))
    }

    /// The words that it takes.
    #[must_use]
    pub fn words(&self) -> &'static [&'static str] {
        match self {
            Self::Word(words) | Self::AnyCase(words) | Self::WordOrNumber(words) | Self::WordOrShare(words) => words,
            Self::AnyCaseMap(words) => words,
            _ => &[],
        }
    }

    /// The value that a default is written for.
    pub(super) fn parse(&self, text: &str) -> Option<Value> {
        let int = || text.parse().ok().map(Value::Int);
        let float = || text.parse().ok().map(Value::Float);
        match self {
            Self::Bool => text.parse().ok().map(Value::Bool),
            Self::Integer(_) => int(),
            Self::Number(_) => float(),
            Self::WordOrShare(words) if !words.contains(&text) => float(),
            Self::CountOrTime(..) | Self::Size(_) | Self::WordOrNumber(_) if int().is_some() => int(),
            Self::Section(_) | Self::Optional(_) | Self::List(_) | Self::Object => None,
            Self::Texts | Self::Names(_) | Self::TextMap | Self::SecretMap | Self::AnyCaseMap(_) => None,
            _ => Some(Value::Str(text.to_owned())),
        }
    }
}
