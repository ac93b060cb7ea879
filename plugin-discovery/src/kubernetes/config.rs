//! The settings of a source that follows a Service of Kubernetes.

use std::time::Duration;

use plugin_core::{Backoff, ConfigError, Jitter, settings};

use super::{IpPreference, KubernetesAccess, KubernetesPort};

/// Which Service is followed, and how. A value that exists is valid.
///
/// The [page of the crate](crate#settings-of-kubernetes) has the keys, with their defaults and bounds.
///
/// ```
/// use plugin_discovery::kubernetes::{IpPreference, KubernetesConfig};
///
/// let config = KubernetesConfig::builder("payments")
///     .with_namespace("shop")
///     .with_port("grpc")
///     .with_families(IpPreference::V6First)
///     .build()?;
/// assert_eq!(config.watch_timeout().as_secs(), 300); // the default
///
/// let fault = KubernetesConfig::builder("Payments").build().expect_err("no name of a Service");
/// assert!(fault.to_string().starts_with("`service` must be a name of Kubernetes"));
/// # Ok::<(), plugin_discovery::plugin_core::ConfigError>(())
/// ```
#[derive(Clone, Debug)]
pub struct KubernetesConfig {
    pub(super) access: KubernetesAccess,
    pub(super) service: String,
    pub(super) namespace: Option<String>,
    pub(super) port: KubernetesPort,
    pub(super) family: IpPreference,
    pub(super) connect_timeout: Duration,
    pub(super) request_timeout: Duration,
    pub(super) watch_timeout: Duration,
    pub(super) silence_timeout: Duration,
    pub(super) backoff: Backoff,
}

/// Makes a [`KubernetesConfig`].
#[derive(Clone, Debug)]
#[must_use = "a builder does nothing until `build` is called"]
pub struct KubernetesConfigBuilder(KubernetesConfig);

impl KubernetesConfig {
    /// A builder for the Service of this name, with the defaults for the rest.
    pub fn builder(service: impl Into<String>) -> KubernetesConfigBuilder {
        let backoff = Backoff::new(Duration::from_secs(1), Duration::from_secs(30), 2.0, Jitter::Proportional(0.1));
        KubernetesConfigBuilder(Self {
            access: KubernetesAccess::in_cluster(),
            service: service.into(),
            namespace: None,
            port: KubernetesPort::Only,
            family: IpPreference::default(),
            connect_timeout: Duration::from_secs(10),
            request_timeout: Duration::from_secs(30),
            watch_timeout: Duration::from_secs(300),
            silence_timeout: Duration::from_secs(120),
            backoff: backoff.unwrap_or_default(),
        })
    }

    /// A builder that starts with these settings.
    pub fn to_builder(self) -> KubernetesConfigBuilder {
        KubernetesConfigBuilder(self)
    }

    /// The Service.
    #[must_use]
    pub fn service(&self) -> &str {
        &self.service
    }

    /// Its namespace, where it was named.
    #[must_use]
    pub fn namespace(&self) -> Option<&str> {
        self.namespace.as_deref()
    }

    /// Which port is called.
    #[must_use]
    pub fn port(&self) -> &KubernetesPort {
        &self.port
    }

    /// Which addresses are used of a Service that has both families.
    #[must_use]
    pub fn families(&self) -> IpPreference {
        self.family
    }

    /// How the API server is reached.
    pub fn access(&self) -> &KubernetesAccess {
        &self.access
    }

    /// How long a connection may take to come about, its TLS included.
    #[must_use]
    pub fn connect_timeout(&self) -> Duration {
        self.connect_timeout
    }

    /// How long one page of a list may take, and how long the API server may take to begin with a watch.
    #[must_use]
    pub fn request_timeout(&self) -> Duration {
        self.request_timeout
    }

    /// How long a watch may last before the API server is asked for the next one; each lasts from half of this to all of it.
    #[must_use]
    pub fn watch_timeout(&self) -> Duration {
        self.watch_timeout
    }

    /// How long nothing may come of a watch before its connection counts as lost.
    #[must_use]
    pub fn silence_timeout(&self) -> Duration {
        self.silence_timeout
    }

    /// The waits between tries that fail.
    #[must_use]
    pub fn backoff(&self) -> Backoff {
        self.backoff
    }
}

impl KubernetesConfigBuilder {
    /// Sets the namespace of the Service. Default: that of the pod's service account, or of the kubeconfig's context, and `default`
    /// where neither says one.
    pub fn with_namespace(mut self, namespace: impl Into<String>) -> Self {
        self.0.namespace = Some(namespace.into());
        self
    }

    /// Sets the port by its name in the Service (`"grpc"`), or by the number that the endpoints listen on (`8080`).
    pub fn with_port(mut self, port: impl Into<KubernetesPort>) -> Self {
        self.0.port = port.into();
        self
    }

    /// Sets which addresses are used of a Service that has both families.
    pub fn with_families(mut self, family: IpPreference) -> Self {
        self.0.family = family;
        self
    }

    /// Sets how the API server is reached. Default: [`KubernetesAccess::in_cluster`].
    pub fn with_access(mut self, access: KubernetesAccess) -> Self {
        self.0.access = access;
        self
    }

    /// Sets how long a connection may take to come about, its TLS included.
    pub fn with_connect_timeout(mut self, timeout: Duration) -> Self {
        self.0.connect_timeout = timeout;
        self
    }

    /// Sets how long one page of a list may take, and how long the API server may take to begin with a watch.
    pub fn with_request_timeout(mut self, timeout: Duration) -> Self {
        self.0.request_timeout = timeout;
        self
    }

    /// Sets how long a watch may last before the API server is asked for the next one.
    pub fn with_watch_timeout(mut self, timeout: Duration) -> Self {
        self.0.watch_timeout = timeout;
        self
    }

    /// Sets how long nothing may come of a watch before its connection counts as lost. API servers send a bookmark about once a
    /// minute where nothing changes, so it should be longer than that.
    pub fn with_silence_timeout(mut self, timeout: Duration) -> Self {
        self.0.silence_timeout = timeout;
        self
    }

    /// Sets the waits between tries that fail. Whatever they are, one try begins at least a second after the last one did.
    /// Default: from 1 s, doubled up to 30 s, moved by a tenth.
    pub fn with_backoff(mut self, backoff: Backoff) -> Self {
        self.0.backoff = backoff;
        self
    }

    /// The settings.
    ///
    /// # Errors
    ///
    /// When a value is outside the bounds on the [page of the crate](crate#settings-of-kubernetes), a name is none that Kubernetes takes, or the
    /// URL of the API server cannot be used. No file is looked at: what is wrong with one is a fault of the source.
    pub fn build(self) -> Result<KubernetesConfig, ConfigError> {
        let config = settings::fitting(self.0)?;
        check_name("service", &config.service)?;
        if let Some(namespace) = &config.namespace {
            check_name("namespace", namespace)?;
        }
        match &config.port {
            KubernetesPort::Number(0) => return Err(ConfigError::new("port", "must be from 1 to 65535, and is 0")),
            KubernetesPort::Named(name) if !is_label(name, 15) || name.bytes().all(|byte| byte.is_ascii_digit()) => {
                let problem = format!(
                    "must be a port's name, of at most 15 small letters, digits and dashes, or its number, and is {name:?}"
                );
                return Err(ConfigError::new("port", problem));
            }
            _ => {}
        }
        config.access.check()?;
        Ok(config)
    }
}

/// A label of RFC 1123: what Services and namespaces are called, and what stands in a path as it is.
fn check_name(field: &'static str, name: &str) -> Result<(), ConfigError> {
    if is_label(name, 63) {
        return Ok(());
    }
    let problem =
        format!("must be a name of Kubernetes, of at most 63 small letters, digits and dashes, and is {name:?}");
    Err(ConfigError::new(field, problem))
}

fn is_label(name: &str, longest: usize) -> bool {
    let bytes = name.as_bytes();
    let plain = |byte: &u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
    bytes.len() <= longest
        && bytes.first().is_some_and(plain)
        && bytes.last().is_some_and(plain)
        && bytes.iter().all(|byte| plain(byte) || *byte == b'-')
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fault(builder: KubernetesConfigBuilder) -> String {
        builder.build().expect_err("out of bounds").to_string()
    }

    #[test]
    fn names_that_kubernetes_does_not_take_are_refused_with_their_field() {
        let builder = |service: &str| KubernetesConfig::builder(service);
        for name in ["", "-a", "a-", "A", "a.b", "a/b", "a?b", &"a".repeat(64)] {
            assert!(fault(builder(name)).starts_with("`service` "), "{name:?}");
            assert!(fault(builder("a").with_namespace(name)).starts_with("`namespace` "), "{name:?}");
        }
        assert!(builder(&"a".repeat(63)).with_namespace("0-9").build().is_ok());
    }

    #[test]
    fn a_port_is_a_name_or_a_number_from_1_on() {
        let builder = || KubernetesConfig::builder("a");
        assert!(fault(builder().with_port(0)).starts_with("`port` must be from 1 to 65535"));
        assert!(fault(builder().with_port("Grpc")).starts_with("`port` must be a port's name"));
        assert!(fault(builder().with_port("70000")).starts_with("`port` must be a port's name"));
        let port = |text: &str| builder().with_port(text).build().expect("a port").port().clone();
        assert_eq!(port("8080"), KubernetesPort::Number(8080));
        assert_eq!(port("grpc-web"), KubernetesPort::Named("grpc-web".to_owned()));
    }

    #[test]
    fn the_defaults_are_those_that_are_documented() {
        let config = KubernetesConfig::builder("a").build().expect("valid");
        let seconds = [config.connect_timeout, config.request_timeout, config.watch_timeout, config.silence_timeout];
        assert_eq!(seconds.map(|time| time.as_secs()), [10, 30, 300, 120]);
        assert_eq!((config.backoff.initial().as_secs(), config.backoff.max().as_secs()), (1, 30));
        assert_eq!((config.port(), config.families()), (&KubernetesPort::Only, IpPreference::V4First));
    }

    #[test]
    fn a_token_is_not_shown_over_plain_http_nor_in_debug() {
        let plain = || KubernetesAccess::at("http://127.0.0.1:8001");
        let with = |access| KubernetesConfig::builder("a").with_access(access);
        assert!(fault(with(plain().with_token("secret"))).starts_with("`api_server` must be `https://`"));
        assert!(fault(with(plain().with_client_certificate("a", "b"))).starts_with("`api_server` must be `https://`"));
        assert!(with(plain()).build().is_ok());
        let config = with(KubernetesAccess::at("https://k").with_token("secret")).build().expect("valid");
        assert!(!format!("{config:?}").contains("secret"));
    }
}
