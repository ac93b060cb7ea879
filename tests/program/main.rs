//! The program as its users run it: real processes, real sockets, real signals, and what it prints.
//!
//! What the crates below do in one process is proved there. Everything here is bounded by [`support::LIMIT`].

mod access;
mod commands;
mod demo;
mod early;
mod hurried;
mod kill;
mod pages;
mod panics;
mod restart;
mod run;
mod secrets;
mod shortage;
mod soak;
mod start_faults;
mod starting;
mod stop;
mod support;
mod texts;
mod tokens;
mod trouble;
mod validate;
