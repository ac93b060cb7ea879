//! Adds what other attempts of a call say of it to the outcome of one, whatever carries that.

use std::{any::Any, error::Error};

use super::amendment::Amendment;
use crate::{BoxError, PluginError, Rejected};

/// An error of any type.
#[cold]
pub(super) fn error<Err: 'static>(error: &mut Err, with: Amendment) {
    let value: &mut dyn Any = error;
    if let Some(boxed) = value.downcast_mut::<BoxError>() {
        let boxed: &mut (dyn Error + 'static) = &mut **boxed;
        if let Some(error) = boxed.downcast_mut::<PluginError>() {
            error.amend(with);
        } else if let Some(rejected) = boxed.downcast_mut::<Rejected>() {
            *rejected = rejected.amended(with);
        } else {
            #[cfg(feature = "tonic")]
            boxed.downcast_mut().into_iter().for_each(|status| self::status(status, with));
        }
    } else if let Some(error) = value.downcast_mut::<PluginError>() {
        error.amend(with);
    } else if let Some(rejected) = value.downcast_mut::<Rejected>() {
        *rejected = rejected.amended(with);
    } else {
        #[cfg(feature = "tonic")]
        value.downcast_mut().into_iter().for_each(|status| self::status(status, with));
    }
}

#[cfg(feature = "tonic")]
fn status(status: &mut tonic::Status, with: Amendment) {
    if let Some(rejected) = status.source().and_then(|source| source.downcast_ref::<Rejected>()) {
        let rejected = rejected.amended(with);
        status.set_source(std::sync::Arc::new(rejected));
    }
    if let Some(after) = with.retry_after
        && !status.metadata().contains_key("grpc-retry-pushback-ms")
    {
        status.metadata_mut().insert("grpc-retry-pushback-ms", crate::reject::millis_up(after).into());
    }
}

/// A response, which may carry a refusal.
#[cfg(feature = "http")]
#[cold]
pub(super) fn response<B>(response: &mut http::Response<B>, with: Amendment) {
    if let Some(rejected) = response.extensions_mut().get_mut::<Rejected>() {
        *rejected = rejected.amended(with);
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::{ByErrorType, Classify, Sent};

    const LATER: Option<Duration> = Some(Duration::from_secs(7));

    fn amended<E: 'static>(error: E) -> (Sent, Option<Duration>) {
        let mut outcome = Err::<(), _>(error);
        ByErrorType.amend(&mut outcome, Amendment::sent().with_retry_after(LATER));
        let judged = ByErrorType.classify(outcome.as_ref());
        (judged.sent(), judged.retry_after())
    }

    #[test]
    fn whatever_carries_a_refusal_says_that_another_attempt_may_have_been_sent() {
        let open = || Rejected::circuit_open(LATER);
        for said in [
            amended(open()),
            amended(PluginError::from(open())),
            amended(BoxError::from(open())),
            amended(BoxError::from(PluginError::refused(open(), "away"))),
        ] {
            assert_eq!(said, (Sent::Maybe, LATER));
        }
        #[cfg(feature = "tonic")]
        assert_eq!(amended(tonic::Status::from(open())).0, Sent::Maybe);
        #[cfg(feature = "tonic")]
        assert_eq!(amended(BoxError::from(tonic::Status::from(open()))).0, Sent::Maybe);
    }

    #[test]
    fn a_failure_takes_over_the_time_to_come_back_where_it_says_none_or_less() {
        let lost = PluginError::connection("lost", Sent::Maybe);
        assert_eq!(amended(lost.with_retry_after(Duration::from_secs(1))), (Sent::Maybe, LATER));
        let longer = Some(Duration::from_secs(9));
        let lost = PluginError::connection("lost", Sent::Maybe).with_retry_after(Duration::from_secs(9));
        assert_eq!(amended(lost), (Sent::Maybe, longer));
        #[cfg(feature = "tonic")]
        assert_eq!(amended(tonic::Status::unavailable("lost")), (Sent::Maybe, LATER));
    }

    #[cfg(feature = "grpc")]
    #[test]
    fn a_response_that_carries_a_refusal_says_it_too() {
        use crate::{AsGrpcStatus, AsHttpResponse, ByGrpcStatus, ByHttpStatus, Reject};

        let mut http: Result<http::Response<bytes::Bytes>, BoxError> = AsHttpResponse.reject(Rejected::unhealthy());
        ByHttpStatus::new().amend(&mut http, Amendment::sent());
        assert_eq!(ByHttpStatus::new().classify(http.as_ref()).sent(), Sent::Maybe);
        let mut grpc: Result<http::Response<()>, BoxError> = AsGrpcStatus.reject(Rejected::unhealthy());
        ByGrpcStatus.amend(&mut grpc, Amendment::sent());
        assert_eq!(ByGrpcStatus.classify(grpc.as_ref()).sent(), Sent::Maybe);
    }
}
