//! Settings that are declared once.
//!
//! A [`Table`] says which keys a section has: the name of each, what it takes ([`Kind`], with its bounds), its default and
//! one sentence. The reader of configuration files (`plugin-settings`), serde (feature `serde`), the JSON Schema and the
//! table on a crate's page all follow from it, so that none of them can know a key that another does not.
//!
//! A configuration keeps its plain fields, getters and builder, and implements [`Settings`]: it makes itself out of
//! [`Values`], which are checked one by one already, and checks what holds between them.
//!
//! ```
//! use std::time::Duration;
//!
//! use plugin_core::ConfigError;
//! use plugin_core::settings::{self, Key, Kind, Settings, Table, Value, Values};
//!
//! #[derive(Debug, PartialEq)]
//! struct Poll {
//!     every: Duration,
//!     burst: u32,
//! }
//!
//! static TABLE: Table = Table::new("poll", "How often to ask.", &[
//!     Key::new("every", Kind::time(), "The time between two questions.").default("30s"),
//!     Key::new("burst", Kind::integer(1, 100), "Questions at once.").default("1"),
//! ]);
//!
//! impl Settings for Poll {
//!     const TABLE: &'static Table = &TABLE;
//!
//!     fn from_values(values: &Values) -> Result<Self, ConfigError> {
//!         Ok(Self {
//!             every: values.time("every").unwrap_or(Duration::from_secs(30)),
//!             burst: values.integer("burst").unwrap_or(1),
//!         })
//!     }
//!
//!     fn to_values(&self) -> Values {
//!         Values::new(&TABLE).with("every", self.every).with("burst", self.burst)
//!     }
//! }
//!
//! let value = Value::Map(vec![("every".to_owned(), Value::Str("1m30s".to_owned()))]);
//! assert_eq!(settings::from_value(&value), Ok(Poll { every: Duration::from_secs(90), burst: 1 }));
//!
//! let value = Value::Map(vec![("burst".to_owned(), Value::Int(101))]);
//! let error = settings::from_value::<Poll>(&value).unwrap_err();
//! assert_eq!(error.to_string(), "`burst` must be from 1 to 100, and is 101");
//! ```

mod byte_size;
mod check;
mod kind;
mod problem;
mod quantity;
mod read;
#[cfg(feature = "serde")]
mod serde;
mod table;
mod value;
mod values;

#[cfg(test)]
mod tests;

pub use check::bounds_in_words;
pub use kind::{Bounds, Kind};
pub use problem::{Mismatch, Problem, ReadError, Step, What, without_effect};
pub use quantity::{bytes, time};
pub use read::{from_value, make, read};
#[cfg(feature = "serde")]
pub use serde::{deserialize, serialize};
pub use table::{Key, Table};
pub use value::Value;
pub use values::{Checked, Given, Values};

use crate::ConfigError;

/// A configuration whose keys are declared in a [`Table`].
pub trait Settings: Sized {
    /// The keys.
    const TABLE: &'static Table;

    /// Makes the settings. What is absent has its default.
    ///
    /// # Errors
    ///
    /// What does not hold between values. The field is the key, after the keys of the sections that it is in
    /// (`failure_rate.min_calls`, or by [`within`](ConfigError::within)), and [`others`](ConfigError::others) are those that
    /// it is compared with.
    fn from_values(values: &Values) -> Result<Self, ConfigError>;

    /// The settings as [`from_values`](Self::from_values) reads them. What is secret is left out.
    fn to_values(&self) -> Values;
}

/// The settings, when each of their values fits its key: for builders.
///
/// # Errors
///
/// The first value that does not, in the words of the readers.
pub fn fitting<T: Settings>(settings: T) -> Result<T, ConfigError> {
    settings.to_values().fits()?;
    Ok(settings)
}

/// Reads and writes a type that has [`Settings`] by serde, where the feature `serde` is on in the crate that calls this.
///
/// With `read only` there is no `Serialize`: for settings with secrets.
#[macro_export]
macro_rules! serde_by_settings {
    ($type:ty) => {
        $crate::serde_by_settings!($type, read only);

        #[cfg(feature = "serde")]
        impl serde::Serialize for $type {
            fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                $crate::settings::serialize(self, serializer)
            }
        }
    };
    ($type:ty, read only) => {
        #[cfg(feature = "serde")]
        impl<'de> serde::Deserialize<'de> for $type {
            fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                $crate::settings::deserialize(deserializer)
            }
        }
    };
}
