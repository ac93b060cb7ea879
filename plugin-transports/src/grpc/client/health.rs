//! The health check of a plugin over gRPC: the standard one, and the plugin's own word for what that one cannot say.

use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering},
};

use bytes::Bytes;
use http::{HeaderMap, Method};
use plugin_core::{HealthState, HealthStatus, PluginError, clock};
use tonic_health::pb::{HealthCheckRequest, HealthCheckResponse, health_check_response::ServingStatus};

use super::{
    GrpcConfig,
    answer::{self, Unanswered},
    methods::Methods,
};
use crate::{
    grpc::{
        frame, proto,
        status::{NOT_FOUND, UNIMPLEMENTED, name},
    },
    net::{
        body::Parts,
        endpoint::Endpoint,
        exchange::{self, Outgoing},
        pool::Pool,
        progress::CallProgress,
    },
};

/// A message about health may have so many bytes.
const MAX_ANSWER: usize = 64 << 10;

/// What is known of a plugin's health checks so far.
#[derive(Debug, Default)]
pub(super) struct KnownHealth {
    /// The standard one has answered, so it is there.
    is_there: AtomicBool,
    /// That it is not has been told.
    told: AtomicBool,
}

/// What a check is made with.
pub(super) struct Check<'c> {
    pub(super) config: &'c GrpcConfig,
    pub(super) methods: &'c Methods,
    pub(super) pool: &'c Arc<Pool>,
    pub(super) headers: &'c HeaderMap,
    pub(super) known: &'c KnownHealth,
}

impl Check<'_> {
    /// Asks the standard check under the service's name, and under none where that is not known; and where the plugin serves,
    /// what it says itself.
    pub(super) async fn ask(&self) -> Result<HealthStatus, PluginError> {
        let named = Some(self.config.health_service.as_str()).filter(|name| !name.is_empty());
        let mut answer = self.standard(named.unwrap_or(proto::SERVICE)).await;
        if named.is_none() && matches!(&answer, Err(Unanswered::Status(status)) if status.number == NOT_FOUND) {
            answer = self.standard("").await;
        }
        let status = match answer {
            Ok(status) => {
                self.known.is_there.store(true, Ordering::Relaxed);
                status
            }
            Err(Unanswered::Status(status))
                if named.is_none() && matches!(status.number, UNIMPLEMENTED | NOT_FOUND) =>
            {
                // Relaxed: a check that runs at once may not know yet.
                if self.known.is_there.load(Ordering::Relaxed) {
                    let gone = "the plugin had a health check (grpc.health.v1), and has none any more";
                    return Ok(HealthStatus::unhealthy(gone));
                }
                return Ok(self.own().await?.unwrap_or_else(|| self.absent()));
            }
            Err(Unanswered::Status(status)) => {
                let said = format!("the plugin's health check answered {}: {}", name(status.number), status.message);
                return Ok(HealthStatus::unhealthy(said.trim_end_matches([':', ' '])));
            }
            Err(Unanswered::Fault(error)) => return Err(error),
        };
        if !status.state.is_serving() {
            return Ok(status);
        }
        Ok(self.own().await?.unwrap_or(status))
    }

    async fn standard(&self, service: &str) -> Result<HealthStatus, Unanswered> {
        let request = HealthCheckRequest { service: service.to_owned() };
        let answer: HealthCheckResponse = self.unary(&self.methods.check, &request).await?;
        Ok(match answer.status() {
            ServingStatus::Serving => HealthStatus::healthy(),
            other => HealthStatus::unhealthy(format!("the plugin's health check says {}", other.as_str_name())),
        })
    }

    /// A plugin without the standard check and a word of its own is at no fault, unless the check was seen: that it answers is then
    /// all that is asked of it.
    fn absent(&self) -> HealthStatus {
        // Relaxed: two checks that run at once may both tell of it.
        if !self.known.told.swap(true, Ordering::Relaxed) {
            tracing::warn!(
                plugin = &*self.config.name,
                "the plugin has no health check (grpc.health.v1), so checks see no more than that it answers"
            );
        }
        HealthStatus::new(HealthState::Healthy, "the plugin answers, and has no health check (grpc.health.v1)")
    }

    /// The plugin's own word, where it has one: without it the method is not served.
    async fn own(&self) -> Result<Option<HealthStatus>, PluginError> {
        use proto::health_response::State;

        let answer: Result<proto::HealthResponse, _> = self.unary(&self.methods.health, &proto::HealthRequest {}).await;
        let said = match answer {
            Ok(said) => said,
            Err(Unanswered::Status(status)) if status.number == UNIMPLEMENTED => return Ok(None),
            Err(Unanswered::Status(status)) => {
                let said = format!("the plugin's `Health` answered {}: {}", name(status.number), status.message);
                return Ok(Some(HealthStatus::unhealthy(said.trim_end_matches([':', ' ']))));
            }
            Err(Unanswered::Fault(error)) => return Err(error),
        };
        let state = match said.state() {
            State::Unspecified | State::Healthy => HealthState::Healthy,
            State::Degraded => HealthState::Degraded,
            State::Unhealthy => HealthState::Unhealthy,
        };
        Ok(Some(HealthStatus::new(state, said.message).with_metadata(said.metadata)))
    }

    async fn unary<M: prost::Message + Default>(
        &self,
        method: &Endpoint,
        message: &impl prost::Message,
    ) -> Result<M, Unanswered> {
        let message: Bytes = frame::whole(message);
        let progress = CallProgress::new();
        let outgoing =
            |_| Outgoing { method: Method::POST, headers: self.headers.clone(), body: Parts::from(message.clone()) };
        let mut beside = progress.beside(self.pool.line());
        let answer = exchange::send(self.pool, method, outgoing, clock::now(), &progress, &mut beside).await?;
        let answer = answer::read(answer, MAX_ANSWER, &progress).await?;
        let message = answer::decode(answer.message)?;
        answer.lease.finish();
        Ok(message)
    }
}
