//! The service.

use plugin_core::{
    AsErrorValue, KeyOf, Reject,
    service::{self, HasHandle, Wrap, Wrapped},
};
use tower_layer::Layer;
use tower_service::Service;

use super::{EnvoyQuestion, EnvoyRateLimitHandle, EnvoyRateLimitLayer};
use crate::{elsewhere::Elsewhere, held::HeldResponseFuture};

/// What a call waits for.
const WAITING: &str = "waiting for the rate limit service";

/// The service that [`EnvoyRateLimitLayer`] makes.
///
/// `poll_ready` is that of the inner service. The response's future asks the rate limit service, and then calls a
/// clone of the inner service. Dropping the future ends the question or the inner call;
/// what the service has counted stays counted.
///
/// ```
/// use plugin_ratelimit::envoy::{EnvoyDescriptor, EnvoyRateLimitConfig, EnvoyRateLimitLayer};
/// use tonic::transport::Endpoint;
/// use tower::{BoxError, Layer, ServiceExt, service_fn};
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), BoxError> {
/// // Nothing listens there, so that all requests pass.
/// let channel = Endpoint::from_static("http://127.0.0.1:1").connect_lazy();
/// let config = EnvoyRateLimitConfig::builder("shop").build()?;
/// let layer = EnvoyRateLimitLayer::new(config, channel, |word: &&str| Some(EnvoyDescriptor::new([("word", *word)])));
/// let service = layer.layer(service_fn(|word: &'static str| async move { Ok::<_, BoxError>(word.len()) }));
/// assert_eq!(service.oneshot("tower").await?, 5);
/// assert_eq!(layer.handle().stats().failed, 1);
/// # Ok(())
/// # }
/// ```
pub type EnvoyRateLimit<S, Q, R = AsErrorValue> = Wrapped<EnvoyRateLimitLayer<Q, R>, S>;

impl<S, Q: Clone, R: Clone> Layer<S> for EnvoyRateLimitLayer<Q, R> {
    type Service = EnvoyRateLimit<S, Q, R>;

    fn layer(&self, inner: S) -> EnvoyRateLimit<S, Q, R> {
        EnvoyRateLimit::new(self.clone(), inner)
    }
}

impl<S, Q, R, Req> Wrap<S, Req> for EnvoyRateLimitLayer<Q, R>
where
    S: Service<Req> + Clone,
    Q: KeyOf<Req>,
    Q::Key: Into<EnvoyQuestion>,
    R: Reject<S::Response, S::Error> + Clone,
{
    type Future = HeldResponseFuture<S, Req, R>;

    fn call(&self, inner: &mut S, request: Req) -> Self::Future {
        if !self.handle.is_enabled() {
            return HeldResponseFuture::passed(service::call(inner, request));
        }
        let question = self.question_of.key(&request).map(Into::into);
        let Some(question) = self.handle.worth_asking(question) else {
            return HeldResponseFuture::passed(service::call(inner, request));
        };
        let decision = Box::pin(Elsewhere::new(WAITING, self.handle.clone().decide(question)));
        HeldResponseFuture::held(decision, inner, request, self.reject.clone())
    }
}

impl<Q, R> HasHandle for EnvoyRateLimitLayer<Q, R> {
    type Handle = EnvoyRateLimitHandle;

    fn handle(&self) -> EnvoyRateLimitHandle {
        self.handle.clone()
    }
}
