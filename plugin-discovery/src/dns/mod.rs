//! Names in DNS: the addresses of a host, or the targets of a service (`SRV`).
//!
//! ```no_run
//! use std::time::Duration;
//!
//! use plugin_discovery::{Discovery, dns::DnsSource};
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let api = Discovery::start(DnsSource::host("api.example.com", 8080)?);
//! let users = Discovery::start(DnsSource::service("_http._tcp.users.example.com")?);
//! println!("{:?}", api.first(Duration::from_secs(5)).await?);
//! println!("{:?}", users.first(Duration::from_secs(5)).await?);
//! # Ok(())
//! # }
//! ```
//!
//! # What is found
//!
//! | asked for | each instance |
//! |---|---|
//! | [`DnsSource::host`] | one for each address of the name, A and AAAA in one set, all with the given port |
//! | [`DnsSource::service`] | one for each address of each target of the `SRV` records, with the port and the weight of its record |
//!
//! The name of an instance is its address with the port. A weight of 0 becomes 1. In `SRV` the lower priority is the
//! preferred one, and here the larger: priority 10 is found as -10. A target of `.` says that there is no such service
//! here, and counts for nothing.
//!
//! A name is a whole one, with or without the dot at its end: the search list of `/etc/resolv.conf` is not gone
//! through, because a name server that fails for the first name would then be taken for one that says that there is no
//! such name. The CNAMEs that a name stands for are followed. A truncated answer is asked for over TCP.
//!
//! # When it asks again
//!
//! When the shortest time to live of all records has passed that the set was made of, and within `min_interval` and
//! `max_interval`; up to the share `jitter` later, so that those who were told the same do not ask together. No answer
//! is kept beyond that: there is no cache. After a round without a whole set, or with an empty one, it asks after
//! `min_interval`, then after twice that, and so on up to `max_interval`.
//!
//! # What fails
//!
//! | | [`FaultKind`](crate::FaultKind) |
//! |---|---|
//! | the name is there and has no such records | `Empty` |
//! | `NXDOMAIN` | `Absent` |
//! | no answer within `timeout`; no connection | `Unreachable` |
//! | another code, such as `SERVFAIL` or `REFUSED`; an answer that refers to other name servers | `Refused` |
//! | bytes that are no answer; one that is truncated over TCP too | `Unreadable` |
//!
//! Where several questions make one set, as the two of A and AAAA do, each stands for itself: what one does not answer
//! is what it answered last, for as long as `keep_for` says, the others are followed, and the fault says what is
//! missing. So a name server that cannot do AAAA, or one target of twenty that does not resolve, keeps nobody from the
//! rest.
//!
//! The addresses of all targets together are waited for as long as `max_interval`, and at least `timeout`, sixteen
//! questions at a time: a question that was not answered by then, or not asked, counts as not answered. So a service
//! that is said to have thousands of targets of which none resolves is a fault within that time.
//!
//! The [page of the crate](crate#settings-of-dns) has the settings.

mod config;
mod lookup;
mod question;
mod round;
mod schedule;
mod settings;
mod source;

pub use config::{DnsConfig, DnsConfigBuilder, IpFamilies};
pub use source::DnsSource;
