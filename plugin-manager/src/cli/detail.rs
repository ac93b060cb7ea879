//! One plugin as text, with what helps to find out why it does not work.

use serde_json::Value;

use super::{
    CommandFault,
    ages::Ages,
    certificates, limits,
    output::{count, say},
    plugin_trouble::{ended, next_start},
    table::{WIDTH, columns},
    values::{brief, text},
};

/// What the labels stand in.
const LABEL: usize = 14;

/// Prints all that is known of a plugin.
pub(super) fn say_of(plugin: &Value) -> Result<(), CommandFault> {
    say(page(plugin, &Ages::now()).trim_end())
}

fn page(plugin: &Value, ages: &Ages) -> String {
    let mut page = String::new();
    for (label, said) in lines(plugin, ages) {
        page.push_str(&wrapped(label, &said));
    }
    let rows: Vec<_> = plugin["instances"].as_array().into_iter().flatten().map(instance).collect();
    if !rows.is_empty() {
        page.push('\n');
        page.push_str(&columns(INSTANCES, &rows));
    }
    page
}

fn lines(plugin: &Value, ages: &Ages) -> Vec<(&'static str, String)> {
    let mut lines = Vec::new();
    let (calls, health, circuit) = (&plugin["calls"], &plugin["health"], &plugin["circuit"]);
    let known = |value: &Value| value.as_str().is_some_and(|text| !text.is_empty());
    let mut said = text(&plugin["name"]);
    if known(&plugin["version"]) {
        said.push_str(&format!(" {}", text(&plugin["version"])));
    }
    lines.push(("plugin", format!("{said}, over {}", text(&plugin["transport"]))));
    let state = format!("{} for {}{}", text(&plugin["state"]), ages.since(&plugin["since_ms"]), next_start(plugin));
    lines.push(("state", state));
    if health.is_object() {
        let mut said = format!("{} for {}", text(&health["status"]), ages.since(&health["since_ms"]));
        match health["last_check_ms"].as_u64() {
            Some(_) => said.push_str(&format!(", checked {} ago", ages.since(&health["last_check_ms"]))),
            None => said.push_str(", not checked yet"),
        }
        if known(&health["message"]) {
            said.push_str(&format!(": {}", text(&health["message"])));
        }
        lines.push(("health", said));
    }
    if let Some(breaker) = plugin["breaker"].as_str() {
        let mut said = format!("{breaker} for {}", ages.since(&plugin["breaker_since_ms"]));
        if known(&plugin["breaker_next_try"]) {
            said.push_str(&format!(", the next try is in {}", brief(&plugin["breaker_next_try"])));
        }
        let row = circuit["failures_in_a_row"].as_u64().unwrap_or_default();
        if row > 0 {
            said.push_str(&format!("; {} in a row", count(row, "failure")));
        }
        let opened = circuit["opened"].as_u64().unwrap_or_default();
        if opened > 0 {
            said.push_str(&format!(
                "; opened {}, the last time for {}",
                count(opened, "time"),
                brief(&circuit["last_open_time"])
            ));
            said.push_str(&format!("; {} refused", count(circuit["refused"].as_u64().unwrap_or_default(), "call")));
        }
        lines.push(("circuit", said));
    }
    let failure = &plugin["last_failure"];
    if failure.is_object() {
        let code = failure["code"].as_str().map(|code| format!(" ({code})")).unwrap_or_default();
        let said = failure["message"].as_str().filter(|said| !said.is_empty()).unwrap_or("it failed");
        let (ago, instance) = (ages.since(&failure["at_ms"]), text(&failure["instance"]));
        lines.push(("last failure", format!("{ago} ago on {instance}: {said}{code}")));
    }
    if calls.is_object() {
        let parts = ["success", "failure", "refused", "caller", "cancelled"];
        let parts = parts.map(|part| format!("{part} {}", text(&calls[part]))).join(", ");
        let rate = calls["success_rate_percent"].as_f64().map(|rate| format!("; {rate} % OK")).unwrap_or_default();
        lines.push(("calls", format!("{}: {parts}{rate}", text(&calls["total"]))));
        if calls["total"] != 0 {
            let parts = ["min", "mean", "p50", "p99", "max"];
            lines.push(("times", parts.map(|part| format!("{part} {}", brief(&calls[part]))).join(", ")));
        }
        if let Some(errors) = calls["errors"].as_object().filter(|errors| !errors.is_empty()) {
            let parts: Vec<_> = errors.iter().map(|(code, times)| format!("{code}: {times}")).collect();
            lines.push(("errors", parts.join(", ")));
        }
    }
    let certificate = &plugin["certificate"];
    if certificate["names"].is_array() || certificates::is_in_trouble(certificate) {
        lines.push(("certificate", certificates::said(certificate, ages)));
    }
    let abandoned = plugin["abandoned"].as_u64();
    let abandoned = abandoned.map(|calls| format!(", {} given up and not answered", count(calls, "call")));
    lines.push(("in flight", format!("{}{}", text(&plugin["in_flight"]), abandoned.unwrap_or_default())));
    let limits = &plugin["limits"];
    let mut said = format!("a call {}, an attempt {}", brief(&limits["timeout"]), brief(&limits["attempt_timeout"]));
    let rate = &plugin["rate_limit"];
    if rate["enabled"] == true && rate["limit"].is_u64() {
        let limit = count(rate["limit"].as_u64().unwrap_or_default(), "call");
        said.push_str(&format!(
            ", {limit} in {} and {} at once ({} left, {} refused)",
            brief(&rate["window"]),
            text(&rate["burst"]),
            text(&rate["remaining"]),
            text(&rate["refused"])
        ));
    }
    lines.push(("limits", said));
    lines.extend(limits::lines(plugin));
    let retry = &plugin["retry"];
    if retry["enabled"] == true {
        let mut said = format!(
            "{}, {} recovered",
            count(retry["retries"].as_u64().unwrap_or_default(), "attempt"),
            text(&retry["recovered"])
        );
        let gave_up = retry["gave_up"].as_object().into_iter().flatten().filter(|(_, times)| **times != 0);
        let gave_up: Vec<_> = gave_up.map(|(why, times)| format!("{} {times}", why.replace('_', " "))).collect();
        if !gave_up.is_empty() {
            said.push_str(&format!("; gave up: {}", gave_up.join(", ")));
        }
        lines.push(("retries", said));
    }
    if let Some(tiers) = plugin["tiers"].as_array().filter(|tiers| !tiers.is_empty()) {
        lines.push(("tiers", tiers.iter().map(|one| tier(one, tiers)).collect::<Vec<_>>().join("; ")));
    }
    if let Some(restarts) = plugin["restarts"].as_u64() {
        let failed = plugin["failed_starts"].as_u64().unwrap_or_default();
        let end = &plugin["last_end"];
        let end = if end.is_object() { format!("; it {}", ended(end, ages)) } else { String::new() };
        lines.push(("process", format!("{}, {}{end}", count(restarts, "restart"), count(failed, "failed start"))));
    }
    if let Some(metadata) = plugin["metadata"].as_object().filter(|metadata| !metadata.is_empty()) {
        let parts: Vec<_> = metadata.iter().map(|(key, value)| format!("{key}={}", text(value))).collect();
        lines.push(("metadata", parts.join(", ")));
    }
    lines
}

/// A part of the instances, and what goes to it.
fn tier(tier: &Value, all: &[Value]) -> String {
    let named = |key: &str, yes: &str, no: &str| {
        let differs = all.iter().any(|other| other[key] != tier[key]);
        differs.then(|| if tier[key] == true { yes } else { no }.to_owned())
    };
    let priority = tier["priority"].as_i64().map(|priority| format!("priority {priority}"));
    let zone = named("near", "own zone", "other zones");
    let subset = named("spare", "beyond the subset", "the subset");
    let names: Vec<_> = [priority, zone, subset].into_iter().flatten().collect();
    let name = if names.is_empty() { "all".to_owned() } else { names.join(", ") };
    let share = tier["share_percent"].as_f64().unwrap_or_default();
    let panic = if tier["in_panic"] == true { ", too few: health is ignored" } else { "" };
    format!("{name}: {} of {} up{panic}, {share} % of the calls", text(&tier["up"]), text(&tier["instances"]))
}

const INSTANCES: [&str; 8] = ["INSTANCE", "HEALTH", "ACTIVE", "CALLS", "OK", "FAILED", "MEAN", "SCORE"];

fn instance(instance: &Value) -> [String; 8] {
    let health = match &instance["ejected_for"] {
        _ if instance["enabled"] == false => "disabled".to_owned(),
        left if left.is_string() => {
            // What checks say comes first where that alone keeps calls away, which the time does not end.
            let checked = instance["health"].as_str().filter(|health| !matches!(*health, "healthy" | "unknown"));
            let checked = checked.map(|health| format!("{health}, ")).unwrap_or_default();
            format!("{checked}ejected, {} left", brief(left))
        }
        _ => text(&instance["health"]),
    };
    let mean = if instance["total"] == 0 { "-".to_owned() } else { brief(&instance["average_latency"]) };
    let number = |key: &str| text(&instance[key]);
    [
        instance["zone"].as_str().map_or_else(|| number("name"), |zone| format!("{} in {zone}", number("name"))),
        health,
        number("active"),
        number("total"),
        number("ok"),
        number("failed"),
        mean,
        number("health_score"),
    ]
}

/// A label, and what is said of it in as many lines of a terminal as that takes.
fn wrapped(label: &str, said: &str) -> String {
    let mut text = format!("{label:<LABEL$}");
    let mut width = LABEL;
    for (place, word) in said.split_whitespace().enumerate() {
        let length = word.chars().count();
        if place > 0 && width + 1 + length > WIDTH {
            text.push_str(&format!("\n{:LABEL$}", ""));
            width = LABEL;
        } else if place > 0 {
            text.push(' ');
            width += 1;
        }
        text.push_str(word);
        width += length;
    }
    text.push('\n');
    text
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn all_that_is_known_of_a_plugin_fits_a_terminal() {
        let plugin = json!({
            "name": "flaky", "version": "1.2.0", "transport": "exec", "state": "serving", "since_ms": 40_000, "in_flight": 1,
            "abandoned": 1, "restarts": 3, "failed_starts": 1, "breaker": "open", "breaker_since_ms": 88_000,
            "breaker_next_try": "17.654321s",
            "circuit": {"failures_in_a_row": 1, "refused": 7, "opened": 2, "last_open_time": "30s"},
            "health": {"status": "degraded", "message": "queue is long", "since_ms": 70_000, "last_check_ms": 95_000},
            "last_failure": {
                "at_ms": 87_000, "code": "PLUGIN_1203", "instance": "a",
                "message": "database is down: connection refused 10.0.0.5:5432 after three tries",
            },
            "calls": {
                "total": 20, "success": 10, "failure": 5, "refused": 1, "caller": 3, "cancelled": 1,
                "success_rate_percent": 62.5, "min": "1ms", "mean": "2.345678ms", "p50": "2ms", "p99": "12ms", "max": "12ms",
                "errors": {"CIRCUIT_1401": 1, "PLUGIN_1203": 5},
            },
            "limits": {"timeout": "5s", "attempt_timeout": "30s"},
            "rate_limit": {"enabled": true, "limit": 1, "burst": 10, "window": "1s", "remaining": 7, "refused": 4},
            "retry": {"enabled": true, "retries": 1, "recovered": 0, "gave_up": {"attempts": 1, "not_idempotent": 4, "budget": 0}},
            "last_end": {"at_ms": 40_000, "why": "exited with status 7", "said": "the end of its stderr:\nout of memory"},
            "metadata": {},
            "tiers": [
                {"near": true, "spare": false, "instances": 2, "up": 1, "share_percent": 70.0, "in_panic": true},
                {"near": false, "spare": false, "instances": 1, "up": 1, "share_percent": 30.0, "in_panic": false},
            ],
            "instances": [
                {"name": "a", "health": "degraded", "enabled": true, "active": 1, "total": 15, "ok": 10, "failed": 5,
                 "average_latency": "2.345678ms", "health_score": 85},
                {"name": "c", "health": "healthy", "enabled": true, "active": 0, "total": 5, "ok": 0, "failed": 5,
                 "average_latency": "1ms", "health_score": 75, "ejected_for": "28.4s", "ejections": 1},
                {"name": "b", "zone": "north", "health": "offline", "enabled": true, "active": 0, "total": 0, "ok": 0, "failed": 0,
                 "average_latency": "0s", "health_score": null, "ejected_for": "1.5s", "ejections": 1},
            ],
        });
        let page = page(&plugin, &Ages::at(100_000));
        let expected = "\
plugin        flaky 1.2.0, over exec
state         serving for 1m
health        degraded for 30s, checked 5s ago: queue is long
circuit       open for 12s, the next try is in 17.7s; 1 failure in a row; opened
              2 times, the last time for 30s; 7 calls refused
last failure  13s ago on a: database is down: connection refused 10.0.0.5:5432
              after three tries (PLUGIN_1203)
calls         20: success 10, failure 5, refused 1, caller 3, cancelled 1; 62.5
              % OK
times         min 1ms, mean 2.35ms, p50 2ms, p99 12ms, max 12ms
errors        CIRCUIT_1401: 1, PLUGIN_1203: 5
in flight     1, 1 call given up and not answered
limits        a call 5s, an attempt 30s, 1 call in 1s and 10 at once (7 left, 4
              refused)
retries       1 attempt, 0 recovered; gave up: attempts 1, not idempotent 4
tiers         own zone: 1 of 2 up, too few: health is ignored, 70 % of the
              calls; other zones: 1 of 1 up, 30 % of the calls
process       3 restarts, 1 failed start; it exited with status 7, 1m ago; the
              end of its stderr: out of memory

INSTANCE   HEALTH                      ACTIVE CALLS OK FAILED MEAN   SCORE
a          degraded                    1      15    10 5      2.35ms 85
c          ejected, 28.4s left         0      5     0  5      1ms    75
b in north offline, ejected, 1.5s left 0      0     0  0      -      -
";
        assert_eq!(page, expected);
    }

    #[test]
    fn a_plugin_of_which_little_is_known_has_no_numbers_that_were_never_measured() {
        let plugin = json!({
            "name": "new", "version": "", "transport": "inproc", "state": "serving", "since_ms": 99_000, "in_flight": 0,
            "calls": {"total": 0, "success": 0, "failure": 0, "refused": 0, "caller": 0, "cancelled": 0,
                      "success_rate_percent": null, "p99": null, "errors": {}},
            "limits": {}, "instances": [],
        });
        let page = page(&plugin, &Ages::at(100_000));
        assert!(!page.contains('%') && !page.contains("times") && !page.contains("errors"), "{page}");
        assert!(page.contains("limits        a call -, an attempt -\n"), "{page}");
    }
}
