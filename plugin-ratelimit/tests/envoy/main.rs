//! Envoy's rate limit service: the layer that asks one and the server that is one, over real sockets and each alone.
#![cfg(all(feature = "envoy-rls", not(loom)))]

mod away;
mod layer;
mod lies;
mod messages;
mod server;
mod support;
mod together;
mod wire;
