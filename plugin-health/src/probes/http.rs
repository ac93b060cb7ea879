//! What an HTTP endpoint answers.

use std::{
    future::poll_fn,
    sync::{Arc, Mutex, PoisonError},
};

use http::{Request, Response, Uri, header};
use http_body_util::{BodyExt, Limited};
use plugin_core::{BoxError, HealthStatus, Probe};
use tower_service::Service;

use super::{http_expected::HttpExpected, said};
use crate::texts::whole;

/// The longest body that is read, in bytes.
const LONGEST_BODY: usize = 64 << 10;

/// Asks with GET over this client, and expects what is [said](HttpExpected) of the answer.
///
/// The client is any service for requests of `http`: one of `hyper-util`, an `axum::Router`, a stack of layers that adds
/// credentials or a `Host`. A clone of it is used for each check. `path` goes to it as it is: many clients want a whole URI, with
/// scheme and host. Redirects are not followed unless the client does.
///
/// ```
/// use axum::{Router, body::Body, routing::get};
/// use plugin_health::{
///     HealthCheck, HealthConfig,
///     plugin_core::HealthState,
///     probes::{self, HttpExpected},
/// };
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let service: Router = Router::new().route("/status", get(|| async { r#"{"status":"degraded","message":"slow disk"}"# }));
/// let expected = HttpExpected::new().with_body(true);
/// let probe = probes::http::<_, Body, _>(service, "/status".parse()?, expected);
/// let status = HealthCheck::start(HealthConfig::default(), probe).check_now().await;
/// assert_eq!((status.state, status.message.as_str()), (HealthState::Degraded, "slow disk"));
/// # Ok(())
/// # }
/// ```
pub fn http<S, B, ResBody>(service: S, path: Uri, expected: HttpExpected) -> Probe
where
    S: Service<Request<B>, Response = Response<ResBody>> + Clone + Send + 'static,
    S::Error: Into<BoxError>,
    S::Future: Send,
    B: Default + Send + 'static,
    ResBody: http_body::Body + Send,
    ResBody::Data: Send,
    ResBody::Error: Into<BoxError>,
{
    // A client need not be `Sync`.
    let (service, asked) = (Mutex::new(service), Arc::new((path, expected)));
    crate::probe(move || {
        let service = service.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let asked = Arc::clone(&asked);
        async move {
            let (path, expected) = &*asked;
            match ask(service, path, expected).await {
                Ok(status) => status,
                Err(error) => HealthStatus::unhealthy(format!("no answer at {}: {}", path.path(), whole(&*error))),
            }
        }
    })
}

async fn ask<S, B, ResBody>(mut service: S, path: &Uri, expected: &HttpExpected) -> Result<HealthStatus, BoxError>
where
    S: Service<Request<B>, Response = Response<ResBody>>,
    S::Error: Into<BoxError>,
    B: Default,
    ResBody: http_body::Body,
    ResBody::Error: Into<BoxError>,
{
    let request = Request::get(path.clone()).header(header::ACCEPT, "application/json, */*").body(B::default())?;
    poll_fn(|cx| service.poll_ready(cx)).await.map_err(Into::into)?;
    let (head, body) = service.call(request).await.map_err(Into::into)?.into_parts();
    let said = if expected.reads_body {
        // A body that breaks off or is too long says nothing: the status has come.
        let body = Limited::new(body, LONGEST_BODY).collect().await.ok();
        body.and_then(|body| said::body(&body.to_bytes()))
    } else {
        None
    };
    Ok(expected.judge(head.status, said))
}
