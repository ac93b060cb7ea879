//! The lines under a table of plugins: what is wrong with each, since when, and why.

use std::time::Duration;

use plugin_core::{go_duration, rounded};
use serde_json::Value;

use super::{
    CommandFault,
    ages::Ages,
    certificates,
    output::say,
    values::{brief, text},
};

/// For so long after a failure it is told of, in milliseconds, also where nothing else is wrong.
const RECENT: u64 = 300_000;

/// Prints what is wrong with these plugins.
pub(super) fn say_of(plugins: &Value) -> Result<(), CommandFault> {
    let ages = Ages::now();
    plugins.as_array().into_iter().flatten().flat_map(|plugin| of(plugin, &ages)).try_for_each(say)
}

/// `, the next start is in 27s`, of a plugin whose process waits for that, and what is to be done where it waits for nothing.
pub(super) fn next_start(plugin: &Value) -> String {
    if plugin["waits_for_operator"] == true {
        return format!(", and is not started again by itself: `plugin-manager restart {}`", text(&plugin["name"]));
    }
    let next = plugin["next_start"].as_str().map(|_| brief(&plugin["next_start"]));
    next.map(|next| format!(", the next start is in {next}")).unwrap_or_default()
}

fn of(plugin: &Value, ages: &Ages) -> Vec<String> {
    let (name, breaker, health) = (text(&plugin["name"]), &plugin["breaker"], &plugin["health"]["status"]);
    let so_long = |at: &Value| ages.since(at);
    let mut lines = Vec::new();
    if let Some(state) = plugin["state"].as_str().filter(|state| *state != "serving") {
        // What happened to a process is told with its end.
        let is_told = state != "waiting" && (state != "failed" || plugin["last_end"].is_object());
        let why = plugin["health"]["message"].as_str().filter(|_| !is_told);
        let why = why.map(|why| format!(": {why}")).unwrap_or_default();
        lines.push(format!("{name}: {state} for {}{}{why}", so_long(&plugin["since_ms"]), next_start(plugin)));
    }
    let is_ill = health.as_str().is_some_and(|health| !matches!(health, "healthy" | "unknown"));
    // Of a process that is not there the health says nothing else.
    let is_away =
        plugin["state"].as_str().is_some_and(|state| matches!(state, "waiting" | "starting" | "restarting" | "failed"));
    let message = plugin["health"]["message"].as_str().filter(|message| !message.is_empty());
    if is_ill && !is_away {
        let message = message.map(|message| format!(": {message}")).unwrap_or_default();
        lines.push(format!("{name}: {} for {}{message}", text(health), so_long(&plugin["health"]["since_ms"])));
    }
    let refuses = breaker.as_str().is_some_and(|state| matches!(state, "open" | "half-open" | "isolated"));
    if refuses {
        let next = plugin["breaker_next_try"].as_str().and_then(|time| go_duration::parse(time).ok());
        let next = match next {
            Some(Duration::ZERO) => ", the next call is a try".to_owned(),
            Some(time) => format!(", the next try is in {}", rounded(time)),
            None => String::new(),
        };
        lines.push(format!(
            "{name}: the circuit is {} for {}{next}",
            text(breaker),
            so_long(&plugin["breaker_since_ms"])
        ));
    }
    let failure = &plugin["last_failure"];
    let is_recent = ages.of(&failure["at_ms"]).is_some_and(|age| age <= RECENT);
    let end = &plugin["last_end"];
    // That it died of the call, or the call of that, is told with its end.
    let is_end = |why: &str| failure["message"].as_str().is_some_and(|said| said.contains(why));
    let is_told = is_away && end["why"].as_str().is_some_and(is_end);
    if failure.is_object() && !is_told && (refuses || is_ill || is_recent) {
        let code = failure["code"].as_str().map(|code| format!(" ({code})")).unwrap_or_default();
        let said = failure["message"].as_str().filter(|said| !said.is_empty()).unwrap_or("it failed");
        lines.push(format!("{name}: the last failure, {} ago: {said}{code}", so_long(&failure["at_ms"])));
    }
    let is_recent = ages.of(&end["at_ms"]).is_some_and(|age| age <= RECENT);
    if end.is_object() && (plugin["state"] != "serving" || is_recent) {
        lines.push(format!("{name}: the process {}", ended(end, ages)));
    }
    if certificates::is_in_trouble(&plugin["certificate"]) {
        lines.push(format!(
            "{name}: the certificate that it is shown: {}",
            certificates::said(&plugin["certificate"], ages)
        ));
    }
    lines
}

/// How a process ended, when, and what it said last, as the second half of a sentence.
pub(super) fn ended(end: &Value, ages: &Ages) -> String {
    let said = end["said"].as_str().map(|said| format!("; {}", last_lines(said))).unwrap_or_default();
    format!("{}, {} ago{said}", text(&end["why"]), ages.since(&end["at_ms"]))
}

/// So much is shown of what a process said last.
const SAID: usize = 400;

/// The last lines of it, on one.
fn last_lines(said: &str) -> String {
    let head = said.split_once(":\n").filter(|(what, _)| !what.contains('\n'));
    let (what, lines) = head.map_or((None, said), |(what, lines)| (Some(what), lines));
    let (mut kept, mut length) = (Vec::new(), 0);
    for line in lines.lines().rev().map(str::trim).filter(|line| !line.is_empty()) {
        length += line.len();
        // One that is too long by itself is better than none.
        if length > SAID && !kept.is_empty() {
            kept.push("...");
            break;
        }
        kept.push(line);
    }
    kept.reverse();
    let lines = kept.join(" | ");
    what.map_or_else(|| lines.clone(), |what| format!("{what}: {lines}"))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_circuit_that_is_open_is_told_with_its_time_its_next_try_and_the_last_failure() {
        let mut plugin = json!({
            "name": "flaky", "state": "serving", "health": {"status": "healthy", "since_ms": 1}, "breaker": "open",
            "breaker_since_ms": 88_000, "breaker_next_try": "17.654321s",
            "last_failure": {"at_ms": 87_000, "code": "PLUGIN_1203", "message": "database is down", "instance": "default"},
        });
        let told = "flaky: the circuit is open for 12s, the next try is in 17.7s\n\
                    flaky: the last failure, 13s ago: database is down (PLUGIN_1203)";
        assert_eq!(of(&plugin, &Ages::at(100_000)).join("\n"), told);
        plugin["breaker"] = "closed".into();
        assert_eq!(of(&plugin, &Ages::at(100_000)).len(), 1, "a failure of this minute is told all the same");
        assert!(of(&plugin, &Ages::at(1_000_000)).is_empty(), "one that is over is not");
        plugin["health"]["status"] = "offline".into();
        plugin["health"]["message"] = "no route".into();
        assert_eq!(of(&plugin, &Ages::at(600_001))[0], "flaky: offline for 10m: no route");
    }

    #[test]
    fn how_a_process_ended_is_told_with_what_it_said_last_while_it_is_away_and_for_a_while_after() {
        let mut plugin = json!({
            "name": "worker", "state": "restarting", "since_ms": 99_000, "next_start": "12.3456s",
            "health": {"status": "unhealthy", "since_ms": 99_000, "message": "it exited with status 7"},
            "last_failure": {"at_ms": 99_000, "message": "the process was lost during the call: it exited with status 7"},
            "last_end": {"at_ms": 99_000, "why": "exited with status 7", "said": "the end of its stderr:\nout of memory\n in x"},
        });
        let told = "worker: restarting for 1s, the next start is in 12.4s\n\
                    worker: the process exited with status 7, 1s ago; the end of its stderr: out of memory | in x";
        assert_eq!(of(&plugin, &Ages::at(100_000)).join("\n"), told);
        plugin["state"] = "serving".into();
        plugin["health"] = json!({"status": "healthy", "since_ms": 99_000});
        assert_eq!(of(&plugin, &Ages::at(200_000)).len(), 2, "the call that was lost is told where it serves again");
        plugin["last_failure"] = Value::Null;
        assert_eq!(of(&plugin, &Ages::at(200_000)).len(), 1);
        assert!(of(&plugin, &Ages::at(1_000_000)).is_empty());
        let long = format!("the end:\nfirst\n{}\nlast", "x".repeat(SAID - 4));
        assert_eq!(last_lines(&long), format!("the end: ... | {} | last", "x".repeat(SAID - 4)));
        assert_eq!(last_lines("no head"), "no head");
    }
}
