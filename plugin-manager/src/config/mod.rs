//! Configuration: files in three syntaxes, read into one tree and from there into settings.
//!
//! [`load`] reads a file and gives a [`Config`] in which nothing is wrong, or every fault at once, each with its place, the
//! nearest known key and a stable code. [`load_plugin`] reads a file that describes one plugin. [`show`] prints what holds in
//! the end, and [`schema`] is for editors.
//!
//! ```
//! use std::path::Path;
//!
//! use plugin_manager::config::{self, TransportConfig};
//!
//! let text = "
//! default_retry: {max_retries: 5}
//! plugins:
//!   - name: greeter
//!     transport: http
//!     endpoint: http://127.0.0.1:9000/greet
//!     auth: {method: bearer, token: '${GREETER_TOKEN}'}
//!     retry: {initial_interval: 50ms}
//! ";
//! let env = |name: &str| (name == "GREETER_TOKEN").then(|| "s3cret".to_owned());
//! let config = config::from_text(Path::new("gateway.yaml"), text, None, &env)?;
//! let greeter = &config.plugins()[0];
//! assert_eq!(greeter.retry().max_retries(), 5);
//! assert!(matches!(greeter.transport(), TransportConfig::Network(_, instances) if instances.len() == 1));
//! assert!(!format!("{config:?}").contains("s3cret"));
//!
//! let faults = config::from_text(Path::new("gateway.yaml"), "plugins: [{name: a, tranport: exec}]", None, &env);
//! assert!(faults.unwrap_err().to_string().contains(
//!     "gateway.yaml:1:21: plugins[0].tranport: unknown key; did you mean \"transport\"? [CONFIG_1801]"
//! ));
//! # Ok::<(), plugin_manager::config::Faults>(())
//! ```
//!
//! # How a value comes about
//!
//! 1. The file is parsed, and the overlay of the environment laid over it, key by key; `plugins`, `instances`, `auth` and
//!    `tokens` item by item, by name.
//! 2. `${VAR}` is replaced in string values.
//! 3. `default_retry` and its like go under each plugin; what the plugin says itself stays.
//! 4. What is still absent gets its default.
//! 5. `file:PATH` under a key that names a secret is replaced by what the file holds.
//!
//! # Sections
//!
//! An absent section has its defaults: breaker, health check and retry are on then, the rate limit is off. A section that is
//! written is on, unless it says `enabled: false`; nothing else in it is checked then. A section in which every key of
//! go-plugins is there and all is zero or empty, as Go writes a struct that was never set, counts as absent. What a plugin says
//! itself wins over `default_retry` and its like key by key; a section that it writes is on also where the default is off.
//! `null` counts as absent. A key of YAML with nothing behind it (`rate_limit:`) is a fault where absent and `{}` differ.
//!
//! A key of the documentation whose feature this version does not have is a fault of its own, and is not taken for a slip
//! of the finger.

mod admin;
mod concerns;
pub(crate) mod disk;
mod inherited;
mod limits;
mod load;
mod logging;
mod plane;
mod plugin;
mod server;
mod settings;
mod socket;
mod unavailable;

#[cfg(test)]
mod tests;

pub use admin::AdminConfig;
pub use limits::{LimitPerKey, PluginKeyedConcurrency, PluginRateLimit};
pub(crate) use load::plugin_of_executable;
pub use load::{from_text, load, load_from, load_plugin, reference, schema, show, show_from};
pub use logging::{LogFormat, LoggingConfig};
pub(crate) use plugin::no_such_type;
pub use plugin::{InstanceConfig, InstanceTransport, PluginConfig, TransportConfig, TransportKind};
/// The tree with places that configurations are read from.
pub use plugin_settings as document;
pub use plugin_settings::{Env, Fault, Faults, Syntax};
pub use server::ServerConfig;
pub use settings::Config;
pub(crate) use settings::START_AT_ONCE;
