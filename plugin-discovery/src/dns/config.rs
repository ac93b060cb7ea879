//! How names are asked for.

use std::{net::SocketAddr, time::Duration};

use plugin_core::{ConfigError, settings};

/// Which addresses of a name are asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Default)]
#[non_exhaustive]
pub enum IpFamilies {
    /// A and AAAA.
    #[default]
    Both,
    /// A alone.
    V4,
    /// AAAA alone.
    V6,
}

impl IpFamilies {
    pub(super) const NAMES: &[&str] = &["both", "v4", "v6"];

    /// The name that configuration files have for it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Both => "both",
            Self::V4 => "v4",
            Self::V6 => "v6",
        }
    }

    pub(super) fn parse(name: &str) -> Option<Self> {
        [Self::Both, Self::V4, Self::V6].into_iter().find(|families| families.as_str() == name)
    }
}

/// How names are asked for. A value that exists is valid.
///
/// The [page of the crate](crate#settings-of-dns) has the keys, with their defaults and bounds.
///
/// ```
/// use std::time::Duration;
///
/// use plugin_discovery::dns::{DnsConfig, IpFamilies};
///
/// let config = DnsConfig::builder()
///     .with_name_servers(["10.0.0.53:53".parse()?])
///     .with_families(IpFamilies::V4)
///     .with_min_interval(Duration::from_secs(1))
///     .build()?;
/// assert_eq!(config.max_interval(), Duration::from_secs(60)); // the default
///
/// let fault = config.to_builder().with_max_interval(Duration::from_millis(1)).build().expect_err("below the other");
/// assert_eq!(fault.to_string(), "`max_interval` must be at least `min_interval` (1s), and is 1ms");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct DnsConfig {
    name_servers: Vec<SocketAddr>,
    families: IpFamilies,
    min_interval: Duration,
    max_interval: Duration,
    jitter: f64,
    timeout: Duration,
}

/// Makes a [`DnsConfig`].
#[derive(Clone, Debug)]
#[must_use = "a builder does nothing until `build` is called"]
pub struct DnsConfigBuilder(DnsConfig);

impl Default for DnsConfig {
    fn default() -> Self {
        Self {
            name_servers: Vec::new(),
            families: IpFamilies::Both,
            min_interval: Duration::from_secs(5),
            max_interval: Duration::from_secs(60),
            jitter: 0.1,
            timeout: Duration::from_secs(3),
        }
    }
}

impl DnsConfig {
    /// A builder that starts with the defaults.
    pub fn builder() -> DnsConfigBuilder {
        DnsConfigBuilder(Self::default())
    }

    /// A builder that starts with these settings.
    pub fn to_builder(&self) -> DnsConfigBuilder {
        DnsConfigBuilder(self.clone())
    }

    /// The name servers that are asked. None: those of the system.
    #[must_use]
    pub fn name_servers(&self) -> &[SocketAddr] {
        &self.name_servers
    }

    /// Which addresses of a name are asked for.
    #[must_use]
    pub fn families(&self) -> IpFamilies {
        self.families
    }

    /// The shortest time after which it asks again.
    #[must_use]
    pub fn min_interval(&self) -> Duration {
        self.min_interval
    }

    /// The longest time after which it asks again, before jitter.
    #[must_use]
    pub fn max_interval(&self) -> Duration {
        self.max_interval
    }

    /// The share by which it may ask later.
    #[must_use]
    pub fn jitter(&self) -> f64 {
        self.jitter
    }

    /// How long the answer to one question is waited for.
    #[must_use]
    pub fn timeout(&self) -> Duration {
        self.timeout
    }
}

impl DnsConfigBuilder {
    /// Sets the name servers, over UDP, and over TCP for answers that are too long for it. The hosts file of the system
    /// is not read then. Those of the system unless set: `/etc/resolv.conf` and `/etc/hosts` on Unix, read anew each
    /// time.
    pub fn with_name_servers(mut self, servers: impl IntoIterator<Item = SocketAddr>) -> Self {
        self.0.name_servers = servers.into_iter().collect();
        self
    }

    /// Sets which addresses of a name are asked for. Both families unless set.
    pub fn with_families(mut self, families: IpFamilies) -> Self {
        self.0.families = families;
        self
    }

    /// Sets the shortest time after which it asks again, whatever the time to live. 5 s unless set.
    pub fn with_min_interval(mut self, interval: Duration) -> Self {
        self.0.min_interval = interval;
        self
    }

    /// Sets the longest time after which it asks again, before jitter, whatever the time to live. 60 s unless set.
    pub fn with_max_interval(mut self, interval: Duration) -> Self {
        self.0.max_interval = interval;
        self
    }

    /// Sets the share by which it may ask later. 0.1 unless set.
    pub fn with_jitter(mut self, share: f64) -> Self {
        self.0.jitter = share;
        self
    }

    /// Sets how long the answer to one question is waited for, with everything that is tried for it. 3 s unless set.
    pub fn with_timeout(mut self, timeout: Duration) -> Self {
        self.0.timeout = timeout;
        self
    }

    /// The settings.
    ///
    /// # Errors
    ///
    /// When a value is outside the bounds on the [page of the crate](crate#settings-of-dns), or `max_interval` is
    /// shorter than
    /// `min_interval`.
    pub fn build(self) -> Result<DnsConfig, ConfigError> {
        let config = settings::fitting(self.0)?;
        let (min, max) = (config.min_interval, config.max_interval);
        if max < min {
            let (min, max) = (settings::time(&min), settings::time(&max));
            let problem = format!("must be at least `min_interval` ({min}), and is {max}");
            return Err(ConfigError::new("max_interval", problem).with_others(&["min_interval"]));
        }
        Ok(config)
    }
}
