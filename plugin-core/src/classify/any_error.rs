//! Judging by whether there is an error.

use std::{any::Any, error::Error, time::Duration};

use super::{Classify, Verdict};
use crate::{Kind, PluginError, Rejected};

/// Every response is a success and every error a failure, with two exceptions: a refusal by a layer of this family is
/// ignored (unless it [is evidence](Rejected::is_evidence), such as an attempt that was cut at its limit), and so is a [`PluginError`] that is the caller's own fault (a payload that cannot be read, an unknown name).
///
/// Refusals are recognised in the error types that [`Rejected::find_in`] lists. An error enum of your own that wraps
/// them is judged by [`ErrorChain`], or by a closure.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct AnyError;

impl<Res, Err: 'static> Classify<Res, Err> for AnyError {
    #[inline]
    fn classify(&self, result: Result<&Res, &Err>) -> Verdict {
        match result {
            Ok(_) => Verdict::Success,
            Err(error) => judge(error),
        }
    }

    fn retry_after(&self, result: Result<&Res, &Err>) -> Option<Duration> {
        let error = result.err()? as &dyn Any;
        error.downcast_ref::<PluginError>().and_then(PluginError::retry_after)
    }
}

#[cold]
fn judge<Err: 'static>(error: &Err) -> Verdict {
    if let Some(error) = (error as &dyn Any).downcast_ref::<PluginError>() {
        return judge_plugin_error(error);
    }
    match Rejected::find_in(error) {
        Some(rejected) => judge_refusal(rejected),
        None => Verdict::Failure,
    }
}

fn judge_refusal(rejected: &Rejected) -> Verdict {
    if rejected.is_evidence() { Verdict::Failure } else { Verdict::Ignored }
}

/// A response that looks like a failure. One that a layer of this family answered says so in its extensions.
#[cfg(feature = "http")]
#[cold]
pub(super) fn judge_failed_response<B>(response: &http::Response<B>) -> Verdict {
    response.extensions().get().map_or(Verdict::Failure, judge_refusal)
}

fn judge_plugin_error(error: &PluginError) -> Verdict {
    if let Some(rejected) = error.rejected() {
        return judge_refusal(rejected);
    }
    match error.kind() {
        Kind::Execution | Kind::Timeout | Kind::Connection | Kind::Unhealthy => Verdict::Failure,
        _ => Verdict::Ignored,
    }
}

/// Like [`AnyError`], and finds refusals anywhere in an error's chain of sources. For error enums of your own.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ErrorChain;

impl<Res, Err: Error + 'static> Classify<Res, Err> for ErrorChain {
    fn classify(&self, result: Result<&Res, &Err>) -> Verdict {
        match result {
            Ok(_) => Verdict::Success,
            Err(error) => Rejected::find(error).map_or_else(|| judge(error), judge_refusal),
        }
    }

    fn retry_after(&self, result: Result<&Res, &Err>) -> Option<Duration> {
        Classify::<Res, Err>::retry_after(&AnyError, result)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{BoxError, Code};

    fn of<E: 'static>(error: E) -> Verdict {
        AnyError.classify(Err::<&(), _>(&error))
    }

    #[test]
    fn a_refusal_of_this_family_is_ignored_however_it_is_wrapped() {
        assert_eq!(of(Rejected::overloaded()), Verdict::Ignored);
        assert_eq!(of(BoxError::from(Rejected::overloaded())), Verdict::Ignored);
        assert_eq!(of(PluginError::from(Rejected::unhealthy())), Verdict::Ignored);
        assert_eq!(of(std::io::Error::other("reset")), Verdict::Failure);
    }

    #[test]
    fn the_callers_own_mistake_is_ignored_and_the_plugins_is_a_failure() {
        assert_eq!(of(PluginError::new(Code::InvalidPayload, "not JSON")), Verdict::Ignored);
        assert_eq!(of(PluginError::not_found("x")), Verdict::Ignored);
        assert_eq!(of(PluginError::execution("division by zero")), Verdict::Failure);
        assert_eq!(of(PluginError::attempt_timeout(Duration::from_secs(1))), Verdict::Failure);
    }

    #[test]
    fn an_enum_of_the_users_own_is_looked_into_by_the_chain() {
        #[derive(Debug)]
        struct Own(Rejected);
        impl std::fmt::Display for Own {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("own")
            }
        }
        impl Error for Own {
            fn source(&self) -> Option<&(dyn Error + 'static)> {
                Some(&self.0)
            }
        }
        let own = Own(Rejected::overloaded());
        assert_eq!(ErrorChain.classify(Err::<&(), _>(&own)), Verdict::Ignored);
        assert_eq!(of(own), Verdict::Failure);
    }
}
