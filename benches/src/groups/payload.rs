//! Calls with a payload, for rows that show what becomes of it, and of a call that waits.

use std::fmt::Debug;

use bytes::Bytes;
use plugin_core::{Call, PluginError};
use tower::{Layer, Service};

use crate::harness::{Echo, Group, PendingOnce, echo};

/// The row that those of a heap payload are compared with.
pub(super) const BARE_HEAP: &str = "bare service, heap payload";

/// The row that those that are pending once are compared with.
pub(super) const BARE_PENDING: &str = "bare service, pending once";

/// A payload that is part of the program: to copy it is free.
pub(super) fn fixed() -> Bytes {
    Bytes::from_static(b"{\"id\":7}")
}

/// A hundred bytes as they come from a socket: the first copy of them allocates what counts the owners.
pub(super) fn heap() -> Bytes {
    Bytes::from(vec![b'7'; 100])
}

/// A call that may be repeated.
pub(super) fn repeatable(payload: Bytes) -> Call<Bytes> {
    let mut call = Call::new(payload);
    call.context_mut().set_idempotent(true);
    call
}

/// Adds the rows of the bare service: one whose payload comes from the heap, and one that is pending once.
pub(super) fn bare_rows(group: &mut Group) {
    group.service(BARE_HEAP, echo::<PluginError>(), || repeatable(heap()));
    group.pending_once(BARE_PENDING, PendingOnce(echo::<PluginError>()), || repeatable(fixed()));
}

/// Adds the same two rows under a layer.
pub(super) fn layer_rows<L>(group: &mut Group, name: &str, layer: &L)
where
    L: Layer<Echo<PluginError>> + Layer<PendingOnce<Echo<PluginError>>>,
    <L as Layer<Echo<PluginError>>>::Service: Service<Call<Bytes>, Error: Debug> + Clone + Send + 'static,
    <L as Layer<PendingOnce<Echo<PluginError>>>>::Service: Service<Call<Bytes>, Error: Debug> + Clone + Send + 'static,
{
    let (ready, pending) = (layer.layer(echo::<PluginError>()), layer.layer(PendingOnce(echo::<PluginError>())));
    service_rows(group, name, ready, pending);
}

/// Adds the same two rows for services: one over a service that is ready at once, and one over a service that is pending once.
pub(super) fn service_rows<R, P>(group: &mut Group, name: &str, ready: R, pending: P)
where
    R: Service<Call<Bytes>, Error: Debug> + Clone + Send + 'static,
    P: Service<Call<Bytes>, Error: Debug> + Clone + Send + 'static,
{
    group.service(format!("{name}, heap payload"), ready, || repeatable(heap())).against(BARE_HEAP);
    group.pending_once(format!("{name}, pending once"), pending, || repeatable(fixed())).against(BARE_PENDING);
}
