//! The stable codes by which every fault of the family is known.

use std::fmt;

/// The family a [`Code`] belongs to: what a program branches on when the exact code does not matter.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum CodeKind {
    /// A setting is wrong: nothing was called.
    Config,
    /// Credentials are missing, wrong, or do not allow this.
    Auth,
    /// There is no such plugin, or it is switched off.
    NotFound,
    /// The caller sent something that cannot be a call.
    Payload,
    /// The plugin itself answered with an error.
    Execution,
    /// A time limit passed.
    Timeout,
    /// The plugin could not be reached, or the connection broke.
    Connection,
    /// A circuit breaker is open.
    CircuitOpen,
    /// A rate limit is used up.
    RateLimited,
    /// Health checks say that the plugin is down.
    Unhealthy,
    /// No instance could take the call.
    NoEndpoint,
    /// Too much work at once.
    Overloaded,
    /// A security rule forbids it.
    Security,
    /// The plugin, or the host, is being stopped, restarted, or has been given up.
    Lifecycle,
}

macro_rules! codes {
    ($( $(#[doc = $doc:expr])+ $name:ident = $text:literal, $kind:ident, $http:literal, $grpc:literal, $retry:literal; )+) => {
        /// A stable code. Its text never changes once released; programs and alerts may rely on it.
        ///
        /// | code | kind | HTTP | gRPC | retryable |
        /// |---|---|---|---|---|
        $(#[doc = concat!("| `", $text, "` | ", stringify!($kind), " | ", $http, " | ", $grpc, " | ", $retry, " |")])+
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
        #[non_exhaustive]
        pub enum Code { $( $(#[doc = $doc])+ $name ),+ }

        impl Code {
            /// Every code, in the order of [`Code::index`].
            pub const ALL: &'static [Code] = &[$(Code::$name),+];

            /// The stable text, such as `CIRCUIT_1401`.
            #[must_use]
            pub const fn as_str(self) -> &'static str { match self { $(Code::$name => $text),+ } }

            /// The family of this code.
            #[must_use]
            pub const fn kind(self) -> CodeKind { match self { $(Code::$name => CodeKind::$kind),+ } }

            /// The HTTP status that a gateway answers with.
            #[must_use]
            pub const fn http_status(self) -> u16 { match self { $(Code::$name => $http),+ } }

            /// The gRPC status number that a gateway answers with.
            #[must_use]
            pub const fn grpc_status(self) -> u8 { match self { $(Code::$name => $grpc),+ } }

            /// Whether a second attempt may help, unless the error itself says otherwise.
            #[must_use]
            pub const fn is_retryable(self) -> bool { match self { $(Code::$name => $retry),+ } }
        }
    };
}

codes! {
    /// A plugin's name is empty, too long, or has a forbidden character.
    InvalidName = "PLUGIN_1001", Config, 500, 9, false;
    /// A transport's name is not known.
    InvalidTransport = "PLUGIN_1002", Config, 500, 9, false;
    /// A transport that needs an endpoint has none.
    MissingEndpoint = "PLUGIN_1003", Config, 500, 9, false;
    /// An endpoint is not a URL of the kind that its transport needs.
    InvalidEndpointUrl = "PLUGIN_1004", Config, 500, 9, false;
    /// An endpoint is not of the form that its transport needs.
    InvalidEndpointFormat = "PLUGIN_1005", Config, 500, 9, false;
    /// A Unix transport has no socket path.
    MissingSocketPath = "PLUGIN_1006", Config, 500, 9, false;
    /// A subprocess transport has no executable, or the file is not there or cannot be executed.
    MissingExecutable = "PLUGIN_1007", Config, 500, 9, false;
    /// The transport is known, and this build cannot serve it.
    UnsupportedTransport = "PLUGIN_1008", Config, 500, 9, false;
    /// A configuration names no plugin.
    NoPluginsConfigured = "PLUGIN_1009", Config, 500, 9, false;
    /// Two plugins have the same name.
    DuplicateName = "PLUGIN_1010", Config, 409, 6, false;
    /// A configuration cannot be read as a document.
    InvalidDocument = "PLUGIN_1011", Config, 500, 9, false;
    /// The method `api-key` has no key.
    MissingApiKey = "AUTH_1101", Auth, 500, 9, false;
    /// The method `bearer` has no token.
    MissingBearerToken = "AUTH_1102", Auth, 500, 9, false;
    /// The method `basic` has no user name or no password.
    MissingBasicCredentials = "AUTH_1103", Auth, 500, 9, false;
    /// A certificate, key or CA file for mTLS is missing or cannot be read.
    MissingTlsFiles = "AUTH_1104", Auth, 500, 9, false;
    /// The authentication method is not known, or this transport cannot use it.
    UnsupportedAuthMethod = "AUTH_1105", Auth, 500, 9, false;
    /// Credentials were missing or wrong.
    Unauthenticated = "AUTH_1106", Auth, 401, 16, false;
    /// The credentials are good and do not allow this.
    Forbidden = "AUTH_1107", Auth, 403, 7, false;
    /// No plugin has this name.
    NotFound = "PLUGIN_1201", NotFound, 404, 5, false;
    /// The plugin is switched off.
    NotEnabled = "PLUGIN_1202", NotFound, 503, 14, false;
    /// The plugin answered with an error of its own.
    ExecutionFailed = "PLUGIN_1203", Execution, 502, 2, false;
    /// A deadline, or the limit of one attempt, passed.
    Timeout = "PLUGIN_1204", Timeout, 504, 4, false;
    /// The plugin could not be reached, or the connection was lost.
    ConnectionFailed = "PLUGIN_1205", Connection, 502, 14, true;
    /// The payload is not what the codec can read.
    InvalidPayload = "PLUGIN_1206", Payload, 400, 3, false;
    /// The payload, or a reply, is larger than its limit.
    PayloadTooLarge = "PLUGIN_1207", Payload, 413, 8, false;
    /// An HTTP plugin answered with an error status, or with something that is not a reply.
    HttpTransport = "TRANSPORT_1301", Connection, 502, 14, false;
    /// A gRPC plugin answered with an error status, or with something that is not a reply.
    GrpcTransport = "TRANSPORT_1302", Connection, 502, 14, false;
    /// A plugin on a Unix socket answered with something that is not a reply.
    UnixTransport = "TRANSPORT_1303", Connection, 502, 14, false;
    /// A subprocess answered with something that is not a reply, or died during the call.
    ExecTransport = "TRANSPORT_1304", Connection, 502, 14, false;
    /// A circuit breaker is open.
    CircuitOpen = "CIRCUIT_1401", CircuitOpen, 503, 14, false;
    /// A breaker is half-open with all its probes running, and a probe before them outlived the half-open time.
    CircuitProbeTimeout = "CIRCUIT_1402", CircuitOpen, 503, 14, false;
    /// A rate limit is used up.
    RateLimited = "RATELIMIT_1501", RateLimited, 429, 8, false;
    /// Health checks found the plugin down.
    Unhealthy = "HEALTH_1601", Unhealthy, 503, 14, false;
    /// A health check did not answer in time.
    HealthTimeout = "HEALTH_1602", Unhealthy, 503, 14, true;
    /// No instance is there, enabled and healthy.
    NoEndpoint = "LOADBALANCER_1701", NoEndpoint, 503, 14, false;
    /// Every instance that was picked failed before it took the call.
    PickFailed = "LOADBALANCER_1702", NoEndpoint, 503, 14, true;
    /// A document does not follow the schema.
    ConfigSchema = "CONFIG_1801", Config, 500, 9, false;
    /// A value is outside its bounds.
    ConfigValue = "CONFIG_1802", Config, 500, 9, false;
    /// An environment variable that a document names is not set.
    ConfigEnvironment = "CONFIG_1803", Config, 500, 9, false;
    /// A reload failed; what was serving still serves.
    ConfigReload = "CONFIG_1804", Config, 500, 9, false;
    /// A file that a document names cannot be read.
    ConfigFile = "CONFIG_1805", Config, 500, 9, false;
    /// The plugin is not on the whitelist.
    NotListed = "SECURITY_1901", Security, 403, 7, false;
    /// The file's hash is not the listed one.
    HashMismatch = "SECURITY_1902", Security, 403, 7, false;
    /// The signature is missing or wrong.
    SignatureInvalid = "SECURITY_1903", Security, 403, 7, false;
    /// The plugin's type is not allowed.
    TypeForbidden = "SECURITY_1904", Security, 403, 7, false;
    /// The file is larger than allowed.
    FileTooLarge = "SECURITY_1905", Security, 403, 7, false;
    /// The path is forbidden.
    PathForbidden = "SECURITY_1906", Security, 403, 7, false;
    /// The endpoint is not allowed.
    EndpointForbidden = "SECURITY_1907", Security, 403, 7, false;
    /// The build id is not the expected one.
    BuildIdMismatch = "SECURITY_1908", Security, 403, 7, false;
    /// Too many calls are in flight.
    ConcurrencyExceeded = "OVERLOAD_2001", Overloaded, 503, 8, true;
    /// The waiting line is full, or the wait took too long.
    QueueFull = "OVERLOAD_2002", Overloaded, 503, 8, true;
    /// The call was shed to keep the rest alive.
    Shed = "OVERLOAD_2003", Overloaded, 503, 8, true;
    /// The plugin is being drained and takes no new call.
    Draining = "LIFECYCLE_2101", Lifecycle, 503, 14, false;
    /// The host is shutting down.
    ShuttingDown = "LIFECYCLE_2102", Lifecycle, 503, 14, false;
    /// The plugin died too often and was given up.
    CrashLoop = "LIFECYCLE_2103", Lifecycle, 503, 14, false;
    /// The plugin went over a resource limit and was stopped.
    LimitExceeded = "LIFECYCLE_2104", Lifecycle, 503, 14, false;
    /// The plugin is being started, and was not there before.
    Starting = "LIFECYCLE_2105", Lifecycle, 503, 14, true;
}

impl Code {
    /// The position in [`Code::ALL`]: dense from 0, for tables of counters. Not stable across versions.
    #[must_use]
    pub const fn index(self) -> usize {
        self as usize
    }

    /// The code whose text this is.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|code| code.as_str() == text)
    }
}

impl fmt::Display for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_are_distinct_and_parse_back() {
        for (index, code) in Code::ALL.iter().enumerate() {
            assert_eq!(code.index(), index);
            assert_eq!(Code::parse(code.as_str()), Some(*code));
        }
    }

    #[test]
    fn a_refusal_is_not_retryable_unless_the_table_says_so() {
        let retryable: Vec<_> = Code::ALL.iter().filter(|code| code.is_retryable()).map(|c| c.as_str()).collect();
        assert_eq!(
            retryable,
            [
                "PLUGIN_1205",
                "HEALTH_1602",
                "LOADBALANCER_1702",
                "OVERLOAD_2001",
                "OVERLOAD_2002",
                "OVERLOAD_2003",
                "LIFECYCLE_2105"
            ]
        );
    }
}
