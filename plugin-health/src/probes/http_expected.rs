//! What an HTTP probe expects of an answer.

use std::ops::RangeInclusive;

use plugin_core::HealthStatus;

/// What an [HTTP probe](super::http) expects of an answer.
///
/// | answer | state |
/// |---|---|
/// | an expected status, 200 to 299 unless told | Healthy, or what the body says where it is read |
/// | a redirect (3xx) | Unhealthy: it is not followed, since what it leads to may be well for other reasons |
/// | 4xx | Unhealthy: the path is wrong, or credentials are |
/// | 503 and other 5xx | Unhealthy: it says so itself |
/// | no answer | Unhealthy, with the error of the client |
///
/// ```
/// use plugin_health::probes::HttpExpected;
///
/// // A page that wants a login is there; what stands in the body matters too.
/// let expected = HttpExpected::new().with_statuses(200..=401).with_body(true);
/// # drop(expected);
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[must_use = "it has no effect until a probe is made with it"]
pub struct HttpExpected {
    statuses: RangeInclusive<u16>,
    pub(super) reads_body: bool,
}

impl Default for HttpExpected {
    fn default() -> Self {
        Self { statuses: 200..=299, reads_body: false }
    }
}

impl HttpExpected {
    /// A status from 200 to 299. The body is not read.
    pub fn new() -> Self {
        Self::default()
    }

    /// Sets the statuses that are good. Default: 200 to 299.
    pub fn with_statuses(mut self, statuses: RangeInclusive<u16>) -> Self {
        self.statuses = statuses;
        self
    }

    /// Sets whether a body of up to 64 KiB is read, such as `{"status":"degraded","message":"one replica"}`.
    ///
    /// Behind a good status, `degraded` or `warn` makes it Degraded, and `unhealthy`, `offline`, `down` or `fail` Unhealthy, in
    /// whatever case; any other word, and a body that is no such object or longer, leaves it Healthy. Behind any other status the
    /// message alone counts. Default: it is not read.
    pub fn with_body(mut self, read: bool) -> Self {
        self.reads_body = read;
        self
    }

    /// What a status comes to, and what the body says where one was read.
    pub(super) fn judge(&self, status: http::StatusCode, said: Option<HealthStatus>) -> HealthStatus {
        if self.statuses.contains(&status.as_u16()) {
            return said.unwrap_or_else(HealthStatus::healthy);
        }
        let said = said.map(|said| said.message).filter(|message| !message.is_empty());
        HealthStatus::unhealthy(said.unwrap_or_else(|| format!("the answer was {status}")))
    }
}
