//! The service that a layer makes, for whoever writes a layer: it has the inner service, its accessors and its readiness, so
//! that the layer says only what it does with a call.
//!
//! The layer itself is what stands around the service, so a message of the compiler names a stack as it is written, the
//! outermost first: `Wrapped<DeadlineLayer, Wrapped<AttemptTimeoutLayer, Router>>`.
//!
//! ```
//! use std::sync::{
//!     Arc,
//!     atomic::{AtomicBool, Ordering},
//! };
//!
//! use plugin_core::{
//!     Code, Reject, RejectFuture, Rejected,
//!     service::{HasHandle, Wrap, Wrapped},
//! };
//! use tower::{Layer, Service, ServiceBuilder, service_fn};
//!
//! /// Refuses every request while it is switched off.
//! #[derive(Clone, Debug)]
//! struct SwitchLayer<R> {
//!     on: Arc<AtomicBool>,
//!     reject: R,
//! }
//!
//! impl<S, R: Clone> Layer<S> for SwitchLayer<R> {
//!     type Service = Wrapped<Self, S>;
//!
//!     fn layer(&self, inner: S) -> Self::Service {
//!         Wrapped::new(self.clone(), inner)
//!     }
//! }
//!
//! impl<S, R, Req> Wrap<S, Req> for SwitchLayer<R>
//! where
//!     S: Service<Req>,
//!     R: Reject<S::Response, S::Error> + Clone,
//! {
//!     type Future = RejectFuture<S::Future, R>;
//!
//!     fn call(&self, inner: &mut S, request: Req) -> Self::Future {
//!         let admitted = if self.on.load(Ordering::Relaxed) { Ok(()) } else { Err(Rejected::new(Code::NotEnabled)) };
//!         RejectFuture::admit(admitted, || inner.call(request), &self.reject)
//!     }
//! }
//!
//! impl<R> HasHandle for SwitchLayer<R> {
//!     type Handle = Arc<AtomicBool>;
//!
//!     fn handle(&self) -> Self::Handle {
//!         Arc::clone(&self.on)
//!     }
//! }
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() {
//! let inner = service_fn(|request: u8| async move { Ok(request + 1) });
//! let refuse = |_: Rejected| Err("switched off");
//! let mut service =
//!     ServiceBuilder::new().layer(SwitchLayer { on: Arc::new(true.into()), reject: refuse }).service(inner);
//! assert_eq!(service.call(1).await, Ok(2));
//! service.handle().store(false, Ordering::Relaxed);
//! assert_eq!(service.call(1).await, Err("switched off"));
//! # }
//! ```

use std::task::{Context, Poll};

use tower_service::Service;

/// A service `S` with the layer `L` around it.
///
/// It is ready when the inner service is; what the layer does, it does in `call`, as [`Wrap`] says. A clone is a clone of
/// both.
///
/// ```
/// use std::time::Duration;
///
/// use plugin_core::{Call, PluginError, deadline::DeadlineLayer};
/// use tower::{Layer, service_fn};
///
/// let service = service_fn(|call: Call<u32>| async move { Ok::<_, PluginError>(call.into_payload()) });
/// let wrapped = DeadlineLayer::new(Duration::from_secs(30)).layer(service); // a `Wrapped<DeadlineLayer, _>`
///
/// wrapped.handle().reconfigure(Some(Duration::from_secs(5)));
/// let service = wrapped.into_inner(); // without the layer
/// # drop(service);
/// ```
#[derive(Clone, Debug)]
pub struct Wrapped<L, S> {
    inner: S,
    layer: L,
}

/// What a layer does with a call of the service that it stands around.
pub trait Wrap<S: Service<Req>, Req> {
    /// The future of a call.
    type Future: Future<Output = Result<S::Response, S::Error>>;

    /// Calls the inner service, which was polled ready, or answers without it. A layer that answers without it says so:
    /// [`readiness::unused`](crate::readiness::unused).
    fn call(&self, inner: &mut S, request: Req) -> Self::Future;
}

/// A layer that is read and changed while what it has made serves.
pub trait HasHandle {
    /// Its handle.
    type Handle;

    /// A handle of what all services share that this layer makes.
    fn handle(&self) -> Self::Handle;
}

/// Calls a service for a layer that keeps the future of the call in its own.
///
/// Where that future is large it is called out of line. The future is then written once, where it stays: as long as nothing
/// must be undone in the function that calls this when the call panics. What must be, such as a guard, is to be borrowed from the
/// function around it. Inlined, a large future would be made elsewhere, and be copied once for every layer.
#[inline]
pub fn call<S, Req>(service: &mut S, request: Req) -> S::Future
where
    S: Service<Req>,
{
    #[inline(never)]
    fn apart<S: Service<Req>, Req>(service: &mut S, request: Req) -> S::Future {
        service.call(request)
    }

    if is_large::<S::Future>() { apart(service, request) } else { service.call(request) }
}

/// Whether to copy a future costs more than a call: it has more than a few words.
#[inline]
pub(crate) const fn is_large<F>() -> bool {
    size_of::<F>() > 128
}

impl<L, S> Wrapped<L, S> {
    /// Puts the layer around the service.
    pub const fn new(layer: L, inner: S) -> Self {
        Self { inner, layer }
    }

    /// A reference to the inner service.
    pub const fn get_ref(&self) -> &S {
        &self.inner
    }

    /// A mutable reference to the inner service.
    pub const fn get_mut(&mut self) -> &mut S {
        &mut self.inner
    }

    /// Takes the inner service out, and drops the rest.
    pub fn into_inner(self) -> S {
        self.inner
    }

    /// Reads and changes what all services share that the layer has made: the same as the handle of the layer.
    #[must_use]
    pub fn handle(&self) -> L::Handle
    where
        L: HasHandle,
    {
        self.layer.handle()
    }
}

impl<L, S, Req> Service<Req> for Wrapped<L, S>
where
    S: Service<Req>,
    L: Wrap<S, Req>,
{
    type Response = S::Response;
    type Error = S::Error;
    type Future = L::Future;

    #[inline]
    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(cx)
    }

    #[inline]
    fn call(&mut self, request: Req) -> Self::Future {
        self.layer.call(&mut self.inner, request)
    }
}
