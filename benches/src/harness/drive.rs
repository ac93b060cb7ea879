//! Drives a service without a runtime: what is measured here is ready at once.

use std::convert::Infallible;
use std::fmt;
use std::future::{Future, Ready, ready};
use std::marker::PhantomData;
use std::pin::pin;
use std::task::{Context, Poll, Waker};

use tower_service::Service;

/// Polls `future` once and returns its output.
///
/// # Panics
///
/// When the future is pending. A row that has to wait needs a runtime of its own, made in its factory.
#[inline]
pub fn poll_ready_now<F: Future>(future: F) -> F::Output {
    match pin!(future).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(output) => output,
        Poll::Pending => not_ready("the future is pending at its first poll"),
    }
}

/// Makes one whole call: readiness, `call`, response.
///
/// # Errors
///
/// The service's own.
///
/// # Panics
///
/// When the service is not ready at once, or its response is not.
#[inline]
pub fn call_now<S, Req>(service: &mut S, request: Req) -> Result<S::Response, S::Error>
where
    S: Service<Req>,
{
    match service.poll_ready(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(Ok(())) => poll_ready_now(service.call(request)),
        Poll::Ready(Err(error)) => Err(error),
        Poll::Pending => not_ready("the service is not ready at its first poll"),
    }
}

#[cold]
fn not_ready(what: &str) -> ! {
    panic!("{what}: this row must be ready at once, or bring a runtime in its factory")
}

/// Answers each request with itself, at once: the bare service beneath a layer.
///
/// `E` is the error type that the layers above it shall see; it never occurs.
pub struct Echo<E = Infallible>(PhantomData<fn() -> E>);

/// An [`Echo`] with the error type that the place asks for.
#[must_use]
pub fn echo<E>() -> Echo<E> {
    Echo(PhantomData)
}

impl<E> Clone for Echo<E> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<E> Copy for Echo<E> {}

impl<E> fmt::Debug for Echo<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Echo")
    }
}

impl<Req, E> Service<Req> for Echo<E> {
    type Response = Req;
    type Error = E;
    type Future = Ready<Result<Req, E>>;

    #[inline]
    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), E>> {
        Poll::Ready(Ok(()))
    }

    #[inline]
    fn call(&mut self, request: Req) -> Self::Future {
        ready(Ok(request))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_call_brings_back_what_was_sent() {
        assert_eq!(call_now(&mut echo::<Infallible>(), 7), Ok(7));
    }

    #[test]
    #[should_panic(expected = "bring a runtime")]
    fn a_pending_future_is_a_clear_failure() {
        poll_ready_now(std::future::pending::<()>());
    }
}
