//! What may cross threads and be cloned, checked when this compiles; and that no secret shows.

use std::{error::Error, fmt::Debug, time::Duration};

use plugin_core::{
    AsErrorValue, AtEnd, AtHead, Attributed, Backoff, BoxError, BoxErrorLayer, BoxErrorService, BoxPlugin,
    ByErrorChain, ByErrorType, Call, CallContext, Code, CodeKind, ConfigError, End, HealthCell, HealthState,
    HealthStatus, InstanceId, Jitter, Observer, PluginError, PluginInfo, PluginInstance, Probe, Quota, Rejected, Reply,
    RequestId, Sent, TraceContext, Verdict, clock,
    deadline::{
        AttemptTimeout, AttemptTimeoutFuture, AttemptTimeoutHandle, AttemptTimeoutLayer, Deadline, DeadlineFuture,
        DeadlineHandle, DeadlineLayer,
    },
    go_duration,
    sync::{Lease, SlotCall, Slots, Striped, StripedCounter},
};

use plugin_telemetry::TelemetryLayer;

fn is_send<T: Send>() {}
fn is_sync<T: Sync>() {}
fn is_clone<T: Clone>() {}
fn is_debug<T: Debug>() {}
fn is_error<T: Error + Send + Sync + 'static>() {}

macro_rules! all_of_it {
    ($($type:ty),+ $(,)?) => { $( is_send::<$type>(); is_sync::<$type>(); is_clone::<$type>(); is_debug::<$type>(); )+ };
}

macro_rules! all_but_clone {
    ($($type:ty),+ $(,)?) => { $( is_send::<$type>(); is_sync::<$type>(); is_debug::<$type>(); )+ };
}

/// A service, and a future, that nothing is known of but what every service has.
type Inner = tower::util::BoxCloneSyncService<Call<u8>, Reply<u8>, PluginError>;

#[derive(Debug)]
struct NotClone;

#[test]
fn public_types_cross_threads_and_can_be_cloned_and_shown() {
    // Values.
    all_of_it!(
        Call<u8>,
        Reply<u8>,
        CallContext,
        RequestId,
        TraceContext,
        InstanceId,
        Code,
        CodeKind,
        Sent,
        Rejected,
        Quota,
        Verdict,
        ConfigError,
        Backoff,
        Jitter,
        HealthState,
        HealthStatus,
        PluginInfo,
        clock::Instant,
        go_duration::ParseError,
        AsErrorValue,
        ByErrorType,
        ByErrorChain,
        AtHead,
        AtEnd,
    );
    // Layers, their handles and the services that they make.
    all_of_it!(
        DeadlineLayer, DeadlineHandle, Deadline<Option<u8>>, AttemptTimeoutLayer, AttemptTimeoutHandle,
        AttemptTimeout<Option<u8>>, BoxErrorLayer, BoxErrorService<Option<u8>>, BoxPlugin<u8, u8>, PluginInstance<u8>,
        Striped<NotClone>, Lease<NotClone>,
    );
    all_but_clone!(PluginError, HealthCell, StripedCounter, Slots<Option<u8>>);
    is_send::<Probe>();
    is_sync::<Probe>();
    is_send::<Observer>();
    is_debug::<Observer>();
    is_debug::<End<'_>>();
    is_error::<PluginError>();
    is_error::<Rejected>();
    is_error::<ConfigError>();
    is_error::<go_duration::ParseError>();
}

#[test]
fn futures_cross_threads_when_what_they_hold_does() {
    type Future = plugin_core::BoxFuture<Result<Reply<u8>, PluginError>>;
    is_send::<DeadlineFuture<Future, AsErrorValue>>();
    is_send::<AttemptTimeoutFuture<Future, AsErrorValue>>();
    is_send::<SlotCall<Lease<Slots<Inner>>, Inner, Call<u8>>>();
    is_debug::<DeadlineFuture<Future, AsErrorValue>>();
    is_debug::<AttemptTimeoutFuture<Future, AsErrorValue>>();
    is_debug::<SlotCall<Lease<Slots<Inner>>, Inner, Call<u8>>>();
}

#[cfg(all(feature = "axum", feature = "tonic"))]
#[test]
fn what_features_add_is_no_different() {
    use plugin_core::{
        AsGrpcStatus, AsHttpResponse, ByGrpcStatus, ByHttpStatus, FollowedBody, deadline::RequestDeadline,
    };
    all_of_it!(AsHttpResponse, AsGrpcStatus, ByHttpStatus, ByGrpcStatus, RequestDeadline);
    is_send::<FollowedBody<axum::body::Body>>();
    is_debug::<FollowedBody<tonic::body::Body>>();
}

const SECRET: &str = "hunter2";

/// Every text that a log could have of this value.
fn texts(value: &impl Debug) -> String {
    format!("{value:?} {value:#?}")
}

#[test]
fn no_secret_shows_in_what_a_call_carries() {
    let mut call = Call::new(SECRET.to_owned());
    let context = call.context_mut();
    context.headers_mut().insert("authorization", http::HeaderValue::from_static(SECRET));
    context.metadata_mut().insert("password".into(), SECRET.into());
    context.set_affinity_key(SECRET.as_bytes());
    context.prefer(SECRET);
    let trace = TraceContext::new(1, 2, 0).expect("valid").with_state(SECRET);
    context.set_trace(trace);
    let reply = Reply::new(SECRET.to_owned()).with_metadata([("token".to_owned(), SECRET.to_owned())].into());

    for text in [texts(&call), texts(call.context()), texts(&reply)] {
        assert!(!text.contains(SECRET), "{text}");
    }
    assert!(texts(&call).contains("authorization"), "names do show");
}

#[tokio::test(start_paused = true)]
async fn no_secret_shows_in_a_stack_its_futures_or_its_errors() {
    use tower::{Service, ServiceBuilder, service_fn};

    let plugin = service_fn(|_: Call<String>| std::future::pending::<Result<Reply<String>, PluginError>>());
    let mut stack = ServiceBuilder::new()
        .layer(TelemetryLayer::new("demo").for_calls())
        .layer(DeadlineLayer::new(Duration::from_secs(2)))
        .layer(AttemptTimeoutLayer::new(Duration::from_secs(1)))
        .service(plugin);
    let mut call = Call::new(SECRET.to_owned());
    call.context_mut().headers_mut().insert("authorization", http::HeaderValue::from_static(SECRET));
    let slots = Slots::new(stack.clone());
    let slot_call = Slots::call(&slots, call.clone());
    let future = stack.call(call);
    let mut shown = [texts(&stack), texts(&slots), texts(&slot_call), texts(&future)].concat();
    let error = future.await.expect_err("too slow");
    shown += &format!("{error} {} {}", texts(&error), error.source().expect("the refusal"));
    assert!(!shown.contains(SECRET), "{shown}");
    assert!(shown.contains("PLUGIN_1204"));
}

#[test]
fn an_error_shows_what_it_was_given_once_and_its_source_the_rest() {
    let cause = std::io::Error::other("connection reset");
    let mut error =
        PluginError::new(Code::ConnectionFailed, "the plugin hung up").with_plugin("demo").with_source(cause);
    error.attribute(InstanceId::next());
    let text = error.to_string();
    assert_eq!(text, "plugin \"demo\": the plugin hung up (PLUGIN_1205)");
    assert_eq!(error.source().map(ToString::to_string).as_deref(), Some("connection reset"));
    let boxed: BoxError = error.into();
    assert!(boxed.downcast_ref::<PluginError>().is_some_and(|error| error.instance().is_some()));
}
