//! The layer.

use std::{fmt, sync::Arc};

use plugin_core::ByErrorType;
use tokio::runtime::Handle;

use super::{CopyByClone, CopyFn, MarkCall, MirrorConfig, MirrorHandle, Unmarked, state::MirrorState};

/// Sends a copy of a share of the calls to a second service, the mirror, and forgets its answer: how a new version does under
/// real calls.
///
/// The caller gets the answer of the first service and waits for nothing else: its future is that service's own. A copy is a task of
/// the runtime that the call is made on, or of [another](Self::on_runtime), and made after the call. Errors, panics and slowness of the
/// mirror end there, and so does its load: beyond `max_in_flight` no copies are made. What a copied call costs its caller is the copy of
/// the request, a clone of the mirror and a task.
///
/// **Shares.** Calls take turns to be copied as those of a [`TrafficSplit`](crate::TrafficSplit) do: any 10,000 in a row have the share
/// to the call, and any fewer to less than one.
///
/// **Copies.** A request is cloned, or copied by [`copy_with`](Self::copy_with). With [`for_calls`](Self::for_calls) and
/// [`for_http`](Self::for_http) a copy says that it is one ([`MIRRORED`](crate::MIRRORED)), has no `Idempotency-Key`, which
/// is the call's, and no more time than its call has left. It is for the mirror not to have a second effect on anything that it shares
/// with the first service.
///
/// **Cancellation.** A caller that goes away does not end the copy, which has its own `timeout`: otherwise a first service that is fast
/// would cut short a mirror that is slow, and calls that were given up, which say most of a new version, would not be seen there.
///
/// **Bodies.** The answer of the mirror is dropped with its body unread, upon which a client over HTTP/1.1 may close the connection.
/// A mirror that should keep it reads the body: `client.and_then(|response| ..)`.
///
/// Every service that this layer makes, and every clone, shares turns, bounds and figures. Two mirrors are two layers.
///
/// ```
/// use plugin_lb::{MirrorConfig, MirrorLayer};
/// use tower::{BoxError, Layer, ServiceExt, service_fn};
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), BoxError> {
/// let stable = service_fn(|n: u32| async move { Ok::<_, BoxError>(n + 1) });
/// let next = service_fn(|_: u32| async move { Err::<u32, BoxError>("not yet".into()) });
///
/// let layer = MirrorLayer::new(MirrorConfig::builder().with_percent(50.0).build()?, next);
/// let handle = layer.handle();
/// let service = layer.layer(stable);
/// for n in 0..10 {
///     assert_eq!(service.clone().oneshot(n).await?, n + 1);
/// }
/// handle.idle().await;
/// assert_eq!((handle.stats().mirrored, handle.stats().failed), (5, 5));
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
#[must_use = "a layer does nothing until it wraps a service"]
pub struct MirrorLayer<M, C = ByErrorType, K = Unmarked, Q = CopyByClone> {
    pub(super) state: Arc<MirrorState>,
    pub(super) mirror: M,
    pub(super) classify: C,
    pub(super) mark: K,
    pub(super) copy: Q,
    pub(super) runtime: Option<Handle>,
}

impl<M> MirrorLayer<M> {
    /// Copies go to this service.
    pub fn new(config: MirrorConfig, mirror: M) -> Self {
        let state = Arc::new(MirrorState::new(config));
        Self { state, mirror, classify: ByErrorType, mark: Unmarked, copy: CopyByClone, runtime: None }
    }
}

impl<M, C, K, Q> MirrorLayer<M, C, K, Q> {
    /// Sets what counts as a failure of the mirror in the figures. Default: `ByErrorType`.
    pub fn classify<C2>(self, classify: C2) -> MirrorLayer<M, C2, K, Q> {
        let Self { state, mirror, mark, copy, runtime, .. } = self;
        MirrorLayer { state, mirror, classify, mark, copy, runtime }
    }

    /// Sets how a copy is marked: a [`MarkCopy`](crate::MarkCopy). Default: not at all.
    pub fn mark_with<K2>(self, mark: K2) -> MirrorLayer<M, C, K2, Q> {
        let Self { state, mirror, classify, copy, runtime, .. } = self;
        MirrorLayer { state, mirror, classify, mark, copy, runtime }
    }

    /// Copies requests with a closure, where they are not `Clone`, or not all of them are to be copied: `None` makes no copy. It should
    /// be cheap, since the caller waits for it.
    pub fn copy_with<F, Req>(self, copy: F) -> MirrorLayer<M, C, K, CopyFn<F>>
    where
        F: Fn(&Req) -> Option<Req>,
    {
        let Self { state, mirror, classify, mark, runtime, .. } = self;
        MirrorLayer { state, mirror, classify, mark, copy: CopyFn(copy), runtime }
    }

    /// Runs the copies on this runtime. Default: that of the caller. A mirror that computes for long between two waits has a
    /// thread for so long, and with a runtime of its own it is none that callers need.
    pub fn on_runtime(mut self, runtime: Handle) -> Self {
        self.runtime = Some(runtime);
        self
    }

    /// For [`Call`](plugin_core::Call)s: copies are marked in their metadata and have no more time than their calls, see
    /// [`MarkCall`].
    pub fn for_calls(self) -> MirrorLayer<M, ByErrorType, MarkCall, Q> {
        self.mark_with(MarkCall).classify(ByErrorType)
    }

    /// For HTTP: copies are marked by a header and have no more time than their requests, see [`MarkHttp`](crate::MarkHttp); a
    /// status from 500 is a failure. A body that is not `Clone`, such as a stream, is copied by [`copy_with`](Self::copy_with),
    /// or buffered further out.
    #[cfg(feature = "http")]
    pub fn for_http(self) -> MirrorLayer<M, plugin_core::ByHttpStatus, crate::MarkHttp, Q> {
        self.mark_with(crate::MarkHttp).classify(plugin_core::ByHttpStatus::new())
    }

    plugin_core::without_feature!("http", for_http, crate::missing::Http);

    /// For gRPC: as for HTTP, and the status of gRPC decides where it comes in the head. Trailers are not read.
    #[cfg(feature = "grpc")]
    pub fn for_grpc(self) -> MirrorLayer<M, plugin_core::ByGrpcStatus, crate::MarkHttp, Q> {
        self.mark_with(crate::MarkHttp).classify(plugin_core::ByGrpcStatus)
    }

    plugin_core::without_feature!("grpc", for_grpc, crate::missing::Grpc);

    /// Figures and live settings of every service that this layer makes.
    #[must_use]
    pub fn handle(&self) -> MirrorHandle {
        MirrorHandle::new(Arc::clone(&self.state))
    }
}

impl<M, C, K, Q> fmt::Debug for MirrorLayer<M, C, K, Q> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MirrorLayer").field("handle", &self.handle()).finish_non_exhaustive()
    }
}
