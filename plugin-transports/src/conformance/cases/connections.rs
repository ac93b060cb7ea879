//! Bounds, addresses, and how a plugin is.

use std::time::Duration;

use plugin_core::{Code, HealthState, PluginError, Sent};
use serde_json::json;

use crate::conformance::{
    ServedPlugin, Settings, Subject,
    trial::{Pair, SOON, Tried, describe, echo, equal, error, holds, timed, told, took, value, verdict},
};

const BOUND: usize = 20_000;

pub(super) async fn a_payload_that_is_too_long_is_not_sent<S: Subject>(subject: &S) -> Tried {
    let pair = Pair::new(subject, &Settings { max_request: BOUND, ..Settings::default() }).await?;
    let refused = error(pair.call(echo("x".repeat(2 * BOUND))).await, "a payload that is too long")?;
    let seen = (refused.code(), refused.sent(), refused.is_retryable(), verdict(&refused));
    equal("a payload that is too long", &seen, &(Code::PayloadTooLarge, Sent::Nothing, false, "no evidence"))?;
    value(pair.call(echo("x".repeat(BOUND / 2))).await, "a payload within the bound")?;
    equal("calls that the plugin saw", &pair.count("begun").await?, &1)
}

pub(super) fn is_too_long(about: &str, error: &PluginError) -> Tried {
    let is_so = (error.code(), error.sent()) == (Code::PayloadTooLarge, Sent::Maybe) && error.is_of_reply();
    holds(about, "PLUGIN_1207 of the reply, and that the call may have been seen", describe(error), is_so)
}

pub(super) async fn an_answer_that_is_too_long_ends_its_own_call<S: Subject>(subject: &S) -> Tried {
    let pair = Pair::new(subject, &Settings { max_reply: BOUND, ..Settings::default() }).await?;
    let cut = error(pair.call(told("long", json!({"bytes": 2 * BOUND}))).await, "an answer that is too long")?;
    is_too_long("an answer that is too long", &cut)?;
    value(pair.call(told("long", json!({"bytes": BOUND / 2}))).await, "an answer within the bound").map(drop)
}

pub(super) async fn a_dead_address_gives_way_to_the_next<S: Subject>(subject: &S) -> Tried {
    let pair = Pair::new(subject, &Settings { has_dead_address: true, ..Settings::default() }).await?;
    let (outcome, spent) = timed(pair.call(echo(1))).await;
    value(outcome, "a call to a name with a dead address")?;
    took("a call to a name with a dead address", spent, Duration::ZERO, SOON)
}

pub(super) async fn a_probe_knows_whether_the_plugin_is_there<S: Subject>(subject: &S) -> Tried {
    let pair = Pair::new(subject, &Settings::default()).await?;
    equal("the state of a plugin that is there", &pair.instance.check().await.state, &HealthState::Healthy)?;
    pair.server.kill().await;
    let gone = async {
        while pair.instance.check().await.state.is_serving() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    let gone = tokio::time::timeout(SOON, gone).await;
    equal("a probe finds that the plugin is gone", &gone.is_ok(), &true)?;
    pair.restart().await?;
    equal("the state of a plugin that is back", &pair.instance.check().await.state, &HealthState::Healthy)
}
