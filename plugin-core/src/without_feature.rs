//! What stands in the place of a preset whose feature is not on.

/// A method of the same name that nothing may call, since nobody has the trait: the compiler then names the feature, and
/// does not say that there is no such method. The crate that calls this has the trait.
#[doc(hidden)]
#[macro_export]
macro_rules! without_feature {
    ($feature:literal, $preset:ident, $missing:path) => {
        #[cfg(not(feature = $feature))]
        #[doc(hidden)]
        pub fn $preset(self) -> Self
        where
            Self: $missing,
        {
            self
        }
    };
}
