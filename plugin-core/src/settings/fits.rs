//! Whether what a program gives fits its key: for builders, which say so in the words of the readers.

use super::check;
use super::declaration::{Key, Table};
use super::values::{Checked, Given, Values};
use crate::ConfigError;

impl Table {
    /// Whether a key takes a value: for builders, which say so in the words of the readers. `path` may go into sections
    /// (`failure_rate.ratio`).
    ///
    /// ```
    /// # use std::time::Duration;
    /// use plugin_core::settings::{Key, Kind, Table};
    ///
    /// static POLL: Table = Table::new("poll", "How often.", &[Key::new("burst", Kind::integer(1, 100), "At once.")]);
    ///
    /// assert!(POLL.fits("burst", 100_u32).is_ok());
    /// let error = POLL.fits("burst", 101_u32).unwrap_err();
    /// assert_eq!(error.to_string(), "`burst` must be from 1 to 100, and is 101");
    /// ```
    ///
    /// # Errors
    ///
    /// What is wrong with the value.
    pub fn fits(&self, path: &'static str, value: impl Into<Given>) -> Result<(), ConfigError> {
        let Some(value) = value.into().into_checked() else { return Ok(()) };
        let key = self.at(path);
        debug_assert!(key.is_some(), "`{}` has no key `{path}`", self.name);
        let Some((key, Err(mismatch))) = key.map(|key| (key, check::inside(&key.kind, &value))) else { return Ok(()) };
        let found = if key.kind.is_secret() { "a value that is not shown".to_owned() } else { value.describe() };
        let error = ConfigError::new(path, mismatch.sentence(&found));
        Err(match key.code {
            Some(code) => error.with_code(code),
            None => error,
        })
    }

    fn at(&self, path: &str) -> Option<&'static Key> {
        match path.split_once('.') {
            None => self.declared(path),
            Some((section, rest)) => self.declared(section)?.kind.table()?.at(rest),
        }
    }
}

impl Values {
    /// Whether every value fits its key: for builders, which say so in the words of the readers.
    ///
    /// # Errors
    ///
    /// The first that does not.
    pub fn fits(&self) -> Result<(), ConfigError> {
        self.iter().try_for_each(|(key, value)| match value {
            Checked::Section(values) => values.fits().map_err(|error| error.within(key)),
            value => self.table().fits(key, value.clone()),
        })
    }
}
