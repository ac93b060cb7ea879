//! Refusals over `Service<Call<T>>`: as a `PluginError`, a boxed error, an enum of the application's own, and an answer
//! that a closure makes.

#[path = "support/gate.rs"]
mod gate;

use std::{convert::Infallible, fmt, time::Duration};

use gate::GateLayer;
use plugin_core::{
    AsErrorValue, BoxError, ByErrorChain, ByErrorType, Call, Classify, Code, CodeKind, Plugin, PluginError, Rejected,
    Reply, Sent, Verdict, check,
    deadline::{AttemptTimeoutLayer, DeadlineLayer},
};
use plugin_telemetry::{Status, TelemetryLayer};
use tower::{Layer, Service, ServiceBuilder, ServiceExt, service_fn};

const SECOND: Duration = Duration::from_secs(1);

async fn echo(call: Call<u32>) -> Result<Reply<u32>, PluginError> {
    Ok(Reply::new(call.into_payload()))
}

/// Six layers of the family, one of which refuses when it is asked to.
fn six_deep(gate: GateLayer) -> (impl Plugin<u32, u32>, plugin_telemetry::TelemetryHandle) {
    let telemetry = TelemetryLayer::new("echo").for_calls();
    let counts = telemetry.handle();
    let stack = ServiceBuilder::new()
        .layer(telemetry)
        .layer(DeadlineLayer::new(30 * SECOND))
        .layer(GateLayer::open())
        .layer(gate)
        .layer(GateLayer::open())
        .layer(AttemptTimeoutLayer::new(SECOND))
        .service(service_fn(echo));
    (stack, counts)
}

#[tokio::test(start_paused = true)]
async fn a_call_passes_six_layers_and_a_refusal_is_typed_and_counted_as_one() {
    let (open, counts) = six_deep(GateLayer::open());
    assert_eq!(open.oneshot(Call::new(7)).await.expect("open").into_payload(), 7);
    assert_eq!(counts.stats().ended(Status::Success), 1);

    let (closed, counts) = six_deep(GateLayer::refusing(Rejected::circuit_open(Some(3 * SECOND))));
    let error = closed.oneshot(Call::new(7)).await.expect_err("refused");
    assert_eq!((error.code(), error.kind()), (Code::CircuitOpen, CodeKind::CircuitOpen));
    assert_eq!(error.retry_after(), Some(3 * SECOND));
    assert_eq!((error.sent(), error.is_retryable()), (Sent::Nothing, false));
    assert_eq!(error.rejected(), Some(&Rejected::circuit_open(Some(3 * SECOND))));
    assert_eq!(
        ByErrorType.classify(Err::<&(), _>(&error)).verdict(),
        Verdict::Ignored,
        "it says nothing of the service"
    );
    let snapshot = counts.stats();
    assert_eq!((snapshot.ended(Status::Refused), snapshot.total()), (1, 1));
    assert_eq!(snapshot.codes(), [(Code::CircuitOpen, 1)]);
}

#[tokio::test(start_paused = true)]
async fn a_refusal_fits_a_boxed_error() {
    let plugin = service_fn(|call: Call<u32>| async move { Ok::<_, BoxError>(call.into_payload()) });
    let stack = ServiceBuilder::new()
        .layer(DeadlineLayer::new(SECOND))
        .layer(GateLayer::refusing(Rejected::rate_limited(SECOND)))
        .service(plugin);
    let error = stack.oneshot(Call::new(7)).await.expect_err("refused");
    assert_eq!(Rejected::find_in(&error).and_then(Rejected::retry_after), Some(SECOND));
    assert!(error.to_string().contains("RATELIMIT_1501"), "{error}");
}

/// An application's own error, with the one impl that the whole family needs.
#[derive(Debug)]
enum AppError {
    Refused(Rejected),
    Database,
}

impl From<Rejected> for AppError {
    fn from(rejected: Rejected) -> Self {
        Self::Refused(rejected)
    }
}

impl fmt::Display for AppError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the application failed")
    }
}

impl std::error::Error for AppError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Refused(rejected) => Some(rejected),
            Self::Database => None,
        }
    }
}

#[tokio::test(start_paused = true)]
async fn an_enum_of_ones_own_needs_a_single_impl_for_all_layers() {
    let never = service_fn(|_: Call<u32>| std::future::pending::<Result<u32, AppError>>());
    let late = ServiceBuilder::new()
        .layer(TelemetryLayer::new("own").for_calls().classify(ByErrorChain))
        .layer(DeadlineLayer::new(SECOND))
        .layer(GateLayer::open())
        .layer(GateLayer::open())
        .layer(AttemptTimeoutLayer::new(60 * SECOND))
        .service(never);
    match late.oneshot(Call::new(7)).await {
        Err(AppError::Refused(rejected)) => {
            assert_eq!((rejected.code(), rejected.limit()), (Code::Timeout, Some(SECOND)));
            assert_eq!(rejected.stage(), Some("waiting for the answer"));
        }
        other => panic!("{other:?}"),
    }
    let broken = service_fn(|_: Call<u32>| async { Err::<u32, _>(AppError::Database) });
    let stack = GateLayer::refusing(Rejected::unhealthy()).layer(broken);
    let error = stack.oneshot(Call::new(7)).await.expect_err("refused");
    assert!(matches!(&error, AppError::Refused(rejected) if rejected.code() == Code::Unhealthy), "{error:?}");
    assert_eq!(ByErrorChain.classify(Err::<&(), _>(&error)).verdict(), Verdict::Ignored);
    assert_eq!(ByErrorChain.classify(Err::<&(), _>(&AppError::Database)).verdict(), Verdict::Failure);
}

#[tokio::test(start_paused = true)]
async fn a_closure_answers_in_the_types_of_the_service() {
    let cached = |rejected: Rejected| Ok::<_, Infallible>(Reply::new(rejected.code().http_status().into()));
    let plugin = service_fn(|call: Call<u32>| async move { Ok::<_, Infallible>(Reply::new(call.into_payload())) });
    let stack = ServiceBuilder::new()
        .layer(DeadlineLayer::new(SECOND).reject_with(cached))
        .layer(GateLayer::refusing(Rejected::overloaded()).reject_with(cached))
        .service(plugin);
    let reply = stack.oneshot(Call::new(7)).await.expect("infallible");
    assert_eq!(reply.into_payload(), 503);
}

#[tokio::test(start_paused = true)]
async fn an_outer_layer_recognises_an_inner_refusal_in_every_error_type() {
    fn refused<E: From<Rejected> + 'static>() -> (Verdict, Option<Code>) {
        let error = E::from(Rejected::no_endpoint());
        (ByErrorType.classify(Err::<&(), _>(&error)).verdict(), Rejected::find_in(&error).map(Rejected::code))
    }
    let expected = (Verdict::Ignored, Some(Code::NoEndpoint));
    assert_eq!(refused::<Rejected>(), expected);
    assert_eq!(refused::<PluginError>(), expected);
    assert_eq!(refused::<BoxError>(), expected);
    #[cfg(feature = "tonic")]
    assert_eq!(refused::<tonic::Status>(), expected);
}

#[test]
fn check_gives_the_stack_back_as_it_was() {
    let stack = ServiceBuilder::new()
        .layer(GateLayer::refusing(Rejected::overloaded()).reject_with(AsErrorValue))
        .service(service_fn(echo));
    let mut stack = check::<Call<u32>, _>(stack);
    let error = tokio_test::block_on(stack.call(Call::new(7))).expect_err("refused");
    assert_eq!(error.code(), Code::ConcurrencyExceeded);
}

#[tokio::test]
async fn a_call_that_towers_load_shed_refused_is_counted_as_refused_and_can_be_answered_otherwise() {
    use plugin_fallback::FallbackLayer;

    let telemetry = TelemetryLayer::new("shed");
    let counts = telemetry.handle();
    let full = || {
        ServiceBuilder::new()
            .load_shed()
            .concurrency_limit(0)
            .service(service_fn(|_: ()| async { Ok::<_, BoxError>(1) }))
    };
    let stack = ServiceBuilder::new().layer(telemetry.clone()).service(full());
    stack.oneshot(()).await.expect_err("no place");
    let snapshot = counts.stats();
    assert_eq!((snapshot.ended(Status::Refused), snapshot.ended(Status::Failure)), (1, 0));
    assert_eq!(snapshot.codes(), [(Code::ConcurrencyExceeded, 1)]);

    let stack = ServiceBuilder::new().layer(FallbackLayer::value(2).classify(ByErrorType)).service(full());
    assert_eq!(stack.oneshot(()).await.expect("the fallback"), 2);
}
