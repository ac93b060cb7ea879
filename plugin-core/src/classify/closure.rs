//! Judging by a closure.

use super::{amend, amendment::Amendment, error_chain, judge::Classify, judgement::Judgement};

/// A closure `|result: Result<&Res, &Err>| ..` that answers with a [`Verdict`](crate::Verdict) or a [`Judgement`].
///
/// What the closure leaves out of its judgement of an error is added where it is known of the error: what was sent, who
/// refused, which instance it was, and after a failure whether another attempt may help; see
/// [`ByErrorType`](crate::ByErrorType).
#[diagnostic::do_not_recommend]
impl<F, J, Res, Err> Classify<Res, Err> for F
where
    F: Fn(Result<&Res, &Err>) -> J,
    J: Into<Judgement>,
    Err: 'static,
{
    #[inline]
    fn classify(&self, result: Result<&Res, &Err>) -> Judgement {
        let judged = self(result).into();
        match result {
            Ok(_) => judged,
            Err(error) => judged.completed(&error_chain::value(error)),
        }
    }

    fn amend(&self, outcome: &mut Result<Res, Err>, with: Amendment) {
        if let Err(error) = outcome {
            amend::error(error, with);
        }
    }
}

/// Gives a closure the form that [`Classify`] asks for, so that the types of its argument need not be named: they are found
/// where the layer is put round its service. A closure that names them needs none of this.
///
/// ```
/// use plugin_core::{Verdict, classify};
///
/// # fn judged_by<C: plugin_core::Classify<u8, String>>(_: C) {}
/// // In `.classify(..)` of a layer:
/// let named = |result: Result<&u8, &String>| if result.is_ok() { Verdict::Success } else { Verdict::Failure };
/// let found = classify::closure(|result| if result.is_ok() { Verdict::Success } else { Verdict::Failure });
/// # judged_by(named);
/// # judged_by(found);
/// ```
pub fn closure<F, J, Res, Err>(judge: F) -> F
where
    F: Fn(Result<&Res, &Err>) -> J,
    J: Into<Judgement>,
{
    judge
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Code, PluginError, Rejected, Sent, Verdict, classify::Again};

    fn of(verdict: Verdict, error: &PluginError) -> Judgement {
        (|_: Result<&(), &PluginError>| verdict).classify(Err(error))
    }

    #[test]
    fn what_a_verdict_leaves_out_is_what_is_known_of_the_error() {
        let refused = PluginError::from(Rejected::overloaded());
        let judged = of(Verdict::Failure, &refused);
        assert_eq!((judged.verdict(), judged.refusal()), (Verdict::Failure, Some(Code::ConcurrencyExceeded)));
        assert_eq!((judged.sent(), judged.again()), (Sent::Nothing, Again::Yes));
        assert_eq!(of(Verdict::Success, &refused).again(), Again::No, "a success is not repeated");
        let lost = PluginError::connection("reset", Sent::Maybe);
        assert_eq!(of(Verdict::Failure, &lost).again(), Again::Yes);
        assert_eq!(of(Verdict::Ignored, &lost).again(), Again::No, "what says nothing of the service is not repeated");
        let deadline = PluginError::new(Code::Timeout, "the caller's");
        assert_eq!([Verdict::Failure, Verdict::Ignored].map(|is| of(is, &deadline).again()), [Again::Never; 2]);
    }

    #[test]
    fn what_a_closure_says_wins() {
        let said = Judgement::failure().with_again(Again::Yes).with_sent(Sent::Maybe);
        let judge = move |_: Result<&(), &PluginError>| said;
        let judged = judge.classify(Err(&PluginError::from(Rejected::circuit_open(None))));
        assert_eq!((judged.again(), judged.sent()), (Again::Yes, Sent::Maybe));
    }
}
