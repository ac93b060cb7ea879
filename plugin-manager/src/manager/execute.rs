//! One call through a stack whose type the table has forgotten.

use std::{
    fmt,
    future::Future,
    ops::Deref,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
};

use pin_project_lite::pin_project;
use plugin_core::{
    BoxFuture, Call, Plugin, PluginError, Reply,
    sync::{Lease, SlotCall, Slots, Striped},
};
use tower_service::Service;

/// A stack in the table: called through its slots, and counted by the leases that its calls hold.
pub(super) trait Execute<Req, Res>: Send + Sync {
    /// Calls the stack. The future is the call's one allocation; it keeps the stack alive.
    fn execute(&self, call: Call<Req>) -> BoxFuture<Result<Reply<Res>, PluginError>>;

    /// Calls that are running.
    fn in_flight(&self) -> usize;
}

/// A stack, and the name that its errors carry.
pub(super) struct Shelf<S> {
    slots: Slots<S>,
    name: Arc<str>,
}

impl<S: Clone> Shelf<S> {
    pub(super) fn new(name: Arc<str>, stack: S) -> Striped<Self> {
        Striped::new(Self { slots: Slots::new(stack), name })
    }
}

/// What a call holds of its stack.
struct HeldStack<S>(Lease<Shelf<S>>);

impl<S> Deref for HeldStack<S> {
    type Target = Slots<S>;

    fn deref(&self) -> &Slots<S> {
        &self.0.slots
    }
}

impl<Req, Res, S> Execute<Req, Res> for Striped<Shelf<S>>
where
    S: Plugin<Req, Res>,
    Req: Send + 'static,
    Res: Send + 'static,
{
    fn execute(&self, call: Call<Req>) -> BoxFuture<Result<Reply<Res>, PluginError>> {
        // The room first: what is made after it is written there, and not copied.
        let room = Box::new_uninit();
        let stack = HeldStack(self.lease());
        let execution: Box<Execution<S, Req>> = Box::write(room, Execution { call: Slots::call(stack, call) });
        Box::into_pin(execution)
    }

    fn in_flight(&self) -> usize {
        self.leases()
    }
}

pin_project! {
    /// A call that runs.
    struct Execution<S: Service<Call<Req>>, Req> {
        #[pin]
        call: SlotCall<HeldStack<S>, S, Call<Req>>,
    }
}

impl<S, Req> Future for Execution<S, Req>
where
    S: Service<Call<Req>, Error = PluginError> + Clone,
{
    type Output = Result<S::Response, PluginError>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let mut this = self.project();
        let result = std::task::ready!(this.call.as_mut().poll(cx));
        Poll::Ready(match result {
            Err(error) if error.plugin().is_none() => Err(error.with_plugin(Arc::clone(&this.call.owner().0.name))),
            result => result,
        })
    }
}

impl<S: Service<Call<Req>>, Req> fmt::Debug for Execution<S, Req> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Execution").finish_non_exhaustive()
    }
}
