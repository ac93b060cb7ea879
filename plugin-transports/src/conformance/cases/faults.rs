//! Peers that are broken.

use std::time::Duration;

use plugin_core::{Code, CodeKind, PluginError, Sent};
use serde_json::json;

use super::connections::is_too_long;
use crate::conformance::{
    Fault, Settings, Subject,
    trial::{
        Stop, Tried, describe, echo, equal, error, faulty, has_status, holds, is_lost, oneshot, timed, took, value,
        verdict,
    },
};

/// Who is cut off is cut off at this time.
const LIMIT: Duration = Duration::from_millis(300);

/// What a call to this peer ends with, and after which time.
async fn fault<S: Subject>(subject: &S, fault: Fault, limit: Duration) -> Result<(PluginError, Duration), Stop> {
    let settings = Settings { limit, max_reply: 20_000, ..Settings::default() };
    let (_peer, plugin) = faulty(subject, fault, &settings).await?;
    let (outcome, spent) = timed(oneshot(plugin, echo(1))).await;
    Ok((error(outcome, "a call to a broken peer")?, spent))
}

/// It ends its call at once.
async fn ends_at_once<S: Subject>(subject: &S, what: Fault) -> Result<PluginError, Stop> {
    let limit = Settings::default().limit;
    let (error, spent) = fault(subject, what, limit).await?;
    took("a call to a broken peer", spent, Duration::ZERO, limit / 2)?;
    is_lost("a call to a broken peer", &error)?;
    holds("what it says of the peer", "evidence", describe(&error), verdict(&error) == "evidence")?;
    Ok(error)
}

async fn is_unreadable<S: Subject>(subject: &S, what: Fault) -> Tried {
    let error = ends_at_once(subject, what).await?;
    holds("an answer that cannot be read", "not retryable", describe(&error), !error.is_retryable())
}

/// It is cut off at the limit.
async fn is_cut_off<S: Subject>(subject: &S, what: Fault) -> Tried {
    let (error, spent) = fault(subject, what, LIMIT).await?;
    let seen = (error.code(), error.sent(), verdict(&error));
    equal(&format!("a call to a slow peer: {error}"), &seen, &(Code::Timeout, Sent::Maybe, "evidence"))?;
    took("a call to a slow peer", spent, LIMIT, LIMIT * 3)
}

pub(super) async fn a_peer_that_refuses<S: Subject>(subject: &S) -> Tried {
    let (error, _) = fault(subject, Fault::Refuses, Settings::default().limit).await?;
    let seen = (error.code(), error.sent(), error.is_retryable(), verdict(&error));
    equal(&format!("nobody listens: {error}"), &seen, &(Code::ConnectionFailed, Sent::Nothing, true, "evidence"))
}

pub(super) async fn garbage<S: Subject>(subject: &S) -> Tried {
    is_unreadable(subject, Fault::Garbage).await
}

pub(super) async fn invalid_utf8<S: Subject>(subject: &S) -> Tried {
    is_unreadable(subject, Fault::InvalidUtf8).await
}

pub(super) async fn truncated<S: Subject>(subject: &S) -> Tried {
    is_unreadable(subject, Fault::Truncated).await
}

pub(super) async fn reset<S: Subject>(subject: &S) -> Tried {
    ends_at_once(subject, Fault::Reset).await.map(drop)
}

pub(super) async fn half_closed<S: Subject>(subject: &S) -> Tried {
    ends_at_once(subject, Fault::HalfClosed).await.map(drop)
}

pub(super) async fn silent<S: Subject>(subject: &S) -> Tried {
    is_cut_off(subject, Fault::Silent).await
}

pub(super) async fn slow_loris<S: Subject>(subject: &S) -> Tried {
    is_cut_off(subject, Fault::SlowLoris).await
}

pub(super) async fn twice<S: Subject>(subject: &S) -> Tried {
    let (_peer, plugin) = faulty(subject, Fault::Twice, &Settings::default()).await?;
    let mut answered = 0;
    for number in 0..10 {
        match oneshot(plugin.clone(), echo(number)).await {
            Ok(reply) => {
                equal("a reply", &value(Ok(reply), "a reply")?, &json!(number))?;
                answered += 1;
            }
            Err(error) => {
                let is_so = error.kind() == CodeKind::Connection;
                holds("a call to a peer that answers twice", "an error of the connection", describe(&error), is_so)?;
            }
        }
    }
    holds("answers of a peer that answers twice", "some", answered.to_string(), answered > 0)
}

pub(super) async fn wrong_id<S: Subject>(subject: &S) -> Tried {
    let (error, spent) = fault(subject, Fault::WrongId, LIMIT).await?;
    took("an answer to another call", spent, Duration::ZERO, LIMIT * 3)?;
    let is_so = matches!(error.kind(), CodeKind::Connection | CodeKind::Timeout) && error.sent() == Sent::Maybe;
    holds("an answer to another call", "an error of the connection or of time, maybe sent", describe(&error), is_so)
}

pub(super) async fn oversized<S: Subject>(subject: &S) -> Tried {
    let (error, _) = fault(subject, Fault::Oversized, Settings::default().limit).await?;
    is_too_long("an answer beyond the bound", &error)
}

pub(super) async fn unavailable<S: Subject>(subject: &S) -> Tried {
    let error = ends_at_once(subject, Fault::Unavailable).await?;
    let about = "a status that comes alone";
    holds(about, "worth another attempt", describe(&error), error.is_retryable())?;
    has_status(about, &error, 503, 14)
}
