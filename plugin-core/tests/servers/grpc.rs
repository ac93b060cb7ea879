//! A small gRPC service and a client for it, written out as tonic's generator would, for a codec of plain bytes.
//!
//! The request says what is to happen: `ok 3` streams three messages, `fail 2` streams two and then fails in the
//! trailers, `break 1` resets the stream after one, `cancel 1` resets it with the reason that a caller's own
//! cancellation has, `hang 1` streams one and then nothing. A reset waits for the test's word, since it would overtake
//! a head that is not sent yet.

use std::{
    convert::Infallible,
    net::SocketAddr,
    sync::Arc,
    task::{Context, Poll},
    time::Duration,
};

use bytes::{Buf, BufMut, Bytes};
use futures_util::{Stream, StreamExt, stream};
use http::{Request as HttpRequest, Response as HttpResponse, uri::PathAndQuery};
use http_body_util::{BodyExt, StreamBody};
use plugin_core::{BoxError, BoxFuture};
use tokio::sync::Notify;
use tonic::{
    Code, Request, Response, Status, Streaming,
    body::Body,
    client::GrpcService,
    codec::{Codec, DecodeBuf, Decoder, EncodeBuf, Encoder},
    server::NamedService,
    transport::{Channel, Endpoint, Server, server::TcpIncoming},
};
use tower::{Layer, Service, service_fn};

#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Raw;

impl Codec for Raw {
    type Encode = Bytes;
    type Decode = Bytes;
    type Encoder = Self;
    type Decoder = Self;

    fn encoder(&mut self) -> Self {
        Self
    }

    fn decoder(&mut self) -> Self {
        Self
    }
}

impl Encoder for Raw {
    type Item = Bytes;
    type Error = Status;

    fn encode(&mut self, item: Bytes, into: &mut EncodeBuf<'_>) -> Result<(), Status> {
        into.put(item);
        Ok(())
    }
}

impl Decoder for Raw {
    type Item = Bytes;
    type Error = Status;

    fn decode(&mut self, from: &mut DecodeBuf<'_>) -> Result<Option<Bytes>, Status> {
        Ok(Some(from.copy_to_bytes(from.remaining())))
    }
}

/// The server's side.
#[derive(Clone, Debug, Default)]
pub(crate) struct Echo {
    reset: Arc<Notify>,
}

impl NamedService for Echo {
    const NAME: &'static str = "test.Echo";
}

/// A request's text: what is to happen, and after how many messages.
fn told(request: &Request<Bytes>) -> (String, usize) {
    let text = String::from_utf8_lossy(request.get_ref());
    let (what, count) = text.split_once(' ').unwrap_or((&text, "0"));
    (what.to_owned(), count.parse().expect("a number"))
}

async fn unary(request: Request<Bytes>) -> Result<Response<Bytes>, Status> {
    match told(&request) {
        (what, number) if what == "fail" => {
            Err(Status::new(Code::from_i32(number.try_into().expect("small")), "as asked"))
        }
        (what, _) if what == "hang" => std::future::pending().await,
        _ => Ok(Response::new(request.into_inner())),
    }
}

async fn streamed(
    request: Request<Bytes>,
) -> Result<Response<impl Stream<Item = Result<Bytes, Status>> + Send + 'static>, Status> {
    let (what, count) = told(&request);
    let messages = stream::iter((0..count).map(|_| Ok(Bytes::from_static(b"message"))));
    let end = match &*what {
        "ok" => stream::empty().boxed(),
        "fail" => stream::iter([Err(Status::data_loss("as asked"))]).boxed(),
        _ => stream::pending().boxed(),
    };
    Ok(Response::new(messages.chain(end)))
}

/// Breaks a body off after its first chunk, which makes hyper reset the stream.
/// hyper takes the reason of the reset from the error, and `INTERNAL_ERROR` when it finds none.
fn broken_off(response: HttpResponse<Body>, reset: Arc<Notify>, error: impl Into<BoxError>) -> HttpResponse<Body> {
    let error = error.into();
    let error = stream::once(async move {
        reset.notified().await;
        Err(error)
    });
    response.map(|body| {
        let head = body.into_data_stream().take(1).map(|data| data.map(http_body::Frame::data).map_err(BoxError::from));
        Body::new(StreamBody::new(head.chain(error)))
    })
}

impl Service<HttpRequest<Body>> for Echo {
    type Response = HttpResponse<Body>;
    type Error = Infallible;
    type Future = BoxFuture<Result<HttpResponse<Body>, Infallible>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: HttpRequest<Body>) -> Self::Future {
        let reset = Arc::clone(&self.reset);
        Box::pin(async move {
            let mut grpc = tonic::server::Grpc::new(Raw);
            Ok(match request.uri().path() {
                "/test.Echo/Unary" => grpc.unary(service_fn(unary), request).await,
                "/test.Echo/Stream" => grpc.server_streaming(service_fn(streamed), request).await,
                "/test.Echo/Break" => {
                    broken_off(grpc.server_streaming(service_fn(streamed), request).await, reset, "the body broke")
                }
                "/test.Echo/Cancel" => {
                    let error = h2::Error::from(h2::Reason::CANCEL);
                    broken_off(grpc.server_streaming(service_fn(streamed), request).await, reset, error)
                }
                _ => Status::unimplemented("no such method").into_http(),
            })
        })
    }
}

/// A server that runs until the test's runtime ends.
#[derive(Debug)]
pub(crate) struct Served {
    pub(crate) address: SocketAddr,
    /// The word for a reset.
    pub(crate) reset: Arc<Notify>,
}

/// Serves [`Echo`] under this layer.
pub(crate) async fn serve<L>(layer: L) -> Served
where
    L: Layer<tonic::service::Routes> + Clone + Send + 'static,
    L::Service: Service<HttpRequest<Body>, Response = HttpResponse<Body>, Error: Into<BoxError> + Send + Sync>
        + Clone
        + Send
        + 'static,
    <L::Service as Service<HttpRequest<Body>>>::Future: Send,
{
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = listener.local_addr().expect("bound");
    let echo = Echo::default();
    let reset = Arc::clone(&echo.reset);
    let server = Server::builder().layer(layer).add_service(echo);
    tokio::spawn(server.serve_with_incoming(TcpIncoming::from(listener)));
    Served { address, reset }
}

pub(crate) fn channel(address: SocketAddr) -> Channel {
    Endpoint::from_shared(format!("http://{address}")).expect("a URL").connect_lazy()
}

/// The client's side.
#[derive(Clone, Debug)]
pub(crate) struct EchoClient<T>(tonic::client::Grpc<T>);

impl<T> EchoClient<T>
where
    T: GrpcService<Body>,
    T::Error: Into<BoxError>,
    T::ResponseBody: http_body::Body<Data = Bytes> + Send + 'static,
    <T::ResponseBody as http_body::Body>::Error: Into<BoxError> + Send,
{
    pub(crate) fn new(inner: T) -> Self {
        Self(tonic::client::Grpc::new(inner))
    }

    async fn ready(&mut self) -> Result<(), Status> {
        self.0.ready().await.map_err(|error| Status::unknown(format!("not ready: {}", error.into())))
    }

    pub(crate) async fn unary(&mut self, told: &'static str) -> Result<Response<Bytes>, Status> {
        self.unary_within(told, None).await
    }

    /// `limit` goes out as `grpc-timeout`.
    pub(crate) async fn unary_within(
        &mut self,
        told: &'static str,
        limit: impl Into<Option<Duration>>,
    ) -> Result<Response<Bytes>, Status> {
        self.ready().await?;
        let path = PathAndQuery::from_static("/test.Echo/Unary");
        let mut request = Request::new(Bytes::from_static(told.as_bytes()));
        limit.into().into_iter().for_each(|limit| request.set_timeout(limit));
        self.0.unary(request, path, Raw).await
    }

    /// `break` and `cancel` have methods of their own, since a server's stream cannot reset itself.
    pub(crate) async fn stream(&mut self, told: &'static str) -> Result<Streaming<Bytes>, Status> {
        self.ready().await?;
        let path = PathAndQuery::from_static(match told.split(' ').next() {
            Some("break") => "/test.Echo/Break",
            Some("cancel") => "/test.Echo/Cancel",
            _ => "/test.Echo/Stream",
        });
        let request = Request::new(Bytes::from_static(told.as_bytes()));
        Ok(self.0.server_streaming(request, path, Raw).await?.into_inner())
    }
}

/// Reads a stream to its end: how many messages came, and the status that it ended with.
pub(crate) async fn drain(mut stream: Streaming<Bytes>) -> (usize, Code) {
    let mut count = 0;
    loop {
        match stream.message().await {
            Ok(Some(_)) => count += 1,
            Ok(None) => return (count, Code::Ok),
            Err(status) => return (count, status.code()),
        }
    }
}
