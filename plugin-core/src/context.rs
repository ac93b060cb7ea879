//! What travels with a call beside its payload.

use std::{collections::BTreeMap, fmt, sync::Arc, time::Duration};

use http::{Extensions, HeaderMap};

use crate::{
    InstanceId, RequestId, TraceContext,
    clock::{self, Instant},
};

/// What travels with a call: identity, deadline, retry cap, affinity, priority, and, rarely, headers and metadata.
///
/// It is at most 96 bytes, and making one allocates nothing. Headers, metadata, the trace, extensions, preferences and the list of
/// instances tried are made on the first write and shared by clones until one of them writes.
#[derive(Clone)]
pub struct CallContext {
    received: Instant,
    /// [`Instant::MAX`] stands for none.
    deadline: Instant,
    /// Nanoseconds; `u64::MAX` stands for none.
    configured_timeout: u64,
    /// Zero stands for none.
    affinity: u64,
    id: RequestId,
    priority: i16,
    attempt: u16,
    /// [`NO_CAP`] stands for none.
    max_retries: u16,
    idempotent: Option<bool>,
    ext: Option<Arc<Ext>>,
}

const NO_CAP: u16 = u16::MAX;

#[derive(Clone, Default)]
struct Ext {
    request_id: Option<Box<str>>,
    headers: HeaderMap,
    metadata: BTreeMap<String, String>,
    trace: Option<TraceContext>,
    extensions: Extensions,
    preferred: Vec<Box<str>>,
    tried: Vec<InstanceId>,
}

impl CallContext {
    /// A context that was received now, with a new id and no limits.
    #[must_use]
    pub fn new() -> Self {
        Self::received_at(clock::now())
    }

    /// A context that was received at this moment.
    #[must_use]
    pub fn received_at(received: Instant) -> Self {
        Self {
            received,
            deadline: Instant::MAX,
            configured_timeout: u64::MAX,
            affinity: 0,
            id: RequestId::generate(),
            priority: 0,
            attempt: 0,
            max_retries: NO_CAP,
            idempotent: None,
            ext: None,
        }
    }

    /// When the call was received. Layers use it as the present moment where no time can have passed since.
    #[must_use]
    pub fn received(&self) -> Instant {
        self.received
    }

    /// The moment after which nobody waits for the answer. Inside of a call that is shared
    /// (`coalesce` of plugin-fallback) there is none that is known beforehand: the call ends with the last who waits.
    #[must_use]
    pub fn deadline(&self) -> Option<Instant> {
        let deadline = self.deadline_or_max();
        (deadline != Instant::MAX).then_some(deadline)
    }

    #[inline]
    pub(crate) fn deadline_or_max(&self) -> Instant {
        self.deadline
    }

    /// Nanoseconds; `u64::MAX` stands for none.
    #[inline]
    pub(crate) fn configured_nanos(&self) -> u64 {
        self.configured_timeout
    }

    /// Limits the deadline, and the time that the service gives its calls: `u64::MAX` nanoseconds are no limit.
    #[inline]
    pub(crate) fn limit_times(&mut self, deadline: Instant, configured: u64) {
        self.limit_deadline(deadline);
        self.configured_timeout = self.configured_timeout.min(configured);
    }

    /// Takes off the deadline, and with it the time that the service gives its calls: the call has other callers too, and
    /// neither is that of the call any more.
    pub(crate) fn take_deadline(&mut self) {
        if self.deadline != Instant::MAX {
            (self.deadline, self.configured_timeout) = (Instant::MAX, u64::MAX);
        }
    }

    /// Sets the deadline to this moment, unless an earlier one is set: a deadline is never extended.
    pub fn limit_deadline(&mut self, deadline: Instant) {
        self.deadline = self.deadline.min(deadline);
    }

    /// Like [`limit_deadline`](Self::limit_deadline), counted from when the call was received.
    #[must_use]
    pub fn with_timeout(mut self, timeout: Duration) -> Self {
        self.limit_deadline(self.received.saturating_add(timeout));
        self
    }

    /// The time that a service gives its calls, as a [`DeadlineLayer`](crate::deadline::DeadlineLayer) further out was
    /// configured. Unlike the deadline it says nothing of how long this caller waits, so it measures whether a service had
    /// its time.
    #[must_use]
    pub fn configured_timeout(&self) -> Option<Duration> {
        (self.configured_timeout != u64::MAX).then(|| Duration::from_nanos(self.configured_timeout))
    }

    /// Says how much time the service gives its calls; a smaller time that is already set stays.
    pub fn limit_configured_timeout(&mut self, timeout: Duration) {
        self.configured_timeout = self.configured_timeout.min(clock::nanos(timeout));
    }

    /// Time until the deadline; `None` without a deadline, zero when it has passed.
    #[must_use]
    pub fn remaining(&self, now: Instant) -> Option<Duration> {
        self.deadline().map(|deadline| deadline.saturating_since(now))
    }

    /// The id in the form it travels in: the caller's own text, or the generated number.
    #[must_use]
    pub fn request_id(&self) -> impl fmt::Display + '_ {
        struct Either<'a>(Option<&'a str>, RequestId);
        impl fmt::Display for Either<'_> {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                match self.0 {
                    Some(text) => f.write_str(text),
                    None => self.1.fmt(f),
                }
            }
        }
        Either(self.ext.as_ref().and_then(|ext| ext.request_id.as_deref()), self.id)
    }

    /// The number that this process gave the call. A caller's text may stand for it outside.
    #[must_use]
    pub fn id(&self) -> RequestId {
        self.id
    }

    /// Takes over an id that the caller chose. Text that is the hexadecimal form of an id is kept as a number.
    pub fn set_request_id(&mut self, text: &str) {
        match RequestId::parse(text) {
            Some(id) => {
                self.id = id;
                if self.ext.as_ref().is_some_and(|ext| ext.request_id.is_some()) {
                    self.ext_mut().request_id = None;
                }
            }
            None => self.ext_mut().request_id = Some(text.into()),
        }
    }

    /// The key that keeps calls together on one instance, as a hash that is never zero.
    #[must_use]
    pub fn affinity(&self) -> Option<u64> {
        (self.affinity != 0).then_some(self.affinity)
    }

    /// Sets the affinity key. The hash is the same on every machine and in every release.
    pub fn set_affinity_key(&mut self, key: &[u8]) {
        self.affinity = affinity_hash(key);
    }

    /// The priority; larger is more important, 0 is usual.
    #[must_use]
    pub fn priority(&self) -> i16 {
        self.priority
    }

    /// Sets the priority.
    pub fn set_priority(&mut self, priority: i16) {
        self.priority = priority;
    }

    /// Which attempt this is, from 0.
    #[must_use]
    pub fn attempt(&self) -> u16 {
        self.attempt
    }

    /// Sets which attempt this is.
    pub fn set_attempt(&mut self, attempt: u16) {
        self.attempt = attempt;
    }

    /// The most retries that the caller allows, which may lower a policy's number and never raise it.
    #[must_use]
    pub fn max_retries(&self) -> Option<u16> {
        (self.max_retries != NO_CAP).then_some(self.max_retries)
    }

    /// Caps the retries; a lower cap that is already set stays.
    pub fn limit_retries(&mut self, max: u16) {
        self.max_retries = self.max_retries.min(max);
    }

    /// Whether the caller said that the call may be repeated without a second effect. `None`: the caller did not say.
    #[must_use]
    pub fn idempotent(&self) -> Option<bool> {
        self.idempotent
    }

    /// Says whether the call may be repeated without a second effect.
    pub fn set_idempotent(&mut self, idempotent: bool) {
        self.idempotent = Some(idempotent);
    }

    /// The headers, when there are any.
    #[must_use]
    pub fn headers(&self) -> Option<&HeaderMap> {
        self.ext.as_ref().map(|ext| &ext.headers).filter(|headers| !headers.is_empty())
    }

    /// The headers, mutable. The first write to a context allocates.
    pub fn headers_mut(&mut self) -> &mut HeaderMap {
        &mut self.ext_mut().headers
    }

    /// The metadata: text that plugins pass on, sorted by key.
    #[must_use]
    pub fn metadata(&self) -> Option<&BTreeMap<String, String>> {
        self.ext.as_ref().map(|ext| &ext.metadata).filter(|metadata| !metadata.is_empty())
    }

    /// The metadata, mutable. The first write to a context allocates.
    pub fn metadata_mut(&mut self) -> &mut BTreeMap<String, String> {
        &mut self.ext_mut().metadata
    }

    /// The trace that the call belongs to.
    #[must_use]
    pub fn trace(&self) -> Option<&TraceContext> {
        self.ext.as_ref().and_then(|ext| ext.trace.as_ref())
    }

    /// Sets the trace that the call belongs to.
    pub fn set_trace(&mut self, trace: TraceContext) {
        self.ext_mut().trace = Some(trace);
    }

    /// A value of this type that was set on this side: what a server knows of the caller, such as `PeerCredentials` of
    /// plugin-transports, or what a layer tells those behind it. No transport sends it on.
    ///
    /// ```
    /// use plugin_core::Call;
    ///
    /// #[derive(Clone, Debug, PartialEq)]
    /// struct Tenant(&'static str);
    ///
    /// let mut call = Call::new(());
    /// assert_eq!(call.context().extension::<Tenant>(), None);
    /// call.context_mut().set_extension(Tenant("acme"));
    /// assert_eq!(call.context().extension(), Some(&Tenant("acme")));
    /// ```
    #[must_use]
    pub fn extension<T: Send + Sync + 'static>(&self) -> Option<&T> {
        self.ext.as_ref().and_then(|ext| ext.extensions.get())
    }

    /// Sets a value of a type that has at most one. The first write to a context allocates.
    pub fn set_extension<T: Clone + Send + Sync + 'static>(&mut self, value: T) {
        self.ext_mut().extensions.insert(value);
    }

    /// Names of instances that the caller would like, best first. A balancer follows them where it can.
    #[must_use]
    pub fn preferred(&self) -> &[Box<str>] {
        self.ext.as_ref().map_or(&[], |ext| &ext.preferred)
    }

    /// Adds the name of an instance that the caller would like.
    pub fn prefer(&mut self, instance: impl Into<Box<str>>) {
        self.ext_mut().preferred.push(instance.into());
    }

    /// The instances on which earlier attempts of this call failed.
    #[must_use]
    pub fn tried(&self) -> &[InstanceId] {
        self.ext.as_ref().map_or(&[], |ext| &ext.tried)
    }

    /// Notes that an attempt failed on this instance.
    pub fn add_tried(&mut self, instance: InstanceId) {
        if !self.tried().contains(&instance) {
            self.ext_mut().tried.push(instance);
        }
    }

    fn ext_mut(&mut self) -> &mut Ext {
        Arc::make_mut(self.ext.get_or_insert_default())
    }
}

/// FNV-1a over 64 bits, which is fixed by its authors and does not vary with the machine. Its low bits are weak, so
/// the finisher of SplitMix64 spreads them. Zero is kept for "no key".
fn affinity_hash(key: &[u8]) -> u64 {
    let fnv = key
        .iter()
        .fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| (hash ^ u64::from(*byte)).wrapping_mul(0x0000_0100_0000_01b3));
    let mixed = (fnv ^ (fnv >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    (mixed ^ (mixed >> 31)).max(1)
}

impl Default for CallContext {
    fn default() -> Self {
        Self::new()
    }
}

/// Values of headers and metadata may be secrets: only their names are shown.
impl fmt::Debug for CallContext {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut debug = f.debug_struct("CallContext");
        debug.field("request_id", &format_args!("{}", self.request_id())).field("received", &self.received);
        if let Some(deadline) = self.deadline() {
            debug.field("deadline", &deadline);
        }
        debug.field("attempt", &self.attempt).field("priority", &self.priority);
        if let Some(headers) = self.headers() {
            debug.field("headers", &headers.keys().collect::<Vec<_>>());
        }
        if let Some(metadata) = self.metadata() {
            debug.field("metadata", &metadata.keys().collect::<Vec<_>>());
        }
        debug.finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_context_is_at_most_96_bytes() {
        assert!(size_of::<CallContext>() <= 96, "{} bytes", size_of::<CallContext>());
    }

    #[test]
    fn a_deadline_is_never_extended() {
        let mut context = CallContext::new().with_timeout(Duration::from_secs(5));
        let first = context.deadline();
        context.limit_deadline(Instant::MAX);
        assert_eq!(context.deadline(), first);
        context.limit_deadline(context.received().saturating_add(Duration::from_secs(1)));
        assert_eq!(context.remaining(context.received()), Some(Duration::from_secs(1)));
    }

    #[test]
    fn a_retry_cap_may_only_be_lowered() {
        let mut context = CallContext::new();
        assert_eq!(context.max_retries(), None);
        context.limit_retries(2);
        context.limit_retries(7);
        assert_eq!(context.max_retries(), Some(2));
    }

    #[test]
    fn a_clone_does_not_see_what_the_other_writes_later() {
        let mut first = CallContext::new();
        first.metadata_mut().insert("tenant".into(), "a".into());
        let second = first.clone();
        first.metadata_mut().insert("tenant".into(), "b".into());
        assert_eq!(second.metadata().and_then(|m| m.get("tenant")).map(String::as_str), Some("a"));
    }

    #[test]
    fn an_extension_goes_with_a_clone_and_is_not_shown() {
        let mut first = CallContext::new();
        first.set_extension("s3cret");
        let second = first.clone();
        first.set_extension("another");
        assert_eq!((first.extension(), second.extension()), (Some(&"another"), Some(&"s3cret")));
        assert!(second.extension::<u8>().is_none() && !format!("{second:?}").contains("s3cret"));
    }

    #[test]
    fn a_callers_own_id_is_kept_as_it_came() {
        let mut context = CallContext::new();
        context.set_request_id("order-17/β");
        assert_eq!(context.request_id().to_string(), "order-17/β");
        context.set_request_id("000000000000000000000000000000ff");
        assert_eq!(context.request_id().to_string(), "000000000000000000000000000000ff");
        assert_eq!(context.id().get(), 255);
    }

    #[test]
    fn debug_shows_no_value_of_a_header() {
        let mut context = CallContext::new();
        context.headers_mut().insert("authorization", http::HeaderValue::from_static("Bearer s3cret"));
        context.metadata_mut().insert("card".into(), "4111".into());
        let text = format!("{context:?}");
        assert!(text.contains("authorization") && text.contains("card"), "{text}");
        assert!(!text.contains("s3cret") && !text.contains("4111"), "{text}");
    }

    #[test]
    fn the_affinity_hash_does_not_change_between_releases() {
        assert_eq!(affinity_hash(b"user-1"), affinity_hash(b"user-1"));
        assert_eq!(affinity_hash(b""), 0xf52a_15e9_a9b5_e89b);
    }
}
