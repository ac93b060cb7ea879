//! The fuzz targets of this crate: what holds for any bytes that a caller or an operator gives it.

use std::collections::HashSet;
use std::path::Path;

pub use crate::server::fuzzing::*;
use crate::{
    config::{self, Syntax},
    manager::{MAX_NAME, check_name},
};
use plugin_core::Code;

/// A name that is taken is short, shows all that it has, and is one in no other spelling.
pub fn plugin_name(bytes: &[u8]) {
    use unicode_normalization::UnicodeNormalization;

    let Ok(name) = std::str::from_utf8(bytes) else { return };
    match check_name(name) {
        Ok(()) => {
            assert!((1..=MAX_NAME).contains(&name.len()));
            assert!(!name.chars().any(|c| c.is_whitespace() || c.is_control() || "/\\?&\"'".contains(c)));
            assert_eq!(name.nfc().collect::<String>(), name);
            assert!(check_name(&name.nfd().collect::<String>()).is_err() || name.nfd().eq(name.chars()));
        }
        Err(error) => {
            assert_eq!(error.code(), Code::InvalidName);
            // A letter in parts is shown as a whole, each of its characters by its number.
            assert!(error.to_string().len() < 24 * MAX_NAME, "{error}");
        }
    }
}

/// A configuration is read, in whatever syntax, or each of its faults has a place and says something; names are names, and no
/// two are the same.
pub fn gateway_config(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    for syntax in [None, Some(Syntax::Yaml), Some(Syntax::Json), Some(Syntax::Toml)] {
        match config::from_text(Path::new("fuzz"), text, syntax, &|_| None) {
            Ok(config) => {
                let names: HashSet<_> = config.plugins().iter().map(config::PluginConfig::name).collect();
                assert_eq!(names.len(), config.plugins().len());
                assert!(names.into_iter().all(|name| check_name(name).is_ok()));
            }
            Err(faults) => {
                assert!(!faults.is_empty());
                for fault in &faults {
                    assert!(!fault.to_string().is_empty());
                }
            }
        }
    }
}

#[cfg(test)]
fuzz_twins::twins!(plugin_name, gateway_config);
