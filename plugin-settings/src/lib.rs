#![doc = include_str!("../README.md")]
#![cfg_attr(docsrs, feature(doc_cfg))]

#[cfg(feature = "conform")]
pub mod conform;
mod conversion;
mod declared;
mod empty_section;
mod fault;
mod field;
mod field_lists;
mod fill;
#[cfg(any(fuzzing, test))]
#[doc(hidden)]
pub mod fuzzing;
mod json;
mod keys;
mod limits;
mod load;
mod markdown;
mod merge;
mod node;
mod overlay;
mod parsing;
mod path;
mod paths;
mod place;
mod program;
mod redact;
mod reference;
mod scalar;
mod schema;
mod secrets;
mod section;
mod section_problems;
mod shown;
mod source;
mod substitute;
mod suggest;
mod switched_off;
mod syntax;
mod toml;
mod write;
mod yaml;

#[cfg(test)]
mod tests;

/// The vocabulary of the family: what a program needs besides this crate.
pub use plugin_core;

pub use declared::Unavailable;
pub use fault::{Fault, Faults};
pub use field::{Field, Integer};
pub use fill::fill;
pub use keys::{Context, Env, Keys};
pub use limits::{MAX_BYTES, MAX_DEPTH, MAX_TEXT, MAX_VALUES};
pub use load::{load, parse, parse_from};
pub use markdown::{markdown, on_page};
pub use merge::{NamedList, merge};
pub use node::{Entry, Node, Value};
pub use program::{directory, load_settings, open, settings_from_text, settle, show_settings};
pub use redact::{SECRET, is_secret_key, redact, redact_url};
pub use reference::reference;
pub use schema::{schema, tables};
pub use section::{Section, read};
pub use shown::shown;
pub use source::{Source, Span};
pub use substitute::substitute;
pub use suggest::nearest;
pub use syntax::Syntax;
pub use write::to_yaml;
