//! What the standard health check of a gRPC server answers.

use std::sync::{Mutex, PoisonError};

use plugin_core::{BoxError, HealthStatus, Probe};
use tonic::{
    Code,
    body::Body,
    client::GrpcService,
    codegen::{Body as HttpBody, Bytes},
};
use tonic_health::pb::{HealthCheckRequest, health_check_response::ServingStatus, health_client::HealthClient};

use crate::texts::{bounded, whole};

/// The longest answer, in bytes. One that says `SERVING` has two.
const LONGEST_ANSWER: usize = 4 << 10;

/// Asks `grpc.health.v1.Health/Check` for the service of this name, or for the whole server where it is empty.
///
/// `SERVING` is Healthy. Anything else is Unhealthy: `NOT_SERVING`, a server that does not know the name, one that has no health
/// check (`UNIMPLEMENTED`), and no answer. The channel is any service that tonic's clients take, such as its `Channel`; a clone of
/// it is used for each check. A channel that balances asks one server, and not each of them: use a channel for each.
///
/// ```no_run
/// use plugin_health::{HealthCheck, HealthConfig, probes};
/// use tonic::transport::Endpoint;
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// // A channel that connects when it is asked: one that connects now would fail while the server is down.
/// let channel = Endpoint::from_static("http://10.0.0.1:50051").connect_lazy();
/// let check = HealthCheck::start(HealthConfig::default(), probes::grpc(channel, "shop.Orders"));
/// # drop(check);
/// # Ok(())
/// # }
/// ```
pub fn grpc<S>(channel: S, service: impl Into<String>) -> Probe
where
    S: GrpcService<Body> + Clone + Send + 'static,
    S::Error: Into<BoxError>,
    S::Future: Send,
    S::ResponseBody: HttpBody<Data = Bytes> + Send + 'static,
    <S::ResponseBody as HttpBody>::Error: Into<BoxError> + Send,
{
    // A channel need not be `Sync`.
    let (channel, service) = (Mutex::new(channel), service.into());
    crate::probe(move || {
        let channel = channel.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let request = HealthCheckRequest { service: service.clone() };
        async move {
            let mut client = HealthClient::new(channel).max_decoding_message_size(LONGEST_ANSWER);
            match client.check(request).await {
                Ok(answer) => judge(answer.get_ref().status()),
                Err(status) => HealthStatus::unhealthy(said(&status)),
            }
        }
    })
}

fn judge(status: ServingStatus) -> HealthStatus {
    match status {
        ServingStatus::Serving => HealthStatus::healthy(),
        other => HealthStatus::unhealthy(format!("the health check says {}", other.as_str_name())),
    }
}

fn said(status: &tonic::Status) -> String {
    match status.code() {
        Code::Unimplemented => "the server has no health check (grpc.health.v1)".to_owned(),
        Code::NotFound => "the health check does not know the service".to_owned(),
        code => match std::error::Error::source(status) {
            // What a channel says of why is beneath.
            Some(source) => format!("the health check was not answered: {}", whole(source)),
            None => format!("the health check was answered with {code:?}: {}", bounded(status.message())),
        },
    }
}
