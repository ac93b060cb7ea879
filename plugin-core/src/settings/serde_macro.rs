//! What a crate says of its settings, to have them read and written by serde.

/// Reads and writes a type that has [`Settings`](crate::settings::Settings) by serde, where the feature `serde` is on in the
/// crate that calls this.
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
