//! The handles of a stack's layers, as far as it has them.

/// The handles of a stack's layers. The admin plane is a face on them.
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct Controls {}
