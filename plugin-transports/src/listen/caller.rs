//! Who has sent a request, told to the call that is made of it.

use http::Extensions;
use plugin_core::CallContext;

/// Tells a call which process has sent its request, where that came over a Unix socket.
#[cfg_attr(not(target_os = "linux"), allow(unused_variables, reason = "who is not known cannot be told"))]
pub(crate) fn tell_call(extensions: &Extensions, context: &mut CallContext) {
    #[cfg(target_os = "linux")]
    if let Some(peer) = extensions.get::<super::unix_socket::PeerCredentials>() {
        context.set_extension(*peer);
    }
}
