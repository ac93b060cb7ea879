//! What the number of a gRPC status says.

use http::HeaderMap;

use super::{
    cause::Cause,
    grpc_verdict::{CANCELLED, verdict},
    judgement::{Again, Judgement, PushBack},
    retry_after,
};
use crate::{clock, deadline::cut};

const DEADLINE_EXCEEDED: u8 = 4;
const RESOURCE_EXHAUSTED: u8 = 8;
pub(super) const UNAVAILABLE: u8 = 14;

/// A status with this number, that came with these headers or trailers.
pub(super) fn of_number(status: u8, headers: &HeaderMap) -> Judgement {
    // The service keeps the time that it was told, and may be earlier than who told it: it is the same end of time.
    if status == DEADLINE_EXCEEDED
        && let Some(refusal) = cut::told().and_then(|time| time.answered(clock::now()))
    {
        return Judgement::from(&refusal).with_cause(Cause::Grpc(status));
    }
    let push_back = retry_after::from_grpc(headers);
    let again = match (status, push_back) {
        (CANCELLED, _) => Again::Never,
        (UNAVAILABLE, _) | (RESOURCE_EXHAUSTED, Some(PushBack::After(_))) => Again::Yes,
        _ => Again::No,
    };
    let judged = Judgement::from(verdict(status)).with_again(again).with_cause(Cause::Grpc(status));
    push_back.map_or(judged, |push_back| judged.with_push_back(push_back))
}

/// What a status of tonic says.
#[cfg(feature = "tonic")]
pub(super) fn of_status(status: &tonic::Status) -> Judgement {
    of_number(status.code() as u8, status.metadata().as_ref())
}
