//! Adaptive limits over a queueing model: what they find, how fast, and what they refuse for it.
#![cfg(not(loom))]

mod scenarios;
mod service;
mod simulation;
