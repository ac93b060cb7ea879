//! `auth` of a plugin, where it is reached over TLS: whether the files are there and good.

use plugin_core::Code;
use plugin_settings::Keys;
use plugin_transports::auth::AuthConfig;

use super::super::server::unusable;

/// Reads the certificates, to say everything that is wrong with them.
pub(super) fn check_files(auth: &AuthConfig, keys: &Keys<'_>) {
    for error in auth.tls().iter().flat_map(|tls| tls.faults()) {
        keys.fault(&format!("auth.{}", error.setting()), Code::MissingTlsFiles, unusable(&error));
    }
}
