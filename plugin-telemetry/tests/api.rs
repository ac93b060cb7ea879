//! What may cross threads and be cloned, checked when this compiles.

use std::fmt::Debug;

use plugin_telemetry::{
    AnyRequest, Bucket, ByCall, ResponseFuture, Status, Telemetry, TelemetryHandle, TelemetryLayer, TelemetryStats,
    plugin_core::{AtEnd, AtHead, BoxFuture, ByErrorChain, ByErrorType, PluginError, Reply},
};

fn is_send<T: Send>() {}
fn is_sync<T: Sync>() {}
fn is_clone<T: Clone>() {}
fn is_debug<T: Debug>() {}

macro_rules! all_of_it {
    ($($type:ty),+ $(,)?) => { $( is_send::<$type>(); is_sync::<$type>(); is_clone::<$type>(); is_debug::<$type>(); )+ };
}

#[test]
fn values_layers_handles_and_services_cross_threads_and_are_cloned() {
    all_of_it!(TelemetryStats, Status, Bucket, AnyRequest, ByCall);
    all_of_it!(
        TelemetryLayer,
        TelemetryLayer<ByCall, ByErrorChain, AtEnd>,
        TelemetryHandle,
        Telemetry<Option<u8>>,
    );
}

#[test]
fn the_future_crosses_threads_when_what_it_holds_does() {
    type Future = BoxFuture<Result<Reply<u8>, PluginError>>;
    is_send::<ResponseFuture<Future, ByErrorType, AtHead>>();
    is_debug::<ResponseFuture<Future, ByErrorType, AtHead>>();
}
