//! What is worth a retry, in the terms of a configuration.

use std::{fmt, str::FromStr};

use plugin_core::{Code, ConfigError};

/// What a failure is called: what the list `on` of a [`RetryConfig`](crate::RetryConfig) is compared with.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Cause {
    /// A stable code of the family.
    Code(Code),
    /// An HTTP status.
    Http(u16),
    /// The number of a gRPC status.
    Grpc(u8),
}

/// The names of gRPC statuses, by number.
const GRPC: [&str; 17] = [
    "OK",
    "CANCELLED",
    "UNKNOWN",
    "INVALID_ARGUMENT",
    "DEADLINE_EXCEEDED",
    "NOT_FOUND",
    "ALREADY_EXISTS",
    "PERMISSION_DENIED",
    "RESOURCE_EXHAUSTED",
    "FAILED_PRECONDITION",
    "ABORTED",
    "OUT_OF_RANGE",
    "UNIMPLEMENTED",
    "INTERNAL",
    "UNAVAILABLE",
    "DATA_LOSS",
    "UNAUTHENTICATED",
];

/// One entry of the list `on`: a code (`PLUGIN_1205`), an HTTP status (`503`) or class (`5xx`), or the name of a gRPC
/// status (`UNAVAILABLE`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Condition(Kind);

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Kind {
    Code(Code),
    Http(u16),
    /// The hundreds of an HTTP status.
    HttpClass(u16),
    Grpc(u8),
}

impl Condition {
    /// Whether a failure of this cause is meant.
    #[must_use]
    pub fn matches(self, cause: Cause) -> bool {
        match (self.0, cause) {
            (Kind::Code(code), Cause::Code(of)) => code == of,
            (Kind::Http(status), Cause::Http(of)) => status == of,
            (Kind::HttpClass(class), Cause::Http(of)) => class == of / 100,
            (Kind::Grpc(status), Cause::Grpc(of)) => status == of,
            _ => false,
        }
    }

    /// Whether it may match what would be a success otherwise, such as a `404`.
    pub(crate) fn may_be_a_success(self) -> bool {
        match self.0 {
            Kind::Http(status) => status < 500,
            Kind::HttpClass(class) => class < 5,
            Kind::Grpc(_) => true,
            Kind::Code(_) => false,
        }
    }
}

impl From<Code> for Condition {
    fn from(code: Code) -> Self {
        Self(Kind::Code(code))
    }
}

impl FromStr for Condition {
    type Err = ConfigError;

    fn from_str(text: &str) -> Result<Self, ConfigError> {
        if let Some(code) = Code::parse(text) {
            return Ok(Self(Kind::Code(code)));
        }
        if let Some(class @ ("4xx" | "5xx")) = text.to_ascii_lowercase().get(..) {
            return Ok(Self(Kind::HttpClass(if class == "4xx" { 4 } else { 5 })));
        }
        if let Some(status) = text.parse().ok().filter(|status| (300..=599).contains(status)) {
            return Ok(Self(Kind::Http(status)));
        }
        // OK is no failure, and what was cancelled is never retried.
        if let Some(status) = GRPC.iter().skip(2).position(|name| *name == text) {
            return Ok(Self(Kind::Grpc(u8::try_from(status + 2).unwrap_or(u8::MAX))));
        }
        let problem = format!(
            "has {text:?}, which is none of: a code such as \"PLUGIN_1205\", an HTTP status from 300 to 599, \"4xx\", \
             \"5xx\", a gRPC status such as \"UNAVAILABLE\""
        );
        Err(ConfigError::new("on", problem))
    }
}

impl fmt::Display for Condition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Kind::Code(code) => code.fmt(f),
            Kind::Http(status) => status.fmt(f),
            Kind::HttpClass(class) => write!(f, "{class}xx"),
            Kind::Grpc(status) => f.write_str(GRPC.get(usize::from(status)).unwrap_or(&"UNKNOWN")),
        }
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    fn parse(text: &str) -> Condition {
        text.parse().expect("a condition")
    }

    #[test]
    fn each_form_reads_back_as_it_was_written() {
        for text in ["PLUGIN_1205", "OVERLOAD_2001", "503", "429", "5xx", "4xx", "UNAVAILABLE", "UNAUTHENTICATED"] {
            assert_eq!(parse(text).to_string(), text);
        }
    }

    #[test]
    fn a_condition_matches_its_own_kind_alone() {
        assert!(parse("5xx").matches(Cause::Http(507)));
        assert!(!parse("5xx").matches(Cause::Http(404)));
        assert!(parse("UNAVAILABLE").matches(Cause::Grpc(14)));
        assert!(!parse("503").matches(Cause::Grpc(14)));
        assert!(parse("PLUGIN_1203").matches(Cause::Code(Code::ExecutionFailed)));
    }

    #[test]
    fn what_is_no_condition_is_named() {
        for bad in ["", "OK", "CANCELLED", "200", "600", "6xx", "PLUGIN_9999", "unavailable", "-503"] {
            let error = bad.parse::<Condition>().expect_err(bad);
            assert!(error.field() == "on" && error.to_string().contains(&format!("{bad:?}")), "{error}");
        }
    }
}
