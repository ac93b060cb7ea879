//! A plugin that does what its payload says.

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    task::{Context, Poll},
    time::Duration,
};

use bytes::Bytes;
use plugin_core::{BoxFuture, Call, Code, PluginError, Reply};
use serde_json::{Value, json};
use tower_service::Service;

/// The plugin of the suite, which a [`Subject`](super::Subject) serves: it does what its payload says.
///
/// | `do` | what becomes of the call |
/// |---|---|
/// | `echo` | `value` is the answer |
/// | `wait` | the same after `ms` |
/// | `hang` | no answer |
/// | `fail` | the error `text`, `PLUGIN_1203` |
/// | `say` | an error with `code`, `retryable` and `retry_after_ms`, as far as they are there |
/// | `panic` | a panic |
/// | `context` | what the plugin was told of the call; its metadata goes back with the reply |
/// | `long` | a text of `bytes` |
/// | `counts` | `begun`, `dropped` before their end, and the `most` at once, of the calls but for these |
///
/// A transport whose plugins run in a process of their own serves one that is made there.
///
/// ```
/// use bytes::Bytes;
/// use plugin_transports::{conformance::Scripted, plugin_core::Call};
/// use tower::ServiceExt;
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let script = Bytes::from_static(br#"{"do": "echo", "value": 7}"#);
/// assert_eq!(Scripted::new().oneshot(Call::new(script)).await?.payload(), "7");
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug, Default)]
#[must_use = "a plugin does nothing until it is served"]
pub struct Scripted {
    counts: Arc<Counts>,
}

#[derive(Debug, Default)]
struct Counts {
    begun: AtomicUsize,
    dropped: AtomicUsize,
    working: AtomicUsize,
    most: AtomicUsize,
}

impl Scripted {
    /// A plugin that has seen no call.
    pub fn new() -> Self {
        Self::default()
    }
}

impl Service<Call<Bytes>> for Scripted {
    type Response = Reply<Bytes>;
    type Error = PluginError;
    type Future = BoxFuture<Result<Reply<Bytes>, PluginError>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), PluginError>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, call: Call<Bytes>) -> Self::Future {
        let counts = Arc::clone(&self.counts);
        Box::pin(act(counts, call))
    }
}

/// A call that is worked on.
struct Working {
    counts: Arc<Counts>,
    has_ended: bool,
}

impl Working {
    fn new(counts: Arc<Counts>) -> Self {
        // Sequentially consistent, here and below: they are read by a later call, and their cost does not matter.
        counts.begun.fetch_add(1, Ordering::SeqCst);
        let working = counts.working.fetch_add(1, Ordering::SeqCst) + 1;
        counts.most.fetch_max(working, Ordering::SeqCst);
        Self { counts, has_ended: false }
    }
}

impl Drop for Working {
    fn drop(&mut self) {
        self.counts.working.fetch_sub(1, Ordering::SeqCst);
        if !self.has_ended {
            self.counts.dropped.fetch_add(1, Ordering::SeqCst);
        }
    }
}

async fn act(counts: Arc<Counts>, call: Call<Bytes>) -> Result<Reply<Bytes>, PluginError> {
    let told: Value = serde_json::from_slice(call.payload())
        .map_err(|error| PluginError::new(Code::InvalidPayload, format!("the payload is no script: {error}")))?;
    let what = told["do"].as_str().unwrap_or_default();
    if what == "counts" {
        let count = |of: &AtomicUsize| of.load(Ordering::SeqCst);
        let (begun, dropped, most) = (count(&counts.begun), count(&counts.dropped), count(&counts.most));
        return Ok(reply(&json!({"begun": begun, "dropped": dropped, "most": most})));
    }
    let mut working = Working::new(counts);
    let outcome = perform(what, &told, &call).await;
    working.has_ended = true;
    outcome
}

async fn perform(what: &str, told: &Value, call: &Call<Bytes>) -> Result<Reply<Bytes>, PluginError> {
    let millis = |key: &str| told[key].as_u64().map(Duration::from_millis);
    let text = || told["text"].as_str().unwrap_or("as told").to_owned();
    match what {
        "echo" => Ok(reply(&told["value"])),
        "wait" => {
            tokio::time::sleep(millis("ms").unwrap_or_default()).await;
            Ok(reply(&told["value"]))
        }
        "hang" => std::future::pending().await,
        "fail" => Err(PluginError::execution(text())),
        "say" => {
            let code = told["code"].as_str().and_then(Code::parse).unwrap_or(Code::ExecutionFailed);
            let error = PluginError::new(code, text());
            let for_callers = told["for_callers"].as_str();
            let error = for_callers.into_iter().fold(error, PluginError::with_message_for_callers);
            let for_operators = told["for_operators"].as_str();
            let error = for_operators.into_iter().fold(error, PluginError::with_detail_for_operators);
            let error = told["retryable"].as_bool().into_iter().fold(error, PluginError::with_retryable);
            Err(millis("retry_after_ms").into_iter().fold(error, PluginError::with_retry_after))
        }
        "panic" => panic!("{}", text()),
        "context" => {
            let context = call.context();
            let left = context.remaining(plugin_core::clock::now());
            let seen = json!({
                "request_id": context.request_id().to_string(),
                "left_ms": left.map(|left| u64::try_from(left.as_millis()).unwrap_or(u64::MAX)),
                "metadata": context.metadata(),
            });
            let metadata = context.metadata().cloned().unwrap_or_default();
            Ok(reply(&seen).with_metadata(metadata))
        }
        "long" => {
            let bytes = told["bytes"].as_u64().and_then(|bytes| usize::try_from(bytes).ok()).unwrap_or_default();
            Ok(reply(&Value::String("x".repeat(bytes))))
        }
        other => Err(PluginError::new(Code::InvalidPayload, format!("there is no `{other}` in a script"))),
    }
}

fn reply(value: &Value) -> Reply<Bytes> {
    Reply::new(Bytes::from(value.to_string()))
}
