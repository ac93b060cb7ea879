#![doc = include_str!("../README.md")]
#![cfg_attr(docsrs, feature(doc_cfg))]

pub mod builder;
pub mod cli;
pub mod config;
#[cfg(any(fuzzing, test))]
#[doc(hidden)]
pub mod fuzzing;
pub mod launch;
pub mod manager;
pub mod server;
pub mod stack;

/// The vocabulary of the family: what a program needs besides this crate.
pub use plugin_core;

/// The first page of the repository: its programs are compiled with the documentation tests.
#[cfg(doctest)]
#[doc = include_str!("../../README.md")]
struct FirstPage;
