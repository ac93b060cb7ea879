//! Durations in configuration: Go's text, or whole nanoseconds. For `#[serde(with = "plugin_core::serde_duration")]`.

use std::{fmt, time::Duration};

use serde::{
    Deserializer, Serializer,
    de::{self, Visitor},
};

use crate::go_duration;

/// Writes Go's text.
///
/// # Errors
///
/// Those of the serializer.
pub fn serialize<S: Serializer>(duration: &Duration, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(&go_duration::format(*duration))
}

/// Reads `"30s"`, or an integer of nanoseconds.
///
/// # Errors
///
/// When it is neither.
pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Duration, D::Error> {
    struct Text;

    impl Visitor<'_> for Text {
        type Value = Duration;

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("a duration such as \"30s\", or an integer of nanoseconds")
        }

        fn visit_str<E: de::Error>(self, text: &str) -> Result<Duration, E> {
            go_duration::parse(text).map_err(|problem| E::custom(format_args!("{text:?}: {problem}")))
        }

        fn visit_u64<E: de::Error>(self, nanos: u64) -> Result<Duration, E> {
            Ok(Duration::from_nanos(nanos))
        }

        fn visit_i64<E: de::Error>(self, nanos: i64) -> Result<Duration, E> {
            u64::try_from(nanos).map(Duration::from_nanos).map_err(|_| E::custom("a duration cannot be negative"))
        }
    }

    deserializer.deserialize_any(Text)
}

/// The same for a setting that may be absent or `null`. Add `default` beside `with`.
pub mod option {
    use std::time::Duration;

    use serde::{Deserialize, Deserializer, Serializer};

    /// Writes Go's text, or null.
    ///
    /// # Errors
    ///
    /// Those of the serializer.
    pub fn serialize<S: Serializer>(duration: &Option<Duration>, serializer: S) -> Result<S::Ok, S::Error> {
        match duration {
            Some(duration) => super::serialize(duration, serializer),
            None => serializer.serialize_none(),
        }
    }

    /// Reads a duration or null.
    ///
    /// # Errors
    ///
    /// When it is neither.
    pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Duration>, D::Error> {
        #[derive(Deserialize)]
        struct Present(#[serde(with = "super")] Duration);
        Ok(Option::<Present>::deserialize(deserializer)?.map(|Present(duration)| duration))
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    #[derive(serde::Deserialize, serde::Serialize, Debug, PartialEq)]
    struct Settings {
        #[serde(with = "super")]
        wait: Duration,
        #[serde(default, with = "super::option")]
        limit: Option<Duration>,
    }

    #[test]
    fn text_and_nanoseconds_are_read_and_text_is_written() {
        let read = |json: &str| serde_json::from_str::<Settings>(json).map_err(|error| error.to_string());
        let settings = read(r#"{"wait":"1m30s","limit":5000000}"#).expect("valid");
        assert_eq!((settings.wait.as_secs(), settings.limit), (90, Some(Duration::from_millis(5))));
        assert_eq!(serde_json::to_string(&settings).expect("plain"), r#"{"wait":"1m30s","limit":"5ms"}"#);
        assert_eq!(read(r#"{"wait":"1s"}"#).expect("valid").limit, None);
        assert!(read(r#"{"wait":"soon"}"#).expect_err("no duration").contains("soon"));
        assert!(read(r#"{"wait":-1}"#).expect_err("negative").contains("negative"));
    }
}
