//! A service that does what the request says.
#![allow(dead_code, reason = "each test file uses a part of it")]

use std::{future::Future, pin::Pin, time::Duration};

use plugin_breaker::{CircuitBreaker, CircuitBreakerConfig, CircuitBreakerConfigBuilder, CircuitBreakerLayer};
use plugin_core::{BoxError, Code, Rejected};
use tower::{Layer, Service, ServiceExt};

pub(crate) const SECOND: Duration = Duration::from_secs(1);
pub(crate) const MILLI: Duration = Duration::from_millis(1);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Will {
    Succeed,
    Fail,
    /// Answer with a refusal, as an inner layer of the family would.
    Refuse,
    Hang,
    Panic,
    PanicInCall,
    SucceedAfter(Duration),
    FailAfter(Duration),
}

#[derive(Clone, Copy, Debug)]
pub(crate) struct Obedient;

impl Service<Will> for Obedient {
    type Response = ();
    type Error = BoxError;
    type Future = Pin<Box<dyn Future<Output = Result<(), BoxError>> + Send>>;

    fn poll_ready(&mut self, _: &mut std::task::Context<'_>) -> std::task::Poll<Result<(), BoxError>> {
        std::task::Poll::Ready(Ok(()))
    }

    fn call(&mut self, will: Will) -> Self::Future {
        assert_ne!(will, Will::PanicInCall, "as it was told");
        Box::pin(async move {
            match will {
                Will::Succeed => Ok(()),
                Will::Fail => Err("failed".into()),
                Will::Refuse => Err(Rejected::overloaded().into()),
                Will::Hang => std::future::pending().await,
                Will::Panic | Will::PanicInCall => panic!("as it was told"),
                Will::SucceedAfter(time) => {
                    tokio::time::sleep(time).await;
                    Ok(())
                }
                Will::FailAfter(time) => {
                    tokio::time::sleep(time).await;
                    Err("failed".into())
                }
            }
        })
    }
}

pub(crate) type Stack = CircuitBreaker<Obedient>;

pub(crate) fn config() -> CircuitBreakerConfigBuilder {
    CircuitBreakerConfig::builder()
}

pub(crate) fn layer(builder: CircuitBreakerConfigBuilder) -> CircuitBreakerLayer {
    CircuitBreakerLayer::new(builder.build().expect("valid settings"))
}

pub(crate) fn over(layer: &CircuitBreakerLayer) -> Stack {
    layer.layer(Obedient)
}

pub(crate) async fn call(stack: &Stack, will: Will) -> Result<(), BoxError> {
    stack.clone().oneshot(will).await
}

pub(crate) async fn calls(stack: &Stack, will: Will, times: usize) {
    for _ in 0..times {
        let _ = call(stack, will).await;
    }
}

/// The code of the refusal, when the breaker refused; `None` when the call passed.
pub(crate) async fn refusal(stack: &Stack, will: Will) -> Option<Code> {
    let error = call(stack, will).await.err()?;
    Rejected::find(&*error).map(Rejected::code)
}

pub(crate) async fn advance(time: Duration) {
    tokio::time::advance(time).await;
}

/// Polls once, with a waker that wakes nobody.
pub(crate) fn poll_once<F: Future + Unpin>(future: &mut F) -> std::task::Poll<F::Output> {
    Pin::new(future).poll(&mut std::task::Context::from_waker(std::task::Waker::noop()))
}
