//! Plugins over gRPC, with real sockets: our two ends with each other, and each with a peer that does what a test says. Frames,
//! statuses, details, times and endpoints are tested beside their code.

mod answers;
mod connections;
mod errors;
mod health;
mod init;
mod peer;
#[path = "../../../plugin-core/tests/servers/refusing.rs"]
mod refusing;
mod secured;
mod server;
mod support;
#[path = "../../src/tls/test_files.rs"]
#[allow(dead_code, reason = "other tests use more of it")]
mod test_files;
mod time;
