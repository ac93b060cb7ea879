//! Adaptive limits over a queueing model: what they find, how fast, and what they refuse for it.
#![cfg(not(loom))]

mod any_samples;
mod scenarios;
mod service;
mod simulation;
