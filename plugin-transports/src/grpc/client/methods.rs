//! Where the methods are that a plugin is asked for.

use crate::net::endpoint::Endpoint;

/// The endpoint of each method: one origin, and the paths of gRPC.
pub(super) struct Methods {
    pub(super) execute: Endpoint,
    pub(super) init: Endpoint,
    pub(super) health: Endpoint,
    /// That of `grpc.health.v1`.
    pub(super) check: Endpoint,
}

impl Methods {
    pub(super) fn of(endpoint: &Endpoint) -> Self {
        Self {
            execute: endpoint.at("/plugin.v1.PluginService/Execute"),
            init: endpoint.at("/plugin.v1.PluginService/Init"),
            health: endpoint.at("/plugin.v1.PluginService/Health"),
            check: endpoint.at("/grpc.health.v1.Health/Check"),
        }
    }
}
