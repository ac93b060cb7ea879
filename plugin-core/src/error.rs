//! The error of a plugin call.

mod message;

use std::{
    borrow::Cow,
    sync::{Arc, OnceLock},
    time::Duration,
};

use crate::{Attributed, BoxError, Code, CodeKind, InstanceId, Rejected, Sent, classify::Amendment, rounded};

/// What went wrong with a plugin call.
///
/// Opaque and one word wide. [`code`](Self::code) is stable and meant for programs; the text of `Display` names the
/// plugin, the fault and the code, and does not repeat what [`source`](std::error::Error::source) says.
pub struct PluginError(Box<Inner>);

struct Inner {
    code: Code,
    /// Empty until somebody reads it when a layer refused: its text is that of `rejected`, and a refusal must be cheap.
    message: OnceLock<Cow<'static, str>>,
    /// What callers are told in place of it.
    for_callers: Option<Box<str>>,
    plugin: Option<Arc<str>>,
    detail: Option<Box<str>>,
    /// It is for operators alone.
    is_private: bool,
    source: Option<BoxError>,
    rejected: Option<Rejected>,
    /// `message` says more than `rejected` does.
    told: bool,
    retry_after: Option<Duration>,
    retryable: Option<bool>,
    sent: Sent,
    instance: Option<InstanceId>,
    http_status: Option<u16>,
    grpc_status: Option<u8>,
    of_reply: bool,
    evidence: bool,
}

impl PluginError {
    /// An error with this code; `message` says what happened, in one phrase without a final stop.
    #[must_use]
    pub fn new(code: Code, message: impl Into<Cow<'static, str>>) -> Self {
        Self::saying(code, OnceLock::from(message.into()))
    }

    fn saying(code: Code, message: OnceLock<Cow<'static, str>>) -> Self {
        Self(Box::new(Inner {
            code,
            message,
            for_callers: None,
            plugin: None,
            detail: None,
            is_private: false,
            source: None,
            rejected: None,
            told: false,
            retry_after: None,
            retryable: None,
            sent: Sent::Maybe,
            instance: None,
            http_status: None,
            grpc_status: None,
            of_reply: false,
            evidence: true,
        }))
    }

    /// The same without its cause.
    #[must_use]
    pub fn without_source(&self) -> Self {
        let inner = &*self.0;
        Self(Box::new(Inner {
            code: inner.code,
            message: inner.message.clone(),
            for_callers: inner.for_callers.clone(),
            plugin: inner.plugin.clone(),
            detail: inner.detail.clone(),
            is_private: inner.is_private,
            source: None,
            rejected: inner.rejected,
            told: inner.told,
            retry_after: inner.retry_after,
            retryable: inner.retryable,
            sent: inner.sent,
            instance: inner.instance,
            http_status: inner.http_status,
            grpc_status: inner.grpc_status,
            of_reply: inner.of_reply,
            evidence: inner.evidence,
        }))
    }

    /// Says of the whole call what this says of one attempt.
    #[cold]
    pub(crate) fn amend(&mut self, with: Amendment) {
        let inner = &mut *self.0;
        inner.sent = inner.sent.most(with.sent);
        inner.retry_after = inner.retry_after.max(with.retry_after);
        inner.rejected = inner.rejected.map(|rejected| rejected.amended(with));
    }

    /// The plugin answered, and its answer is an error (`PLUGIN_1203`).
    #[must_use]
    pub fn execution(message: impl Into<Cow<'static, str>>) -> Self {
        Self::new(Code::ExecutionFailed, message)
    }

    /// The plugin's reply is beyond a limit of the host, and is not passed on (`PLUGIN_1207`). Made otherwise, an error with
    /// this code says that the caller's payload is too large.
    #[must_use]
    pub fn reply_too_large(message: impl Into<Cow<'static, str>>) -> Self {
        let mut error = Self::new(Code::PayloadTooLarge, message);
        error.0.of_reply = true;
        error
    }

    /// A refusal whose `message` says more than its code: nothing was sent, and no layer takes it for a failure of the
    /// plugin.
    #[must_use]
    pub fn refused(rejected: Rejected, message: impl Into<Cow<'static, str>>) -> Self {
        let mut error = Self::new(rejected.code(), message).with_sent(Sent::Nothing);
        error.0.told = true;
        error.0.retry_after = rejected.retry_after();
        error.0.rejected = Some(rejected);
        error
    }

    /// No plugin has this name (`PLUGIN_1201`).
    #[must_use]
    pub fn not_found(name: &str) -> Self {
        Self::new(Code::NotFound, "no plugin has this name").with_plugin(name).with_sent(Sent::Nothing)
    }

    /// The plugin could not be reached, or the connection was lost (`PLUGIN_1205`).
    #[must_use]
    pub fn connection(message: impl Into<Cow<'static, str>>, sent: Sent) -> Self {
        Self::new(Code::ConnectionFailed, message).with_sent(sent)
    }

    /// One attempt took longer than its own limit (`PLUGIN_1204`, and worth a second attempt).
    #[must_use]
    pub fn attempt_timeout(limit: Duration) -> Self {
        Self::new(Code::Timeout, format!("the attempt took longer than its limit of {}", rounded(limit)))
            .with_retryable(true)
    }

    /// Names the plugin.
    #[must_use]
    pub fn with_plugin(mut self, name: impl Into<Arc<str>>) -> Self {
        self.0.plugin = Some(name.into());
        self
    }

    /// Adds what the plugin said, such as the body of an error response. Bound its size first.
    #[must_use]
    pub fn with_detail(mut self, detail: impl Into<Box<str>>) -> Self {
        (self.0.detail, self.0.is_private) = (Some(detail.into()), false);
        self
    }

    /// Adds what the plugin said, where it is not an answer to a caller, such as the tail of its log: that is for logs and operators.
    ///
    /// ```
    /// use plugin_core::{Code, PluginError};
    ///
    /// let error = PluginError::new(Code::CrashLoop, "the plugin has failed").with_detail_for_operators("no file /etc/plugin.toml");
    /// assert_eq!((error.detail(), error.detail_for_callers()), (Some("no file /etc/plugin.toml"), None));
    /// ```
    #[must_use]
    pub fn with_detail_for_operators(mut self, detail: impl Into<Box<str>>) -> Self {
        (self.0.detail, self.0.is_private) = (Some(detail.into()), true);
        self
    }

    /// Says it in other words, as a text that quotes a secret needs. All else stays as it is.
    #[must_use]
    pub fn with_message(mut self, message: impl Into<Cow<'static, str>>) -> Self {
        self.0.message = OnceLock::from(message.into());
        self
    }

    /// Says what happened to callers whom the inside does not concern, where the message names a place of this machine, such as the
    /// path of a file or a socket: that is for logs and operators.
    ///
    /// ```
    /// use plugin_core::{PluginError, Sent};
    ///
    /// let error = PluginError::connection("unix:/run/p.sock cannot be reached: Permission denied", Sent::Nothing)
    ///     .with_message_for_callers("the plugin cannot be reached: Permission denied");
    /// assert!(error.message().contains("/run/p.sock"));
    /// assert_eq!(error.message_for_callers(), "the plugin cannot be reached: Permission denied");
    /// ```
    #[must_use]
    pub fn with_message_for_callers(mut self, message: impl Into<Box<str>>) -> Self {
        self.0.for_callers = Some(message.into());
        self
    }

    /// Adds the cause.
    #[must_use]
    pub fn with_source(mut self, source: impl Into<BoxError>) -> Self {
        self.0.source = Some(source.into());
        self
    }

    /// Says when to come back.
    #[must_use]
    pub fn with_retry_after(mut self, after: Duration) -> Self {
        self.0.retry_after = Some(after);
        self
    }

    /// Overrules what the code says of a second attempt.
    #[must_use]
    pub fn with_retryable(mut self, retryable: bool) -> Self {
        self.0.retryable = Some(retryable);
        self
    }

    /// Says how much of the request had left the host.
    #[must_use]
    pub fn with_sent(mut self, sent: Sent) -> Self {
        self.0.sent = sent;
        self
    }

    /// Says that what this tells of the plugin is known: another call has told it. A layer that counts failures then counts one,
    /// as where many calls are lost with one connection. Whether another attempt may help is as before.
    #[must_use]
    pub fn as_no_evidence(mut self) -> Self {
        self.0.evidence = false;
        self
    }

    /// Names the HTTP status that the plugin answered with, for the lists `on` of a configuration.
    #[must_use]
    pub fn with_http_status(mut self, status: u16) -> Self {
        self.0.http_status = Some(status);
        self
    }

    /// Names the number of the gRPC status that the plugin answered with, for the lists `on` of a configuration. Of an error that
    /// is no refusal the number also says whether it is a failure of the plugin or answers its caller, as
    /// [`ByGrpcStatus`](crate::ByGrpcStatus) has it.
    #[must_use]
    pub fn with_grpc_status(mut self, status: u8) -> Self {
        self.0.grpc_status = Some(status);
        self
    }

    /// Says which instance failed.
    #[must_use]
    pub fn with_instance(mut self, instance: InstanceId) -> Self {
        self.0.instance = Some(instance);
        self
    }

    /// The stable code.
    #[must_use]
    pub fn code(&self) -> Code {
        self.0.code
    }

    /// The family of the code.
    #[must_use]
    pub fn kind(&self) -> CodeKind {
        self.0.code.kind()
    }

    /// What happened, without the plugin's name and the code.
    #[must_use]
    pub fn message(&self) -> &str {
        self.0.message.get_or_init(|| self.0.rejected.map_or_else(String::new, |rejected| rejected.message()).into())
    }

    /// What happened, without a place of this machine: the [message](Self::message), unless another was
    /// [set](Self::with_message_for_callers) for callers.
    #[must_use]
    pub fn message_for_callers(&self) -> &str {
        self.0.for_callers.as_deref().unwrap_or_else(|| self.message())
    }

    /// The plugin's name, where it is known.
    #[must_use]
    pub fn plugin(&self) -> Option<&str> {
        self.0.plugin.as_deref()
    }

    /// What the plugin said besides.
    #[must_use]
    pub fn detail(&self) -> Option<&str> {
        self.0.detail.as_deref()
    }

    /// The same, unless it is [for operators](Self::with_detail_for_operators).
    #[must_use]
    pub fn detail_for_callers(&self) -> Option<&str> {
        self.detail().filter(|_| !self.0.is_private)
    }

    /// The refusal, when a layer of this family refused the call.
    #[must_use]
    pub fn rejected(&self) -> Option<&Rejected> {
        self.0.rejected.as_ref()
    }

    /// Whether what is too large is the plugin's reply ([`reply_too_large`](Self::reply_too_large)), and the caller is not at
    /// fault.
    #[must_use]
    pub fn is_of_reply(&self) -> bool {
        self.0.of_reply
    }

    /// Whether a second attempt may help. The caller's own deadline never is; the limit of one attempt is.
    #[must_use]
    pub fn is_retryable(&self) -> bool {
        self.0.retryable.unwrap_or_else(|| self.0.code.is_retryable())
    }

    /// Whether the caller's caller does well to come back: [`Rejected::is_worth_coming_back`].
    #[must_use]
    pub fn is_worth_coming_back(&self) -> bool {
        crate::rejected::is_worth_coming_back(self.is_retryable(), self.retry_after())
    }

    /// When a second attempt can pass, where somebody said so.
    #[must_use]
    pub fn retry_after(&self) -> Option<Duration> {
        self.0.retry_after
    }

    /// How much of the request had left the host.
    #[must_use]
    pub fn sent(&self) -> Sent {
        self.0.sent
    }

    /// Whether this says something of the plugin that [is not known yet](Self::as_no_evidence).
    pub(crate) fn is_news(&self) -> bool {
        self.0.evidence
    }

    /// The HTTP status that the plugin answered with, where that is what failed.
    #[must_use]
    pub fn http_status(&self) -> Option<u16> {
        self.0.http_status
    }

    /// The number of the gRPC status that the plugin answered with, where that is what failed.
    #[must_use]
    pub fn grpc_status(&self) -> Option<u8> {
        self.0.grpc_status
    }
}

impl Attributed for PluginError {
    fn instance(&self) -> Option<InstanceId> {
        self.0.instance
    }

    fn attribute(&mut self, instance: InstanceId) {
        self.0.instance = Some(instance);
    }
}

impl From<Rejected> for PluginError {
    fn from(rejected: Rejected) -> Self {
        let mut error = Self::saying(rejected.code(), OnceLock::new()).with_sent(rejected.sent());
        error.0.retryable = Some(rejected.is_retryable());
        error.0.retry_after = rejected.retry_after();
        error.0.rejected = Some(rejected);
        error
    }
}

#[cfg(test)]
mod tests {
    use std::error::Error;

    use super::*;

    #[test]
    fn an_error_is_one_word_and_so_is_a_result_of_it() {
        assert_eq!(size_of::<PluginError>(), size_of::<usize>());
        assert_eq!(size_of::<Result<(), PluginError>>(), size_of::<usize>());
    }

    #[test]
    fn an_attempt_that_timed_out_is_retryable_and_a_deadline_is_not() {
        let attempt = PluginError::attempt_timeout(Duration::from_secs(1));
        let deadline = PluginError::from(Rejected::deadline_exceeded(Duration::from_secs(1), None));
        assert_eq!((attempt.code(), attempt.is_retryable()), (Code::Timeout, true));
        assert_eq!((deadline.code(), deadline.is_retryable()), (Code::Timeout, false));
    }

    #[test]
    fn display_names_plugin_fault_and_code_once() {
        let own = PluginError::execution("no such user").with_plugin("users").to_string();
        assert_eq!(own, "plugin \"users\": no such user (PLUGIN_1203)");
        let refused = PluginError::from(Rejected::unhealthy()).with_plugin("users").to_string();
        assert_eq!(refused, "plugin \"users\": health checks found the service down (HEALTH_1601)");
        let refused = PluginError::from(Rejected::unhealthy());
        assert_eq!(refused.message(), "health checks found the service down");
    }

    #[test]
    fn a_refusal_that_says_more_is_still_a_refusal() {
        let after = Duration::from_millis(80);
        let rejected = Rejected::new(Code::ConnectionFailed).with_retry_after(after);
        let error = PluginError::refused(rejected, "the process is being restarted: it exited");
        assert_eq!(error.to_string(), "the process is being restarted: it exited (PLUGIN_1205)");
        assert_eq!(
            (error.rejected(), error.retry_after(), error.sent()),
            (Some(&rejected), Some(after), Sent::Nothing)
        );
        assert!(error.is_retryable());
        use crate::{ByErrorType, Classify, Verdict};
        assert_eq!(ByErrorType.classify(Err::<&(), _>(&error)).verdict(), Verdict::Ignored);
    }

    #[test]
    fn a_shared_error_says_the_same_and_leads_to_the_same_cause() {
        let error = PluginError::connection("lost", Sent::Nothing)
            .with_plugin("users")
            .with_detail("reset by peer")
            .with_retry_after(Duration::from_secs(3))
            .with_retryable(false)
            .with_source(std::io::Error::other("wire"));
        let (error, text) = (Arc::new(error), "plugin \"users\": lost (PLUGIN_1205)");
        let copy = PluginError::shared(&error);
        assert_eq!((copy.code(), copy.to_string().as_str()), (Code::ConnectionFailed, text));
        assert_eq!((copy.plugin(), copy.detail()), (Some("users"), Some("reset by peer")));
        assert_eq!((copy.sent(), copy.is_retryable()), (Sent::Nothing, false));
        assert_eq!(copy.retry_after(), Some(Duration::from_secs(3)));
        let cause = copy.source().and_then(Error::source).expect("the cause");
        assert_eq!(cause.downcast_ref::<std::io::Error>().expect("the same").to_string(), "wire");
        let refused = PluginError::shared(&Arc::new(Rejected::overloaded().into()));
        assert_eq!(refused.rejected(), Some(&Rejected::overloaded()));
        assert_eq!(Rejected::find(&refused), Some(&Rejected::overloaded()));
    }
}
