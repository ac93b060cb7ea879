//! The end of an instance.

use std::time::Duration;

use futures_util::future::{join, join_all};
use plugin_core::{CodeKind, PluginError, Sent};
use serde_json::json;
use tokio::runtime::Handle;

use crate::conformance::{
    Finding, ServedPlugin, Settings, Subject,
    trial::{Pair, SOON, Tried, describe, echo, error, holds, timed, told, took, until, value, verdict},
};

fn is_refused(about: &str, error: &PluginError, sent: Sent) -> Tried {
    let is_so = error.kind() == CodeKind::Lifecycle && error.sent() == sent && verdict(error) == "no evidence";
    holds(about, &format!("a code of LIFECYCLE, sent {sent:?}, no evidence"), describe(error), is_so)
}

pub(super) async fn closing_waits_for_calls_and_refuses_new_ones<S: Subject>(subject: &S) -> Tried {
    let pair = Pair::new(subject, &Settings::default()).await?;
    value(pair.call(echo(1)).await, "a first call")?;
    let at_work = pair.call(told("wait", json!({"ms": 60, "value": 2})));
    let closing = async {
        // The call is with the plugin by then.
        pair.until_count("begun", 2).await?;
        let (closed, refused) = join(pair.instance.close(SOON), async {
            tokio::task::yield_now().await;
            pair.call(echo(3)).await
        })
        .await;
        closed.map_err(|error| Finding::new("closing", "no error", describe(&error)))?;
        is_refused("a call while it closes", &error(refused, "a call while it closes")?, Sent::Nothing)
    };
    let (at_work, closed) = join(at_work, closing).await;
    closed?;
    value(at_work, "the call in flight")?;
    is_refused("a call after that", &error(pair.call(echo(4)).await, "a call after that")?, Sent::Nothing)?;
    let again = pair.instance.close(SOON).await;
    Ok(again.map_err(|error| Finding::new("closing twice", "no error", describe(&error)))?)
}

pub(super) async fn closing_cuts_off_what_does_not_end<S: Subject>(subject: &S) -> Tried {
    let pair = Pair::new(subject, &Settings::default()).await?;
    let hang = pair.call(told("hang", json!({})));
    let closing = async {
        pair.until_count("begun", 1).await?;
        let grace = Duration::from_millis(50);
        let (closed, spent) = timed(pair.instance.close(grace)).await;
        took("closing with a grace of 50 ms", spent, Duration::ZERO, SOON)?;
        holds("closing over a call that does not end", "an error", format!("{closed:?}"), closed.is_err())
    };
    let (cut, closed) = join(hang, closing).await;
    closed?;
    let cut = error(cut, "the call that does not end")?;
    let is_typed = matches!(cut.kind(), CodeKind::Lifecycle | CodeKind::Connection) && cut.sent() == Sent::Maybe;
    holds("the call that was cut off", "an error of LIFECYCLE or the connection, maybe sent", describe(&cut), is_typed)
}

pub(super) async fn nothing_is_left_behind<S: Subject>(subject: &S) -> Tried {
    let host = Handle::current();
    let before = host.metrics().num_alive_tasks();
    let pair = Pair::new(subject, &Settings::default()).await?;
    let calls = (0..20).map(|number| {
        let (what, short) = if number % 4 == 0 { ("hang", 10) } else { ("echo", 1000) };
        pair.call(told(what, json!({"value": number})).with_timeout(Duration::from_millis(short)))
    });
    join_all(calls).await;
    // A call that is given up on its way, too.
    let _ = tokio::time::timeout(Duration::from_millis(1), pair.call(told("hang", json!({})))).await;
    let _ = pair.instance.close(SOON).await;
    let Pair { server, instance, plugin } = pair;
    drop((instance, plugin));
    until("tasks on the host's side", "as many as before", || {
        let now = host.metrics().num_alive_tasks();
        if now <= before { Ok(()) } else { Err(format!("{now}, and {before} before")) }
    })
    .await?;
    until("what the plugin's side holds", "nothing", || match server.held() {
        None | Some(0) => Ok(()),
        Some(held) => Err(held.to_string()),
    })
    .await
}
