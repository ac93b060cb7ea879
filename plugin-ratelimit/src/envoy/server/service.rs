//! The service, for servers of gRPC.

use std::{
    convert::Infallible,
    fmt,
    sync::Arc,
    task::{Context, Poll},
};

use http::{Request, Response};
use http_body::Body;
use plugin_core::{BoxError, BoxFuture, sync::StripedCounter};
use tonic::{Status, server::NamedService};
use tonic_prost::ProstCodec;
use tower_service::Service;

use super::{
    super::proto::{RateLimitRequest, RateLimitResponse, SERVICE, SHOULD_RATE_LIMIT, rate_limit_response::Code},
    limits::Limits,
};

/// Envoy's rate limit service (`envoy.service.ratelimit.v3.RateLimitService`) out of the limits of this crate. Every
/// clone is the same service.
///
/// It goes into any server for services of gRPC, such as a tonic router, and is always ready. A descriptor is decided
/// by the [rule](super::super::EnvoyRule) that it is under; one that no rule is for is `OK`, without a limit. The whole
/// is `OVER_LIMIT` if one of the descriptors is. Each is decided by itself, as in Envoy's own service: where one is
/// over its limit, the others have taken their tokens all the same.
///
/// A status has the limit, the hits that fit now, and a time: of a descriptor that is over its limit how long until as
/// many hits fit, which is absent if they never will; else how long until the bucket is full. `hits_addend` 0 is 1; of
/// a descriptor's own number, 0 takes nothing.
///
/// # Errors
///
/// `INVALID_ARGUMENT`, which names what is wrong and has taken nothing: no domain, no descriptor, a descriptor without
/// entries, an entry without a key, negative hits; more than 64 descriptors, 16 entries of one, or 1024 bytes of a
/// domain, key or value.
///
/// Dropping the future of a question ends it. What it has taken by then does not come back.
///
/// ```no_run
/// use plugin_ratelimit::{RateLimitConfig, envoy::{EnvoyRateLimitServer, EnvoyRule}};
/// use tonic::transport::Server;
///
/// # async fn example() -> Result<(), Box<dyn std::error::Error>> {
/// let limit = RateLimitConfig::builder().with_requests_per_second(5.0).with_burst_size(10).build()?;
/// let each_user = EnvoyRule::new("shop", limit).with_entry("path", "/search").with_any("user");
/// let service = EnvoyRateLimitServer::builder().with_rule(each_user).build()?;
/// Server::builder().add_service(service).serve("127.0.0.1:8081".parse()?).await?;
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct EnvoyRateLimitServer(Arc<Served>);

struct Served {
    limits: Limits,
    asked: StripedCounter,
    over: StripedCounter,
    invalid: StripedCounter,
}

/// The statistics of a rate limit service.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct EnvoyServerStats {
    /// Questions that were decided or refused.
    pub asked: u64,
    /// Those of them that were answered with `OVER_LIMIT`.
    pub over_limit: u64,
    /// Those of them that were refused with `INVALID_ARGUMENT`.
    pub invalid: u64,
}

impl EnvoyRateLimitServer {
    pub(super) fn over(limits: Limits) -> Self {
        Self(Arc::new(Served {
            limits,
            asked: StripedCounter::new(),
            over: StripedCounter::new(),
            invalid: StripedCounter::new(),
        }))
    }

    /// The statistics of all clones.
    #[must_use]
    pub fn stats(&self) -> EnvoyServerStats {
        EnvoyServerStats { asked: self.0.asked.sum(), over_limit: self.0.over.sum(), invalid: self.0.invalid.sum() }
    }

    pub(super) async fn answer(&self, request: &RateLimitRequest) -> Result<RateLimitResponse, Status> {
        let answer = self.0.limits.decide(request).await;
        self.0.asked.add(1);
        match &answer {
            Ok(response) if response.overall_code == i32::from(Code::OverLimit) => self.0.over.add(1),
            Ok(_) => {}
            Err(_) => self.0.invalid.add(1),
        }
        answer
    }
}

impl NamedService for EnvoyRateLimitServer {
    const NAME: &'static str = SERVICE;
}

impl<B> Service<Request<B>> for EnvoyRateLimitServer
where
    B: Body + Send + 'static,
    B::Error: Into<BoxError> + Send,
{
    type Response = Response<tonic::body::Body>;
    type Error = Infallible;
    type Future = BoxFuture<Result<Self::Response, Infallible>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        let method = ShouldRateLimit(self.clone());
        Box::pin(async move {
            if request.uri().path() != SHOULD_RATE_LIMIT {
                return Ok(Status::unimplemented("there is no such method").into_http());
            }
            Ok(tonic::server::Grpc::new(ProstCodec::default()).unary(method, request).await)
        })
    }
}

/// The one method.
struct ShouldRateLimit(EnvoyRateLimitServer);

impl tonic::server::UnaryService<RateLimitRequest> for ShouldRateLimit {
    type Response = RateLimitResponse;
    type Future = BoxFuture<Result<tonic::Response<RateLimitResponse>, Status>>;

    fn call(&mut self, request: tonic::Request<RateLimitRequest>) -> Self::Future {
        let server = self.0.clone();
        Box::pin(async move { server.answer(request.get_ref()).await.map(tonic::Response::new) })
    }
}

impl fmt::Debug for EnvoyRateLimitServer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("EnvoyRateLimitServer").field("stats", &self.stats()).finish_non_exhaustive()
    }
}
