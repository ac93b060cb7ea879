//! The host's side: a service that carries calls to the plugin, and a connector that hands it over.

use std::{
    io,
    sync::Arc,
    task::{Context, Poll},
    time::Duration,
};

use bytes::Bytes;
use plugin_core::{
    BoxFuture, Call, Code, HealthState, HealthStatus, PluginError, PluginInfo, PluginInstance, Reply, Sent,
};
use plugin_transports::dial::Dialer;
use tokio::{net::TcpStream, sync::Semaphore};
use tokio_util::sync::CancellationToken;
use tower::Service;

use crate::frame;

/// Calls at once; further ones wait in line, at most as long as their deadline lets them.
const PLACES: u32 = 64;

/// For one connection: name lookup and connect.
const CONNECT_WITHIN: Duration = Duration::from_secs(5);

/// Calls a plugin over TCP, one connection for each call: a call that is dropped closes its own connection, and a reply
/// that comes late reaches nobody else.
#[derive(Clone)]
pub(crate) struct FramedTcp(Arc<Shared>);

struct Shared {
    name: Arc<str>,
    address: String,
    dialer: Dialer,
    /// The longest payload, either way.
    max: usize,
    places: Semaphore,
    cut: CancellationToken,
}

/// Connects to a plugin. Where nobody listens is found out here, and not by the first call.
pub(crate) async fn connect(name: &str, address: &str) -> Result<PluginInstance<FramedTcp>, PluginError> {
    let place = address.rsplit_once(':').and_then(|(host, port)| Some((host, port.parse().ok()?)));
    let Some((host, port)) = place else {
        let message = format!("{address:?} is not a host and a port, such as 127.0.0.1:4000");
        return Err(PluginError::new(Code::InvalidEndpointFormat, message).with_plugin(name).with_sent(Sent::Nothing));
    };
    // It races the addresses of a name, and does not begin with one that was dead a moment ago.
    let dialer = Dialer::new(host.trim_matches(['[', ']']), port);
    connect_by(name, address, dialer, frame::MAX).await
}

/// The same by a dialer, with payloads and answers that have at most `max` bytes.
pub(crate) async fn connect_by(
    name: &str,
    address: &str,
    dialer: Dialer,
    max: usize,
) -> Result<PluginInstance<FramedTcp>, PluginError> {
    let shared = Arc::new(Shared {
        name: name.into(),
        address: address.to_owned(),
        dialer,
        max,
        places: Semaphore::new(PLACES as usize),
        cut: CancellationToken::new(),
    });
    shared.dial().await?;
    let (probed, closed) = (Arc::clone(&shared), Arc::clone(&shared));
    Ok(PluginInstance::new(FramedTcp(shared), PluginInfo::new(name, "1.0.0").with_transport("framed-tcp"))
        .with_probe(move || {
            let probed = Arc::clone(&probed);
            async move { probed.check().await }
        })
        .with_close(move |grace| {
            let closed = Arc::clone(&closed);
            async move { closed.close(grace).await }
        }))
}

impl Service<Call<Bytes>> for FramedTcp {
    type Response = Reply<Bytes>;
    type Error = PluginError;
    type Future = BoxFuture<Result<Reply<Bytes>, PluginError>>;

    /// Always: the wait for a place is part of the call, so that a service which is ready and not called holds none.
    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), PluginError>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, call: Call<Bytes>) -> Self::Future {
        let shared = Arc::clone(&self.0);
        Box::pin(async move {
            let reply = shared.exchange(call.payload()).await;
            reply.map_err(|error| error.with_plugin(Arc::clone(&shared.name)))
        })
    }
}

impl Shared {
    /// What is said of `sent` decides whether a retry may repeat a request that is not idempotent.
    async fn dial(&self) -> Result<TcpStream, PluginError> {
        self.dialer.connect(CONNECT_WITHIN).await.map_err(|error| {
            let message = format!("cannot connect to {}: {error}", self.address);
            PluginError::connection(message, Sent::Nothing).with_plugin(Arc::clone(&self.name)).with_source(error)
        })
    }

    async fn exchange(&self, payload: &[u8]) -> Result<Reply<Bytes>, PluginError> {
        if payload.len() > self.max {
            let message = format!("the payload is longer than {} bytes", self.max);
            return Err(PluginError::new(Code::PayloadTooLarge, message).with_sent(Sent::Nothing));
        }
        let Ok(_place) = self.places.acquire().await else {
            return Err(PluginError::new(Code::ShuttingDown, "the instance was closed").with_sent(Sent::Nothing));
        };
        tokio::select! {
            result = self.talk(payload) => result,
            () = self.cut.cancelled() => Err(PluginError::new(Code::ShuttingDown, "the instance was closed")),
        }
    }

    async fn talk(&self, payload: &[u8]) -> Result<Reply<Bytes>, PluginError> {
        let lost = |error| PluginError::connection("the connection was lost", Sent::Maybe).with_source(error);
        let mut stream = self.dial().await?;
        frame::write(&mut stream, payload).await.map_err(lost)?;
        // The first byte is not the answer's.
        let reply = frame::read(&mut stream, self.max + 1).await.map_err(|error| match error.kind() {
            io::ErrorKind::FileTooLarge => {
                PluginError::reply_too_large("the plugin's answer is too long").with_source(error)
            }
            _ => lost(error),
        })?;
        match reply.split_first() {
            Some((&frame::DONE, _)) => Ok(Reply::new(reply.slice(1..))),
            Some((&frame::FAILED, text)) => Err(PluginError::execution(String::from_utf8_lossy(text).into_owned())),
            // It would be so again.
            _ => Err(PluginError::connection("the answer is not of this protocol", Sent::Maybe).with_retryable(false)),
        }
    }

    async fn check(&self) -> HealthStatus {
        match self.dial().await {
            Ok(_) => HealthStatus::healthy(),
            Err(error) => HealthStatus::new(HealthState::Offline, error.to_string()),
        }
    }

    /// Waits for the calls that run, by taking every place, and cuts off what is left.
    async fn close(&self, grace: Duration) -> Result<(), PluginError> {
        let idle = tokio::time::timeout(grace, self.places.acquire_many(PLACES)).await;
        self.places.close();
        self.cut.cancel();
        match idle {
            Ok(_) => Ok(()),
            Err(_) => {
                let message = format!("calls still ran after {grace:?}, and were cut off");
                Err(PluginError::new(Code::Draining, message).with_plugin(Arc::clone(&self.name)))
            }
        }
    }
}
