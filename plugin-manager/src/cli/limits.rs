//! What the limits of a plugin say, as text.

use serde_json::Value;

use super::{
    output::count,
    values::{brief, text},
};

/// A line for each limit that is more than a number of calls in a time.
pub(super) fn lines(plugin: &Value) -> Vec<(&'static str, String)> {
    let mut lines = Vec::new();
    let rate = &plugin["rate_limit"];
    let number = |of: &Value, key: &str| of[key].as_u64().unwrap_or_default();
    if rate["enabled"] == true && !rate["limit"].is_u64() {
        let each = rate["key"].as_str().map(|key| format!(" for each {key}")).unwrap_or_default();
        let mut said = format!(
            "{} a second{each}, {} at once; {} refused",
            text(&rate["requests_per_second"]),
            text(&rate["burst"]),
            count(number(rate, "refused"), "call")
        );
        if let Some(keys) = rate["keys"].as_u64() {
            said.push_str(&format!("; {} of at most {}", count(keys, "key"), text(&rate["max_keys"])));
            let top = rate["top_keys"].as_array().into_iter().flatten().filter(|key| key["owed"] != 0).take(3);
            let top: Vec<_> = top.map(|key| format!("{} owes {}", text(&key["key"]), text(&key["owed"]))).collect();
            if !top.is_empty() {
                said.push_str(&format!(": {}", top.join(", ")));
            }
        }
        said.push_str(&plans(rate));
        let shared = &rate["shared"];
        if shared.is_object() {
            let who = decides(shared);
            said.push_str(&format!("; {who}"));
        }
        lines.push(("rate limit", said));
    }
    if rate["waiting"].as_u64().is_some_and(|waiting| waiting > 0) {
        lines.push(("rate limit", format!("{} waiting for a token", count(number(rate, "waiting"), "call"))));
    }
    let limit = &plugin["concurrency_per_key"];
    if limit["limit"].is_u64() {
        let top = limit["top_keys"].as_array().into_iter().flatten().take(3);
        let top: Vec<_> = top.map(|key| format!("{} has {}", text(&key["key"]), text(&key["in_flight"]))).collect();
        let top = if top.is_empty() { String::new() } else { format!(": {}", top.join(", ")) };
        lines.push((
            "concurrency",
            format!(
                "{} for each {}, {} refused; {} in flight{top}",
                text(&limit["limit"]),
                text(&limit["key"]),
                text(&limit["refused"]),
                count(number(limit, "in_flight"), "call")
            ),
        ));
    }
    let limit = &plugin["concurrency"];
    if limit["limit"].is_u64() {
        lines.push((
            "concurrency",
            format!(
                "{} of {} in flight, {} waiting, {} refused",
                text(&limit["in_flight"]),
                text(&limit["limit"]),
                text(&limit["waiting"]),
                text(&limit["refused"])
            ),
        ));
    }
    for instance in plugin["instances"].as_array().into_iter().flatten() {
        let limit = &instance["concurrency"];
        if limit["limit"].is_u64() {
            lines.push((
                "concurrency",
                format!(
                    "of {}: {} of {} in flight, {} waiting, {} refused",
                    text(&instance["name"]),
                    text(&limit["in_flight"]),
                    text(&limit["limit"]),
                    text(&limit["waiting"]),
                    text(&limit["refused"])
                ),
            ));
        }
    }
    let throttle = &plugin["adaptive_throttle"];
    if throttle["enabled"] == true {
        lines.push((
            "throttle",
            format!(
                "refuses {} % of calls; {} refused; the plugin took {} of {}",
                text(&throttle["refused_percent"]),
                count(number(throttle, "refused"), "call"),
                text(&throttle["accepts"]),
                text(&throttle["requests"])
            ),
        ));
    }
    lines
}

/// The limits of single keys.
fn plans(limit: &Value) -> String {
    let plan = |plan: &Value| {
        let keys: Vec<_> = plan["for"].as_array().into_iter().flatten().map(text).collect();
        let many = if keys.len() > 3 { format!(" and {} more", keys.len() - 3) } else { String::new() };
        let (rate, burst) = (text(&plan["requests_per_second"]), text(&plan["burst"]));
        format!("; {rate} a second, {burst} at once for {}{many}", keys[..keys.len().min(3)].join(", "))
    };
    limit["plans"].as_array().into_iter().flatten().map(plan).collect()
}

/// The limit of clients, in a line.
pub(super) fn of_clients(limit: &Value) -> Option<String> {
    let number = |key: &str| limit[key].as_u64();
    let refused = count(number("refused")?, "call");
    let (rate, burst) = (text(&limit["requests_per_second"]), text(&limit["burst"]));
    let mut said = format!("{rate} a second for each, {burst} at once{}; {refused} refused", plans(limit));
    let top = limit["top_clients"].as_array().into_iter().flatten().filter(|key| key["owed"] != 0).take(3);
    let top: Vec<_> = top.map(|key| format!("{} owes {}", text(&key["key"]), text(&key["owed"]))).collect();
    if !top.is_empty() {
        said.push_str(&format!(": {}", top.join(", ")));
    }
    Some(said)
}

/// Who decides a limit that is kept there.
pub(super) fn decides(shared: &Value) -> String {
    let who = match shared["mode"].as_str() {
        Some("shared") => format!("Redis decides ({})", text(&shared["redis"])),
        Some("local") => {
            let share = match shared["replicas"].as_u64().unwrap_or_default() {
                0 | 1 => "all".to_owned(),
                replicas => format!("1/{replicas}"),
            };
            let (redis, reason) = (text(&shared["redis"]), text(&shared["reason"]));
            format!("Redis is away ({redis}: {reason}), and {share} of it is let through here")
        }
        _ => format!("Redis is being connected ({})", text(&shared["redis"])),
    };
    format!("{who}, for {}", brief(&shared["for"]))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn said(plugin: &Value) -> Vec<String> {
        lines(plugin).into_iter().map(|(label, said)| format!("{label}: {said}")).collect()
    }

    #[test]
    fn each_kind_of_limit_is_one_line() {
        let plugin = json!({
            "rate_limit": {"enabled": true, "requests_per_second": 5.0, "burst": 10, "refused": 1, "key": "header:x-plugin-tenant", "keys": 2,
                           "plans": [{"for": ["a", "b", "c", "d"], "requests_per_second": 50.0, "burst": 60}], "max_keys": 100,
                           "top_keys": [{"key": "acme", "owed": 9}, {"key": "globex", "owed": 0}]},
            "concurrency_per_key": {"key": "client", "limit": 4, "in_flight": 5, "refused": 7, "keys": 2, "max_keys": 100,
                                    "top_keys": [{"key": "acme", "in_flight": 4}, {"key": "globex", "in_flight": 1}]},
            "concurrency": {"limit": 20, "in_flight": 20, "waiting": 3, "admitted": 100, "refused": 4},
            "instances": [{"name": "a", "concurrency": {"limit": 5, "in_flight": 1, "waiting": 0, "admitted": 9, "refused": 0}},
                          {"name": "b"}],
            "adaptive_throttle": {"enabled": true, "requests": 200, "accepts": 50, "refused_percent": 49.75, "refused": 99},
        });
        assert_eq!(
            said(&plugin),
            [
                "rate limit: 5.0 a second for each header:x-plugin-tenant, 10 at once; 1 call refused; 2 keys of at most 100: acme owes 9; \
                 50.0 a second, 60 at once for a, b, c and 1 more",
                "concurrency: 4 for each client, 7 refused; 5 calls in flight: acme has 4, globex has 1",
                "concurrency: 20 of 20 in flight, 3 waiting, 4 refused",
                "concurrency: of a: 1 of 5 in flight, 0 waiting, 0 refused",
                "throttle: refuses 49.75 % of calls; 99 calls refused; the plugin took 50 of 200",
            ]
        );
    }

    #[test]
    fn of_a_limit_in_redis_it_says_who_decides() {
        let with = |shared: Value| {
            said(
                &json!({"rate_limit": {"enabled": true, "requests_per_second": 5.5, "burst": 10, "refused": 0, "shared": shared}}),
            )
        };
        assert_eq!(
            with(
                json!({"redis": "redis://h:6379", "mode": "local", "for": "3.5s", "reason": "connection refused", "replicas": 3})
            ),
            [
                "rate limit: 5.5 a second, 10 at once; 0 calls refused; Redis is away (redis://h:6379: connection refused), and 1/3 of it is let \
              through here, for 3.5s"
            ]
        );
        let decides = with(json!({"redis": "redis://h:6379", "mode": "shared", "for": "1m", "replicas": 3}));
        assert!(decides[0].ends_with("; Redis decides (redis://h:6379), for 1m"), "{decides:?}");
        let connecting = with(json!({"redis": "redis://h:6379", "mode": "connecting", "for": "1s", "replicas": 1}));
        assert!(connecting[0].ends_with("; Redis is being connected (redis://h:6379), for 1s"), "{connecting:?}");
    }

    #[test]
    fn the_limit_of_clients_is_a_line() {
        let limit = json!({"requests_per_second": 5.0, "burst": 10, "refused": 3, "allowed": 9,
                           "plans": [{"for": ["billing"], "requests_per_second": 50.0, "burst": 60}],
                           "top_clients": [{"key": "name:ops", "owed": 9}, {"key": "ip:10.0.0.1", "owed": 0}]});
        let said = of_clients(&limit).expect("it is there");
        assert_eq!(
            said,
            "5.0 a second for each, 10 at once; 50.0 a second, 60 at once for billing; 3 calls refused: name:ops owes 9"
        );
        assert_eq!(of_clients(&Value::Null), None);
    }

    #[test]
    fn calls_that_wait_for_a_token_are_told() {
        let waiting = |n: u64| said(&json!({"rate_limit": {"enabled": true, "limit": 1, "waiting": n}}));
        assert_eq!(waiting(1), ["rate limit: 1 call waiting for a token"]);
        assert_eq!(waiting(2), ["rate limit: 2 calls waiting for a token"]);
    }

    #[test]
    fn where_there_are_no_limits_nothing_is_said() {
        let plain = json!({"rate_limit": {"enabled": true, "limit": 1, "waiting": 0}, "instances": [{"name": "a"}]});
        assert_eq!(said(&plain), [""; 0]);
        assert_eq!(said(&json!({})), [""; 0]);
    }
}
