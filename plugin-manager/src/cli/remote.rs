//! Commands that talk to a running gateway.

use std::{io::Read, process::ExitCode, time::Duration};

use http::{Request, StatusCode};
use plugin_core::{Code, go_duration};
use serde_json::Value;

use super::{
    CommandFault, Outcome,
    ages::Ages,
    answer,
    args::{self, Call, DrainArgs, NameArgs, Plugins, Remote},
    certificates, detail, limits,
    output::{count, say, say_json, were},
    plugin_trouble,
    table::columns,
    values::{brief, text},
};

/// How long a gateway may take to answer an admin request.
const ADMIN_LIMIT: Duration = Duration::from_secs(30);
/// How long a gateway may take to say of itself or of a plugin what a call would have its caller know.
const ASIDE_LIMIT: Duration = Duration::from_secs(2);

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
    let mut request = Request::post(remote.url.at(&["v1", "plugins", &call.name])?);
    request = request.header("content-type", "application/json");
    if let Some(limit) = call.timeout {
        request = request.header("x-request-timeout", go_duration::format_ascii(limit));
    }
    if let Some(key) = &call.affinity {
        request = request.header("x-affinity-key", key);
    }
    let limit = call.timeout.map_or(Duration::from_secs(3600), |limit| limit + Duration::from_secs(5));
    let answered = answer::of_a_call(remote, request, payload.into(), limit);
    let problem = match answered {
        Ok(answer) => {
            say(answer)?;
            return Ok(ExitCode::SUCCESS);
        }
        Err(problem) => problem,
    };
    Err(match problem {
        CommandFault::Unreached(_) if is_stopping(remote) => {
            CommandFault::Failed(format!("the gateway of {} is stopping and takes no calls any more", remote.url))
        }
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
    let Ok(plugin) = remote.admin.at(&["admin", "v1", "plugins", name]) else { return false };
    let plugin = answer::read(&remote.without_token(), Request::get(plugin), ASIDE_LIMIT, None);
    plugin.is_ok_and(|plugin| plugin["restarts"].is_u64())
}

/// Whether the admin plane, which goes last, says so.
fn is_stopping(remote: &Remote) -> bool {
    let Ok(ready) = remote.admin.at(&["readyz"]) else { return false };
    answer::begins_with(&remote.without_token(), Request::get(ready), ASIDE_LIMIT, "shutting down")
}

pub(super) fn status(remote: &Remote) -> Outcome {
    let status = admin(remote, &["status"], None)?;
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
    if let Some(said) = limits::of_clients(&status["client_rate_limit"]) {
        say(format_args!("limit of clients: {said}"))?;
    }
    for shared in status["shared_limits"].as_array().into_iter().flatten() {
        say(format_args!("shared limits with the prefix {}: {}", text(&shared["prefix"]), limits::decides(shared)))?;
    }
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
        let plugin = admin(remote, &["plugins", name], None)?;
        if !print_json(remote, &plugin)? {
            detail::say_of(&plugin)?;
        }
        return Ok(ExitCode::SUCCESS);
    }
    let plugins = admin(remote, &["plugins"], None)?;
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
    let health = admin(remote, &["health"], Some(StatusCode::SERVICE_UNAVAILABLE))?;
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
    let mut plugins = admin(remote, &["plugins"], None)?;
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
    let mut path = remote.admin.at(&["admin", "v1", "plugins", &drain.name, "drain"])?.to_string();
    if let Some(limit) = drain.timeout {
        path = format!("{path}?timeout={}", go_duration::format_ascii(limit));
    }
    let limit = drain.timeout.unwrap_or(Duration::from_secs(3600)) + ADMIN_LIMIT;
    let report = answer::read(remote, Request::post(path), limit, None)?;
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
    let path = remote.admin.at(&["admin", "v1", "plugins", &name.name, verb])?;
    // The old process may take its grace period, and the new one its start timeout; the gateway bounds both.
    let plugin = answer::read(remote, Request::post(path), Duration::from_secs(3600), None)?;
    if !print_json(remote, &plugin)? {
        let cut = plugin["cut"].as_u64().filter(|cut| *cut > 0);
        let cut = cut.map(|cut| format!("; the restart has cut off {} that had no answer", count(cut, "call")));
        say(format_args!("{} is {}{}", name.name, text(&plugin["state"]), cut.unwrap_or_default()))?;
    }
    Ok(ExitCode::SUCCESS)
}

fn print_json(remote: &Remote, value: &Value) -> Result<bool, CommandFault> {
    if remote.json {
        say_json(value)?;
    }
    Ok(remote.json)
}

fn admin(remote: &Remote, path: &[&str], also: Option<StatusCode>) -> Result<Value, CommandFault> {
    let segments: Vec<_> = ["admin", "v1"].iter().chain(path).copied().collect();
    answer::read(remote, Request::get(remote.admin.at(&segments)?), ADMIN_LIMIT, also)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_shown_in_three_digits() {
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
}
