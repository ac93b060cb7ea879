//! Judging by the error.

use std::{any::Any, error::Error, io};

use plugin_core::{Attributed, BoxError, Code, PluginError, Rejected, Sent};

use super::{Judged, Policy};
use crate::Cause;

/// Every response is a success; an error is judged by what it is. The default.
///
/// | error | another attempt |
/// |---|---|
/// | [`PluginError`] | if it [is retryable](PluginError::is_retryable), and it says what was sent |
/// | [`Rejected`] by a layer inside | if its [code is retryable](Code::is_retryable), or an attempt was cut at its limit |
/// | the caller's deadline; a gRPC status `CANCELLED` (feature `tonic`) | never |
/// | [`io::Error`] | yes; nothing was sent if the connection was refused |
/// | [`BoxError`] | by the first of these in its chain of sources |
/// | any other | yes, and something may have been sent: only where the request may be repeated |
///
/// An error type of your own that wraps these is judged by [`OnErrorChain`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct OnError;

impl<Res, Err: 'static> Policy<Res, Err> for OnError {
    #[inline]
    fn judge(&self, result: Result<&Res, &Err>) -> Judged {
        match result {
            Ok(_) => Judged::success(),
            Err(error) => judge_value(error),
        }
    }
}

/// Like [`OnError`], and looks through the chain of sources of any error. For error enums of your own.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct OnErrorChain;

impl<Res, Err: Error + 'static> Policy<Res, Err> for OnErrorChain {
    #[inline]
    fn judge(&self, result: Result<&Res, &Err>) -> Judged {
        match result {
            Ok(_) => Judged::success(),
            Err(error) => judge_chain(error),
        }
    }
}

/// An error of any type: the known ones are recognised.
#[cold]
pub(crate) fn judge_value<Err: 'static>(error: &Err) -> Judged {
    let any = error as &dyn Any;
    if let Some(error) = any.downcast_ref::<PluginError>() {
        return judge_plugin_error(error);
    }
    if let Some(error) = any.downcast_ref::<BoxError>() {
        return judge_chain(&**error);
    }
    if let Some(rejected) = any.downcast_ref::<Rejected>() {
        return judge_refusal(rejected);
    }
    if let Some(error) = any.downcast_ref::<io::Error>() {
        return judge_chain(error);
    }
    #[cfg(feature = "tonic")]
    if let Some(status) = any.downcast_ref::<tonic::Status>() {
        return judge_chain(status);
    }
    Judged::retry()
}

/// The first error in the chain that is known decides.
#[cold]
pub(crate) fn judge_chain(error: &(dyn Error + 'static)) -> Judged {
    #[cfg(feature = "tonic")]
    let mut status = None;
    let mut next = Some(error);
    while let Some(error) = next {
        if let Some(error) = error.downcast_ref::<PluginError>() {
            return judge_plugin_error(error);
        }
        if let Some(rejected) = error.downcast_ref::<Rejected>() {
            return judge_refusal(rejected);
        }
        if let Some(error) = error.downcast_ref::<io::Error>() {
            if let Some(wrapped) = error.get_ref().and_then(|inner| inner.downcast_ref::<Rejected>()) {
                return judge_refusal(wrapped);
            }
            return judge_io(error);
        }
        #[cfg(feature = "tonic")]
        if let Some(found) = error.downcast_ref::<tonic::Status>() {
            // Its source may say more, such as that the connection was refused.
            status = status.or(Some(found));
        }
        next = error.source();
    }
    #[cfg(feature = "tonic")]
    if let Some(status) = status {
        return super::grpc::judge_status(status.code() as u8, status.metadata().as_ref());
    }
    Judged::retry()
}

fn judge_plugin_error(error: &PluginError) -> Judged {
    let judged = if is_callers_deadline(error) {
        Judged::cancelled()
    } else if error.is_retryable() {
        Judged::retry()
    } else {
        Judged::failure()
    };
    let judged = Judged { instance: error.instance(), ..judged };
    let judged = judged.with_cause(Cause::Code(error.code())).with_sent(error.sent());
    error.retry_after().map_or(judged, |after| judged.with_retry_after(after))
}

/// A time-out that is not worth a second attempt was the deadline over all attempts.
fn is_callers_deadline(error: &PluginError) -> bool {
    error.code() == Code::Timeout && !error.is_retryable()
}

pub(crate) fn judge_refusal(rejected: &Rejected) -> Judged {
    let code = rejected.code();
    let judged = if rejected.is_attempt_timeout() {
        Judged::retry()
    } else if code == Code::Timeout {
        Judged::cancelled()
    } else if code.is_retryable() {
        Judged::retry().with_sent(Sent::Nothing)
    } else {
        Judged::failure().with_sent(Sent::Nothing)
    };
    let judged = judged.with_cause(Cause::Code(code));
    rejected.retry_after().map_or(judged, |after| judged.with_retry_after(after))
}

fn judge_io(error: &io::Error) -> Judged {
    let sent = match error.kind() {
        io::ErrorKind::ConnectionRefused | io::ErrorKind::AddrNotAvailable | io::ErrorKind::NotFound => Sent::Nothing,
        _ => Sent::Maybe,
    };
    Judged::retry().with_cause(Cause::Code(Code::ConnectionFailed)).with_sent(sent)
}

#[cfg(all(test, not(loom)))]
mod tests {
    use std::{fmt, time::Duration};

    use plugin_core::InstanceId;

    use super::*;
    use crate::policy::{Push, Verdict};

    fn of<E: 'static>(error: E) -> Judged {
        OnError.judge(Err::<&(), _>(&error))
    }

    #[test]
    fn the_codes_decide_and_say_what_was_sent() {
        let lost = of(PluginError::connection("reset", Sent::Maybe));
        assert_eq!((lost.verdict, lost.sent), (Verdict::Retry, Sent::Maybe));
        let refused = of(PluginError::connection("refused", Sent::Nothing));
        assert_eq!((refused.verdict, refused.sent), (Verdict::Retry, Sent::Nothing));
        assert_eq!(of(PluginError::execution("division by zero")).verdict, Verdict::Final);
        assert_eq!(of(PluginError::new(Code::InvalidPayload, "not JSON")).verdict, Verdict::Final);
        assert_eq!(of(PluginError::not_found("x")).verdict, Verdict::Final);
    }

    #[test]
    fn retry_of_the_callers_own_cancellation() {
        let deadline = Rejected::deadline_exceeded(Duration::from_secs(1), None);
        assert_eq!(of(deadline).verdict, Verdict::Never);
        assert_eq!(of(PluginError::from(deadline)).verdict, Verdict::Never);
        assert_eq!(of(BoxError::from(deadline)).verdict, Verdict::Never);
        assert_eq!(of(PluginError::new(Code::Timeout, "the caller's")).verdict, Verdict::Never);
        #[cfg(feature = "tonic")]
        assert_eq!(of(tonic::Status::cancelled("the client went away")).verdict, Verdict::Never);
    }

    #[test]
    fn an_attempt_that_was_cut_at_its_limit_is_worth_another() {
        let cut = Rejected::attempt_timeout(Duration::from_secs(1));
        for judged in [of(cut), of(PluginError::from(cut)), of(BoxError::from(cut))] {
            assert_eq!((judged.verdict, judged.sent), (Verdict::Retry, Sent::Maybe));
        }
    }

    #[test]
    fn an_overload_inside_is_retried_and_an_open_circuit_is_not() {
        let overload = of(BoxError::from(Rejected::overloaded()));
        assert_eq!((overload.verdict, overload.sent), (Verdict::Retry, Sent::Nothing));
        let open = of(PluginError::from(Rejected::circuit_open(Some(Duration::from_secs(3)))));
        assert_eq!((open.verdict, open.push), (Verdict::Final, Some(Push::After(Duration::from_secs(3)))));
    }

    #[test]
    fn a_refused_connection_deep_in_a_chain_sent_nothing() {
        #[derive(Debug)]
        struct Outer(io::Error);
        impl fmt::Display for Outer {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("outer")
            }
        }
        impl Error for Outer {
            fn source(&self) -> Option<&(dyn Error + 'static)> {
                Some(&self.0)
            }
        }
        let error = || Outer(io::ErrorKind::ConnectionRefused.into());
        assert_eq!(of(BoxError::from(error())).sent, Sent::Nothing);
        assert_eq!(OnErrorChain.judge(Err::<&(), _>(&error())).sent, Sent::Nothing);
        assert_eq!(of(error()).sent, Sent::Maybe, "without a chain it is an unknown error");
    }

    #[test]
    fn the_instance_that_failed_is_named() {
        let instance = InstanceId::next();
        let error = PluginError::connection("reset", Sent::Maybe).with_instance(instance);
        assert_eq!(of(error).instance, Some(instance));
    }
}
