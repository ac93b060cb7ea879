//! A manager in a few lines: plugins behind the default stack, without a gateway.
//!
//! | builder | timeout of a call | metrics | log |
//! |---|---|---|---|
//! | [`simple`] | 30 s | off | left to the application |
//! | [`development`] | 60 s | off | text, from `debug` |
//! | [`production`] | 10 s | on | JSON, from `info` |
//! | [`auto`] | 30 s | off | left to the application |
//!
//! Every plugin gets the [default stack](crate::stack::StackSettings). [`auto`] also finds plugins in directories.
//!
//! ```
//! use std::time::Duration;
//!
//! use bytes::Bytes;
//! use plugin_core::{Call, PluginError, Reply};
//! use plugin_manager::builder;
//! use plugin_transports::inproc::plugin_fn;
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let echo = plugin_fn(|call: Call<Bytes>| async move { Ok::<_, PluginError>(Reply::new(call.into_payload())) });
//! let built = builder::production().with_plugin("echo", echo).with_timeout(Duration::from_secs(5)).build().await?;
//!
//! let reply = built.manager().execute("echo", "[1]".into()).await?;
//! assert_eq!(reply.payload(), "[1]");
//! let metrics = built.scrape().expect("on in production");
//! assert!(metrics.contains(r#"plugin_requests_total{plugin="echo",status="success"} 1"#));
//!
//! assert!(built.shutdown(Duration::from_secs(10)).await.iter().all(|report| report.is_clean()));
//! # Ok(())
//! # }
//! ```
//!
//! A [`Gateway`](crate::server::Gateway) serves what was built when it is started with a clone of the manager.
//!
//! Security settings (a list of allowed plugins, signatures, an audit log) are not part of this version, so there is no
//! setter for them: whoever can write into a directory of [`auto`] decides what runs.

mod auto;
mod built;
mod search;

use std::{collections::HashMap, fmt, time::Duration};

use bytes::Bytes;
use plugin_core::{Code, Plugin, PluginError, PluginInfo, PluginInstance};

pub use auto::{AutoBuilder, auto};
pub use built::Built;

use crate::{
    config::{LogFormat, PluginConfig},
    launch::{Factories, StartError, assemble, logging},
    manager::{Registration, check_name},
    server::Metrics,
    stack::{Instance, StackSettings},
};

/// For a first try, and for tests: calls may take 30 seconds, and nothing is logged or measured.
pub fn simple() -> Builder {
    Builder::new(Duration::from_secs(30))
}

/// For work on plugins: calls may take 60 seconds, and everything from `debug` is logged as text.
pub fn development() -> Builder {
    Builder::new(Duration::from_secs(60)).with_logging("debug", LogFormat::Text)
}

/// For service: calls may take 10 seconds, metrics are on, and the log is JSON, from `info`.
pub fn production() -> Builder {
    Builder::new(Duration::from_secs(10)).with_metrics(true).with_logging("info", LogFormat::Json)
}

type Make = Box<dyn FnOnce(&str, Duration) -> Result<Registration<Bytes, Bytes>, PluginError> + Send>;

/// Collects plugins and settings. Made by [`simple`], [`development`] and [`production`].
///
/// ```
/// use bytes::Bytes;
/// use plugin_core::{Call, PluginError, Reply};
/// use plugin_manager::builder;
/// use plugin_transports::inproc::plugin_fn;
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let echo = plugin_fn(|call: Call<Bytes>| async move { Ok::<_, PluginError>(Reply::new(call.into_payload())) });
/// let built = builder::simple().with_plugin("echo", echo).with_metrics(true).build().await?;
///
/// assert_eq!(built.manager().execute("echo", "[1]".into()).await?.payload(), "[1]");
/// assert!(built.scrape().is_some());
/// # Ok(())
/// # }
/// ```
#[must_use = "a builder does nothing until `build` is called"]
pub struct Builder {
    timeout: Duration,
    metrics: bool,
    logging: Option<(String, LogFormat)>,
    factories: Factories,
    stacks: Vec<(String, Make)>,
    configs: Vec<(PluginConfig, String)>,
}

impl Builder {
    fn new(timeout: Duration) -> Self {
        Self {
            timeout,
            metrics: false,
            logging: None,
            factories: Factories::new(),
            stacks: Vec::new(),
            configs: Vec::new(),
        }
    }

    /// Adds a plugin that is a service of this process. It may be a stack of layers already: the default stack goes
    /// round it.
    pub fn with_plugin(mut self, name: impl Into<String>, plugin: impl Plugin<Bytes, Bytes>) -> Self {
        let make: Make = Box::new(|name, timeout| {
            let info = PluginInfo::new(name, "").with_transport("inproc");
            let settings = StackSettings::default().with_timeout(timeout).with_attempt_timeout(timeout);
            assemble(name, settings.build(name, vec![Instance::new("default", PluginInstance::new(plugin, info))]))
        });
        self.stacks.push((name.into(), make));
        self
    }

    /// Adds a plugin out of a configuration, such as one that [`load_plugin`](crate::config::load_plugin) has read. It
    /// keeps its own settings, its timeout included.
    pub fn with_config(self, plugin: PluginConfig) -> Self {
        self.with_config_from(plugin, "a plugin given in code".to_owned())
    }

    fn with_config_from(mut self, plugin: PluginConfig, origin: String) -> Self {
        self.configs.push((plugin, origin));
        self
    }

    /// The factories that the `type` of a plugin can name.
    pub fn with_factories(mut self, factories: Factories) -> Self {
        self.factories = factories;
        self
    }

    /// Limits a call of a plugin that has no configuration of its own, all attempts together.
    pub fn with_timeout(mut self, timeout: Duration) -> Self {
        self.timeout = timeout;
        self
    }

    /// Whether [`Built::metrics`] and [`Built::scrape`] have something to give.
    pub fn with_metrics(mut self, on: bool) -> Self {
        self.metrics = on;
        self
    }

    /// Writes the log to standard error. `directives` are those of `tracing_subscriber::EnvFilter`, such as
    /// `info,plugin_breaker=debug`. An application that has set up a log already keeps its own.
    pub fn with_logging(mut self, directives: impl Into<String>, format: LogFormat) -> Self {
        self.logging = Some((directives.into(), format));
        self
    }

    /// Connects the plugins, those with a configuration by their `priority` and at most eight at once, and registers them.
    /// Must be called within a tokio runtime. When it fails, or its future is dropped, what was started is stopped again.
    ///
    /// # Errors
    ///
    /// Every fault at once: names that are not allowed or used twice, a timeout of zero, plugins that do not start.
    pub async fn build(self) -> Result<Built, StartError> {
        if let Some((directives, format)) = &self.logging {
            logging::init(directives, *format);
        }
        let mut faults = self.faults();
        let log = self.logging.is_some().then_some(logging::FlushOnDrop(logging::LAST_WORDS));
        let built = Built::new(self.metrics.then(Metrics::new), log);
        if faults.is_empty() {
            for (name, make) in self.stacks {
                match make(&name, self.timeout).and_then(|stack| built.manager().register_with(&name, stack)) {
                    Ok(()) => tracing::info!(plugin = name, "registered"),
                    Err(fault) => faults.push(fault),
                }
            }
        }
        if faults.is_empty() {
            let configs: Vec<_> = self.configs.into_iter().map(|(config, _)| config).collect();
            faults = built.connect(&configs, &self.factories).await;
        }
        if faults.is_empty() {
            return Ok(built);
        }
        built.shutdown(Duration::from_secs(5)).await;
        Err(StartError::new(faults))
    }

    /// What is wrong before anything is started.
    fn faults(&self) -> Vec<PluginError> {
        let mut faults = Vec::new();
        if self.timeout.is_zero() {
            faults.push(PluginError::new(Code::ConfigValue, "the timeout must be longer than zero"));
        }
        let stacks = self.stacks.iter().map(|(name, _)| (name.as_str(), "a plugin given in code"));
        let configs = self.configs.iter().map(|(config, origin)| (config.name(), origin.as_str()));
        let mut places = HashMap::new();
        for (name, origin) in stacks.chain(configs) {
            faults.extend(check_name(name).err());
            if let Some(first) = places.insert(name, origin) {
                let problem = format!("the name is used twice: by {first} and by {origin}");
                faults.push(PluginError::new(Code::DuplicateName, problem).with_plugin(name));
            }
        }
        faults
    }
}

impl fmt::Debug for Builder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let stacks = self.stacks.iter().map(|(name, _)| name.as_str());
        let names: Vec<_> = stacks.chain(self.configs.iter().map(|(config, _)| config.name())).collect();
        f.debug_struct("Builder")
            .field("plugins", &names)
            .field("timeout", &self.timeout)
            .field("metrics", &self.metrics)
            .field("logging", &self.logging)
            .field("factories", &self.factories)
            .finish()
    }
}
