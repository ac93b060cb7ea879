//! The fuzz target of the rate limit service.

use std::{
    future::Future,
    pin::pin,
    task::{Context, Poll, Waker},
};

use prost::Message;

use super::{
    super::proto::{RateLimitRequest, rate_limit_response::Code},
    EnvoyRateLimitServer, EnvoyRule,
};
use crate::RateLimitConfig;

/// Whatever is asked, the answer has a status for each descriptor, and the whole is over the limit if and only if one
/// of them is; what is not a question is refused, and never for a reason of the service.
pub fn envoy_question(bytes: &[u8]) {
    let Ok(request) = RateLimitRequest::decode(bytes) else { return };
    let one = RateLimitConfig::builder().with_burst_size(1).build().expect("valid");
    let rules = [EnvoyRule::new("a", one).with_any("k"), EnvoyRule::new("a", one).with_entry("k", "v").with_any("l")];
    let server = EnvoyRateLimitServer::builder().with_rules(rules).with_client_limits(true).build().expect("valid");
    for _ in 0..2 {
        let mut answer = pin!(server.answer(&request));
        let Poll::Ready(answer) = answer.as_mut().poll(&mut Context::from_waker(Waker::noop())) else {
            panic!("buckets in memory wait for nothing");
        };
        match answer {
            Ok(response) => {
                assert_eq!(response.statuses.len(), request.descriptors.len());
                let is_over = response.statuses.iter().any(|status| status.code == i32::from(Code::OverLimit));
                assert_eq!(response.overall_code == i32::from(Code::OverLimit), is_over);
            }
            Err(status) => assert_eq!(status.code(), tonic::Code::InvalidArgument),
        }
    }
}
