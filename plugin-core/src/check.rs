//! Asking the compiler why a stack is not a service.

use tower_service::Service;

/// Gives back the stack, and makes the compiler say why where it is not a service for `Req`.
///
/// `stack.oneshot(request)` on a stack that misses one bound says no more than that the method does not exist.
/// `check::<Request<Body>, _>(stack)` names the layer and the bound instead.
#[must_use]
pub fn check<Req, S: Service<Req>>(stack: S) -> S {
    stack
}
