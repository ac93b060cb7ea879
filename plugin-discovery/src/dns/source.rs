//! The source that asks name servers.

use std::{
    fmt,
    future::{Future, pending},
    net::{IpAddr, SocketAddr},
};

use hickory_resolver::proto::rr::Name;
use plugin_core::ConfigError;

use super::{
    DnsConfig,
    lookup::Resolver,
    question::Lack,
    round::{Found, Known, Wanted, round},
    schedule::Schedule,
};
use crate::{FaultKind, FoundInstance, Publisher, Source};

/// Finds the instances of a service by a name in DNS. The [page of the module](crate::dns) says what is found, when it
/// asks again, and what fails. It runs where tokio has its I/O and its timers.
///
/// ```
/// use plugin_discovery::dns::{DnsConfig, DnsSource};
///
/// let config = DnsConfig::builder().with_name_servers(["127.0.0.1:5353".parse()?]).build()?;
/// let source = DnsSource::service("_http._tcp.users.example.com")?.with_config(config);
/// # drop(source);
/// let fault = DnsSource::host("two..dots", 80).expect_err("no name");
/// assert!(fault.to_string().starts_with("`name` must be a name in DNS, and is \"two..dots\""));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone)]
#[must_use = "a source does nothing until it is started"]
pub struct DnsSource {
    of: Of,
    config: DnsConfig,
}

#[derive(Clone, Debug)]
enum Of {
    /// Nothing is asked.
    Address(SocketAddr),
    Name(Wanted),
}

impl DnsSource {
    /// The addresses of a host, each with this port. An IP address is found as it is, without a question.
    ///
    /// # Errors
    ///
    /// When it is no name in DNS (`name`).
    pub fn host(name: &str, port: u16) -> Result<Self, ConfigError> {
        let of = match name.parse::<IpAddr>() {
            Ok(ip) => Of::Address(SocketAddr::new(ip, port)),
            Err(_) => Of::Name(Wanted::Host(whole(name)?, port)),
        };
        Ok(Self { of, config: DnsConfig::default() })
    }

    /// The targets of a service, by its `SRV` records: `_http._tcp.example.com`.
    ///
    /// # Errors
    ///
    /// When it is no name in DNS (`name`).
    pub fn service(name: &str) -> Result<Self, ConfigError> {
        Ok(Self { of: Of::Name(Wanted::Service(whole(name)?)), config: DnsConfig::default() })
    }

    /// Sets how it is asked for.
    pub fn with_config(mut self, config: DnsConfig) -> Self {
        self.config = config;
        self
    }
}

/// A name that no search list is added to.
fn whole(text: &str) -> Result<Name, ConfigError> {
    let refused = |why: &str| ConfigError::new("name", format!("must be a name in DNS, and is {text:?}{why}"));
    let mut name = Name::from_utf8(text).map_err(|error| refused(&format!(": {error}")))?;
    name.set_fqdn(true);
    if name.is_root() { Err(refused("")) } else { Ok(name) }
}

impl Source for DnsSource {
    fn run(self, publisher: Publisher) -> impl Future<Output = ()> + Send {
        let Self { of, config } = self;
        async move {
            let wanted = match of {
                Of::Address(address) => {
                    publisher.publish([FoundInstance::from(address)]);
                    return pending().await;
                }
                Of::Name(wanted) => wanted,
            };
            let mut schedule = match Schedule::new(&config) {
                Ok(schedule) => schedule,
                // It was built, so it fits.
                Err(error) => return publisher.fault(FaultKind::Ended, error.to_string()),
            };
            let mut known = Known::new();
            loop {
                let found = find(&wanted, &config, &mut known).await;
                let random = fastrand::f64();
                let wait = match found {
                    Ok(Found { instances, time_to_live, lack: None, .. }) => {
                        publisher.publish(instances);
                        schedule.after_set(time_to_live, random)
                    }
                    Ok(Found { instances, old, lack: Some(lack), .. }) => {
                        publisher.publish_part(instances, old, lack.kind, &lack.message);
                        schedule.after_fault(random)
                    }
                    Err(lack) => {
                        publisher.fault(lack.kind, &lack.message);
                        schedule.after_fault(random)
                    }
                };
                tokio::time::sleep(wait).await;
            }
        }
    }
}

async fn find(wanted: &Wanted, config: &DnsConfig, known: &mut Known) -> Result<Found, Lack> {
    // A new one for each round: its cache has kept nothing from the last, and it knows what the system says now.
    let resolver = Resolver::new(config).await?;
    round(&resolver, wanted, config, known).await
}

impl fmt::Debug for DnsSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DnsSource").field("of", &self.of).field("config", &self.config).finish()
    }
}
