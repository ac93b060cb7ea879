//! The endpoints of a Service of Kubernetes, out of its EndpointSlices.
//!
//! The client is small and this crate's own: one list and one watch over HTTP/1.1 and rustls, which this family has in any case.
//! `kube` 5.0 would do it too, with 55 packages more (k8s-openapi, jiff, pest, two more versions of what is here already), which
//! take 61 of the 212 seconds that the smallest program with it takes to check on one core; and bounds on silence, on lines and on
//! what is kept would still be to be written around it.

mod access;
mod config;
mod connection;
mod failure;
mod follow;
mod kubeconfig;
mod lines;
mod object;
mod port;
mod preference;
mod query;
mod settings;
mod slices;
mod source;
mod status;
mod tls;

pub use access::KubernetesAccess;
pub use config::{KubernetesConfig, KubernetesConfigBuilder};
pub use port::KubernetesPort;
pub use preference::IpPreference;
pub use source::KubernetesSource;
