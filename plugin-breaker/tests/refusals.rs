//! Refusals that are not this family's: tower's own layers beneath a breaker.
#![cfg(not(loom))]

use std::{error::Error, fmt, io, time::Duration};

use plugin_breaker::{CircuitBreakerLayer, CircuitState};
use plugin_core::{BoxError, ByErrorChain, PluginError};
use tower::{Layer, ServiceBuilder, ServiceExt, load_shed::error::Overloaded, service_fn};

const WORK: Duration = Duration::from_millis(100);

#[tokio::test(start_paused = true)]
async fn calls_that_towers_load_shed_refuses_are_not_held_against_the_service() {
    let breaker = CircuitBreakerLayer::default();
    let handle = breaker.handle();
    let stack = ServiceBuilder::new().layer(breaker).load_shed().concurrency_limit(1).service(service_fn(
        |number: u32| async move {
            tokio::time::sleep(WORK).await;
            Ok::<_, BoxError>(number)
        },
    ));
    let first = tokio::spawn(stack.clone().oneshot(0));
    tokio::task::yield_now().await;
    for number in 1..=20 {
        let error = stack.clone().oneshot(number).await.expect_err("one at a time");
        assert!(error.is::<Overloaded>(), "{error}");
    }
    assert_eq!(handle.state(), CircuitState::Closed);
    assert_eq!(first.await.expect("no panic").expect("an answer"), 0);
    let stats = handle.stats();
    assert_eq!((stats.successes, stats.failures, stats.ignored), (1, 0, 20));
}

/// An error of the user's own round another.
#[derive(Debug)]
struct Own(BoxError);

impl fmt::Display for Own {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("own")
    }
}

impl Error for Own {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        Some(&*self.0)
    }
}

/// Ten calls that end with this error under a breaker that looks through the chain, which is at first closed.
macro_rules! after_ten {
    ($error:expr) => {{
        let layer = CircuitBreakerLayer::default().classify(ByErrorChain);
        let handle = layer.handle();
        let stack = layer.layer(service_fn(|(): ()| async { Err::<(), _>($error) }));
        for _ in 0..10 {
            let _ = stack.clone().oneshot(()).await;
        }
        handle.state()
    }};
}

/// An error type that can hold a refusal of the breaker itself, and any other error.
impl From<plugin_core::Rejected> for Own {
    fn from(rejected: plugin_core::Rejected) -> Self {
        Self(rejected.into())
    }
}

#[tokio::test(start_paused = true)]
async fn a_refusal_of_towers_is_one_wherever_it_sits_and_what_reads_like_one_is_not() {
    let shed = || Overloaded::new();
    assert_eq!(after_ten!(Own(shed().into())), CircuitState::Closed);
    assert_eq!(after_ten!(Own(Own(shed().into()).into())), CircuitState::Closed);
    assert_eq!(after_ten!(Own(io::Error::other(shed()).into())), CircuitState::Closed);
    assert_eq!(after_ten!(PluginError::execution("shed").with_source(shed())), CircuitState::Closed);
    assert_eq!(after_ten!(Own(shed().to_string().into())), CircuitState::Open);
    assert_eq!(after_ten!(Own(io::Error::other("service overloaded").into())), CircuitState::Open);
    assert_eq!(after_ten!(PluginError::execution("service overloaded")), CircuitState::Open);
}

#[tokio::test(start_paused = true)]
async fn an_attempt_that_towers_timeout_cut_is_a_failure() {
    let breaker = CircuitBreakerLayer::default();
    let handle = breaker.handle();
    let hung = service_fn(|(): ()| std::future::pending::<Result<(), BoxError>>());
    let stack = ServiceBuilder::new().layer(breaker).timeout(WORK).service(hung);
    for _ in 0..5 {
        stack.clone().oneshot(()).await.expect_err("it hangs");
    }
    assert_eq!(handle.state(), CircuitState::Open);
}
