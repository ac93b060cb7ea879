//! A plugin's own errors.

use std::time::Duration;

use bytes::Bytes;
use plugin_core::{Call, Code, CodeKind, Sent};
use serde_json::{Value, json};

use crate::conformance::{
    Settings, Subject,
    trial::{Pair, Tried, describe, echo, equal, error, has_status, holds, told, value, verdict},
};

pub(super) async fn a_failure_of_the_plugin_is_its_own_error<S: Subject>(subject: &S) -> Tried {
    let pair = Pair::new(subject, &Settings::default()).await?;
    let text = "no such order: Größe \"4711\"";
    let failure = error(pair.call(told("fail", json!({"text": text}))).await, "a call that fails")?;
    let seen = (failure.code(), failure.sent(), failure.is_retryable(), verdict(&failure));
    equal("a failure of the plugin", &seen, &(Code::ExecutionFailed, Sent::Maybe, false, "evidence"))?;
    holds("its text", text, failure.message(), failure.message().contains(text))?;
    value(pair.call(echo(1)).await, "the next call").map(drop)
}

/// An error with this code, and what it says.
fn say(code: Code, retryable: Option<bool>, after: Option<u64>) -> Call<Bytes> {
    let mut script = json!({"code": code.as_str()});
    let said = [("retryable", retryable.map(Value::from)), ("retry_after_ms", after.map(Value::from))];
    for (key, value) in said {
        if let Some(value) = value {
            script[key] = value;
        }
    }
    told("say", script)
}

pub(super) async fn a_code_and_what_it_says_of_another_attempt_are_kept<S: Subject>(subject: &S) -> Tried {
    let pair = Pair::new(subject, &Settings::default()).await?;
    for (code, retryable, after, seen_as_retryable) in [
        (Code::ExecutionFailed, None, None, false),
        (Code::ExecutionFailed, Some(true), None, true),
        (Code::ExecutionFailed, Some(true), Some(30), true),
        (Code::InvalidPayload, None, None, false),
        (Code::PayloadTooLarge, None, None, false),
        (Code::ConcurrencyExceeded, None, None, true),
        (Code::ConcurrencyExceeded, Some(false), None, false),
        (Code::RateLimited, None, Some(1500), false),
        (Code::RateLimited, Some(true), Some(30), true),
        (Code::Forbidden, None, None, false),
    ] {
        let about = format!("an error {code} with retryable {retryable:?} and retry_after_ms {after:?}");
        let said = error(pair.call(say(code, retryable, after)).await, &about)?;
        let seen = (said.code(), said.is_retryable(), said.retry_after());
        equal(&about, &seen, &(code, seen_as_retryable, after.map(Duration::from_millis)))?;
        holds(&format!("the text of {about}"), "as told", said.message(), said.message().contains("as told"))?;
    }
    Ok(())
}

pub(super) async fn what_is_for_operators_stays_with_the_plugin<S: Subject>(subject: &S) -> Tried {
    let pair = Pair::new(subject, &Settings::default()).await?;
    for code in [Code::ExecutionFailed, Code::InvalidPayload, Code::ConcurrencyExceeded] {
        let script = json!({
            "code": code.as_str(), "text": "/run/private is not there",
            "for_callers": "a file is not there",
            "for_operators": "/run/private is where it is looked for",
        });
        let said = error(pair.call(told("say", script)).await, "an error with words for callers")?;
        holds(
            "what callers are told",
            "a file is not there",
            said.message(),
            said.message_for_callers().contains("a file"),
        )?;
        holds("what else callers are told", "no /run/private", describe(&said), {
            let shown = [said.message_for_callers(), said.detail_for_callers().unwrap_or_default()];
            shown.iter().all(|text| !text.contains("/run/private"))
        })?;
    }
    Ok(())
}

pub(super) async fn the_status_of_an_error_is_kept<S: Subject>(subject: &S) -> Tried {
    let pair = Pair::new(subject, &Settings::default()).await?;
    for code in
        [Code::InvalidPayload, Code::PayloadTooLarge, Code::ConcurrencyExceeded, Code::RateLimited, Code::Forbidden]
    {
        let about = format!("the status of an error {code}");
        let said = error(pair.call(say(code, None, None)).await, &about)?;
        has_status(&about, &said, code.http_status(), code.grpc_status())?;
    }
    Ok(())
}

pub(super) async fn what_blames_the_caller_is_no_evidence<S: Subject>(subject: &S) -> Tried {
    let pair = Pair::new(subject, &Settings::default()).await?;
    for (code, expected) in [
        (Code::ExecutionFailed, "evidence"),
        (Code::InvalidPayload, "no evidence"),
        (Code::PayloadTooLarge, "no evidence"),
        (Code::Forbidden, "no evidence"),
        (Code::ConcurrencyExceeded, "no evidence"),
        (Code::RateLimited, "no evidence"),
    ] {
        let about = format!("what {code} says of the plugin");
        let said = error(pair.call(say(code, None, None)).await, &about)?;
        holds(&about, expected, describe(&said), verdict(&said) == expected)?;
    }
    Ok(())
}

pub(super) async fn a_panic_of_the_plugin_costs_one_call<S: Subject>(subject: &S) -> Tried {
    let pair = Pair::new(subject, &Settings::default()).await?;
    let panicked = error(pair.call(told("panic", json!({}))).await, "a call that panics")?;
    let is_typed = matches!(panicked.kind(), CodeKind::Execution | CodeKind::Connection);
    let is_so = is_typed && panicked.sent() == Sent::Maybe && verdict(&panicked) == "evidence";
    let expected = "an error of the plugin or its connection, that may have been sent and is evidence";
    holds("a panic", expected, describe(&panicked), is_so)?;
    value(pair.call(echo(1)).await, "the next call").map(drop)
}
