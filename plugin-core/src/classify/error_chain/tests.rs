use std::{fmt, time::Duration};

use super::*;
use crate::{ByErrorChain, ByErrorType, Classify, InstanceId};

fn of<E: 'static>(error: E) -> Judgement {
    ByErrorType.classify(Err::<&(), _>(&error))
}

/// An error of the user's own, which has another one for its source.
#[derive(Debug)]
struct Own<E>(E);

impl<E> fmt::Display for Own<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("service overloaded")
    }
}

impl<E: Error + 'static> Error for Own<E> {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        Some(&self.0)
    }
}

#[test]
fn a_refusal_of_this_family_is_ignored_however_it_is_wrapped() {
    for judged in [
        of(Rejected::overloaded()),
        of(BoxError::from(Rejected::overloaded())),
        of(PluginError::from(Rejected::overloaded())),
        of(BoxError::from(PluginError::from(Rejected::overloaded()))),
        of(io::Error::other(Rejected::overloaded())),
        of(BoxError::from(Own(io::Error::other(Own(Rejected::overloaded()))))),
    ] {
        assert_eq!((judged.verdict(), judged.refusal()), (Verdict::Ignored, Some(Code::ConcurrencyExceeded)));
        assert_eq!((judged.again(), judged.sent()), (Again::Yes, Sent::Nothing));
    }
    assert_eq!(of(io::Error::other("reset")).verdict(), Verdict::Failure);
}

#[test]
fn a_refusal_of_towers_own_is_one_wherever_it_sits() {
    use tower::load_shed::error::Overloaded;

    for judged in [
        of(Overloaded::new()),
        of(BoxError::from(Overloaded::new())),
        of(BoxError::from(Own(Own(Overloaded::new())))),
        of(io::Error::other(Overloaded::new())),
        ByErrorChain.classify(Err::<&(), _>(&Own(Overloaded::new()))),
    ] {
        assert_eq!((judged.verdict(), judged.refusal()), (Verdict::Ignored, Some(Code::ConcurrencyExceeded)));
        assert_eq!((judged.again(), judged.sent()), (Again::Yes, Sent::Nothing));
        assert!(judged.is_mere_refusal());
    }
}

#[test]
fn an_error_that_only_reads_like_a_refusal_is_a_failure() {
    let look_alikes = [
        of(BoxError::from("service overloaded")),
        of(BoxError::from(tower::load_shed::error::Overloaded::new().to_string())),
        of(Own(io::Error::other("the circuit is open (CIRCUIT_1401)"))),
    ];
    for judged in look_alikes {
        assert_eq!((judged.verdict(), judged.refusal(), judged.sent()), (Verdict::Failure, None, Sent::Maybe));
    }
    let own_code = of(PluginError::new(Code::ConcurrencyExceeded, "the plugin's own limit"));
    assert_eq!((own_code.refusal(), own_code.sent()), (None, Sent::Maybe));
}

#[test]
fn a_plugins_error_that_a_refusal_caused_is_no_evidence_and_speaks_for_itself_otherwise() {
    let caused = PluginError::execution("no answer").with_source(tower::load_shed::error::Overloaded::new());
    let judged = of(caused);
    assert_eq!((judged.verdict(), judged.refusal()), (Verdict::Ignored, Some(Code::ConcurrencyExceeded)));
    assert_eq!((judged.sent(), judged.code()), (Sent::Maybe, Some(Code::ExecutionFailed)));
}

#[test]
fn an_attempt_that_towers_timeout_cut_is_a_failure_that_may_be_repeated() {
    let judged = of(BoxError::from(tower::timeout::error::Elapsed::new()));
    assert_eq!((judged.verdict(), judged.code()), (Verdict::Failure, Some(Code::Timeout)));
    assert_eq!((judged.again(), judged.sent()), (Again::Yes, Sent::Maybe));
    assert!(!judged.is_mere_refusal());
}

#[test]
fn the_callers_own_mistake_is_ignored_and_the_plugins_is_a_failure() {
    let of = |error| of::<PluginError>(error).verdict();
    assert_eq!(of(PluginError::new(Code::InvalidPayload, "not JSON")), Verdict::Ignored);
    assert_eq!(of(PluginError::not_found("x")), Verdict::Ignored);
    assert_eq!(of(PluginError::execution("division by zero")), Verdict::Failure);
    assert_eq!(of(PluginError::attempt_timeout(Duration::from_secs(1))), Verdict::Failure);
}

#[test]
fn an_answer_that_blames_the_caller_is_ignored_whatever_it_was_made_of() {
    for (status, verdict) in
        [(299, Verdict::Failure), (300, Verdict::Ignored), (499, Verdict::Ignored), (500, Verdict::Failure)]
    {
        let judged = of(PluginError::new(Code::ConnectionFailed, "x").with_http_status(status));
        assert_eq!(judged.verdict(), verdict, "{status}");
    }
    let mistake = PluginError::new(Code::PayloadTooLarge, "x").with_source(io::Error::other("cut off"));
    assert_eq!(of(mistake).verdict(), Verdict::Ignored, "its cause is no refusal");
    assert_eq!(of(PluginError::new(Code::Unhealthy, "x")).verdict(), Verdict::Failure);
}

#[test]
fn an_enum_of_the_users_own_is_looked_into_by_the_chain() {
    let own = Own(Rejected::overloaded());
    assert_eq!(ByErrorChain.classify(Err::<&(), _>(&own)).verdict(), Verdict::Ignored);
    assert_eq!(of(own).verdict(), Verdict::Failure);
}

#[test]
fn the_codes_say_whether_to_try_again_and_what_was_sent() {
    let lost = of(PluginError::connection("reset", Sent::Maybe));
    assert_eq!((lost.again(), lost.sent()), (Again::Yes, Sent::Maybe));
    let refused = of(PluginError::connection("refused", Sent::Nothing));
    assert_eq!((refused.again(), refused.sent()), (Again::Yes, Sent::Nothing));
    assert_eq!(of(PluginError::execution("division by zero")).again(), Again::No);
    assert_eq!(of(PluginError::new(Code::InvalidPayload, "not JSON")).again(), Again::No);
    assert_eq!(of(PluginError::not_found("x")).again(), Again::No);
}

#[test]
fn the_callers_own_cancellation_is_never_repeated() {
    let deadline = Rejected::deadline_exceeded(Duration::from_secs(1), None);
    assert_eq!(of(deadline).again(), Again::Never);
    assert_eq!(of(PluginError::from(deadline)).again(), Again::Never);
    assert_eq!(of(BoxError::from(deadline)).again(), Again::Never);
    assert_eq!(of(PluginError::new(Code::Timeout, "the caller's")).again(), Again::Never);
    #[cfg(feature = "tonic")]
    assert_eq!(of(tonic::Status::cancelled("the client went away")).again(), Again::Never);
}

#[test]
fn an_attempt_that_was_cut_at_its_limit_is_worth_another() {
    let cut = Rejected::attempt_timeout(Duration::from_secs(1));
    for judged in [of(cut), of(PluginError::from(cut)), of(BoxError::from(cut))] {
        assert_eq!((judged.again(), judged.sent()), (Again::Yes, Sent::Maybe));
    }
}

#[test]
fn an_open_circuit_inside_is_not_retried() {
    let open = of(PluginError::from(Rejected::circuit_open(Some(Duration::from_secs(3)))));
    assert_eq!((open.again(), open.retry_after()), (Again::No, Some(Duration::from_secs(3))));
}

#[test]
fn a_refused_connection_deep_in_a_chain_sent_nothing() {
    let error = || Own(io::Error::from(io::ErrorKind::ConnectionRefused));
    assert_eq!(of(BoxError::from(error())).sent(), Sent::Nothing);
    assert_eq!(ByErrorChain.classify(Err::<&(), _>(&error())).sent(), Sent::Nothing);
    assert_eq!(of(error()).sent(), Sent::Maybe, "without a chain it is an unknown error");
}

#[test]
fn what_may_be_missed_half_way_through_the_work_is_not_called_unsent() {
    for kind in [io::ErrorKind::NotFound, io::ErrorKind::AddrNotAvailable, io::ErrorKind::BrokenPipe] {
        let error = || Own(io::Error::from(kind));
        for judged in
            [of(io::Error::from(kind)), of(BoxError::from(error())), of(BoxError::from(io::Error::from(kind)))]
        {
            assert_eq!((judged.sent(), judged.verdict()), (Sent::Maybe, Verdict::Failure), "{kind}");
        }
    }
}

#[test]
fn the_instance_that_failed_is_named() {
    let instance = InstanceId::next();
    let error = PluginError::connection("reset", Sent::Maybe).with_instance(instance);
    assert_eq!(of(error).instance(), Some(instance));
}

#[cfg(feature = "tonic")]
mod statuses {
    use super::*;

    #[test]
    fn a_status_is_a_failure_by_its_number_and_no_refusal_by_its_name() {
        let exhausted = of(tonic::Status::resource_exhausted("the circuit is open (CIRCUIT_1401)"));
        assert_eq!((exhausted.verdict(), exhausted.refusal()), (Verdict::Failure, None));
        assert_eq!((exhausted.again(), exhausted.cause()), (Again::No, Some(Cause::Grpc(8))));
        assert_eq!(of(tonic::Status::unavailable("down")).again(), Again::Yes);
    }

    #[test]
    fn one_status_has_one_judgement_as_an_error_and_in_a_head() {
        use crate::ByGrpcStatus;

        for number in 1..=16 {
            let head = http::Response::builder().header("grpc-status", number).body(()).expect("a head");
            let head = ByGrpcStatus.classify(Ok::<_, &()>(&head));
            let status = tonic::Status::new(tonic::Code::from(number), "said");
            assert_eq!(of(BoxError::from(status.clone())), head, "{number}");
            assert_eq!(of(status), head, "{number}");
        }
        let mut lost = tonic::Status::cancelled("made of another error");
        lost.set_source(std::sync::Arc::new(fmt::Error));
        assert_eq!(of(lost).verdict(), Verdict::Failure);
    }

    #[test]
    fn a_status_of_a_connection_that_was_not_made_sent_nothing() {
        let unreachable = || tonic::ConnectError("no route to host".into());
        let status = tonic::Status::from_error(Box::new(unreachable()));
        for judged in [of(unreachable()), of(BoxError::from(unreachable())), of(status)] {
            assert_eq!((judged.verdict(), judged.again()), (Verdict::Failure, Again::Yes));
            assert_eq!(judged.sent(), Sent::Nothing);
        }
    }

    #[test]
    fn a_call_that_tonics_timeout_cut_is_a_failure_that_may_be_repeated() {
        let status = tonic::Status::from_error(Box::new(tonic::TimeoutExpired(())));
        for judged in [of(BoxError::from(tonic::TimeoutExpired(()))), of(status)] {
            assert_eq!((judged.verdict(), judged.again()), (Verdict::Failure, Again::Yes));
            assert_eq!((judged.sent(), judged.code()), (Sent::Maybe, Some(Code::Timeout)));
        }
    }
}

#[cfg(feature = "buffer")]
#[tokio::test]
async fn what_a_buffer_has_failed_was_never_sent_whatever_it_failed_of() {
    use tower::ServiceExt;

    let lost = || io::Error::from(io::ErrorKind::ConnectionReset);
    let (service, mut handle) = tower_test::mock::pair::<(), ()>();
    let buffer = tower::buffer::Buffer::new(service, 1);
    handle.send_error(lost());
    let error = buffer.oneshot(()).await.expect_err("the service was not ready");
    assert!(error.is::<tower::buffer::error::ServiceError>(), "{error:?}");
    let judged = of(error);
    assert_eq!((judged.verdict(), judged.code()), (Verdict::Failure, Some(Code::ConnectionFailed)));
    assert_eq!((judged.again(), judged.sent()), (Again::Yes, Sent::Nothing));
    assert_eq!(of(lost()).sent(), Sent::Maybe, "without the buffer nobody knows");
}

#[test]
fn the_error_that_stands_for_a_grpc_status_is_judged_by_its_number() {
    for (status, code, verdict, again) in [
        (1, Code::GrpcTransport, Verdict::Ignored, Again::Never),
        (2, Code::ExecutionFailed, Verdict::Failure, Again::No),
        (3, Code::InvalidPayload, Verdict::Ignored, Again::No),
        (5, Code::GrpcTransport, Verdict::Ignored, Again::No),
        (7, Code::GrpcTransport, Verdict::Ignored, Again::No),
        (8, Code::ConcurrencyExceeded, Verdict::Ignored, Again::Yes),
        (12, Code::GrpcTransport, Verdict::Ignored, Again::No),
        (13, Code::GrpcTransport, Verdict::Failure, Again::No),
        (14, Code::GrpcTransport, Verdict::Failure, Again::No),
        (16, Code::GrpcTransport, Verdict::Ignored, Again::No),
        (99, Code::GrpcTransport, Verdict::Failure, Again::No),
    ] {
        let judged = of(PluginError::new(code, "x").with_grpc_status(status));
        assert_eq!((judged.verdict(), judged.again()), (verdict, again), "{status}");
        assert_eq!(judged.cause(), Some(Cause::CodeOfGrpc(code, status)));
        assert_eq!(judged.code(), Some(code));
        assert_eq!(judged.is_turned_away(), status == 8, "{status}");
    }
    let named = |name: &str, judged: Judgement| judged.failing_on(&[name.parse().expect("a condition")]).verdict();
    let absent = of(PluginError::new(Code::GrpcTransport, "x").with_grpc_status(5));
    assert_eq!(
        ["NOT_FOUND", "TRANSPORT", "PLUGIN_1203"].map(|name| named(name, absent)),
        [Verdict::Failure, Verdict::Failure, Verdict::Ignored]
    );
}
