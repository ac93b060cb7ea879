//! Plugins over HTTP, with real sockets and real TLS: what a host is told when things go wrong, and what a plugin's server
//! does with what it is sent. Envelopes, endpoints, headers and files are tested beside their code.

mod answers;
mod auth;
mod connections;
mod dial;
mod ended;
mod floods;
mod frames;
mod limits;
mod losses;
#[path = "../../../plugin-core/tests/support/polled_again.rs"]
mod polled_again;
#[path = "../../../plugin-core/tests/servers/refusing.rs"]
mod refusing;
mod renewal;
mod secrets;
mod server;
mod shared;
mod shutdown;
mod streams;
mod support;
#[path = "../../src/tls/test_files.rs"]
mod test_files;
mod time;
mod tls;
mod tls_chain;
mod tls_pinned;
mod tls_raw;
mod tls_refusals;
mod tls_stalled;
mod turns;
mod unprocessed;
mod windows;
