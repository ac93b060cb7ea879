//! The services that stand beside a plugin's, and the door before all of them.

use std::{
    convert::Infallible,
    sync::Arc,
    task::{Context, Poll},
    time::Duration,
};

use bytes::Bytes;
use http::{Request, Response};
use hyper::body::Incoming;
use plugin_core::{BoxFuture, Code, Plugin, PluginError, Sent};
use tokio_util::sync::CancellationToken;
use tonic::{codec::CompressionEncoding::Gzip, server::NamedService};
use tonic_health::pb::health_server::HealthServer;
use tonic_reflection::pb::{v1, v1alpha};
use tower_service::Service;

use super::{
    body::{self, GrpcBody},
    health::PluginHealth,
    patient::{Ending, PatientBody},
    service::{GrpcPluginServer, GrpcPluginServerFuture, not_grpc},
};
use crate::{
    auth::Verifier,
    grpc::{FILE_DESCRIPTOR_SET, rich, status::UNIMPLEMENTED},
    listen::HostGuard,
    wire::bounded::quoted,
};

/// Who may come in.
pub(super) struct Door {
    pub(super) guard: Option<HostGuard>,
    pub(super) verifier: Option<Verifier>,
}

impl Door {
    /// What is answered to who may not come in. It looks at a request before anything is done for it, and writes down who sent
    /// it.
    fn refusal<B>(&self, request: &mut Request<B>) -> Option<Response<GrpcBody>> {
        if let Some(refusal) = not_grpc(request) {
            return Some(refusal);
        }
        if let Some(Err(error)) = self.guard.as_ref().map(|guard| guard.check(request)) {
            return Some(body::error(&error));
        }
        match self.verifier.as_ref()?.verify(request.headers()) {
            Some(identity) => {
                request.extensions_mut().insert(identity);
                None
            }
            None => {
                let error = PluginError::new(Code::Unauthenticated, "credentials are missing or wrong");
                Some(body::error(&error.with_sent(Sent::Nothing)))
            }
        }
    }
}

type TonicService = Arc<dyn Fn(Request<PatientBody>) -> BoxFuture<Response<GrpcBody>> + Send + Sync>;

/// Sends each request to the service that its path names.
#[derive(Clone)]
pub(super) struct Router<S> {
    plugin: GrpcPluginServer<S>,
    others: Arc<[(&'static str, TonicService)]>,
    door: Arc<Door>,
    body_timeout: Duration,
    ending: Ending,
}

impl<S> Router<S> {
    /// The error is that of descriptors that do not belong together.
    pub(super) fn new(
        plugin: GrpcPluginServer<S>,
        health: PluginHealth,
        door: Door,
        body_timeout: Duration,
    ) -> Result<Self, tonic_reflection::server::Error> {
        // Whichever version a client asks tells it of both.
        let reflection = || {
            tonic_reflection::server::Builder::configure()
                .register_encoded_file_descriptor_set(FILE_DESCRIPTOR_SET)
                .register_encoded_file_descriptor_set(tonic_health::pb::FILE_DESCRIPTOR_SET)
                .register_encoded_file_descriptor_set(v1::FILE_DESCRIPTOR_SET)
                .register_encoded_file_descriptor_set(v1alpha::FILE_DESCRIPTOR_SET)
                .include_reflection_service(false)
        };
        // A client that compresses its requests compresses these too.
        let others = [
            erased(HealthServer::new(health).accept_compressed(Gzip)),
            erased(reflection().build_v1()?.accept_compressed(Gzip)),
            erased(reflection().build_v1alpha()?.accept_compressed(Gzip)),
        ];
        let ending = Ending(CancellationToken::new());
        Ok(Self { plugin, others: Arc::new(others), door: Arc::new(door), body_timeout, ending })
    }

    /// The same for a connection of a server that takes no more when `ending` is cancelled.
    pub(super) fn until(&self, ending: &CancellationToken) -> Self
    where
        S: Clone,
    {
        Self { ending: Ending(ending.clone()), ..self.clone() }
    }
}

/// A service of tonic's, by its name.
fn erased<S>(service: S) -> (&'static str, TonicService)
where
    S: Service<Request<PatientBody>, Response = Response<tonic::body::Body>, Error = Infallible, Future: Send>
        + NamedService
        + Clone
        + Send
        + Sync
        + 'static,
{
    let call = move |request| -> BoxFuture<Response<GrpcBody>> {
        // It is always ready.
        let answer = service.clone().call(request);
        Box::pin(async move {
            let Ok(response) = answer.await;
            response.map(GrpcBody::of_tonic)
        })
    };
    (S::NAME, Arc::new(call))
}

impl<S: Plugin<Bytes, Bytes>> Service<Request<Incoming>> for Router<S> {
    type Response = Response<GrpcBody>;
    type Error = Infallible;
    type Future = GrpcPluginServerFuture;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, mut request: Request<Incoming>) -> GrpcPluginServerFuture {
        if let Some(refusal) = self.door.refusal(&mut request) {
            return GrpcPluginServerFuture::new(std::future::ready(refusal));
        }
        let service = request.uri().path().trim_start_matches('/').split('/').next().unwrap_or_default();
        if service == GrpcPluginServer::<S>::NAME {
            return self.plugin.call(request);
        }
        if let Some((_, other)) = self.others.iter().find(|(name, _)| *name == service) {
            request.extensions_mut().insert(self.ending.clone());
            let patient = request.map(|body| PatientBody::new(body, self.body_timeout, &self.ending));
            return GrpcPluginServerFuture::new(other(patient));
        }
        let error = PluginError::new(Code::GrpcTransport, format!("no service {} is served here", quoted(service)));
        let refusal = body::status(&rich::numbered(&error, UNIMPLEMENTED));
        GrpcPluginServerFuture::new(std::future::ready(refusal))
    }
}
