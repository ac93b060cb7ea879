//! Whose reply it is.

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use bytes::Bytes;
use plugin_core::{CodeKind, Plugin, deadline::AttemptTimeout};
use serde_json::json;
use tokio::task::JoinSet;

use super::kills::is_typed;
use crate::conformance::{
    Ability, Finding, ServedPlugin, Settings, SoakReport, Subject,
    trial::{Pair, Stop, Tried, describe, echo, equal, holds, oneshot, told, value},
};

const CALLERS: usize = 64;

/// So many calls for each time that the plugin is killed.
const CALLS_OF_A_KILL: usize = 300;

pub(super) async fn no_reply_reaches_another_caller<S: Subject>(subject: &S) -> Tried {
    replies(subject, 1_500).await.map(drop)
}

/// So many calls of 64 callers, of which some are dropped, some have too little time and some fail; where the plugin can be
/// killed, it is, again and again.
pub(in crate::conformance) async fn replies<S: Subject>(subject: &S, calls: usize) -> Result<SoakReport, Stop> {
    let pair = Pair::new(subject, &Settings::default()).await?;
    let made = Arc::new(AtomicUsize::new(0));
    let mut callers = JoinSet::new();
    for caller in 0..CALLERS {
        let (plugin, made) = (pair.plugin.clone(), Arc::clone(&made));
        callers.spawn(async move {
            let (mut chance, mut seen) = (Chance::new(caller), SoakReport::default());
            loop {
                // Relaxed: a number of its own is all that a call needs.
                let number = made.fetch_add(1, Ordering::Relaxed);
                if number >= calls {
                    return Ok::<_, Stop>(seen);
                }
                one(plugin.clone(), number, &mut chance, &mut seen).await?;
            }
        });
    }
    let mut report = SoakReport::default();
    if !subject.lacks().iter().any(|(ability, _)| *ability == Ability::Restart) {
        while (report.kills + 1) * CALLS_OF_A_KILL < calls {
            while made.load(Ordering::Relaxed) < (report.kills + 1) * CALLS_OF_A_KILL {
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
            pair.server.kill().await;
            report.kills += 1;
            pair.restart().await?;
        }
    }
    while let Some(caller) = callers.join_next().await {
        report.add(caller.map_err(|panic| Finding::new("a caller", "no panic", panic.to_string()))??);
    }
    Ok(report)
}

async fn one<P: Plugin<Bytes, Bytes>>(
    plugin: AttemptTimeout<P>,
    number: usize,
    chance: &mut Chance,
    seen: &mut SoakReport,
) -> Tried {
    let own = json!(number);
    let few = Duration::from_millis(1 + chance.below(4));
    // From 0 to 4 ms.
    let wait = || told("wait", json!({"ms": number % 5, "value": own}));
    let outcome = match chance.below(10) {
        0 => tokio::time::timeout(few, oneshot(plugin, wait())).await.ok(),
        1 | 2 => Some(oneshot(plugin, wait().with_timeout(few)).await),
        3 => Some(oneshot(plugin, told("fail", json!({"text": format!("<{number}>")}))).await),
        4 => Some(oneshot(plugin, wait()).await),
        _ => Some(oneshot(plugin, echo(own.clone())).await),
    };
    seen.calls += 1;
    match outcome {
        None => seen.given_up += 1,
        Some(Ok(reply)) => {
            seen.answers += 1;
            equal("a reply", &value(Ok(reply), "a reply")?, &own)?;
        }
        Some(Err(error)) => {
            *seen.errors.entry(error.code().as_str()).or_default() += 1;
            if error.kind() == CodeKind::Execution {
                let text = format!("<{number}>");
                return holds("whose error it is", &text, describe(&error), error.message().contains(&text));
            }
            is_typed(&error)?;
            // It may be down.
            tokio::time::sleep(few).await;
        }
    }
    Ok(())
}

/// Numbers that look like chance, and are the same in each run (xorshift).
struct Chance(u64);

impl Chance {
    fn new(seed: usize) -> Self {
        Self(0x9E37_79B9_7F4A_7C15_u64.wrapping_mul(seed as u64 + 1))
    }

    fn below(&mut self, bound: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % bound
    }
}
