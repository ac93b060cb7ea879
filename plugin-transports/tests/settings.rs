//! The declaration of the settings, its readers and the table on the page are one.
#![cfg(all(feature = "serde", not(loom)))]

use plugin_settings::conform::Conform;
use plugin_transports::ConnectionConfig;

const PAGE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/README.md");

#[cfg(feature = "auth")]
mod auth {
    use plugin_transports::auth::AuthConfig;

    use super::*;

    #[test]
    fn every_key_of_the_credentials_is_one_in_every_reader() {
        let conform = Conform::<AuthConfig>::new().around("api_key", r#"{"method": "api-key", "api_key": "k"}"#);
        conform.page(PAGE);
    }
}

#[test]
fn every_key_of_the_connection_is_one_in_every_reader() {
    let conform = Conform::<ConnectionConfig>::new();
    conform.readers();
    conform.written();
    conform.page(PAGE);
}

#[cfg(feature = "process")]
mod process {
    use plugin_transports::process::{ResourceLimits, RestartConfig};

    use super::*;

    #[test]
    fn every_key_of_a_restart_is_one_in_every_reader() {
        let conform = Conform::<RestartConfig>::new()
            .around("initial", r#"{"max": "9223372036854775807ns"}"#)
            .around("max", r#"{"initial": "1ns"}"#);
        conform.readers();
        conform.written();
        conform.page(PAGE);
    }

    #[test]
    fn every_key_of_the_limits_is_one_in_every_reader() {
        let conform = Conform::<ResourceLimits>::new();
        conform.readers();
        conform.written();
        conform.page(PAGE);
    }
}
