//! Why Redis is not asked, or did not answer.

use std::fmt;

use redis::{ErrorKind, RedisError, ServerErrorKind};

/// Why Redis is away. No address, password or key is in it.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum AwayReason {
    /// Nobody listens at the address.
    Refused,
    /// A connection could not be made in time.
    ConnectTimedOut,
    /// The name is not known, or the network, TLS or the sentinels gave no connection.
    Unreachable,
    /// The connection was lost.
    Lost,
    /// There was no answer in time.
    TimedOut,
    /// The server is a replica: a failover goes on, or the address is that of the wrong server.
    ReadOnly,
    /// The server is reading its data, as it does after a start.
    Loading,
    /// The server has no memory left for what is to be written.
    OutOfMemory,
    /// The name or the password is missing or wrong, or the user may not run scripts.
    NotAuthorized,
    /// Of the cluster, the part with this key is down, or the master is.
    ClusterDown,
    /// The server answered with another error, of this code: `MOVED` where it is one of a cluster and the URL does not say so.
    Error(String),
}

impl fmt::Display for AwayReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Refused => "nobody listens at the address",
            Self::ConnectTimedOut => "a connection could not be made in time",
            Self::Unreachable => "the server cannot be reached",
            Self::Lost => "the connection was lost",
            Self::TimedOut => "there was no answer in time",
            Self::ReadOnly => "the server is a replica (READONLY)",
            Self::Loading => "the server is loading its data (LOADING)",
            Self::OutOfMemory => "the server has no memory left (OOM)",
            Self::NotAuthorized => "the server does not accept the user, the password or the use of scripts",
            Self::ClusterDown => "a part of the cluster is down",
            Self::Error(code) => return write!(f, "the server answered {code}"),
        })
    }
}

/// What an error of one decision says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Fault {
    /// Nothing of the server: what stands under this key is no bucket.
    Key,
    /// Nothing of the server but that it was slow this time.
    Slow,
    /// The server cannot decide.
    Away(AwayReason),
}

/// The longest code of a server that is told.
const CODE: usize = 32;

impl From<&RedisError> for Fault {
    fn from(error: &RedisError) -> Self {
        // Servers before 7 wrap the error of a command in that of the script.
        let says = |code: &str| error.code() == Some(code) || error.detail().is_some_and(|text| text.contains(code));
        if says("WRONGTYPE") { Self::Key } else { Self::Away(AwayReason::of(error, says)) }
    }
}

impl AwayReason {
    fn of(error: &RedisError, says: impl Fn(&str) -> bool) -> Self {
        let codes = [
            ("READONLY", Self::ReadOnly),
            ("LOADING", Self::Loading),
            ("OOM", Self::OutOfMemory),
            ("NOAUTH", Self::NotAuthorized),
            ("WRONGPASS", Self::NotAuthorized),
            ("NOPERM", Self::NotAuthorized),
            ("CLUSTERDOWN", Self::ClusterDown),
            ("MASTERDOWN", Self::ClusterDown),
        ];
        if let Some((_, reason)) = codes.into_iter().find(|(code, _)| says(code)) {
            return reason;
        }
        match error.kind() {
            ErrorKind::AuthenticationFailed => Self::NotAuthorized,
            ErrorKind::Server(ServerErrorKind::TryAgain) | ErrorKind::ClusterConnectionNotFound => Self::ClusterDown,
            ErrorKind::MasterNameNotFoundBySentinel => Self::Unreachable,
            ErrorKind::Io if error.is_connection_refusal() => Self::Refused,
            ErrorKind::Io if error.is_timeout() => Self::TimedOut,
            ErrorKind::Io if error.is_connection_dropped() => Self::Lost,
            ErrorKind::Io => Self::Unreachable,
            _ => Self::Error(code_of(error)),
        }
    }
}

/// The code alone: what stands beside it may hold a key.
fn code_of(error: &RedisError) -> String {
    let code = error.code().unwrap_or("an answer that is not understood");
    code.chars().filter(|letter| !letter.is_control()).take(CODE).collect()
}

#[cfg(test)]
mod tests {
    use redis::make_extension_error;

    use super::*;

    fn fault(code: &str, detail: &str) -> Fault {
        Fault::from(&make_extension_error(code.to_owned(), Some(detail.to_owned())))
    }

    #[test]
    fn each_answer_of_a_server_that_cannot_decide_has_its_reason() {
        for (code, reason) in [
            ("READONLY", AwayReason::ReadOnly),
            ("LOADING", AwayReason::Loading),
            ("OOM", AwayReason::OutOfMemory),
            ("NOAUTH", AwayReason::NotAuthorized),
            ("NOPERM", AwayReason::NotAuthorized),
            ("CLUSTERDOWN", AwayReason::ClusterDown),
            ("BUSY", AwayReason::Error("BUSY".to_owned())),
        ] {
            assert_eq!(fault(code, "some words"), Fault::Away(reason));
        }
        let wrapped = "Error running script: @user_script:5: OOM command not allowed";
        assert_eq!(fault("ERR", wrapped), Fault::Away(AwayReason::OutOfMemory));
    }

    #[test]
    fn a_key_of_another_type_says_nothing_of_the_server() {
        assert_eq!(fault("WRONGTYPE", "Operation against a key"), Fault::Key);
        assert_eq!(fault("ERR", "Error running script: WRONGTYPE Operation"), Fault::Key);
    }

    #[test]
    fn nothing_of_the_words_of_a_server_is_told_but_its_code() {
        let Fault::Away(reason) = fault("ODD", "of the key user-7") else { panic!("it is away") };
        assert_eq!(reason.to_string(), "the server answered ODD");
    }
}
