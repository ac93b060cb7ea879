//! Refusals as `tonic::Status`.

use bytes::Bytes;
use tonic::{Code, Status};

use crate::{Rejected, reject};

/// The status carries the refusal as its source, so an outer layer of the family recognises it.
impl From<Rejected> for Status {
    fn from(rejected: Rejected) -> Self {
        let number = rejected.code().grpc_status();
        let message = rejected.to_string();
        let details =
            rejected.retry_after().map_or_else(Bytes::new, |after| reject::grpc_details(number, &message, after));
        let mut status = Status::with_details(Code::from_i32(number.into()), message, details);
        if let Some(after) = rejected.retry_after() {
            status.metadata_mut().insert("grpc-retry-pushback-ms", reject::millis_up(after).into());
        }
        status.set_source(std::sync::Arc::new(rejected));
        status
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn a_refusal_is_found_again_in_the_status() {
        let rejected = Rejected::circuit_open(Some(Duration::from_secs(2)));
        let status = Status::from(rejected);
        assert_eq!(status.code(), Code::Unavailable);
        assert!(!status.details().is_empty());
        assert_eq!(Rejected::find_in(&status), Some(&rejected));
    }
}
