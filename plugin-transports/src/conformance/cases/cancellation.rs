//! Calls that nobody waits for any more.

use std::time::Duration;

use serde_json::json;

use crate::conformance::{
    Settings, Subject,
    trial::{Pair, Stop, Tried, echo, equal, error, told, value},
};

pub(super) async fn a_late_answer_reaches_nobody<S: Subject>(subject: &S) -> Tried {
    let pair = Pair::new(subject, &Settings::default()).await?;
    for number in 0..20 {
        let late = told("wait", json!({"ms": 15, "value": "late"}));
        if number % 2 == 0 {
            // On a machine that is busy the answer may be there when the time is looked at.
            tokio::time::timeout(Duration::from_millis(5), pair.call(late)).await.ok();
        } else {
            pair.call(late.with_timeout(Duration::from_millis(5))).await.ok();
        }
        let got = value(pair.call(echo(number)).await, "the call after one that was given up")?;
        equal("the call after one that was given up", &got, &json!(number))?;
    }
    // Their answers, if they come, have come by now.
    tokio::time::sleep(Duration::from_millis(20)).await;
    for number in 100..110 {
        let got = value(pair.call(echo(number)).await, "a call after late answers")?;
        equal("a call after late answers", &got, &json!(number))?;
    }
    Ok(())
}

pub(super) async fn the_plugin_hears_that_a_call_was_dropped<S: Subject>(subject: &S) -> Tried {
    let pair = Pair::new(subject, &Settings::default()).await?;
    let hang = async {
        pair.call(told("hang", json!({}))).await.ok();
        Ok::<_, Stop>(())
    };
    // Given up as soon as the plugin has it.
    tokio::select! {
        ended = hang => ended?,
        begun = pair.until_count("begun", 1) => begun?,
    }
    pair.until_count("dropped", 1).await?;
    let short = told("hang", json!({})).with_timeout(Duration::from_millis(30));
    error(pair.call(short).await, "a call that hangs")?;
    pair.until_count("dropped", 2).await
}
