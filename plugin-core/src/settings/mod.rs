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

mod bounds;
mod byte_size;
mod check;
mod contract;
mod declaration;
mod effect;
mod fits;
#[cfg(any(fuzzing, test))]
pub(crate) mod fuzzing;
mod key;
mod kind;
mod problem;
mod quantity;
mod read;
#[cfg(feature = "serde")]
mod serde;
mod serde_macro;
mod table;
mod value;
mod values;

#[cfg(test)]
mod tests;

pub use bounds::Bounds;
pub use check::bounds_in_words;
pub use contract::{Settings, fitting};
pub use declaration::{Key, Kind, Table};
pub use problem::{Mismatch, Problem, ReadError, Step, What, without_effect};
pub use quantity::{bytes, time};
pub use read::{from_value, make, read};
#[cfg(feature = "serde")]
pub use serde::{deserialize, serialize};
pub use value::Value;
pub use values::{Checked, Given, Values};
