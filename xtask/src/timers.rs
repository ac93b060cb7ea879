//! The limit of an attempt and that of a call belong to two layers, and a transport under them arms no timer for either: one
//! timer waits for one call, whatever carries it. What else a transport waits for by the clock stands here, with what it
//! bounds. A test on the other side (`judgement.rs`) counts the timers of a call; it knows those alone that core makes.

use std::fs;
use std::path::Path;

use crate::process::root;

/// File, how often it names a timer, and for what.
const TIMERS: [(&str, usize, &str); 16] = [
    ("dial/dialing.rs", 2, "a lookup, and the next address of a race"),
    ("lines/client/driver.rs", 1, "when a call that is held back is written"),
    ("net/client.rs", 1, "the end of an instance"),
    ("net/connect.rs", 2, "an address's share of the time to connect, and a greeting"),
    ("net/exclusive.rs", 1, "when idle connections are closed"),
    ("net/first_words.rs", 1, "what a peer that takes nothing says last"),
    ("net/pool.rs", 2, "whether an idle connection lives; when idle ones are closed"),
    ("net/pool/sharing.rs", 1, "when another connection is tried again"),
    ("net/probe.rs", 3, "a check, and whether it stands behind calls"),
    ("net/socket.rs", 2, "the time to connect, and when a full backlog is asked again"),
    ("process/running.rs", 14, "a start, the end of a process, and what it says last"),
    ("process/service.rs", 2, "whether a check stands behind calls"),
    ("process/stderr.rs", 1, "when it is told how many lines were dropped"),
    ("process/supervisor.rs", 1, "the next start"),
    ("tls/renewal.rs", 1, "how long a new connection waits for a look at the files"),
    ("unix/client/service.rs", 1, "what a plugin says of itself"),
];

/// Where the code is that a call comes through, and the connections that it is on.
const ROOMS: [&str; 9] =
    ["dial", "grpc/client", "http/client", "inproc", "lines/client", "net", "process", "tls", "unix/client"];

/// What makes one: tokio's, and core's for what is judged by its limit.
const MAKERS: [&str; 7] = ["sleep(", "sleep_until(", "timeout(", "timeout_at(", "interval(", "within(", "limit("];

/// How often code names a maker of timers, its own tests left out.
fn timers(code: &str) -> usize {
    let code = code.split("#[cfg(test)]").next().unwrap_or_default();
    let lines = code.lines().map(str::trim_start).filter(|line| !line.starts_with("//") && !line.contains("fn "));
    let in_line = |line: &str| {
        let makers = MAKERS.iter().flat_map(|maker| line.match_indices(maker));
        let is_call = |at: usize| {
            let before = &line[..at];
            // A method, a word that only ends so, an associated function of a type, a thread that waits.
            !before.ends_with(|last: char| last.is_ascii_alphanumeric() || "._".contains(last))
                && !before.ends_with("thread::")
                && !before.strip_suffix("::").is_some_and(is_type)
        };
        makers.filter(|(at, _)| is_call(*at)).count()
    };
    lines.map(in_line).sum()
}

fn is_type(path: &str) -> bool {
    let name = path.rsplit(|letter: char| !letter.is_ascii_alphanumeric()).next().unwrap_or_default();
    name.starts_with(|first: char| first.is_ascii_uppercase())
}

fn walk(directory: &Path, found: &mut Vec<(String, usize)>) {
    for entry in fs::read_dir(directory).expect("a directory").flatten() {
        let path = entry.path();
        if path.is_dir() {
            if path.file_name().is_some_and(|name| name != "tests") {
                walk(&path, found);
            }
        } else if path.extension().is_some_and(|extension| extension == "rs")
            && path.file_name().is_some_and(|name| name != "tests.rs")
        {
            let count = timers(&fs::read_to_string(&path).expect("a file"));
            if count > 0 {
                found.push((path.display().to_string(), count));
            }
        }
    }
}

#[test]
fn no_transport_arms_a_timer_that_nobody_has_looked_at() {
    let source = root().join("plugin-transports/src");
    let mut found = Vec::new();
    for room in ROOMS {
        let room = source.join(room);
        assert!(room.is_dir(), "{}: where is it now?", room.display());
        walk(&room, &mut found);
    }
    found.iter_mut().for_each(|(path, _)| *path = path.replace(&format!("{}/", source.display()), ""));
    found.sort();
    let listed: Vec<_> = TIMERS.iter().map(|(path, count, _)| ((*path).to_owned(), *count)).collect();
    assert_eq!(
        found, listed,
        "a timer of a call belongs to a layer; one for something else is listed with what it bounds"
    );
}

#[test]
fn what_makes_a_timer_is_told_from_what_only_sounds_like_it() {
    assert_eq!(timers("tokio::time::sleep(a).await; timeout(b, sleep(c))"), 3);
    assert_eq!(timers("x.timeout(a); attempt_timeout(b); HealthStatus::within(c); thread::sleep(d)"), 0);
    assert_eq!(timers("// sleep(a)\nfn within(a: A) {}\n#[cfg(test)]\nmod tests { sleep(a) }"), 0);
}
