//! The endpoints of a Service of Kubernetes: its EndpointSlices are listed once and then watched.
//!
//! ```no_run
//! use std::time::Duration;
//!
//! use plugin_discovery::{
//!     Discovery,
//!     kubernetes::{KubernetesConfig, KubernetesSource},
//! };
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! // In a pod, whose service account may list and watch the EndpointSlices of its namespace.
//! let config = KubernetesConfig::builder("payments").with_port("grpc").build()?;
//! let payments = Discovery::start(KubernetesSource::new(config));
//! println!("{:?}", payments.first(Duration::from_secs(10)).await?);
//! # Ok(())
//! # }
//! ```
//!
//! The [page of the crate](crate#kubernetes) has the Role that it needs and [the settings](crate#settings-of-kubernetes).
//!
//! # What is found
//!
//! One instance for each address with the port that was chosen, and its name is both (`10.0.0.1:8080`, `[fd00::1]:8080`). An
//! address that stands in two slices, as it does while it moves from one to the other, is one instance: what says that it is
//! ready holds, else the slice that changed last.
//!
//! | `conditions` | the instance |
//! |---|---|
//! | `ready`, which it is where nothing is said | is there |
//! | not `ready`, `terminating`, and `serving`, which it is where nothing is said | is there and drains; where nobody is ready, it is there as if it was |
//! | not `ready` otherwise | is not there |
//!
//! So a Service whose last pods end goes on with them for as long as they serve, as kube-proxy does it. With
//! `publishNotReadyAddresses` all are `ready`, and stay so while they end. `zone` is the zone of the endpoint; topology hints
//! (`hints.forZones`) are for a proxy without a view of its own, and are not read. Of several addresses of an endpoint the first is
//! used, and one that is a name (`addressType: FQDN`) is none. The port is [`KubernetesPort`], and [`IpPreference`] says which
//! addresses of a Service with two families are used.
//!
//! # How it follows
//!
//! The list comes in pages of 100 slices and is published when it is whole. Then one watch follows the changes, over the same
//! connection (HTTP/1.1). What was found stays until a whole new list is there. A watch ends after `watch_timeout` at the latest,
//! and the next goes on from the version that was told last, of a change or of a bookmark. One try begins at least a second
//! after the one before, whatever came of that. The state of each slice is kept, so that a change of one reads no other.
//!
//! Bounds: 200,000 endpoints and 20,000 slices of one Service, 8 MiB for an event, 64 MiB for a page, 10,000 pages.
//!
//! # What fails
//!
//! | | what is done | [`FaultKind`](crate::FaultKind) |
//! |---|---|---|
//! | the Service has no slice: it does not exist, or has no selector | it is watched | `Absent` |
//! | no endpoint has the port that was chosen | it is watched | `Absent`, with the ports that they have |
//! | no endpoint is ready, nor ends and serves | it is watched | `Empty` |
//! | 410, or an event that says `Expired` | all is listed again, at once | none, unless it comes right after a list |
//! | a watch ends, or is cut off, even in a line | the next goes on where it was | none; `Unreachable` where nothing had come of it for a second |
//! | nothing comes for `silence_timeout` | a new connection goes on where it was; where nothing ever came of the watch, all is listed | none |
//! | no connection within `connect_timeout`; a certificate that is not good | again, after the backoff | `Unreachable` |
//! | no answer within `request_timeout` | the same | `Unreachable` |
//! | 401 | the same; the token is read from its file for each request | `Refused` |
//! | 403 | the same | `Refused`, with the rule that is missing and the account's name |
//! | 404 | the same | `Refused`: a server that has no such API knows nothing of the Service |
//! | 429, 5xx | the same, and not before `Retry-After`, which is believed up to a minute | `Refused` |
//! | an event of the type `ERROR` | all is listed again, after the backoff | `Refused` |
//! | bytes that are none of it, or beyond a bound | the same | `Unreadable` |
//! | a file of the access that is missing or wrong | again, after the backoff | `Unreadable` |
//!
//! Silence has a bound because that of a dead connection and that of a quiet Service look the same, and clients that could not tell
//! them apart were stuck with old endpoints for days (kubernetes/kubernetes#76338). API servers break it about once a minute by
//! a bookmark, and the system asks an idle peer after half a minute (TCP keep-alive).
//!
//! # Why not `kube`
//!
//! One list and one watch are all that is needed of it, and hyper and rustls are here already. `kube` 5.0 would bring 55 packages
//! more and second versions of two, of which the check takes 61 of 212 seconds of the smallest program with it; and the bounds on
//! silence and on what is read would still be to be written around it. What it has and this has not: credentials that a program
//! makes (`exec` in a kubeconfig), and proxies.

mod access;
mod body;
mod config;
mod connection;
mod failure;
mod files;
mod follow;
#[cfg(any(fuzzing, test))]
pub(crate) mod fuzzing;
mod kubeconfig;
mod lines;
mod object;
mod port;
mod preference;
mod query;
mod resolved;
mod server;
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
