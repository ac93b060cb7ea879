//! A service that fails as it is told, and remembers how it was called.
#![allow(dead_code, reason = "each test file uses its own share")]

use std::{
    collections::VecDeque,
    sync::{Arc, Mutex},
    task::{Context, Poll},
    time::Duration,
};

use bytes::Bytes;
use plugin_core::{
    BoxFuture, Call, Code, InstanceId, PluginError, Reply, Sent,
    clock::{self, Instant},
};
use plugin_retry::{RetryConfig, RetryConfigBuilder};
use tower_service::Service;

pub(crate) const SECOND: Duration = Duration::from_secs(1);

pub(crate) const fn ms(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

/// One attempt as the service saw it.
#[derive(Clone, Debug)]
pub(crate) struct Seen {
    pub(crate) at: Instant,
    pub(crate) attempt: u16,
    pub(crate) tried: Vec<InstanceId>,
    pub(crate) payload: Bytes,
}

type Outcome = Box<dyn Fn() -> Result<Reply<Bytes>, PluginError> + Send>;

/// Answers with the outcomes it was given, in turn, and then with success.
#[derive(Clone, Default)]
pub(crate) struct Script(Arc<Mutex<Inner>>);

#[derive(Default)]
struct Inner {
    outcomes: VecDeque<(Duration, Outcome)>,
    seen: Vec<Seen>,
    default_error: Option<fn() -> PluginError>,
    running: usize,
}

impl Script {
    pub(crate) fn failing_with(error: fn() -> PluginError) -> Self {
        let script = Self::default();
        script.0.lock().expect("unpoisoned").default_error = Some(error);
        script
    }

    pub(crate) fn then(self, outcome: impl Fn() -> Result<Reply<Bytes>, PluginError> + Send + 'static) -> Self {
        self.then_after(Duration::ZERO, outcome)
    }

    pub(crate) fn then_after(
        self,
        wait: Duration,
        outcome: impl Fn() -> Result<Reply<Bytes>, PluginError> + Send + 'static,
    ) -> Self {
        self.0.lock().expect("unpoisoned").outcomes.push_back((wait, Box::new(outcome)));
        self
    }

    pub(crate) fn seen(&self) -> Vec<Seen> {
        self.0.lock().expect("unpoisoned").seen.clone()
    }

    pub(crate) fn calls(&self) -> usize {
        self.seen().len()
    }

    /// Attempts that run now.
    pub(crate) fn running(&self) -> usize {
        self.0.lock().expect("unpoisoned").running
    }

    /// The times between attempts.
    pub(crate) fn waits(&self) -> Vec<Duration> {
        self.seen().windows(2).map(|pair| pair[1].at.saturating_since(pair[0].at)).collect()
    }
}

struct Running(Script);

impl Drop for Running {
    fn drop(&mut self) {
        self.0.0.lock().expect("unpoisoned").running -= 1;
    }
}

impl Service<Call<Bytes>> for Script {
    type Response = Reply<Bytes>;
    type Error = PluginError;
    type Future = BoxFuture<Result<Reply<Bytes>, PluginError>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), PluginError>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, call: Call<Bytes>) -> Self::Future {
        let mut inner = self.0.lock().expect("unpoisoned");
        let context = call.context();
        let seen = Seen {
            at: clock::now(),
            attempt: context.attempt(),
            tried: context.tried().to_vec(),
            payload: call.payload().clone(),
        };
        inner.seen.push(seen);
        inner.running += 1;
        let (wait, result) = match (inner.outcomes.pop_front(), inner.default_error) {
            (Some((wait, outcome)), _) => (wait, outcome()),
            (None, Some(error)) => (Duration::ZERO, Err(error())),
            (None, None) => (Duration::ZERO, Ok(Reply::new(Bytes::from_static(b"done")))),
        };
        let running = Running(self.clone());
        Box::pin(async move {
            let _running = running;
            if !wait.is_zero() {
                tokio::time::sleep(wait).await;
            }
            result
        })
    }
}

pub(crate) fn lost() -> PluginError {
    PluginError::connection("the connection was lost", Sent::Maybe)
}

pub(crate) fn refused() -> PluginError {
    PluginError::connection("the connection was refused", Sent::Nothing)
}

pub(crate) fn failed() -> PluginError {
    PluginError::new(Code::ExecutionFailed, "division by zero")
}

pub(crate) fn call() -> Call<Bytes> {
    let mut call = Call::new(Bytes::from_static(b"payload"));
    call.context_mut().set_idempotent(true);
    call
}

/// A call that does not say whether it may be repeated.
pub(crate) fn silent_call() -> Call<Bytes> {
    Call::new(Bytes::from_static(b"payload"))
}

pub(crate) fn config(set: impl FnOnce(RetryConfigBuilder) -> RetryConfigBuilder) -> RetryConfig {
    set(RetryConfig::builder()).build().expect("settings in bounds")
}
