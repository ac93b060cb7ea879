//! The standard health check, `grpc.health.v1.Health`, as the plugin finds out about its health.

use std::{pin::Pin, time::Duration};

use futures_util::{Stream, stream};
use plugin_core::{HealthState, Probe};
use tonic::{Request, Response, Status};
use tonic_health::pb::{
    HealthCheckRequest, HealthCheckResponse, health_check_response::ServingStatus, health_server::Health,
};

use super::{patient::Ending, service::caught};
use crate::{grpc::proto, wire::bounded::quoted};

/// How often a plugin is asked whose health somebody watches.
const WATCH_EVERY: Duration = Duration::from_secs(5);

/// Answers for the plugin, under its service's name and under none.
#[derive(Clone)]
pub(super) struct PluginHealth {
    pub(super) probe: Probe,
}

fn is_known(service: &str) -> bool {
    service.is_empty() || service == proto::SERVICE
}

async fn ask(probe: &Probe) -> ServingStatus {
    match caught(probe()).await.state {
        HealthState::Healthy | HealthState::Degraded => ServingStatus::Serving,
        HealthState::Unhealthy | HealthState::Offline => ServingStatus::NotServing,
        HealthState::Unknown => ServingStatus::Unknown,
    }
}

fn said(status: ServingStatus) -> HealthCheckResponse {
    HealthCheckResponse { status: status.into() }
}

#[tonic::async_trait]
impl Health for PluginHealth {
    async fn check(&self, request: Request<HealthCheckRequest>) -> Result<Response<HealthCheckResponse>, Status> {
        let service = &request.get_ref().service;
        if !is_known(service) {
            let known = proto::SERVICE;
            return Err(Status::not_found(format!(
                "no service {} is served here, but \"\" and {known:?}",
                quoted(service)
            )));
        }
        Ok(Response::new(said(ask(&self.probe).await)))
    }

    type WatchStream = Pin<Box<dyn Stream<Item = Result<HealthCheckResponse, Status>> + Send>>;

    /// Tells of it at once, and then when it changes, until the server ends. A service that is not known may still come.
    async fn watch(&self, request: Request<HealthCheckRequest>) -> Result<Response<Self::WatchStream>, Status> {
        let probe = is_known(&request.get_ref().service).then(|| self.probe.clone());
        let ending = request.extensions().get::<Ending>().map(|ending| ending.0.clone()).unwrap_or_default();
        let changes = stream::unfold(None, move |told| {
            let (probe, ending) = (probe.clone(), ending.clone());
            async move {
                loop {
                    let status = match &probe {
                        Some(probe) => ask(probe).await,
                        None => ServingStatus::ServiceUnknown,
                    };
                    if told != Some(status) {
                        return Some((Ok(said(status)), Some(status)));
                    }
                    tokio::select! {
                        () = tokio::time::sleep(WATCH_EVERY) => {}
                        () = ending.cancelled() => return None,
                    }
                }
            }
        });
        Ok(Response::new(Box::pin(changes)))
    }
}
