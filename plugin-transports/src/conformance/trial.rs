//! What cases are made of: a server and a client, calls, and looks at what they ended with.

use std::{
    fmt::Debug,
    future::{Future, poll_fn},
    time::Duration,
};

use bytes::Bytes;
use plugin_core::{
    BoxError, ByErrorType, Call, Classify, CodeKind, Plugin, PluginError, PluginInstance, Reply, Sent, Verdict, clock,
    deadline::{AttemptTimeout, AttemptTimeoutLayer},
};
use serde_json::{Value, json};
use tower_layer::Layer;
use tower_service::Service;

use super::{Fault, Faulty, Finding, Scripted, ServedPlugin, Settings, Subject};

/// How a case ends early: with a finding, or where the author has no such peer.
#[derive(Debug)]
pub(super) enum Stop {
    Found(Finding),
    NoPeer,
}

impl From<Finding> for Stop {
    fn from(finding: Finding) -> Self {
        Self::Found(finding)
    }
}

pub(super) type Tried = Result<(), Stop>;

/// Who waits for something that nobody tells looks this often.
const LOOK: Duration = Duration::from_millis(2);

/// The most that anything here may take that is to happen at once.
pub(super) const SOON: Duration = Duration::from_secs(1);

/// A server and a client of it, under the limit of an attempt as a gateway has it.
pub(super) struct Pair<S: Subject> {
    pub(super) server: S::Server,
    pub(super) instance: PluginInstance<S::Service>,
    pub(super) plugin: AttemptTimeout<S::Service>,
}

impl<S: Subject> Pair<S> {
    pub(super) async fn new(subject: &S, settings: &Settings) -> Result<Self, Stop> {
        let server = started("serving", subject.serve(Scripted::new(), settings).await)?;
        let instance = started("connecting", subject.connect(&server, settings).await)?;
        let plugin = limited(&instance, settings);
        Ok(Self { server, instance, plugin })
    }

    pub(super) async fn call(&self, call: Call<Bytes>) -> Result<Reply<Bytes>, PluginError> {
        oneshot(self.plugin.clone(), call).await
    }

    /// The plugin's own count of this.
    pub(super) async fn count(&self, of: &str) -> Result<u64, Stop> {
        let counts = value(self.call(told("counts", json!({}))).await, "a call that counts")?;
        Ok(counts[of].as_u64().unwrap_or_default())
    }

    pub(super) async fn until_count(&self, of: &str, wanted: u64) -> Tried {
        let mut got = 0;
        let reached = async {
            loop {
                got = self.count(of).await?;
                if got >= wanted {
                    return Ok(());
                }
                tokio::time::sleep(LOOK).await;
            }
        };
        match tokio::time::timeout(SOON, reached).await {
            Ok(reached) => reached,
            Err(_) => Err(Finding::new(format!("calls {of}"), format!("{wanted}"), format!("{got}")).into()),
        }
    }

    pub(super) async fn restart(&self) -> Tried {
        started("restarting", self.server.restart().await)
    }
}

/// An instance whose peer does this.
pub(super) async fn faulty<S: Subject>(
    subject: &S,
    fault: Fault,
    settings: &Settings,
) -> Result<(Faulty<S::Service>, AttemptTimeout<S::Service>), Stop> {
    let faulty = started("starting the peer", subject.faulty(fault, settings).await)?.ok_or(Stop::NoPeer)?;
    let plugin = limited(&faulty.instance, settings);
    Ok((faulty, plugin))
}

fn limited<S: Clone>(instance: &PluginInstance<S>, settings: &Settings) -> AttemptTimeout<S> {
    AttemptTimeoutLayer::new(settings.limit).layer(instance.service().clone())
}

fn started<T>(what: &str, outcome: Result<T, BoxError>) -> Result<T, Stop> {
    outcome.map_err(|error| Finding::new(what, "no error", error.to_string()).into())
}

/// One call, as soon as the service is ready.
pub(super) async fn oneshot<S: Plugin<Bytes, Bytes>>(
    mut plugin: AttemptTimeout<S>,
    call: Call<Bytes>,
) -> Result<Reply<Bytes>, PluginError> {
    poll_fn(|cx| plugin.poll_ready(cx)).await?;
    plugin.call(call).await
}

/// A call that tells the plugin what to do.
pub(super) fn told(what: &str, more: Value) -> Call<Bytes> {
    let mut script = more;
    script["do"] = what.into();
    Call::new(Bytes::from(script.to_string()))
}

pub(super) fn echo(value: impl Into<Value>) -> Call<Bytes> {
    told("echo", json!({"value": value.into()}))
}

/// The answer as JSON.
pub(super) fn value(outcome: Result<Reply<Bytes>, PluginError>, about: &str) -> Result<Value, Stop> {
    let reply = outcome.map_err(|error| Finding::new(about, "an answer", describe(&error)))?;
    serde_json::from_slice(reply.payload()).map_err(|error| {
        let got = format!("{:?}: {error}", String::from_utf8_lossy(reply.payload()));
        Finding::new(about, "JSON", got).into()
    })
}

/// The error of a call that cannot be answered.
pub(super) fn error(outcome: Result<Reply<Bytes>, PluginError>, about: &str) -> Result<PluginError, Stop> {
    match outcome {
        Err(error) => Ok(error),
        Ok(reply) => {
            let got = format!("the answer {:?}", String::from_utf8_lossy(reply.payload()));
            Err(Finding::new(about, "an error", got).into())
        }
    }
}

pub(super) fn describe(error: &PluginError) -> String {
    format!("{error} ({:?}, sent {:?}, {})", error.code(), error.sent(), verdict(error))
}

/// What the error says of the plugin.
pub(super) fn verdict(error: &PluginError) -> &'static str {
    let judgement = ByErrorType.classify(Err::<&Reply<Bytes>, _>(error));
    match judgement.verdict() {
        Verdict::Failure if !judgement.is_mere_refusal() => "evidence",
        _ => "no evidence",
    }
}

/// Fails unless both are the same.
pub(super) fn equal<T: PartialEq + Debug>(about: &str, got: &T, expected: &T) -> Tried {
    match got == expected {
        true => Ok(()),
        false => Err(Finding::new(about, format!("{expected:?}"), format!("{got:?}")).into()),
    }
}

/// Fails unless it is so.
pub(super) fn holds(about: &str, expected: &str, got: impl Into<String>, is_so: bool) -> Tried {
    match is_so {
        true => Ok(()),
        false => Err(Finding::new(about, expected, got).into()),
    }
}

/// Fails unless it took as long as this.
pub(super) fn took(about: &str, took: Duration, least: Duration, most: Duration) -> Tried {
    holds(about, &format!("an end after {least:?} to {most:?}"), format!("{took:?}"), (least..=most).contains(&took))
}

/// What is lost with a connection: the service's failure, and the call may have been seen.
pub(super) fn is_lost(about: &str, error: &PluginError) -> Tried {
    let is_so = error.kind() == CodeKind::Connection && error.sent() == Sent::Maybe;
    holds(about, "the error of a connection, and that the call may have been seen", describe(error), is_so)
}

/// The status that its protocol has for this stands in the error: that of HTTP, or that of gRPC.
pub(super) fn has_status(about: &str, error: &PluginError, http: u16, grpc: u8) -> Tried {
    let kept = (error.http_status(), error.grpc_status());
    let is_so = kept == (Some(http), None) || kept == (None, Some(grpc));
    holds(about, &format!("{http} of HTTP, or {grpc} of gRPC"), format!("{kept:?} in {error}"), is_so)
}

/// The outcome, and how long it took.
pub(super) async fn timed<T>(future: impl Future<Output = T>) -> (T, Duration) {
    let began = clock::now();
    let outcome = future.await;
    (outcome, began.elapsed())
}

/// Waits until it is so.
pub(super) async fn until(about: &str, expected: &str, mut look: impl FnMut() -> Result<(), String>) -> Tried {
    let mut last = String::new();
    let seen = async {
        while let Err(got) = look() {
            last = got;
            tokio::time::sleep(LOOK).await;
        }
    };
    match tokio::time::timeout(5 * SOON, seen).await {
        Ok(()) => Ok(()),
        Err(_) => Err(Finding::new(about, expected, last).into()),
    }
}
