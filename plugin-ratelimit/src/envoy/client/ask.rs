//! One question to a rate limit service, over any client of tonic.

use http::uri::PathAndQuery;
use http_body::Body;
use plugin_core::{BoxError, BoxFuture};
use tonic::{Request, Status, client::GrpcService};
use tonic_prost::ProstCodec;

use super::super::proto::{RateLimitRequest, RateLimitResponse, SHOULD_RATE_LIMIT};

/// Asks, whatever the client is.
pub(super) trait Ask: Send + Sync {
    fn ask(&self, request: Request<RateLimitRequest>) -> BoxFuture<Result<RateLimitResponse, Status>>;
}

/// A client: each question is put by a clone of it.
pub(super) struct Client<C>(pub(super) C);

impl<C> Ask for Client<C>
where
    C: GrpcService<tonic::body::Body> + Clone + Send + Sync + 'static,
    C::Future: Send,
    C::Error: Into<BoxError>,
    C::ResponseBody: Body + Send + 'static,
    <C::ResponseBody as Body>::Error: Into<BoxError>,
{
    fn ask(&self, request: Request<RateLimitRequest>) -> BoxFuture<Result<RateLimitResponse, Status>> {
        let mut grpc = tonic::client::Grpc::new(self.0.clone());
        Box::pin(async move {
            grpc.ready().await.map_err(|error| Status::from_error(error.into()))?;
            let (path, codec) = (PathAndQuery::from_static(SHOULD_RATE_LIMIT), ProstCodec::default());
            Ok(grpc.unary(request, path, codec).await?.into_inner())
        })
    }
}
