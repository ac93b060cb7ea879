//! One error for several callers.

use std::{convert::Infallible, error::Error, fmt, sync::Arc};

use plugin_core::{BoxError, Code, PluginError, Rejected};

/// An error that several callers can get.
///
/// An error type of your own that is `Clone` needs one line: `fn share(error: &Arc<Self>) -> Self { (**error).clone() }`.
#[diagnostic::on_unimplemented(
    message = "calls that end with `{Self}` cannot be shared",
    note = "for an error type of your own write `impl plugin_fallback::coalesce::Shareable for {Self} {{ .. }}`",
    note = "over a client whose error type is foreign, put `plugin_core::BoxErrorLayer` beneath the layer"
)]
pub trait Shareable: Sized {
    /// An error that says what this one says.
    fn share(error: &Arc<Self>) -> Self;

    /// The error of a caller whose call was driven by another one when it panicked.
    ///
    /// # Panics
    ///
    /// Unless overridden, always: the panic then reaches every caller, as if each had made the call itself.
    #[must_use]
    fn panicked() -> Self {
        panic!("an equal call, which this one shared, panicked")
    }
}

impl Shareable for PluginError {
    fn share(error: &Arc<Self>) -> Self {
        Self::shared(error)
    }

    fn panicked() -> Self {
        Self::new(Code::ExecutionFailed, "an equal call, which this one shared, panicked")
    }
}

/// The text is that of the original. The original is the `source`, unless it is a type of this family, which is copied.
impl Shareable for BoxError {
    fn share(error: &Arc<Self>) -> Self {
        if let Some(rejected) = error.downcast_ref::<Rejected>() {
            return (*rejected).into();
        }
        if let Some(own) = error.downcast_ref::<PluginError>() {
            return own.without_source().with_source(SharedError(Arc::clone(error))).into();
        }
        SharedError(Arc::clone(error)).into()
    }

    fn panicked() -> Self {
        PluginError::panicked().into()
    }
}

impl Shareable for Rejected {
    fn share(error: &Arc<Self>) -> Self {
        **error
    }
}

impl Shareable for Infallible {
    fn share(error: &Arc<Self>) -> Self {
        **error
    }
}

#[cfg(feature = "tonic")]
impl Shareable for tonic::Status {
    fn share(error: &Arc<Self>) -> Self {
        (**error).clone()
    }

    fn panicked() -> Self {
        Self::internal("an equal call, which this one shared, panicked")
    }
}

#[derive(Debug)]
struct SharedError(Arc<BoxError>);

impl fmt::Display for SharedError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl Error for SharedError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        Some(&**self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_boxed_error_keeps_its_text_and_is_found_in_the_chain() {
        let error = BoxError::share(&Arc::new(std::io::Error::other("wire").into()));
        assert_eq!(error.to_string(), "wire");
        assert!(error.source().is_some_and(|source| source.is::<std::io::Error>()));
    }

    #[test]
    fn a_boxed_error_of_this_family_is_still_known_as_one() {
        let error = BoxError::share(&Arc::new(Rejected::overloaded().into()));
        assert_eq!(Rejected::find_in(&error), Some(&Rejected::overloaded()));
        let error = BoxError::share(&Arc::new(PluginError::not_found("x").into()));
        assert_eq!(error.downcast_ref::<PluginError>().map(PluginError::code), Some(Code::NotFound));
    }
}
