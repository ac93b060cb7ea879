//! Whether a port takes connections.

use plugin_core::{HealthStatus, Probe};
use tokio::net::TcpStream;

/// Healthy when a TCP connection to this address can be made, which is closed at once; Unhealthy when it cannot.
///
/// `HOST:PORT`; a name is looked up for each check, and one of its addresses must take it. That a port takes connections says
/// that a system listens there, and not that its program works: its system takes them for it.
///
/// ```
/// use plugin_health::{HealthCheck, HealthConfig, plugin_core::HealthState, probes};
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await?;
/// let check = HealthCheck::start(HealthConfig::default(), probes::tcp(listener.local_addr()?.to_string()));
/// assert_eq!(check.check_now().await.state, HealthState::Healthy);
/// # Ok(())
/// # }
/// ```
pub fn tcp(address: impl Into<String>) -> Probe {
    let address = address.into();
    crate::probe(move || {
        let address = address.clone();
        async move {
            match TcpStream::connect(&address).await {
                Ok(_connection) => HealthStatus::healthy(),
                Err(error) => HealthStatus::unhealthy(format!("no connection to {address}: {error}")),
            }
        }
    })
}
