//! What comes back, and what the plugin is told.

use std::{collections::BTreeMap, future::poll_fn};

use serde_json::{Value, json};
use tower_service::Service;

use crate::conformance::{
    Finding, Settings, Subject,
    trial::{Pair, Tried, echo, equal, told, value},
};

pub(super) async fn an_answer_is_the_plugins_own<S: Subject>(subject: &S) -> Tried {
    let pair = Pair::new(subject, &Settings::default()).await?;
    let long = "x".repeat(300_000);
    for sent in [json!(null), json!([1, -2.5, {"a": "b"}]), json!("Größe 😀 \u{0} \\ \" \n"), json!(long)] {
        let got = value(pair.call(echo(sent.clone())).await, "an echo")?;
        // Short, where it is long.
        let about = format!("the echo of {:.40}", sent.to_string());
        equal(&about, &(got == sent), &true)?;
    }
    Ok(())
}

pub(super) async fn metadata_goes_both_ways<S: Subject>(subject: &S) -> Tried {
    let pair = Pair::new(subject, &Settings::default()).await?;
    let metadata = BTreeMap::from([("tenant".to_owned(), "Größe ✓".to_owned()), ("b".to_owned(), String::new())]);
    let mut call = told("context", json!({}));
    *call.context_mut().metadata_mut() = metadata.clone();
    let outcome = pair.call(call).await;
    let came_back = outcome.as_ref().map(|reply| reply.metadata().clone()).unwrap_or_default();
    let seen = value(outcome, "a call with metadata")?;
    equal("the metadata that the plugin was told", &seen["metadata"], &json!(metadata))?;
    equal("the metadata of the reply", &came_back, &metadata)?;

    let seen = value(pair.call(told("context", json!({}))).await, "a call without metadata")?;
    equal("the metadata of the next call, which has none", &seen["metadata"], &Value::Null)
}

pub(super) async fn the_plugin_is_told_the_id_of_the_request<S: Subject>(subject: &S) -> Tried {
    let pair = Pair::new(subject, &Settings::default()).await?;
    let mut own = told("context", json!({}));
    own.context_mut().set_request_id("order-4711");
    for call in [own, told("context", json!({}))] {
        let id = call.context().request_id().to_string();
        let seen = value(pair.call(call).await, "a call with an id")?;
        equal("the id that the plugin was told", &seen["request_id"], &json!(id))?;
    }
    Ok(())
}

pub(super) async fn a_service_that_is_ready_and_not_called_holds_nothing<S: Subject>(subject: &S) -> Tried {
    let pair = Pair::new(subject, &Settings::default()).await?;
    let mut kept = vec![pair.plugin.clone(); 200];
    for each in &mut kept {
        poll_fn(|cx| each.poll_ready(cx))
            .await
            .map_err(|error| Finding::new("readiness", "no error", error.to_string()))?;
    }
    let got = value(pair.call(echo(1)).await, "a call beside 200 that are ready")?;
    equal("the echo", &got, &json!(1))
}
