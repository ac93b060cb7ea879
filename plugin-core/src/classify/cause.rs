//! The names of outcomes, and the conditions that a list `on` consists of.

use std::{fmt, str::FromStr};

use crate::{Code, ConfigError};

/// The name of an outcome: a code or a status, which a [`Condition`] is compared with.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Cause {
    /// A stable code of the family.
    Code(Code),
    /// An HTTP status.
    Http(u16),
    /// The number of a gRPC status.
    Grpc(u8),
    /// A stable code that stands for an HTTP status, as that of an HTTP plugin which answers 503. Either may be named.
    CodeOfHttp(Code, u16),
    /// Likewise for the number of a gRPC status.
    CodeOfGrpc(Code, u8),
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

/// The name of a gRPC status, such as `UNAVAILABLE` for 14.
#[must_use]
pub fn grpc_status_name(number: u8) -> Option<&'static str> {
    GRPC.get(usize::from(number)).copied()
}

/// One entry of a list `on`, in a breaker and in a retry alike: a code (`PLUGIN_1205`), a range of codes (`TRANSPORT`), an
/// HTTP status (`503`) or class (`5xx`), or the name of a gRPC status (`UNAVAILABLE`).
///
/// With the feature `serde` it is read and written as a text; the number of an HTTP status is read too.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize), serde(try_from = "Raw", into = "String"))]
pub struct Condition(Term);

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Term {
    Code(Code),
    /// What the texts of its codes begin with.
    Range(&'static str),
    Http(u16),
    /// The hundreds of an HTTP status.
    HttpClass(u16),
    Grpc(u8),
}

/// The range of a code: its text up to the number.
fn range_of(code: Code) -> &'static str {
    code.as_str().split_once('_').map_or("", |(range, _)| range)
}

/// What a condition may be.
const FORMS: &str = "a code such as \"PLUGIN_1205\", or a range such as \"TRANSPORT\", an HTTP status from 300 to 599, \
                     \"4xx\", \"5xx\", a gRPC status such as \"UNAVAILABLE\"";

impl Condition {
    /// Checks a name in a list `on`.
    ///
    /// # Errors
    ///
    /// What may stand there, when this may not.
    pub fn check(name: &str) -> Result<(), String> {
        name.parse::<Self>().map(drop).map_err(|_| FORMS.to_owned())
    }

    /// Whether an outcome of this cause is meant.
    #[must_use]
    pub fn matches(self, cause: Cause) -> bool {
        match (self.0, cause) {
            (Term::Code(code), Cause::Code(of) | Cause::CodeOfHttp(of, _) | Cause::CodeOfGrpc(of, _)) => code == of,
            (Term::Range(range), Cause::Code(of) | Cause::CodeOfHttp(of, _) | Cause::CodeOfGrpc(of, _)) => {
                range == range_of(of)
            }
            (Term::Http(status), Cause::Http(of) | Cause::CodeOfHttp(_, of)) => status == of,
            (Term::HttpClass(class), Cause::Http(of) | Cause::CodeOfHttp(_, of)) => class == of / 100,
            (Term::Grpc(status), Cause::Grpc(of) | Cause::CodeOfGrpc(_, of)) => status == of,
            _ => false,
        }
    }

    /// Whether one of these means this cause.
    #[must_use]
    pub fn any_matches(conditions: &[Self], cause: Option<Cause>) -> bool {
        cause.is_some_and(|cause| conditions.iter().any(|condition| condition.matches(cause)))
    }

    /// Whether it may match what would be a success otherwise, such as a `404`.
    #[must_use]
    pub fn may_be_a_success(self) -> bool {
        match self.0 {
            Term::Http(status) => status < 500,
            Term::HttpClass(class) => class < 5,
            Term::Grpc(_) => true,
            Term::Code(_) | Term::Range(_) => false,
        }
    }
}

impl From<Code> for Condition {
    fn from(code: Code) -> Self {
        Self(Term::Code(code))
    }
}

impl FromStr for Condition {
    type Err = ConfigError;

    fn from_str(text: &str) -> Result<Self, ConfigError> {
        if let Some(code) = Code::parse(text) {
            return Ok(Self(Term::Code(code)));
        }
        if let Some(range) = Code::ALL.iter().map(|code| range_of(*code)).find(|range| *range == text) {
            return Ok(Self(Term::Range(range)));
        }
        if let Some(class @ ("4xx" | "5xx")) = text.to_ascii_lowercase().get(..) {
            return Ok(Self(Term::HttpClass(if class == "4xx" { 4 } else { 5 })));
        }
        // Three digits and nothing else: `+503` and `0503` would parse as a number too.
        let digits = text.len() == 3 && text.bytes().all(|byte| byte.is_ascii_digit());
        if let Some(status) = text.parse().ok().filter(|status| digits && (300..=599).contains(status)) {
            return Ok(Self(Term::Http(status)));
        }
        // OK is no failure, and what was cancelled is never retried.
        if let Some(status) = GRPC.iter().skip(2).position(|name| *name == text) {
            return Ok(Self(Term::Grpc(u8::try_from(status + 2).unwrap_or(u8::MAX))));
        }
        let problem = format!("has {text:?}, which is none of: {FORMS}");
        Err(ConfigError::new("on", problem))
    }
}

impl fmt::Display for Condition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Term::Code(code) => code.fmt(f),
            Term::Range(range) => f.write_str(range),
            Term::Http(status) => status.fmt(f),
            Term::HttpClass(class) => write!(f, "{class}xx"),
            Term::Grpc(status) => f.write_str(GRPC.get(usize::from(status)).unwrap_or(&"UNKNOWN")),
        }
    }
}

/// `503` and `"503"` are the same.
#[cfg(feature = "serde")]
#[derive(serde::Deserialize)]
#[serde(untagged, expecting = "a text, or the number of an HTTP status")]
enum Raw {
    Status(u16),
    Name(String),
}

#[cfg(feature = "serde")]
impl TryFrom<Raw> for Condition {
    type Error = ConfigError;

    fn try_from(raw: Raw) -> Result<Self, ConfigError> {
        match raw {
            Raw::Status(status) => status.to_string().parse(),
            Raw::Name(name) => name.parse(),
        }
    }
}

#[cfg(feature = "serde")]
impl From<Condition> for String {
    fn from(condition: Condition) -> Self {
        condition.to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Condition {
        text.parse().expect("a condition")
    }

    #[test]
    fn each_form_reads_back_as_it_was_written() {
        for text in
            ["PLUGIN_1205", "OVERLOAD_2001", "TRANSPORT", "503", "429", "5xx", "4xx", "UNAVAILABLE", "UNAUTHENTICATED"]
        {
            assert_eq!(parse(text).to_string(), text);
            assert_eq!(Condition::check(text), Ok(()));
            #[cfg(feature = "serde")]
            assert_eq!(String::from(parse(text)), text, "as it is written into a file");
        }
    }

    #[test]
    fn a_condition_matches_its_own_kind_alone() {
        assert!(parse("5xx").matches(Cause::Http(507)));
        assert!(!parse("5xx").matches(Cause::Http(404)));
        assert!(parse("UNAVAILABLE").matches(Cause::Grpc(14)));
        assert!(!parse("503").matches(Cause::Grpc(14)));
        assert!(parse("PLUGIN_1203").matches(Cause::Code(Code::ExecutionFailed)));
        let answered = Cause::CodeOfHttp(Code::HttpTransport, 503);
        for named in ["503", "5xx", "TRANSPORT_1301", "TRANSPORT"] {
            assert!(parse(named).matches(answered), "{named}");
        }
        for other in ["502", "4xx", "TRANSPORT_1304", "UNAVAILABLE"] {
            assert!(!parse(other).matches(answered), "{other}");
        }
    }

    #[test]
    fn a_range_matches_every_code_that_begins_with_it_and_no_other() {
        let matched = |range: &str| {
            Code::ALL
                .iter()
                .filter(|code| parse(range).matches(Cause::Code(**code)))
                .map(|code| code.as_str())
                .collect()
        };
        let plugin: Vec<_> = matched("PLUGIN");
        assert!(!plugin.is_empty() && plugin.iter().all(|code| code.starts_with("PLUGIN_")), "{plugin:?}");
        let transport: Vec<_> = matched("TRANSPORT");
        assert!(!transport.is_empty() && transport.iter().all(|code| code.starts_with("TRANSPORT_")), "{transport:?}");
    }

    #[test]
    fn only_what_is_no_failure_by_itself_is_doubted() {
        for (text, doubts) in [("404", true), ("499", true), ("500", false), ("4xx", true), ("5xx", false)] {
            assert_eq!(parse(text).may_be_a_success(), doubts, "{text}");
        }
        for (text, doubts) in [("NOT_FOUND", true), ("PLUGIN_1203", false), ("PLUGIN", false)] {
            assert_eq!(parse(text).may_be_a_success(), doubts, "{text}");
        }
    }

    #[test]
    fn what_is_no_condition_is_named() {
        for bad in
            ["", "OK", "CANCELLED", "200", "600", "6xx", "PLUGIN_9999", "PLUG", "unavailable", "-503", "+503", "0503"]
        {
            let error = bad.parse::<Condition>().expect_err(bad);
            assert!(error.field() == "on" && error.to_string().contains(&format!("{bad:?}")), "{error}");
            assert_eq!(Condition::check(bad), Err(FORMS.to_owned()));
        }
    }
}
