//! Plugins over a Unix socket.

#[cfg(all(any(fuzzing, test), feature = "full", target_os = "linux"))]
pub(crate) mod fuzzing;
mod line_buffer;
mod reply;
mod request;
