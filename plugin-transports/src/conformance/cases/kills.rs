//! A plugin that is killed, and comes back.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    time::Duration,
};

use futures_util::future::{join, join_all};
use plugin_core::{CodeKind, PluginError, Sent};
use serde_json::json;
use tokio::task::JoinSet;

use crate::conformance::{
    Finding, ServedPlugin, Settings, Subject,
    trial::{
        Pair, SOON, Stop, Tried, describe, echo, equal, error, holds, is_lost, oneshot, timed, told, took, until,
        value, verdict,
    },
};

pub(super) async fn a_lost_connection_ends_its_calls_at_once<S: Subject>(subject: &S) -> Tried {
    let pair = Pair::new(subject, &Settings::default()).await?;
    let calls = 8;
    let hang = join_all((0..calls).map(|_| pair.call(told("hang", json!({})))));
    let killing = async {
        pair.until_count("begun", calls).await?;
        Ok::<_, Stop>(timed(pair.server.kill()).await.1)
    };
    let ((outcomes, spent), killed) = join(timed(hang), killing).await;
    killed?;
    took("the end of calls whose plugin is gone", spent, Duration::ZERO, SOON)?;
    let mut evidence = 0;
    for outcome in outcomes {
        let lost = error(outcome, "a call whose plugin is gone")?;
        is_lost("a call whose plugin is gone", &lost)?;
        evidence += usize::from(verdict(&lost) == "evidence");
    }
    // One connection that is lost is one piece of evidence, however many calls were on it.
    holds("calls that are evidence", "one or more", evidence.to_string(), evidence > 0)
}

/// The error of a call to a plugin that is down.
async fn down<S: Subject>(pair: &Pair<S>) -> Result<PluginError, Stop> {
    value(pair.call(echo(1)).await, "a first call")?;
    pair.server.kill().await;
    // The first may find a connection that nobody has seen to be closed.
    let _ = pair.call(echo(2)).await;
    let (outcome, spent) = timed(pair.call(echo(3))).await;
    took("a call to a plugin that is down", spent, Duration::ZERO, SOON)?;
    error(outcome, "a call to a plugin that is down")
}

pub(super) async fn what_cannot_be_sent_is_known_to_be_unsent<S: Subject>(subject: &S) -> Tried {
    let pair = Pair::new(subject, &Settings::default()).await?;
    let error = down(&pair).await?;
    let seen = (error.kind(), error.sent(), error.is_retryable() || error.is_worth_coming_back());
    equal(&format!("a call to a plugin that is down: {error}"), &seen, &(CodeKind::Connection, Sent::Nothing, true))
}

pub(super) async fn an_attempt_that_was_made_on_a_dead_plugin_is_evidence<S: Subject>(subject: &S) -> Tried {
    let pair = Pair::new(subject, &Settings::default()).await?;
    let error = down(&pair).await?;
    holds("a connection that cannot be made", "evidence", describe(&error), verdict(&error) == "evidence")
}

pub(super) async fn calls_succeed_again_after_a_restart<S: Subject>(subject: &S) -> Tried {
    let pair = Pair::new(subject, &Settings::default()).await?;
    for round in 0..3 {
        value(pair.call(echo(round)).await, "a call before a kill")?;
        pair.server.kill().await;
        pair.restart().await?;
        // A connection that was idle and is closed costs another one, and not the call: unless nobody can have seen it.
        let first = pair.call(echo(round)).await;
        if let Err(error) = first {
            holds(
                "the first call after a restart",
                "an answer, or a lost connection",
                describe(&error),
                error.kind() == CodeKind::Connection,
            )?;
        }
        for number in 0..5 {
            let got = value(pair.call(echo(number)).await, "a call after a restart")?;
            equal("a call after a restart", &got, &json!(number))?;
        }
    }
    Ok(())
}

/// As many call at once.
const CALLERS: usize = 64;

/// What each of them is answered after the restart.
const ANSWERS: usize = 3;

pub(super) async fn a_kill_under_load_costs_no_call_its_error<S: Subject>(subject: &S) -> Tried {
    for answers_before in [0, 20, 300] {
        killed_after(subject, answers_before).await?;
    }
    Ok(())
}

async fn killed_after<S: Subject>(subject: &S, before: usize) -> Tried {
    let settings = Settings::default();
    let pair = Pair::new(subject, &settings).await?;
    let (answered, failed, is_back) = (Arc::default(), Arc::default(), Arc::new(AtomicBool::new(false)));
    let mut callers = JoinSet::new();
    for caller in 0..CALLERS {
        let (plugin, is_back) = (pair.plugin.clone(), Arc::clone(&is_back));
        let (answered, failed): (Arc<AtomicUsize>, Arc<AtomicUsize>) = (Arc::clone(&answered), Arc::clone(&failed));
        let most = settings.limit + SOON;
        callers.spawn(async move {
            let mut left = ANSWERS;
            let mut number = 0;
            while left > 0 {
                number += 1;
                let own = json!([caller, number]);
                let call = match number % 2 {
                    0 => echo(own.clone()),
                    _ => told("wait", json!({"ms": 1, "value": own})),
                };
                let was_back = is_back.load(Ordering::SeqCst);
                let (outcome, spent) = timed(oneshot(plugin.clone(), call)).await;
                took("a call under load", spent, Duration::ZERO, most)?;
                match outcome {
                    Ok(reply) => {
                        equal("a reply under load", &value(Ok(reply), "a reply under load")?, &own)?;
                        answered.fetch_add(1, Ordering::SeqCst);
                        left -= usize::from(was_back);
                    }
                    Err(error) => {
                        is_typed(&error)?;
                        failed.fetch_add(1, Ordering::SeqCst);
                        tokio::time::sleep(Duration::from_millis(3)).await;
                    }
                }
            }
            Ok::<_, Stop>(())
        });
    }
    until("answers before the kill", &before.to_string(), || {
        let answered = answered.load(Ordering::SeqCst);
        if answered >= before { Ok(()) } else { Err(answered.to_string()) }
    })
    .await?;
    pair.server.kill().await;
    until("calls that the kill cost", "some", || match failed.load(Ordering::SeqCst) {
        0 => Err("none".to_owned()),
        _ => Ok(()),
    })
    .await?;
    pair.restart().await?;
    is_back.store(true, Ordering::SeqCst);
    while let Some(caller) = callers.join_next().await {
        caller.map_err(|panic| Finding::new("a caller", "no panic", panic.to_string()))??;
    }
    Ok(())
}

/// What a call may end with whose plugin was killed.
pub(super) fn is_typed(error: &PluginError) -> Tried {
    let kinds = [CodeKind::Connection, CodeKind::Timeout, CodeKind::Lifecycle, CodeKind::Overloaded];
    let expected = "an error of the connection, of time, of LIFECYCLE or of OVERLOAD";
    holds("a call whose plugin was killed", expected, describe(error), kinds.contains(&error.kind()))
}
