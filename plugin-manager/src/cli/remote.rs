//! Commands that talk to a running gateway.

use std::{io::Read, process::ExitCode, time::Duration};

use bytes::Bytes;
use http::{Method, Request, StatusCode, Uri};
use http_body_util::{BodyExt, Full, Limited};
use hyper_util::{
    client::legacy::Client,
    rt::{TokioExecutor, TokioIo},
};
use plugin_core::{Code, go_duration, on_one_line, rounded};
use plugin_transports::dial::{DialError, Dialer};
use serde_json::Value;
use tokio::runtime::Builder;

use super::{
    CommandFault, Outcome,
    ages::Ages,
    args::{self, Call, DrainArgs, NameArgs, Plugins, Remote},
    certificates, detail,
    early_answers::Hearing,
    output::{count, say, were},
    plugin_trouble, runtime,
    table::columns,
    values::{brief, text},
};

/// How long a gateway may take to answer an admin request.
const ADMIN_LIMIT: Duration = Duration::from_secs(30);
/// How long a gateway may take to say of itself or of a plugin what a call would have its caller know.
const ASIDE_LIMIT: Duration = Duration::from_secs(2);
/// How long connecting to a gateway may take.
const CONNECT_LIMIT: Duration = Duration::from_secs(5);
/// The largest answer that is read.
const MAX_ANSWER: usize = 64 << 20;

/// Runs a command, and says whether it prints JSON.
pub(super) fn run(remote: Remote, command: impl FnOnce(&Remote) -> Outcome) -> (bool, Outcome) {
    (remote.json, command(&remote))
}

pub(super) fn call(remote: &Remote, call: &Call) -> Outcome {
    let payload = match call.payload.as_str() {
        "-" => {
            let mut text = Vec::new();
            let read = std::io::stdin().read_to_end(&mut text);
            read.map_err(|error| CommandFault::Failed(format!("standard input cannot be read: {error}")))?;
            args::check_payload(&text).map_err(CommandFault::Wrong)?;
            text
        }
        text => text.as_bytes().to_vec(),
    };
    let mut request = Request::post(url(&remote.url, &["v1", "plugins", &call.name])?);
    request = request.header("content-type", "application/json");
    if let Some(limit) = call.timeout {
        request = request.header("x-request-timeout", go_duration::format_ascii(limit));
    }
    if let Some(key) = &call.affinity {
        request = request.header("x-affinity-key", key);
    }
    let limit = call.timeout.map_or(Duration::from_secs(3600), |limit| limit + Duration::from_secs(5));
    let (status, body) = send(remote, request, payload.into(), limit).map_err(|problem| match problem {
        CommandFault::Unreached(_) if is_stopping(remote) => {
            CommandFault::Failed(format!("the gateway of {} is stopping and takes no calls any more", remote.url))
        }
        other => other,
    })?;
    if status.is_success() {
        say(String::from_utf8_lossy(&body))?;
        return Ok(ExitCode::SUCCESS);
    }
    Err(match refused(status, &body) {
        CommandFault::Refused(problem, message) if problem["code"] == Code::Unhealthy.as_str() => {
            let hint = match has_process(remote, &call.name) {
                true => format!(" `plugin-manager restart {}` starts its process anew.", call.name),
                false => String::new(),
            };
            CommandFault::Refused(problem, format!("{message}\n`plugin-manager health` says why.{hint}"))
        }
        other => other,
    })
}

/// Whether the admin plane says that the plugin has a process of its own.
fn has_process(remote: &Remote, name: &str) -> bool {
    let Ok(plugin) = url(&remote.admin, &["admin", "v1", "plugins", name]) else { return false };
    let answer = send(&remote.without_token(), Request::get(plugin), Bytes::new(), ASIDE_LIMIT);
    let plugin = answer.ok().and_then(|(_, body)| serde_json::from_slice::<Value>(&body).ok());
    plugin.is_some_and(|plugin| plugin["restarts"].is_u64())
}

/// Whether the admin plane, which goes last, says so.
fn is_stopping(remote: &Remote) -> bool {
    let Ok(ready) = url(&remote.admin, &["readyz"]) else { return false };
    let answer = send(&remote.without_token(), Request::get(ready), Bytes::new(), ASIDE_LIMIT);
    answer.is_ok_and(|(_, body)| body.starts_with(b"shutting down"))
}

pub(super) fn status(remote: &Remote) -> Outcome {
    let status = admin(remote, Method::GET, &["status"], None)?;
    if print_json(remote, &status)? {
        return Ok(ExitCode::SUCCESS);
    }
    let starting = status["starting"].as_u64().unwrap_or_default();
    let state = match starting {
        _ if status["shutting_down"] == true => "shutting down",
        0 => "serving",
        _ => "starting",
    };
    say(format_args!("{state}, up {}, version {}", text(&status["uptime"]), text(&status["version"])))?;
    let number = |key: &str, noun| count(status[key].as_u64().unwrap_or_default(), noun);
    let plugins = match starting {
        0 => number("plugins", "plugin"),
        _ => format!("{} ({starting} starting)", number("plugins", "plugin")),
    };
    say(format_args!("{plugins}, {}, {} in flight", number("calls", "call"), status["in_flight"]))?;
    // Each listener's; of plugins there may be many.
    let wanted = |one: &&Value| one["listener"].is_string() || certificates::is_in_trouble(one);
    for one in status["certificates"].as_array().into_iter().flatten().filter(wanted) {
        let said = certificates::said(one, &Ages::now());
        say(format_args!("certificate of {}: {said}", certificates::owner(one)))?;
    }
    Ok(ExitCode::SUCCESS)
}

pub(super) fn plugins(remote: &Remote, which: &Plugins) -> Outcome {
    if let Some(name) = &which.name {
        let plugin = admin(remote, Method::GET, &["plugins", name], None)?;
        if !print_json(remote, &plugin)? {
            detail::say_of(&plugin)?;
        }
        return Ok(ExitCode::SUCCESS);
    }
    let plugins = admin(remote, Method::GET, &["plugins"], None)?;
    if print_json(remote, &plugins)? {
        return Ok(ExitCode::SUCCESS);
    }
    let rows: Vec<_> = plugins.as_array().into_iter().flatten().map(row).collect();
    say(columns(HEADING, &rows).trim_end())?;
    plugin_trouble::say_of(&plugins)?;
    Ok(ExitCode::SUCCESS)
}

/// What fits a terminal of 80 columns; `--json` has the rest.
const HEADING: [&str; 9] = ["NAME", "STATE", "TRANSPORT", "HEALTH", "BREAKER", "CALLS", "OK%", "P99", "RESTARTS"];

fn row(plugin: &Value) -> [String; 9] {
    let calls = &plugin["calls"];
    [
        text(&plugin["name"]),
        text(&plugin["state"]),
        text(&plugin["transport"]),
        text(&plugin["health"]["status"]),
        text(&plugin["breaker"]),
        text(&calls["total"]),
        text(&calls["success_rate_percent"]),
        brief(&calls["p99"]),
        text(&plugin["restarts"]),
    ]
}

pub(super) fn health(remote: &Remote) -> Outcome {
    let health = admin(remote, Method::GET, &["health"], Some(StatusCode::SERVICE_UNAVAILABLE))?;
    let serving = matches!(health["status"].as_str(), Some("healthy" | "degraded"));
    let code = if serving { ExitCode::SUCCESS } else { ExitCode::from(1) };
    if print_json(remote, &health)? {
        return Ok(code);
    }
    match health["message"].as_str() {
        Some(message) => say(format_args!("{}: {message}", text(&health["status"])))?,
        None => say(text(&health["status"]))?,
    }
    let checks: Vec<_> = health["plugins"].as_object().into_iter().flatten().collect();
    let row = |(name, check): &(&String, &Value)| {
        [(*name).clone(), text(&check["status"]), text(&check["breaker"]), brief(&check["response_time"])]
    };
    let rows: Vec<_> = checks.iter().map(row).collect();
    say(columns(["NAME", "HEALTH", "BREAKER", "TOOK"], &rows).trim_end())?;
    let mut plugins = admin(remote, Method::GET, &["plugins"], None)?;
    for plugin in plugins.as_array_mut().into_iter().flatten() {
        // What nobody checks regularly was asked for this.
        if let Some((_, check)) = checks.iter().find(|(name, _)| plugin["name"] == **name) {
            plugin["health"] = (*check).clone();
        }
    }
    plugin_trouble::say_of(&plugins)?;
    // A sentence of one that is well is no trouble, and worth a line where one asks for it.
    for (name, check) in checks {
        if let ("healthy" | "unknown", Some(message)) = (text(&check["status"]).as_str(), check["message"].as_str()) {
            say(format_args!("{name}: {message}"))?;
        }
    }
    Ok(code)
}

pub(super) fn drain(remote: &Remote, drain: &DrainArgs) -> Outcome {
    let mut path = url(&remote.admin, &["admin", "v1", "plugins", &drain.name, "drain"])?.to_string();
    if let Some(limit) = drain.timeout {
        path = format!("{path}?timeout={}", go_duration::format_ascii(limit));
    }
    let request = Request::post(path);
    let limit = drain.timeout.unwrap_or(Duration::from_secs(3600)) + ADMIN_LIMIT;
    let (status, body) = send(remote, request, Bytes::new(), limit)?;
    let report = answer(status, &body, None)?;
    if print_json(remote, &report)? {
        return Ok(if report["clean"] == true { ExitCode::SUCCESS } else { ExitCode::from(1) });
    }
    if report["clean"] == true {
        say(format_args!("{} drained in {}", drain.name, brief(&report["took"])))?;
        return Ok(ExitCode::SUCCESS);
    }
    if report["undone"] == true {
        return Err(CommandFault::Failed(format!("{} was switched on again meanwhile, and serves", drain.name)));
    }
    let (unfinished, cut) = (&report["unfinished"], report["cut"].as_u64().unwrap_or_default());
    let cut = if cut == 0 { String::new() } else { format!("; a restart has cut off {}", count(cut, "call")) };
    let close = report["close_error"].as_str().map(|error| format!("; {error}")).unwrap_or_default();
    Err(CommandFault::Failed(format!(
        "{} takes no calls any more; after {} {} unfinished{cut}{close}",
        drain.name,
        brief(&report["took"]),
        were(unfinished.as_u64().unwrap_or_default())
    )))
}

/// `restart`, `enable` or `disable`.
pub(super) fn operate(remote: &Remote, name: &NameArgs, verb: &str) -> Outcome {
    let path = url(&remote.admin, &["admin", "v1", "plugins", &name.name, verb])?;
    // The old process may take its grace period, and the new one its start timeout; the gateway bounds both.
    let (status, body) = send(remote, Request::post(path), Bytes::new(), Duration::from_secs(3600))?;
    let plugin = answer(status, &body, None)?;
    if !print_json(remote, &plugin)? {
        let cut = plugin["cut"].as_u64().filter(|cut| *cut > 0);
        let cut = cut.map(|cut| format!("; the restart has cut off {} that had no answer", count(cut, "call")));
        say(format_args!("{} is {}{}", name.name, text(&plugin["state"]), cut.unwrap_or_default()))?;
    }
    Ok(ExitCode::SUCCESS)
}

fn print_json(remote: &Remote, value: &Value) -> Result<bool, CommandFault> {
    if remote.json {
        say(format_args!("{value:#}"))?;
    }
    Ok(remote.json)
}

fn admin(remote: &Remote, method: Method, path: &[&str], also: Option<StatusCode>) -> Result<Value, CommandFault> {
    let segments: Vec<_> = ["admin", "v1"].iter().chain(path).copied().collect();
    let request = Request::builder().method(method).uri(url(&remote.admin, &segments)?);
    let (status, body) = send(remote, request, Bytes::new(), ADMIN_LIMIT)?;
    let answer = answer(status, &body, also)?;
    Ok(if remote.json { answer } else { for_a_terminal(answer) })
}

/// What a plugin or its peer has written ends no line and moves no cursor. JSON has ways of its own.
fn for_a_terminal(value: Value) -> Value {
    match value {
        Value::String(text) => Value::String(on_one_line(&text).into_owned()),
        Value::Array(items) => items.into_iter().map(for_a_terminal).collect(),
        Value::Object(fields) => fields.into_iter().map(|(key, value)| (key, for_a_terminal(value))).collect(),
        other => other,
    }
}

fn answer(status: StatusCode, body: &[u8], also: Option<StatusCode>) -> Result<Value, CommandFault> {
    if !status.is_success() && Some(status) != also {
        return Err(refused(status, body));
    }
    serde_json::from_slice(body).map_err(|_| CommandFault::Failed(format!("the answer ({status}) is not a gateway's")))
}

/// What stands before a time until another attempt.
const AGAIN: &str = "try again in";

/// What a problem document says, or the status when it is none.
fn refused(status: StatusCode, body: &[u8]) -> CommandFault {
    let Ok(problem) = serde_json::from_slice::<Value>(body) else {
        return CommandFault::Failed(format!("the gateway answered {status}"));
    };
    // A gateway that leaves the sentence out has told the code all the same.
    let said = problem["detail"].as_str().or(problem["title"].as_str()).unwrap_or("the gateway refused it");
    let said = &*on_one_line(said);
    let mut message = match problem["code"].as_str() {
        Some(code) if !said.contains(code) => format!("{said} ({code})"),
        _ => said.to_owned(),
    };
    if let Some(after) = problem["retry_after_ms"].as_u64().filter(|_| !said.contains(AGAIN)) {
        message.push_str(&format!("; {AGAIN} {}", rounded(Duration::from_millis(after))));
    }
    if let Some(plugin) = problem["plugin"].as_str() {
        message = format!("{plugin}: {message}");
    }
    if let Some(detail) = problem["plugin_detail"].as_str() {
        // What a process said last has lines.
        let lines: Vec<_> = detail.lines().map(on_one_line).collect();
        message = format!("{message}\n{}", lines.join("\n"));
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

/// `base` and path segments, each percent-encoded.
fn url(base: &str, segments: &[&str]) -> Result<Uri, CommandFault> {
    let mut text = base.trim_end_matches('/').to_owned();
    for segment in segments {
        text.push('/');
        for byte in segment.bytes() {
            match byte {
                b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => text.push(char::from(byte)),
                _ => text.push_str(&format!("%{byte:02X}")),
            }
        }
    }
    let uri: Uri = text
        .parse()
        .map_err(|_| CommandFault::Wrong(format!("{base:?} is not a URL such as http://127.0.0.1:8080")))?;
    match uri.scheme_str() {
        Some("http") => Ok(uri),
        _ => Err(CommandFault::Wrong(format!("{base:?} does not begin with http://"))),
    }
}

fn send(
    remote: &Remote,
    request: http::request::Builder,
    body: Bytes,
    limit: Duration,
) -> Result<(StatusCode, Bytes), CommandFault> {
    let mut request = request.body(Full::new(body)).map_err(|error| CommandFault::Wrong(error.to_string()))?;
    if let Some(token) = &remote.token {
        let mut value = http::HeaderValue::try_from(format!("Bearer {token}"))
            .map_err(|_| CommandFault::Wrong("the token has characters that a header cannot hold".to_owned()))?;
        value.set_sensitive(true);
        request.headers_mut().insert(http::header::AUTHORIZATION, value);
    }
    runtime::block_on(&mut Builder::new_current_thread(), async {
        let place = request.uri().authority().map(ToString::to_string).unwrap_or_default();
        let is_safe = request.method().is_safe();
        let connector = tower::service_fn(|uri: Uri| {
            Box::pin(async move {
                let host = uri.host().unwrap_or_default().trim_matches(['[', ']']);
                let dialer = Dialer::new(host, uri.port_u16().unwrap_or(80));
                Ok::<_, DialError>(TokioIo::new(Hearing::new(dialer.connect(CONNECT_LIMIT).await?)))
            })
        });
        let client: Client<_, Full<Bytes>> = Client::builder(TokioExecutor::new()).build(connector);
        let exchange = async {
            let response =
                client.request(request).await.map_err(|error| unreachable_gateway(&place, is_safe, &error))?;
            let status = response.status();
            let body = Limited::new(response.into_body(), MAX_ANSWER).collect().await;
            let body =
                body.map_err(|error| CommandFault::Failed(format!("the answer of {place} broke off: {error}")))?;
            Ok((status, body.to_bytes()))
        };
        match tokio::time::timeout(limit, exchange).await {
            Ok(result) => result,
            Err(_) => Err(CommandFault::Failed(format!("{place} did not answer within {}", rounded(limit)))),
        }
    })
}

/// Why there is no answer. What is not `is_safe` does something.
fn unreachable_gateway(place: &str, is_safe: bool, error: &hyper_util::client::legacy::Error) -> CommandFault {
    let mut cause: &dyn std::error::Error = error;
    // What a person needs of it: which addresses were tried, or the innermost.
    while let Some(next) = cause.source().filter(|_| !cause.is::<DialError>()) {
        cause = next;
    }
    // There was a connection: somebody is there.
    if !error.is_connect() {
        let done = match is_safe {
            true => "",
            false => "; what was asked for may have been done all the same",
        };
        return CommandFault::Failed(format!(
            "the connection with {place} broke off before there was an answer: {cause}{done}"
        ));
    }
    CommandFault::Unreached(format!(
        "no gateway answers at {place} ({cause}). Start one with `plugin-manager run` or `plugin-manager demo`, \
         or name another with --url and --admin."
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_others_have_written_moves_no_cursor() {
        let told = serde_json::json!({"plugins": [{"reason": "a\u{1b}[31m\nERROR forged"}]});
        assert_eq!(for_a_terminal(told)["plugins"][0]["reason"], "a\\u{1b}[31m\\nERROR forged");
        let document = serde_json::json!({"detail": "a\u{1b}[2J", "plugin_detail": "one\n\u{7}two"}).to_string();
        let CommandFault::Refused(_, said) = refused(StatusCode::BAD_GATEWAY, document.as_bytes()) else {
            panic!("it is a problem document")
        };
        assert_eq!(said, "a\\u{1b}[2J\none\n\\u{7}two");
    }

    #[test]
    fn times_are_shown_in_three_digits_and_a_code_once() {
        for (time, shown) in [
            ("1.234567ms", "1.24ms"),
            ("12.345µs", "12.4µs"),
            ("999.6ms", "1s"),
            ("7ns", "7ns"),
            ("0s", "0s"),
            ("1m2.345s", "1m2.4s"),
        ] {
            assert_eq!(brief(&Value::from(time)), shown);
        }
        assert_eq!(brief(&Value::Null), "-");
        for detail in ["the circuit is open", "the circuit is open (CIRCUIT_1401)"] {
            let document = serde_json::json!({"detail": detail, "code": "CIRCUIT_1401"}).to_string();
            let said = refused(StatusCode::SERVICE_UNAVAILABLE, document.as_bytes()).to_string();
            assert_eq!(said, "the circuit is open (CIRCUIT_1401)");
        }
    }

    #[test]
    fn a_plugin_is_a_row_of_a_terminal() {
        let plugin = serde_json::json!({
            "name": "payment-service", "state": "serving", "transport": "https", "breaker": "closed", "restarts": 12,
            "health": {"status": "unhealthy"},
            "calls": {"total": 1_234_567, "success_rate_percent": 99.97, "p50": "1.234567ms", "p99": "123.4567ms"},
        });
        let text = columns(HEADING, &[row(&plugin)]);
        assert!(text.lines().all(|line| line.chars().count() <= 80), "{text}");
        assert!(text.contains("1234567 99.97 124ms 12"), "{text}");
    }

    #[test]
    fn a_name_with_odd_characters_stays_one_segment() {
        let uri = url("http://127.0.0.1:8080/", &["v1", "plugins", "a b/ü?"]).expect("a URL");
        assert_eq!(uri, "http://127.0.0.1:8080/v1/plugins/a%20b%2F%C3%BC%3F");
        for bad in ["127.0.0.1:8080", "ftp://x", "http://"] {
            assert!(matches!(url(bad, &["v1"]), Err(CommandFault::Wrong(_))), "{bad}");
        }
    }
}
