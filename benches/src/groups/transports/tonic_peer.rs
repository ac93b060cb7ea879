//! tonic alone: a unary call of a message that has a payload and nothing else, with its own channel and server.

use std::{
    convert::Infallible,
    future::{Ready, ready},
    sync::Arc,
    task::{Context, Poll},
};

use bytes::Bytes;
use http::uri::PathAndQuery;
use hyper_util::rt::TokioIo;
use plugin_core::BoxFuture;
use tokio::net::UnixStream;
use tokio_stream::wrappers::{TcpListenerStream, UnixListenerStream};
use tonic::{
    Request, Response, Status,
    body::Body,
    client::Grpc,
    server::{self, NamedService, UnaryService},
    transport::{Certificate, Channel, ClientTlsConfig, Endpoint, Identity, Server, ServerTlsConfig},
};
use tonic_prost::ProstCodec;
use tower::service_fn;

use super::{
    gate::Gate,
    load::Load,
    site::{At, Over, Site},
};
use crate::harness::Caller;

#[derive(Clone, PartialEq, prost::Message)]
pub(super) struct Payload {
    #[prost(bytes = "bytes", tag = "1")]
    payload: Bytes,
}

/// What a server answers with.
#[derive(Clone, Copy)]
struct Service<U>(U);

impl<U> NamedService for Service<U> {
    const NAME: &'static str = "bench.Echo";
}

/// The path of the one method.
fn path() -> PathAndQuery {
    PathAndQuery::from_static("/bench.Echo/Echo")
}

impl<U> tower::Service<http::Request<Body>> for Service<U>
where
    U: UnaryService<Payload, Response = Payload, Future: Send> + Clone + Send + 'static,
{
    type Response = http::Response<Body>;
    type Error = Infallible;
    type Future = BoxFuture<Result<Self::Response, Infallible>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    // As in the code that tonic generates.
    fn call(&mut self, request: http::Request<Body>) -> Self::Future {
        let method = self.0.clone();
        Box::pin(async move { Ok(server::Grpc::new(ProstCodec::default()).unary(method, request).await) })
    }
}

/// Gives back each payload.
#[derive(Clone, Copy)]
struct Echo;

impl UnaryService<Payload> for Echo {
    type Response = Payload;
    type Future = Ready<Result<Response<Payload>, Status>>;

    fn call(&mut self, request: Request<Payload>) -> Self::Future {
        ready(Ok(Response::new(request.into_inner())))
    }
}

/// Gives back each payload once it has passed the gate.
#[derive(Clone)]
struct Held(Gate);

impl UnaryService<Payload> for Held {
    type Response = Payload;
    type Future = BoxFuture<Result<Response<Payload>, Status>>;

    fn call(&mut self, request: Request<Payload>) -> Self::Future {
        let gate = self.0.clone();
        Box::pin(async move {
            gate.pass().await;
            Ok(Response::new(request.into_inner()))
        })
    }
}

/// A server that gives back each payload.
pub(super) fn serve(site: &Site, over: Over) -> At {
    serve_method(site, over, Echo)
}

/// The same, once the call has passed the gate.
pub(super) fn serve_held(site: &Site, over: Over, gate: Gate) -> At {
    serve_method(site, over, Held(gate))
}

fn serve_method<U>(site: &Site, over: Over, method: U) -> At
where
    U: UnaryService<Payload, Response = Payload, Future: Send> + Clone + Send + Sync + 'static,
{
    let service = Service(method);
    match over {
        Over::Unix => {
            let (listener, path) = site.plain_socket();
            site.serve(async move {
                let connections = UnixListenerStream::new(listener);
                tokio::spawn(Server::builder().add_service(service).serve_with_incoming(connections));
            });
            At::Socket(path)
        }
        Over::Tcp | Over::Tls => {
            let (listener, address) = site.port();
            let mut server = Server::builder().tcp_nodelay(true);
            if over == Over::Tls {
                let identity = Identity::from_pem(site.certificate.cert_pem(), site.certificate.key_pem());
                server = server.tls_config(ServerTlsConfig::new().identity(identity)).expect("a certificate");
            }
            site.serve(async move {
                let connections = TcpListenerStream::new(listener);
                tokio::spawn(server.add_service(service).serve_with_incoming(connections));
            });
            At::Port(address)
        }
    }
}

/// Callers of `server`, all on one channel.
pub(super) async fn callers(site: &Site, server: At, tls: bool, load: &Load) -> Vec<TonicCaller> {
    let channel = match server {
        At::Socket(path) => {
            let path = Arc::<std::path::Path>::from(path);
            let connector = service_fn(move |_| {
                let path = Arc::clone(&path);
                async move { UnixStream::connect(path).await.map(TokioIo::new) }
            });
            Endpoint::from_static("http://localhost").connect_with_connector(connector).await
        }
        At::Port(address) => {
            let scheme = if tls { "https" } else { "http" };
            let mut endpoint = Endpoint::from_shared(format!("{scheme}://{address}")).expect("a URI").tcp_nodelay(true);
            if tls {
                let authority = Certificate::from_pem(site.certificate.cert_pem());
                let trusted = ClientTlsConfig::new().ca_certificate(authority).domain_name("localhost");
                endpoint = endpoint.tls_config(trusted).expect("a certificate");
            }
            endpoint.connect().await
        }
    };
    let client = Grpc::new(channel.expect("a server"));
    vec![TonicCaller { client, load: load.clone() }; load.callers]
}

#[derive(Clone)]
pub(super) struct TonicCaller {
    client: Grpc<Channel>,
    load: Load,
}

impl Caller for TonicCaller {
    async fn call(&mut self) {
        self.client.ready().await.expect("an open channel");
        let request = Request::new(Payload { payload: self.load.sent.clone() });
        let codec = ProstCodec::<Payload, Payload>::default();
        let response = self.client.unary(request, path(), codec).await.expect("an answer");
        assert_eq!(Some(response.get_ref().payload.len()), self.load.back);
    }
}
