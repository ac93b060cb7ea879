//! A refusal in words.

use std::fmt;

use super::{Detail, Rejected};
use crate::{Code, rounded};

impl Rejected {
    /// What `Display` says, with the code or without it.
    fn describe(&self, f: &mut fmt::Formatter<'_>, with_code: bool) -> fmt::Result {
        let text = match self.code {
            Code::CircuitOpen if matches!(self.detail, Detail::ProbesRunning) => {
                "the circuit is half-open, and its probes are running"
            }
            Code::CircuitOpen if matches!(self.detail, Detail::TooShort) => {
                "the circuit is half-open, and probes with as little time as this call has told nothing"
            }
            Code::CircuitOpen => "the circuit is open",
            Code::CircuitProbeTimeout => "a probe outlived the half-open time",
            Code::RateLimited if matches!(self.detail, Detail::Cost { .. }) => {
                "the request can never pass the rate limit"
            }
            Code::RateLimited if matches!(self.detail, Detail::WithoutKey) => {
                "the request does not say whose it is, and is limited by that"
            }
            Code::RateLimited => "the rate limit is used up",
            Code::Unhealthy => "health checks found the service down",
            Code::HealthTimeout => "the health check did not answer in time",
            Code::NoEndpoint => "no endpoint is available",
            Code::PickFailed => "every endpoint that was picked failed",
            Code::Timeout if self.is_attempt_timeout() => "the attempt took too long",
            Code::Timeout => "the deadline passed",
            Code::ConcurrencyExceeded if matches!(self.detail, Detail::OfKey) => {
                "too many calls of the same key are in flight"
            }
            Code::ConcurrencyExceeded => "too many calls are in flight",
            Code::QueueFull => "the waiting line is full",
            Code::Shed => "the call was shed",
            Code::Draining => "the plugin is being drained",
            Code::ShuttingDown => "the host is shutting down",
            Code::NotEnabled => "the plugin is switched off",
            Code::Starting => "the plugin is being started",
            _ => "the call was refused",
        };
        f.write_str(text)?;
        if with_code {
            write!(f, " ({})", self.code)?;
        }
        match self.detail {
            Detail::Deadline { limit, .. } => write!(f, ": {} were given", rounded(limit))?,
            Detail::Attempt { limit, .. } => write!(f, ": one attempt may take {}", rounded(limit))?,
            Detail::Cost { cost, burst } => write!(f, ": it costs {cost} tokens, and the bucket holds {burst}")?,
            _ => {}
        }
        if let Some(stage) = self.stage() {
            write!(f, ", and the end of that time was spent {stage}")?;
        }
        if let Some(after) = self.retry_after {
            write!(f, "; try again in {}", rounded(after))?;
        }
        Ok(())
    }

    /// What is said beside a code that stands elsewhere.
    pub(crate) fn message(&self) -> String {
        struct Bare<'a>(&'a Rejected);

        impl fmt::Display for Bare<'_> {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.describe(f, false)
            }
        }

        Bare(self).to_string()
    }
}

impl fmt::Display for Rejected {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.describe(f, true)
    }
}
