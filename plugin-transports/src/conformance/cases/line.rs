//! The line of those who wait for their turn.

use std::{
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use futures_util::future::{join, join_all};
use plugin_core::{Code, Sent};
use serde_json::json;

use crate::conformance::{
    Settings, Subject,
    trial::{Pair, Tried, describe, echo, equal, error, holds, oneshot, told, value, verdict},
};

fn single() -> Settings {
    Settings { is_single: true, ..Settings::default() }
}

pub(super) async fn calls_beyond_the_cap_wait_in_line<S: Subject>(subject: &S) -> Tried {
    let pair = Pair::new(subject, &single()).await?;
    value(pair.call(echo(1)).await, "a first call")?;
    let order = Arc::new(Mutex::new(Vec::new()));
    let calls = (0..6).map(|number| {
        let (plugin, order) = (pair.plugin.clone(), Arc::clone(&order));
        async move {
            let call = oneshot(plugin, told("wait", json!({"ms": 15, "value": number})));
            // Two leave the line while they wait in it.
            if number == 2 || number == 4 {
                return tokio::time::timeout(Duration::from_millis(5), call).await.map_or(Ok(()), |_| Ok(()));
            }
            let got = value(call.await, "a call in line")?;
            order.lock().unwrap_or_else(PoisonError::into_inner).push(number);
            equal("a call in line", &got, &json!(number))
        }
    });
    for outcome in join_all(calls).await {
        outcome?;
    }
    let order = order.lock().unwrap_or_else(PoisonError::into_inner).clone();
    equal("the order of the answers", &order, &vec![0, 1, 3, 5])?;
    equal("calls at once", &pair.count("most").await?, &1)
}

pub(super) async fn the_wait_in_line_is_not_the_plugins_time<S: Subject>(subject: &S) -> Tried {
    let pair = Pair::new(subject, &single()).await?;
    value(pair.call(echo(1)).await, "a first call")?;
    let works = pair.call(told("wait", json!({"ms": 120})));
    let waits = pair.call(echo(2).with_timeout(Duration::from_millis(40)));
    let (works, waits) = join(works, waits).await;
    value(works, "the call at work")?;
    let waited = error(waits, "a call in line")?;
    let seen = (waited.code(), waited.sent(), verdict(&waited));
    holds(
        "a call whose time ended in line",
        "PLUGIN_1204, nothing sent, no evidence",
        describe(&waited),
        seen == (Code::Timeout, Sent::Nothing, "no evidence"),
    )?;
    value(pair.call(echo(3)).await, "the next call").map(drop)
}
