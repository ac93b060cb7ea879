//! What the author of a transport says of it.

use std::{any::Any, fmt, future::Future, time::Duration};

use bytes::Bytes;
use plugin_core::{BoxError, Plugin, PluginInstance};

use super::Scripted;

/// A transport that is put to the test.
///
/// A case starts a server, connects to it, and makes calls; each has its own. See [the module](super) for an example.
pub trait Subject: Send + Sync + 'static {
    /// What a call is made with.
    type Service: Plugin<Bytes, Bytes>;
    /// The plugin's side while it runs. Dropping it ends it.
    type Server: ServedPlugin;

    /// What it is called in a report.
    fn name(&self) -> &str;

    /// What it cannot do, and why. What is not named here has to hold.
    fn lacks(&self) -> Vec<(Ability, &'static str)> {
        Vec::new()
    }

    /// Serves a plugin.
    fn serve(
        &self,
        plugin: Scripted,
        settings: &Settings,
    ) -> impl Future<Output = Result<Self::Server, BoxError>> + Send;

    /// Connects to it, as a host does.
    fn connect(
        &self,
        server: &Self::Server,
        settings: &Settings,
    ) -> impl Future<Output = Result<PluginInstance<Self::Service>, BoxError>> + Send;

    /// Connects to a peer that does this in place of an answer; `None` where there is no such peer, which the report says.
    fn faulty(
        &self,
        fault: Fault,
        settings: &Settings,
    ) -> impl Future<Output = Result<Option<Faulty<Self::Service>>, BoxError>> + Send {
        let _ = (fault, settings);
        async { Ok(None) }
    }
}

/// A plugin's side that runs. [`Island`](super::Island) is one for whatever listens in this process.
pub trait ServedPlugin: Send + Sync + 'static {
    /// Ends it as a crash does: nothing is answered any more, and every connection is cut.
    fn kill(&self) -> impl Future<Output = ()> + Send;

    /// Starts it again where it was.
    fn restart(&self) -> impl Future<Output = Result<(), BoxError>> + Send;

    /// What is held on this side for those who are connected, such as connections or tasks; `None` where nobody can tell.
    fn held(&self) -> Option<usize>;
}

/// How a server and a client are to be set up, as far as they have such settings.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Settings {
    /// The limit of an attempt.
    pub limit: Duration,
    /// The longest payload that the client sends.
    pub max_request: usize,
    /// The longest answer that the client takes.
    pub max_reply: usize,
    /// One call at a time: over one connection, or one stream of it. The others wait in line.
    pub is_single: bool,
    /// The plugin has a name with two addresses, and nobody listens on the first.
    pub has_dead_address: bool,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            limit: Duration::from_secs(2),
            max_request: 4 << 20,
            max_reply: 4 << 20,
            is_single: false,
            has_dead_address: false,
        }
    }
}

/// What a transport may be unable to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Ability {
    /// A plugin reads a call's metadata, and a reply has some of its own.
    Metadata,
    /// A plugin reads the id of a request.
    RequestId,
    /// A plugin's error keeps its code, and what it says of another attempt.
    Codes,
    /// An error of a plugin has a status of HTTP or gRPC.
    Status,
    /// A plugin is told how much time a call has.
    Deadline,
    /// A plugin's work is dropped when nobody waits for it.
    Cancellation,
    /// A panic of a plugin ends one call with an error.
    Panics,
    /// The plugin's side can end without the host, and begin again.
    Restart,
    /// A call is tried though the plugin is known to be down, so that its failure is evidence.
    TriesWhileDown,
    /// A number of calls that run at once, beyond which they wait in line.
    Line,
    /// Bounds for what is sent and what is read.
    Bounds,
    /// Closing waits, cuts off and refuses.
    Close,
    /// A probe finds out whether the plugin is there.
    Probe,
    /// A name may have several addresses.
    Addresses,
    /// A peer can do this.
    Fault(Fault),
}

/// What a broken peer does with a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Fault {
    /// Nobody listens.
    Refuses,
    /// Answers with what is no reply.
    Garbage,
    /// Answers with text that is not UTF-8.
    InvalidUtf8,
    /// Ends an answer before it is whole, in an orderly way.
    Truncated,
    /// Is gone in the middle of an answer.
    Reset,
    /// Reads the call, and closes its side without an answer.
    HalfClosed,
    /// Never answers.
    Silent,
    /// Sends an answer a byte at a time, and so slowly that it never ends.
    SlowLoris,
    /// Sends each answer twice. An answer has the `value` of the payload.
    Twice,
    /// Answers another call than the one that was made.
    WrongId,
    /// Answers with 64 KiB more than [`Settings::max_reply`].
    Oversized,
    /// Answers with the status of its protocol that says that it cannot serve now, 503 of HTTP or `UNAVAILABLE` of gRPC, and nothing
    /// else.
    Unavailable,
}

impl Fault {
    /// Each of them.
    pub const ALL: [Self; 12] = [
        Self::Refuses,
        Self::Garbage,
        Self::InvalidUtf8,
        Self::Truncated,
        Self::Reset,
        Self::HalfClosed,
        Self::Silent,
        Self::SlowLoris,
        Self::Twice,
        Self::WrongId,
        Self::Oversized,
        Self::Unavailable,
    ];

    /// Its name in lower case, such as `half-closed`.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Refuses => "refuses",
            Self::Garbage => "garbage",
            Self::InvalidUtf8 => "invalid-utf8",
            Self::Truncated => "truncated",
            Self::Reset => "reset",
            Self::HalfClosed => "half-closed",
            Self::Silent => "silent",
            Self::SlowLoris => "slow-loris",
            Self::Twice => "twice",
            Self::WrongId => "wrong-id",
            Self::Oversized => "oversized",
            Self::Unavailable => "unavailable",
        }
    }
}

/// An instance whose peer is broken.
pub struct Faulty<S> {
    pub(super) instance: PluginInstance<S>,
    _peer: Box<dyn Any + Send + Sync>,
}

impl<S> Faulty<S> {
    /// This instance, and its peer, which is dropped after it.
    #[must_use]
    pub fn new(instance: PluginInstance<S>, peer: impl Any + Send + Sync) -> Self {
        Self { instance, _peer: Box::new(peer) }
    }
}

impl<S> fmt::Debug for Faulty<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Faulty").field("instance", &self.instance).finish_non_exhaustive()
    }
}
