//! The concurrency limit: by itself, as a layer, on servers, and with futures that are dropped at every point.
#![cfg(not(loom))]

mod adaptive;
mod cancelled;
mod keyed;
mod layer;
mod limit;
mod model;
mod orders;
mod overload;
#[cfg(all(feature = "http", feature = "grpc"))]
mod servers;
mod support;
