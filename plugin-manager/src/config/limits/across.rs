//! What holds between the limits of plugins and the data plane.

use std::net::IpAddr;

use plugin_core::Code;
use plugin_ratelimit::{ByHeader, RedisConfig};
use plugin_settings::Keys;

use super::{
    super::{PluginConfig, ServerConfig},
    PluginKeyedConcurrency,
};
use crate::stack::CallKey;

/// Notes what is wrong between them.
pub(in crate::config) fn check_across(keys: &Keys<'_>, plugins: &[PluginConfig], server: Option<&ServerConfig>) {
    let mut stores = Stores { keys, known: Vec::new() };
    if let Some((server, limit)) = server.and_then(|server| Some((server, server.client_rate_limit()?))) {
        planned(keys, "server.client_rate_limit", limit.planned(), |name| is_client(server, name));
        stores.add("server.client_rate_limit", limit.shared());
    }
    for (index, plugin) in plugins.iter().enumerate() {
        let at = |section: &str| format!("plugins.{index}.{section}");
        if let Some(limit) = plugin.kind_of_rate_limit() {
            let at = at("rate_limit");
            let key = limit.key();
            named(keys, &at, key, server);
            planned(keys, &at, limit.each().planned(), |name| may_be(key, server, name));
            stores.add(&at, limit.each().shared());
        }
        named(keys, &at("concurrency_per_key"), plugin.concurrency_per_key().map(PluginKeyedConcurrency::key), server);
    }
}

/// A key that is a name, where nobody has one.
fn named(keys: &Keys<'_>, at: &str, key: Option<&CallKey>, server: Option<&ServerConfig>) {
    if matches!(key, Some(CallKey::Client)) && server.is_some_and(|server| server.verifier().is_none()) {
        let problem = "is the name under which a caller is known, and nobody is: there is no `server.auth`; with `ip` it is the \
                       address";
        keys.fault(&format!("{at}.key"), Code::ConfigSchema, problem);
    }
}

/// Plans of keys that no call can have.
fn planned(keys: &Keys<'_>, at: &str, planned: &[(String, String)], may_be: impl Fn(&str) -> Result<(), String>) {
    for (place, name) in planned {
        if let Err(problem) = may_be(name) {
            keys.fault(&format!("{at}.{place}"), Code::ConfigValue, problem);
        }
    }
}

/// Whether this may be what `key` says of a call.
fn may_be(key: Option<&CallKey>, server: Option<&ServerConfig>, name: &str) -> Result<(), String> {
    let Some(server) = server else { return Ok(()) };
    match key {
        Some(CallKey::Client) => is_client(server, name),
        Some(CallKey::Ip) => is_address(server, name),
        Some(CallKey::Header(_)) => is_value(name),
        None => Ok(()),
    }
}

fn is_client(server: &ServerConfig, name: &str) -> Result<(), String> {
    let names: Vec<_> = server.verifier().into_iter().flat_map(|verifier| verifier.names()).collect();
    if names.contains(&name) {
        return Ok(());
    }
    if name.parse::<IpAddr>().is_ok() {
        return Err(format!(
            "{name:?} is an address, and plans are of names; a plugin's `rate_limit` with `key: ip` has plans of addresses"
        ));
    }
    Err(match &*names {
        [] => format!("{name:?} is nobody: there is no `server.auth`, which gives clients their names"),
        names => format!("{name:?} is nobody of `server.auth`, which has {}", names.join(", ")),
    })
}

fn is_address(server: &ServerConfig, text: &str) -> Result<(), String> {
    let Ok(address) = text.parse::<IpAddr>() else { return Err(format!("{text:?} is no IP address")) };
    let key = server.client_ip().key(address);
    if key.to_string() == text {
        return Ok(());
    }
    Err(format!(
        "{text:?} is the key of no call: by `server.client_ip` a call from there has the key {:?}",
        key.to_string()
    ))
}

fn is_value(text: &str) -> Result<(), String> {
    if ByHeader::can_be_key(text) {
        return Ok(());
    }
    Err(format!(
        "{text:?} is not what a header can be that is a key: visible ASCII, spaces only within, 256 bytes at most"
    ))
}

/// The Redis of each limit so far.
struct Stores<'k, 'r, 'c> {
    keys: &'k Keys<'r>,
    known: Vec<(String, &'c RedisConfig)>,
}

impl<'c> Stores<'_, '_, 'c> {
    /// Two that are one place must have the same settings.
    fn add(&mut self, at: &str, redis: Option<&'c RedisConfig>) {
        let Some(config) = redis else { return };
        match self.known.iter().find(|(_, other)| other.is_same_place(config) && *other != config) {
            Some((other, _)) => {
                let other = other.replace("plugins.", "plugins[").replace(".rate_limit", "].rate_limit");
                let problem = format!(
                    "is the Redis and the prefix of `{other}` with other settings, so that this gateway would be counted twice; \
                     say the same at both, or give one another `prefix`"
                );
                self.keys.fault(&format!("{at}.shared.redis"), Code::ConfigValue, problem);
            }
            None => self.known.push((at.to_owned(), config)),
        }
    }
}
