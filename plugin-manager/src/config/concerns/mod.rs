//! The sections of a plugin that one crate each makes something of: their keys, and their way into that crate's settings.

pub(super) mod balance;
pub(super) mod breaker;
pub(super) mod health;
pub(super) mod rate_limit;
pub(super) mod retry;

/// Calls a setter of a builder when the key has a value.
macro_rules! set {
    ($builder:ident . $setter:ident ( $value:expr )) => {
        if let Some(value) = $value {
            $builder = $builder.$setter(value);
        }
    };
}

pub(super) use set;
