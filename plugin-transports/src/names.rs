//! The names of the transports in configurations, in [`PluginInfo`](plugin_core::PluginInfo) and in lists, by what they have in common.
//!
//! A setting that some of them have no use for says so with one of these (`Key::only` of [`plugin_core::settings`]).
//!
//! ```
//! use plugin_transports::names::{CONNECTED, EXEC, NETWORK};
//!
//! assert!(NETWORK.contains(&"grpc-tls") && !NETWORK.contains(&"exec"));
//! assert_eq!(CONNECTED.len(), NETWORK.len() + EXEC.len());
//! ```

/// Those over a connection, to one or more places.
pub const NETWORK: &[&str] = &["http", "https", "grpc", "grpc-tls", "unix", "unix-h2", "unix-grpc"];

/// Those on which HTTP is spoken, gRPC among them.
pub const OVER_HTTP: &[&str] = &["http", "https", "grpc", "grpc-tls", "unix-h2", "unix-grpc"];

/// Those where a call may have a connection to itself.
pub const ONE_BY_ONE: &[&str] = &["http", "https", "unix"];

/// Those on which a request and a reply are a line each.
pub const LINES: &[&str] = &["unix", "exec"];

/// The supervised subprocess.
pub const EXEC: &[&str] = &["exec"];

/// Those that something outside this process has to be reached for.
pub const CONNECTED: &[&str] = &["http", "https", "grpc", "grpc-tls", "unix", "unix-h2", "unix-grpc", "exec"];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_lists_are_parts_of_one_another() {
        let together = |lists: &[&[&'static str]]| lists.concat();
        assert_eq!(together(&[NETWORK, EXEC]), CONNECTED);
        let by_lines = |name: &&&str| LINES.contains(*name);
        let rest: Vec<_> = NETWORK.iter().filter(|name| !by_lines(name)).copied().collect();
        assert_eq!(rest, OVER_HTTP);
        assert!(ONE_BY_ONE.iter().all(|name| NETWORK.contains(name)));
        assert!(LINES.iter().all(|name| CONNECTED.contains(name)));
    }
}
