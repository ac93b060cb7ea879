//! What a gateway answers, and the one way that its texts have to a terminal.
//!
//! A gateway's answer holds what plugins and their peers have written, and whoever listens where one is looked for may have
//! written all of it. So nothing outside of here sees an answer as it came: unless JSON was asked for, each text in it ends no
//! line and moves no cursor by then, names and values alike.

mod exchange;

use std::time::Duration;

use bytes::Bytes;
use http::{StatusCode, request};
use plugin_core::{on_one_line, rounded};
use secrecy::ExposeSecret;
use serde_json::Value;

use super::{
    CommandFault,
    args::{self, Remote},
};
use crate::launch::plain_json;

/// What a gateway says to a request without a body. `also` is a status that is as good as a success.
pub(super) fn read(
    remote: &Remote,
    request: request::Builder,
    limit: Duration,
    also: Option<StatusCode>,
) -> Result<Value, CommandFault> {
    let (status, body) = exchange::send(remote, request, Bytes::new(), limit)?;
    let body = without_token(remote, body);
    if !status.is_success() && Some(status) != also {
        return Err(refused(status, &body));
    }
    let answer: Value = serde_json::from_slice(&body)
        .map_err(|_| CommandFault::Failed(format!("the answer ({status}) is not a gateway's")))?;
    Ok(if remote.json { answer } else { for_a_terminal(answer) })
}

/// What a plugin answers to a call. It is printed as the gateway wrote it, but for characters that have an escape in JSON.
pub(super) fn of_a_call(
    remote: &Remote,
    request: request::Builder,
    payload: Bytes,
    limit: Duration,
) -> Result<String, CommandFault> {
    let (status, body) = exchange::send(remote, request, payload, limit)?;
    if !status.is_success() {
        return Err(refused(status, &without_token(remote, body)));
    }
    let text = String::from_utf8_lossy(&body);
    let is_json = args::check_payload(&body).is_ok();
    Ok(if is_json { plain_json(&text) } else { on_one_line(&text) }.into_owned())
}

/// What a gateway says, without the token that it was shown: whoever listens there may give it back.
fn without_token(remote: &Remote, body: Bytes) -> Bytes {
    const HIDDEN: &str = "***";
    let token = remote.token.as_ref().map(ExposeSecret::expose_secret).unwrap_or_default();
    match std::str::from_utf8(&body) {
        Ok(text) if token.len() >= 4 && text.contains(token) => text.replace(token, HIDDEN).into(),
        _ => body,
    }
}

/// Whether the answer is a text that begins with this.
pub(super) fn begins_with(remote: &Remote, request: request::Builder, limit: Duration, text: &str) -> bool {
    let answer = exchange::send(remote, request, Bytes::new(), limit);
    answer.is_ok_and(|(_, body)| body.starts_with(text.as_bytes()))
}

/// The answer with its texts as a terminal may have them. What a process said last keeps the ends of its lines, which whoever
/// shows them joins or prints.
fn for_a_terminal(answer: Value) -> Value {
    shown(answer, "", "")
}

/// The value of `key` in what is the value of `outer`.
fn shown(value: Value, outer: &str, key: &str) -> Value {
    match value {
        Value::String(text) if matches!((outer, key), ("", "plugin_detail") | ("last_end", "said")) => {
            text.lines().map(on_one_line).collect::<Vec<_>>().join("\n").into()
        }
        Value::String(text) => on_one_line(&text).into_owned().into(),
        Value::Array(items) => items.into_iter().map(|item| shown(item, outer, key)).collect(),
        Value::Object(fields) => fields
            .into_iter()
            .map(|(name, value)| {
                let value = shown(value, key, &name);
                (on_one_line(&name).into_owned(), value)
            })
            .collect(),
        other => other,
    }
}

/// What stands before a time until another attempt.
const AGAIN: &str = "try again in";

/// What a problem document says, or the status when it is none.
fn refused(status: StatusCode, body: &[u8]) -> CommandFault {
    let Ok(problem) = serde_json::from_slice::<Value>(body) else {
        return CommandFault::Failed(format!("the gateway answered {status}"));
    };
    let shown = for_a_terminal(problem.clone());
    // A gateway that leaves the sentence out has told the code all the same.
    let said = shown["detail"].as_str().or(shown["title"].as_str()).unwrap_or("the gateway refused it");
    let mut message = match shown["code"].as_str() {
        Some(code) if !said.contains(code) => format!("{said} ({code})"),
        _ => said.to_owned(),
    };
    if let Some(after) = problem["retry_after_ms"].as_u64().filter(|_| !said.contains(AGAIN)) {
        message.push_str(&format!("; {AGAIN} {}", rounded(Duration::from_millis(after))));
    }
    if let Some(plugin) = shown["plugin"].as_str() {
        message = format!("{plugin}: {message}");
    }
    if let Some(detail) = shown["plugin_detail"].as_str() {
        message = format!("{message}\n{detail}");
    }
    // The path itself is not there, and not a plugin: the other plane was asked.
    if status == StatusCode::NOT_FOUND && problem["plugin"].is_null() {
        message.push_str("\nThe data plane is what --url names, and the admin plane what --admin names.");
    }
    if problem["code"] == "AUTH_1106" {
        message.push_str("\nGive the token with --token or PLUGIN_MANAGER_TOKEN.");
    }
    CommandFault::Refused(problem, message)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_values_alike_move_no_cursor_and_what_a_process_said_keeps_its_lines() {
        let told = serde_json::json!([{
            "reason": "a\u{1b}[31m\nERROR forged",
            "metadata": {"k\u{1b}\nforged": "v", "said": "a\nforged"},
            "last_end": {"why": "a\nb", "said": "the end:\none\r\n\u{7}two"},
        }]);
        let shown = serde_json::json!([{
            "reason": "a\\u{1b}[31m\\nERROR forged",
            "metadata": {"k\\u{1b}\\nforged": "v", "said": "a\\nforged"},
            "last_end": {"why": "a\\nb", "said": "the end:\none\n\\u{7}two"},
        }]);
        assert_eq!(for_a_terminal(told), shown);
    }

    #[test]
    fn the_token_is_in_nothing_that_is_shown() {
        let remote = |token: Option<&str>| Remote {
            url: "http://a".to_owned().into(),
            admin: "http://a".to_owned().into(),
            token: token.map(|token| token.to_owned().into()),
            json: false,
        };
        let said = Bytes::from_static(b"{\"detail\":\"no Bearer t0ken\"}");
        assert_eq!(without_token(&remote(Some("t0ken")), said.clone()), "{\"detail\":\"no Bearer ***\"}");
        assert_eq!(without_token(&remote(None), said.clone()), said);
    }

    #[test]
    fn a_refusal_tells_its_code_once() {
        for detail in ["the circuit is open", "the circuit is open (CIRCUIT_1401)"] {
            let document = serde_json::json!({"detail": detail, "code": "CIRCUIT_1401"}).to_string();
            let said = refused(StatusCode::SERVICE_UNAVAILABLE, document.as_bytes()).to_string();
            assert_eq!(said, "the circuit is open (CIRCUIT_1401)");
        }
    }
}
