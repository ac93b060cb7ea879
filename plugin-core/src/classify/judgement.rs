//! The judgement of one outcome, which every layer reads.

use std::time::Duration;

use super::{
    cause::{Cause, Condition},
    verdict::Verdict,
};
use crate::{Code, InstanceId, Rejected, Sent};

/// What one outcome says to every layer: of the service, of another attempt, of where it came from.
///
/// A breaker reads the verdict and the push-back, a retry whether another attempt may help and what was sent, a balancer
/// the verdict and what was sent, telemetry and a fallback the verdict and the refusal. All of them read the same one, so
/// that no two layers of a stack take one outcome for different things.
///
/// A [`Verdict`] alone is a judgement too (`Verdict: Into<Judgement>`). The other parts then have these defaults: a failure
/// may be tried again where the request allows it, the request may have been sent, and there is no push-back, instance or cause.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use = "it has no effect until a layer reads it"]
pub struct Judgement {
    verdict: Verdict,
    again: Option<Again>,
    sent: Option<Sent>,
    push_back: Option<PushBack>,
    instance: Option<InstanceId>,
    cause: Option<Cause>,
    refusal: Option<Refusal>,
}

/// Whether another attempt may help.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Again {
    /// It may end otherwise.
    Yes,
    /// It would end the same way, unless a configuration names the cause.
    No,
    /// The caller has cancelled, or its deadline has passed. Nothing overrules this.
    Never,
}

/// What a service says of the time of another attempt.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum PushBack {
    /// Not before this time has passed.
    After(Duration),
    /// Not at all.
    Never,
}

/// A layer refused the call, or gave it up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Refusal {
    code: Code,
    evidence: bool,
    /// The caller had given less time than would be evidence.
    hurried: bool,
    /// The call was held back on this side.
    is_held: bool,
}

impl Judgement {
    const fn new(verdict: Verdict) -> Self {
        Self { verdict, again: None, sent: None, push_back: None, instance: None, cause: None, refusal: None }
    }

    /// The service did its work.
    #[inline]
    pub const fn success() -> Self {
        Self::new(Verdict::Success)
    }

    /// The service did not, and another attempt may help.
    pub const fn failure() -> Self {
        Self::new(Verdict::Failure)
    }

    /// It says nothing of the service.
    pub const fn ignored() -> Self {
        Self::new(Verdict::Ignored)
    }

    /// The head does not tell, and the end will.
    #[inline]
    pub const fn at_end() -> Self {
        Self::new(Verdict::AtEnd)
    }

    /// Changes what it says of the service.
    pub const fn with_verdict(mut self, verdict: Verdict) -> Self {
        self.verdict = verdict;
        self
    }

    /// Says whether another attempt may help. Unless told, it may after a failure.
    pub const fn with_again(mut self, again: Again) -> Self {
        self.again = Some(again);
        self
    }

    /// Says how much of the request was sent: one that is not idempotent is repeated only after [`Sent::Nothing`]. Unless
    /// told, [`Sent::Maybe`].
    pub const fn with_sent(mut self, sent: Sent) -> Self {
        self.sent = Some(sent);
        self
    }

    /// The service says when it can be called again.
    pub const fn with_retry_after(self, after: Duration) -> Self {
        self.with_push_back(PushBack::After(after))
    }

    /// The service says when it can be called again, or that it does not want to be.
    pub const fn with_push_back(mut self, push_back: PushBack) -> Self {
        self.push_back = Some(push_back);
        self
    }

    /// Names the instance that answered, for the balancer.
    pub const fn with_instance(mut self, instance: InstanceId) -> Self {
        self.instance = Some(instance);
        self
    }

    /// Names the cause, for the lists `on` of a configuration.
    #[inline]
    pub const fn with_cause(mut self, cause: Cause) -> Self {
        self.cause = Some(cause);
        self
    }

    /// What the outcome says of the service.
    #[inline]
    #[must_use]
    pub const fn verdict(&self) -> Verdict {
        self.verdict
    }

    /// Whether another attempt may help.
    #[inline]
    #[must_use]
    pub const fn again(&self) -> Again {
        match (self.again, self.verdict) {
            (Some(again), _) => again,
            (None, Verdict::Failure) => Again::Yes,
            (None, _) => Again::No,
        }
    }

    /// Whether it is an answer that nobody would repeat: a success, or a response whose head has come and whose end will
    /// tell.
    #[inline]
    #[must_use]
    pub const fn is_answer(&self) -> bool {
        matches!(self.verdict, Verdict::Success | Verdict::AtEnd) && matches!(self.again(), Again::No)
    }

    /// How much of the request was sent.
    #[must_use]
    pub const fn sent(&self) -> Sent {
        match self.sent {
            Some(sent) => sent,
            None => Sent::Maybe,
        }
    }

    /// What the service says of the time of another attempt.
    #[must_use]
    pub const fn push_back(&self) -> Option<PushBack> {
        self.push_back
    }

    /// The time after which the service wants to be called again, where it gave one.
    #[must_use]
    pub const fn retry_after(&self) -> Option<Duration> {
        match self.push_back {
            Some(PushBack::After(after)) => Some(after),
            _ => None,
        }
    }

    /// The instance that answered, where somebody tagged it.
    #[must_use]
    pub const fn instance(&self) -> Option<InstanceId> {
        self.instance
    }

    /// What the outcome is called.
    #[must_use]
    pub const fn cause(&self) -> Option<Cause> {
        self.cause
    }

    /// The code of the cause, where it has one.
    #[must_use]
    pub const fn code(&self) -> Option<Code> {
        match self.cause {
            Some(Cause::Code(code) | Cause::CodeOfHttp(code, _) | Cause::CodeOfGrpc(code, _)) => Some(code),
            _ => None,
        }
    }

    /// The code of the refusal, where a layer did not pass the call on, or gave it up: one of this family, or of tower.
    #[must_use]
    pub const fn refusal(&self) -> Option<Code> {
        match self.refusal {
            Some(refusal) => Some(refusal.code),
            None => None,
        }
    }

    /// Whether it is a refusal that says nothing of the service, see [`Rejected::is_evidence`].
    #[must_use]
    pub const fn is_mere_refusal(&self) -> bool {
        matches!(self.refusal, Some(Refusal { evidence: false, .. }))
    }

    /// The same where these conditions, and nothing else, say what is a failure: the setting `on` of a breaker. A failure
    /// that is not named is ignored; a success that is named, such as a `404`, is a failure. A call that was cut before it
    /// had its time is no failure by any name.
    #[cold]
    pub fn failing_on(self, on: &[Condition]) -> Self {
        let is_cut_short = matches!(self.refusal, Some(Refusal { evidence: false, code: Code::Timeout, .. }));
        let is_named = Condition::any_matches(on, self.cause) && !is_cut_short;
        match self.verdict {
            _ if is_named => self.with_verdict(Verdict::Failure),
            Verdict::Failure => self.with_verdict(Verdict::Ignored),
            _ => self,
        }
    }

    /// Whether the call was given up before the service had its time, since its caller had no more. Not where the service had
    /// less because the call was held back on this side: that is neither's.
    #[must_use]
    pub const fn is_haste(&self) -> bool {
        matches!(self.refusal, Some(Refusal { evidence: false, is_held: false, code: Code::Timeout, .. }))
    }

    /// Whether the caller had given less time than would be evidence, and it was up, however it was spent.
    #[must_use]
    pub const fn is_hurry(&self) -> bool {
        matches!(self.refusal, Some(Refusal { evidence: false, hurried: true, .. }))
    }

    /// Whether a response says that the time was up that the service was told: a gRPC `DEADLINE_EXCEEDED`.
    #[inline]
    pub(super) const fn is_told_time(&self) -> bool {
        matches!(self.cause, Some(Cause::Grpc(4)))
    }

    /// Whether something else may stand in for it: a failure, or a refusal that is not called a success.
    #[must_use]
    pub const fn is_lost(&self) -> bool {
        match self.verdict {
            Verdict::Failure => true,
            Verdict::Ignored => self.refusal.is_some(),
            Verdict::Success | Verdict::AtEnd => false,
        }
    }

    /// The same with the refusal of another one.
    pub(super) const fn with_refusal_of(mut self, other: &Self) -> Self {
        self.refusal = other.refusal;
        self
    }

    /// Adds what is known and was not said.
    pub(super) fn completed(self, known: &Self) -> Self {
        // What is no failure is not repeated, and nothing overrules a caller that has gone.
        let is_asked = self.verdict == Verdict::Failure;
        let again = known.again.filter(|again| is_asked || *again == Again::Never && self.verdict != Verdict::Success);
        Self {
            verdict: self.verdict,
            again: self.again.or(again),
            sent: self.sent.or(known.sent),
            push_back: self.push_back.or(known.push_back),
            instance: self.instance.or(known.instance),
            cause: self.cause.or(known.cause),
            refusal: self.refusal.or(known.refusal),
        }
    }
}

impl From<Verdict> for Judgement {
    #[inline]
    fn from(verdict: Verdict) -> Self {
        Self::new(verdict)
    }
}

/// A refusal: neither success nor failure, unless it [is evidence](Rejected::is_evidence). Nothing was sent, unless an
/// attempt or a call was cut when its time was up.
impl From<&Rejected> for Judgement {
    #[cold]
    fn from(rejected: &Rejected) -> Self {
        let code = rejected.code();
        let evidence = rejected.is_evidence();
        let again = match code {
            _ if rejected.is_retryable() => Again::Yes,
            Code::Timeout => Again::Never,
            _ => Again::No,
        };
        Self {
            verdict: if evidence { Verdict::Failure } else { Verdict::Ignored },
            again: Some(again),
            sent: Some(rejected.sent()),
            push_back: rejected.retry_after().map(PushBack::After),
            instance: None,
            cause: Some(Cause::Code(code)),
            refusal: Some(Refusal { code, evidence, hurried: rejected.is_hurry(), is_held: rejected.is_held() }),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    #[test]
    fn what_was_left_out_is_added_and_what_was_said_stands() {
        let instances = [(); 2].map(|()| InstanceId::next());
        let known = Judgement::from(&Rejected::attempt_timeout(SECOND))
            .with_push_back(PushBack::Never)
            .with_instance(instances[0])
            .with_sent(Sent::Nothing);
        assert_eq!(Judgement::failure().completed(&known), known);
        let own = Judgement::from(&Rejected::overloaded())
            .with_verdict(Verdict::Failure)
            .with_again(Again::No)
            .with_sent(Sent::Maybe)
            .with_retry_after(SECOND)
            .with_instance(instances[1])
            .with_cause(Cause::Http(500));
        assert_eq!(own.completed(&known), own);
    }

    #[test]
    fn what_is_no_failure_is_not_tried_again_and_a_caller_that_has_gone_is_not_overruled() {
        for (verdict, known, again) in [
            (Verdict::Failure, Again::Yes, Again::Yes),
            (Verdict::Failure, Again::No, Again::No),
            (Verdict::Ignored, Again::Yes, Again::No),
            (Verdict::Ignored, Again::Never, Again::Never),
            (Verdict::Success, Again::Yes, Again::No),
            (Verdict::Success, Again::Never, Again::No),
        ] {
            let judged = Judgement::from(verdict).completed(&Judgement::failure().with_again(known));
            assert_eq!(judged.again(), again, "{verdict:?}, {known:?}");
        }
    }
}
