//! Every transport that a configuration can name, as one type.

use std::{
    fmt,
    future::Future,
    pin::Pin,
    task::{Context, Poll},
};

use bytes::Bytes;
use pin_project_lite::pin_project;
use plugin_core::{BoxFuture, BoxPlugin, Call, PluginError, Reply};
use plugin_transports::{CallFuture, grpc::GrpcClient, http::HttpClient, process::ProcessService, unix::UnixClient};
use tower_service::Service;

use super::foreign::{Foreign, ForeignFuture};

/// Where a stack ends that was built from a configuration. One type for all, so that nothing is boxed on the way down.
/// ```
/// use plugin_core::{BoxPlugin, Call, PluginError, Reply};
/// use plugin_manager::stack::Transport;
/// use tower::{ServiceExt, service_fn};
///
/// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), PluginError> {
/// let echo = BoxPlugin::new(service_fn(|call: Call<bytes::Bytes>| async move { Ok(Reply::new(call.into_payload())) }));
/// let reply = Transport::custom(echo).oneshot(Call::new("hello".into())).await?;
/// assert_eq!(reply.payload(), "hello");
/// # Ok(()) }
/// ```
#[derive(Clone)]
#[non_exhaustive]
pub enum Transport {
    /// A supervised subprocess.
    Process(ProcessService),
    /// A plugin over HTTP or HTTPS.
    Http(HttpClient),
    /// A plugin over gRPC.
    Grpc(GrpcClient),
    /// A plugin behind a Unix socket, by lines.
    Unix(UnixClient),
    /// What a factory made, in this process or elsewhere.
    Custom(Foreign<BoxPlugin<Bytes, Bytes>>),
}

impl Transport {
    /// A plugin that is code.
    #[must_use]
    pub fn custom(plugin: BoxPlugin<Bytes, Bytes>) -> Self {
        Self::Custom(Foreign::new(plugin))
    }
}

impl Service<Call<Bytes>> for Transport {
    type Response = Reply<Bytes>;
    type Error = PluginError;
    type Future = TransportFuture;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), PluginError>> {
        match self {
            Self::Process(service) => service.poll_ready(cx),
            Self::Http(service) => service.poll_ready(cx),
            Self::Grpc(service) => service.poll_ready(cx),
            Self::Unix(service) => service.poll_ready(cx),
            Self::Custom(service) => service.poll_ready(cx),
        }
    }

    fn call(&mut self, call: Call<Bytes>) -> TransportFuture {
        TransportFuture {
            kind: match self {
                Self::Process(service) => TransportCall::Process { future: service.call(call) },
                Self::Http(service) => TransportCall::network(service.call(call)),
                Self::Grpc(service) => TransportCall::network(service.call(call)),
                Self::Unix(service) => TransportCall::network(service.call(call)),
                Self::Custom(service) => TransportCall::Foreign { future: service.call(call) },
            },
        }
    }
}

impl fmt::Debug for Transport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Process(_) => "Transport::Process",
            Self::Http(_) => "Transport::Http",
            Self::Grpc(_) => "Transport::Grpc",
            Self::Unix(_) => "Transport::Unix",
            Self::Custom(_) => "Transport::Custom",
        })
    }
}

pin_project! {
    /// The future of [`Transport`].
    #[must_use = "a future does nothing until it is polled"]
    pub struct TransportFuture {
        #[pin]
        kind: TransportCall,
    }
}

pin_project! {
    // An exchange over a connection allocates many times; its future is boxed, so that those of the other transports stay small.
    #[project = KindProject]
    enum TransportCall {
        Process { #[pin] future: plugin_transports::process::ProcessFuture },
        Boxed { future: BoxFuture<Result<Reply<Bytes>, PluginError>> },
        Foreign { #[pin] future: ForeignFuture<BoxFuture<Result<Reply<Bytes>, PluginError>>> },
    }
}

impl TransportCall {
    fn network(call: CallFuture) -> Self {
        Self::Boxed { future: Box::pin(call) }
    }
}

impl Future for TransportFuture {
    type Output = Result<Reply<Bytes>, PluginError>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        match self.project().kind.project() {
            KindProject::Process { future } => future.poll(cx),
            KindProject::Boxed { future } => future.as_mut().poll(cx),
            KindProject::Foreign { future } => future.poll(cx),
        }
    }
}

impl fmt::Debug for TransportFuture {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TransportFuture").finish_non_exhaustive()
    }
}
