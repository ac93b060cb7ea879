//! `auth` of a plugin, where it is reached over TLS: whether the files are there and good.

use plugin_core::Code;
use plugin_settings::Keys;
use plugin_transports::auth::AuthConfig;

use super::super::disk;

/// Reads the certificates, to say everything that is wrong with them.
pub(super) fn check_files(auth: &AuthConfig, plugin: &str, keys: &Keys<'_>) {
    let Some(tls) = auth.tls() else { return };
    let what = || format!("the files of TLS of plugin {plugin:?}");
    // A disk that does not answer is no fault of what was written: the plugin's start waits for it, and the others serve meanwhile.
    for error in disk::answered(what, move || tls.faults()).into_iter().flatten() {
        keys.fault(&format!("auth.{}", error.setting()), Code::MissingTlsFiles, error.to_string());
    }
}
