//! How long a call takes at most, and who is told.

use std::time::Duration;

use futures_util::future::join;
use plugin_core::{Code, Sent, deadline::timer};
use serde_json::json;

use crate::conformance::{
    Settings, Subject,
    trial::{Pair, Tried, describe, echo, equal, error, holds, timed, told, took, value, verdict},
};

const LIMIT: Duration = Duration::from_millis(300);

/// What a call may take beyond its limit on a machine that is busy.
const SLACK: Duration = Duration::from_millis(400);

fn limited() -> Settings {
    Settings { limit: LIMIT, ..Settings::default() }
}

pub(super) async fn a_call_ends_at_its_limit<S: Subject>(subject: &S) -> Tried {
    let pair = Pair::new(subject, &limited()).await?;
    value(pair.call(echo(1)).await, "a first call")?;
    let (outcome, spent) = timed(pair.call(told("hang", json!({})))).await;
    let cut = error(outcome, "a call that hangs")?;
    let seen = (cut.code(), cut.sent(), verdict(&cut));
    equal("the end of an attempt's limit", &seen, &(Code::Timeout, Sent::Maybe, "evidence"))?;
    took("a call with 300 ms", spent, LIMIT, LIMIT + SLACK)?;
    value(pair.call(echo(1)).await, "the next call").map(drop)
}

pub(super) async fn a_callers_deadline_ends_its_call_and_is_no_evidence_beside_answers<S: Subject>(
    subject: &S,
) -> Tried {
    let pair = Pair::new(subject, &Settings::default()).await?;
    value(pair.call(echo(1)).await, "a first call")?;
    let given = Duration::from_millis(150);
    let hang = timed(pair.call(told("hang", json!({})).with_timeout(given)));
    let others = async {
        tokio::time::sleep(given / 3).await;
        pair.call(echo(2)).await
    };
    let ((outcome, spent), other) = join(hang, others).await;
    value(other, "a call beside one that hangs")?;
    let cut = error(outcome, "a call that hangs")?;
    let seen = (cut.code(), cut.sent(), verdict(&cut), cut.is_retryable());
    equal("the end of a caller's deadline", &seen, &(Code::Timeout, Sent::Maybe, "no evidence", false))?;
    took("a call with 150 ms", spent, given, given + SLACK)?;

    let late = told("hang", json!({})).with_timeout(Duration::ZERO);
    let late = error(pair.call(late).await, "a call whose deadline has passed")?;
    holds("a call whose deadline has passed", "PLUGIN_1204", describe(&late), late.code() == Code::Timeout)
}

pub(super) async fn the_plugin_is_told_its_time<S: Subject>(subject: &S) -> Tried {
    let pair = Pair::new(subject, &Settings::default()).await?;
    let call = told("context", json!({})).with_timeout(LIMIT);
    let seen = value(pair.call(call).await, "a call that asks for its time")?;
    let left = seen["left_ms"].as_u64().map(Duration::from_millis);
    let is_so = left.is_some_and(|left| left <= LIMIT && !left.is_zero());
    holds("the time that the plugin was told", &format!("{LIMIT:?} or a little less"), format!("{left:?}"), is_so)
}

pub(super) async fn a_waiting_call_arms_one_timer<S: Subject>(subject: &S) -> Tried {
    let pair = Pair::new(subject, &Settings::default()).await?;
    let wait = || told("wait", json!({"ms": 2})).with_timeout(Duration::from_secs(1));
    // A connection that is made has timers of its own.
    for _ in 0..3 {
        value(pair.call(wait()).await, "a first call")?;
    }
    let calls = 10;
    let armed = timer::armed();
    for _ in 0..calls {
        value(pair.call(wait()).await, "a call that waits")?;
    }
    equal("timers that ten calls armed", &(timer::armed() - armed), &calls)
}
