//! What all transports over connections have in common, on the host's side.

#[cfg(all(feature = "unix", target_os = "linux"))]
pub(crate) mod socket_path;
