//! What a configuration implements, once its keys are declared.

use super::declaration::Table;
use super::values::Values;
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
