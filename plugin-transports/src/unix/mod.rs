//! Plugins over a Unix socket.

mod line_buffer;
mod reply;
mod request;
