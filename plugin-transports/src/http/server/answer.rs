//! From a reply to an answer of HTTP.

use bytes::Bytes;
use http::{Response, StatusCode};
use plugin_core::{Code, HealthState, HealthStatus, PluginError, Reply};
use serde::Serialize;

use super::problem::{self, json, json_parts};
use crate::{http::envelope, json::Limits, net::body::Parts, wire::retry_hint::RetryHint};

/// The plugin's own failure is a success of HTTP with a text in `error`, as go-plugins has it, unless it has more to say than
/// that: whether or when another attempt may help. Then, and of other errors, such as a refusal or a call that could not be
/// read, it is a problem with the status of its code.
pub(super) fn answer(result: Result<Reply<Bytes>, PluginError>, request_id: &str) -> Response<Parts> {
    match result {
        Ok(reply) => match Limits::none().check(reply.payload()) {
            Ok(()) => {
                let (before, behind) = envelope::answer_around(request_id, reply.metadata());
                json_parts(StatusCode::OK, Parts::around(before, reply.payload(), behind))
            }
            Err(flaw) => {
                let text = format!("the plugin's reply cannot be sent: {flaw}");
                json(StatusCode::OK, envelope::failure(request_id, &text))
            }
        },
        Err(error) if error.code() == Code::ExecutionFailed && says_no_more(&error) => {
            json(StatusCode::OK, envelope::failure(request_id, error.message_for_callers()))
        }
        Err(error) => problem::of_error(&error, request_id),
    }
}

fn says_no_more(error: &PluginError) -> bool {
    RetryHint::of_error(error).beyond(error.code()) == RetryHint::default()
}

/// What `GET .../health` answers: 200 when healthy or degraded, and 503 otherwise.
pub(super) fn health(status: &HealthStatus) -> Response<Parts> {
    #[derive(Serialize)]
    struct HealthJson<'a> {
        status: &'a str,
        #[serde(skip_serializing_if = "str::is_empty")]
        message: &'a str,
    }
    let code = match status.state {
        HealthState::Healthy | HealthState::Degraded => StatusCode::OK,
        _ => StatusCode::SERVICE_UNAVAILABLE,
    };
    let health = HealthJson { status: status.state.as_str(), message: &status.message };
    json(code, serde_json::to_vec(&health).unwrap_or_default())
}
