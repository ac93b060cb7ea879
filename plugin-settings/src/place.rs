//! What is declared of the place of a value.

use plugin_core::settings::{Kind, Table};

/// What is declared of the place of a value, as far as it says what may be shown of what stands there.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Declared {
    /// The section that it is, or of which it is a list.
    pub(super) table: Option<&'static Table>,
    /// Whether a list or a map belongs there.
    pub(super) is_collection: bool,
    /// Whether secrets are declared in this section, or in the one of which this is a value. A text there may be one of them that
    /// was written one level too high or too low, or under the name of another.
    pub(super) is_beside_secrets: bool,
}

impl Declared {
    pub(super) fn section(table: &'static Table) -> Self {
        Self { table: Some(table), is_collection: true, is_beside_secrets: has_secrets(table) }
    }

    /// Of the value of a key in what this is.
    pub(super) fn of(self, kind: Option<&'static Kind>) -> Self {
        let table = kind.and_then(Kind::table);
        Self {
            table,
            is_collection: kind.is_some_and(is_collection),
            is_beside_secrets: self.table.into_iter().chain(table).any(has_secrets),
        }
    }

    /// Of an item of what this is.
    pub(super) fn item(self) -> Self {
        Self { is_collection: self.table.is_some(), ..self }
    }
}

pub(super) fn has_secrets(table: &'static Table) -> bool {
    table.keys().any(|key| key.kind().is_secret())
}

pub(super) fn is_collection(kind: &Kind) -> bool {
    kind.table().is_some()
        || matches!(
            kind,
            Kind::Texts | Kind::Names(_) | Kind::TextMap | Kind::SecretMap | Kind::AnyCaseMap(_) | Kind::Object
        )
}
