//! One of the places where a plugin is reached.

use plugin_ratelimit::concurrency::ConcurrencyLimitConfig;
use plugin_transports::{grpc::GrpcConfig, http::HttpConfig, unix::UnixConfig};

/// One of the places where a plugin is reached over a network.
/// ```
/// use std::path::Path;
///
/// use plugin_manager::config::{self, TransportConfig};
///
/// let text = "
/// plugins:
///   - name: billing
///     transport: http
///     instances: [{endpoint: 'http://127.0.0.1:8001/', weight: 3}, {endpoint: 'http://127.0.0.1:8002/'}]
/// ";
/// let config = config::from_text(Path::new("gateway.yaml"), text, None, &|_| None)?;
/// let TransportConfig::Network(_, instances) = config.plugins()[0].transport() else { panic!("over HTTP") };
/// assert_eq!(instances.iter().map(|instance| instance.weight()).collect::<Vec<_>>(), [3, 1]);
/// # Ok::<(), plugin_settings::Faults>(())
/// ```
#[derive(Clone, Debug)]
pub struct InstanceConfig {
    pub(super) name: String,
    pub(super) weight: u32,
    pub(super) priority: i32,
    pub(super) enabled: bool,
    pub(super) zone: Option<String>,
    pub(super) concurrency: Option<ConcurrencyLimitConfig>,
    pub(super) transport: InstanceTransport,
}

/// How an instance is reached. `Debug` shows no secret.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum InstanceTransport {
    /// Over HTTP.
    Http(HttpConfig),
    /// Over gRPC.
    Grpc(GrpcConfig),
    /// By lines over a Unix socket.
    Unix(UnixConfig),
}

impl InstanceConfig {
    /// Its name, unique within the plugin.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Its share of the calls, for the weighted strategies.
    #[must_use]
    pub fn weight(&self) -> u32 {
        self.weight
    }

    /// Its priority; larger is higher.
    #[must_use]
    pub fn priority(&self) -> i32 {
        self.priority
    }

    /// Whether it takes calls from the start.
    #[must_use]
    pub fn enabled(&self) -> bool {
        self.enabled
    }

    /// Where it runs.
    #[must_use]
    pub fn zone(&self) -> Option<&str> {
        self.zone.as_deref()
    }

    /// The limit on its calls in flight, when there is one.
    #[must_use]
    pub fn concurrency(&self) -> Option<ConcurrencyLimitConfig> {
        self.concurrency
    }

    /// Whether TLS is spoken with it, so that whoever connects it reads files.
    #[must_use]
    pub fn uses_tls(&self) -> bool {
        match &self.transport {
            InstanceTransport::Http(http) => http.uses_tls(),
            InstanceTransport::Grpc(grpc) => grpc.is_tls(),
            InstanceTransport::Unix(_) => false,
        }
    }

    /// How it is reached.
    #[must_use]
    pub fn transport(&self) -> &InstanceTransport {
        &self.transport
    }
}
