//! Starts each program as a process of its own, talks to it over real sockets, and stops it as Ctrl-C does.
//!
//! What the layers do in every other case is left to the tests of their crates; here is shown that the programs work as
//! their readers will run them.

mod axum_service;
mod custom_transport;
mod discovered_client;
#[path = "../../tonic-service/hello.rs"]
mod hello;
mod http_client;
mod kill;
mod limited_axum;
mod limited_tonic;
mod manager_in_code;
mod one_shot;
mod plugins;
mod program;
mod tonic_service;
mod upstream;
