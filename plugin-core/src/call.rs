//! The envelope of a request and of its answer.

use std::{collections::BTreeMap, fmt, time::Duration};

use crate::{Attributed, CallContext, InstanceId};

/// A request to a plugin: a [`CallContext`] and a payload.
///
/// ```
/// use std::time::Duration;
///
/// use plugin_core::Call;
///
/// let call = Call::new("hello").with_idempotent(true).with_timeout(Duration::from_secs(2));
/// assert_eq!(*call.payload(), "hello");
/// assert!(call.context().deadline().is_some());
/// assert_eq!(call.into_payload().len(), 5);
/// ```
#[derive(Clone)]
pub struct Call<T> {
    context: CallContext,
    payload: T,
    seal: Option<&'static Seal>,
}

/// Something that is known of a payload, such as that it is JSON, so that no one further in need look at it again.
///
/// A module that checks payloads keeps a private `static` seal. Only code that can name it can put it on a call, so a
/// call that [has it](Call::has_seal) was checked there, and its payload has not been touched since: a seal is broken
/// by whatever replaces the payload or could write to it. A clone of the call keeps it.
pub struct Seal(&'static str);

impl Seal {
    /// A seal that says this, for `Debug`. What counts is not the text but the place where it is kept.
    #[must_use]
    pub const fn new(says: &'static str) -> Self {
        Self(says)
    }
}

impl fmt::Debug for Seal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Seal").field(&self.0).finish()
    }
}

impl<T> Call<T> {
    /// A call that was received now.
    #[must_use]
    pub fn new(payload: T) -> Self {
        Self { context: CallContext::new(), payload, seal: None }
    }

    /// A call with this context.
    #[must_use]
    pub fn with_context(context: CallContext, payload: T) -> Self {
        Self { context, payload, seal: None }
    }

    /// Says what is known of the payload. It has one seal at a time.
    #[must_use]
    pub fn with_seal(mut self, seal: &'static Seal) -> Self {
        self.seal = Some(seal);
        self
    }

    /// Whether this very seal is on the payload, and unbroken.
    #[must_use]
    pub fn has_seal(&self, seal: &'static Seal) -> bool {
        self.seal.is_some_and(|own| std::ptr::eq(own, seal))
    }

    /// Limits the time for the whole call, all attempts included, counted from when it was received.
    #[must_use]
    pub fn with_timeout(mut self, timeout: Duration) -> Self {
        self.context = self.context.with_timeout(timeout);
        self
    }

    /// Says whether the call may be made twice without a second effect, so that it may be repeated, hedged and answered from a
    /// cache. Where nobody says so, the settings of those layers do.
    #[must_use]
    pub fn with_idempotent(mut self, idempotent: bool) -> Self {
        self.context.set_idempotent(idempotent);
        self
    }

    /// What travels with the payload.
    #[must_use]
    pub fn context(&self) -> &CallContext {
        &self.context
    }

    /// What travels with the payload, mutable.
    pub fn context_mut(&mut self) -> &mut CallContext {
        &mut self.context
    }

    /// The payload.
    #[must_use]
    pub fn payload(&self) -> &T {
        &self.payload
    }

    /// The payload, mutable. This breaks its seal.
    pub fn payload_mut(&mut self) -> &mut T {
        self.seal = None;
        &mut self.payload
    }

    /// Only the payload.
    #[must_use]
    pub fn into_payload(self) -> T {
        self.payload
    }

    /// Both parts.
    #[must_use]
    pub fn into_parts(self) -> (CallContext, T) {
        (self.context, self.payload)
    }

    /// The same call with another payload.
    #[must_use]
    pub fn map<U>(self, f: impl FnOnce(T) -> U) -> Call<U> {
        Call { context: self.context, payload: f(self.payload), seal: None }
    }
}

/// A payload may be a secret, and large: only its type is shown.
impl<T> fmt::Debug for Call<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Call")
            .field("context", &self.context)
            .field("payload", &format_args!("{}", std::any::type_name::<T>()))
            .finish()
    }
}

/// A plugin's answer: a payload, and where it came from.
#[derive(Clone)]
pub struct Reply<T> {
    payload: T,
    instance: Option<InstanceId>,
    /// Never of an empty map.
    metadata: Option<Box<Metadata>>,
}

/// Behind a box, because most replies have none, and each is moved and dropped once per layer.
#[derive(Clone)]
struct Metadata(BTreeMap<String, String>);

static NO_METADATA: BTreeMap<String, String> = BTreeMap::new();

impl<T> Reply<T> {
    /// An answer.
    #[must_use]
    pub fn new(payload: T) -> Self {
        Self { payload, instance: None, metadata: None }
    }

    /// Sets the metadata. An empty map costs nothing.
    #[must_use]
    pub fn with_metadata(mut self, metadata: BTreeMap<String, String>) -> Self {
        self.metadata = if metadata.is_empty() { None } else { Some(Box::new(Metadata(metadata))) };
        self
    }

    /// The payload.
    #[must_use]
    pub fn payload(&self) -> &T {
        &self.payload
    }

    /// Only the payload.
    #[must_use]
    pub fn into_payload(self) -> T {
        self.payload
    }

    /// The metadata that the plugin sent back; empty when it sent none.
    #[must_use]
    pub fn metadata(&self) -> &BTreeMap<String, String> {
        self.metadata.as_deref().map_or(&NO_METADATA, |metadata| &metadata.0)
    }

    /// The same answer with another payload.
    #[must_use]
    pub fn map<U>(self, f: impl FnOnce(T) -> U) -> Reply<U> {
        Reply { payload: f(self.payload), instance: self.instance, metadata: self.metadata }
    }
}

impl<T> Attributed for Reply<T> {
    fn instance(&self) -> Option<InstanceId> {
        self.instance
    }

    fn attribute(&mut self, instance: InstanceId) {
        self.instance = Some(instance);
    }
}

impl<T> fmt::Debug for Reply<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Reply")
            .field("payload", &format_args!("{}", std::any::type_name::<T>()))
            .field("instance", &self.instance)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reply_without_metadata_is_its_payload_and_two_words_more() {
        // `InstanceId` is 64 bits everywhere.
        assert_eq!(size_of::<Reply<[u64; 4]>>(), size_of::<[u64; 4]>() + 8 + size_of::<u64>().max(size_of::<usize>()));
    }

    #[test]
    fn a_seal_is_one_place_and_not_a_text_and_breaks_when_the_payload_may_have_changed() {
        static OURS: Seal = Seal::new("checked");
        static THEIRS: Seal = Seal::new("checked");
        let call = Call::new(1).with_seal(&OURS);
        assert!(call.has_seal(&OURS) && call.clone().has_seal(&OURS) && !call.has_seal(&THEIRS));
        assert!(!Call::new(1).has_seal(&OURS));
        assert!(!call.clone().map(|payload| payload).has_seal(&OURS));
        let (context, payload) = call.clone().into_parts();
        assert!(!Call::with_context(context, payload).has_seal(&OURS));
        let mut written = call;
        written.context_mut().set_priority(1);
        assert!(written.has_seal(&OURS), "the context is not sealed");
        let _ = written.payload_mut();
        assert!(!written.has_seal(&OURS));
    }

    #[test]
    fn metadata_reads_back_and_none_reads_as_an_empty_map() {
        let metadata: BTreeMap<_, _> = [("k".to_owned(), "v".to_owned())].into();
        let reply = Reply::new(1).with_metadata(metadata.clone()).map(|_| "other");
        assert_eq!(reply.metadata(), &metadata);
        assert!(Reply::new(1).metadata().is_empty());
        assert!(reply.with_metadata(BTreeMap::new()).metadata.is_none());
    }
}
