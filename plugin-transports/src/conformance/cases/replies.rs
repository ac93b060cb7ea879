//! Whose reply it is.

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use plugin_core::CodeKind;
use serde_json::json;
use tokio::task::JoinSet;

use super::kills::is_typed;
use crate::conformance::{
    Ability, Finding, Server, Settings, Subject,
    trial::{Pair, Stop, Tried, describe, echo, equal, holds, oneshot, told, value},
};

const CALLERS: usize = 64;

pub(super) async fn no_reply_reaches_another_caller<S: Subject>(subject: &S) -> Tried {
    replies(subject, 1_500).await
}

/// So many calls of 64 callers, of which some are dropped, some have too little time and some fail; where the plugin can be
/// killed, it is, four times.
pub(in crate::conformance) async fn replies<S: Subject>(subject: &S, calls: usize) -> Tried {
    let pair = Pair::new(subject, &Settings::default()).await?;
    let made = Arc::new(AtomicUsize::new(0));
    let mut callers = JoinSet::new();
    for caller in 0..CALLERS {
        let (plugin, made) = (pair.plugin.clone(), Arc::clone(&made));
        callers.spawn(async move {
            let mut chance = Chance::new(caller);
            loop {
                // Relaxed: a number of its own is all that a call needs.
                let number = made.fetch_add(1, Ordering::Relaxed);
                if number >= calls {
                    return Ok::<_, Stop>(());
                }
                let own = json!(number);
                let few = Duration::from_millis(1 + chance.below(4));
                let wait = || told("wait", json!({"ms": chance_of(number), "value": own}));
                let call = match chance.below(10) {
                    0 => {
                        let _ = tokio::time::timeout(few, oneshot(plugin.clone(), wait())).await;
                        continue;
                    }
                    1 | 2 => wait().with_timeout(few),
                    3 => told("fail", json!({"text": number.to_string()})),
                    4 => wait(),
                    _ => echo(own.clone()),
                };
                match oneshot(plugin.clone(), call).await {
                    Ok(reply) => equal("a reply", &value(Ok(reply), "a reply")?, &own)?,
                    Err(error) if error.kind() == CodeKind::Execution => {
                        let is_own = error.message().contains(&number.to_string());
                        holds("whose error it is", &number.to_string(), describe(&error), is_own)?;
                    }
                    Err(error) => {
                        is_typed(&error)?;
                        // It may be down.
                        tokio::time::sleep(few).await;
                    }
                }
            }
        });
    }
    if !subject.lacks().iter().any(|(ability, _)| *ability == Ability::Restart) {
        for part in 1..=4 {
            while made.load(Ordering::Relaxed) < calls * part / 5 {
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
            pair.server.kill().await;
            pair.restart().await?;
        }
    }
    while let Some(caller) = callers.join_next().await {
        caller.map_err(|panic| Finding::new("a caller", "no panic", panic.to_string()))??;
    }
    Ok(())
}

/// From 0 to 4 ms.
fn chance_of(number: usize) -> usize {
    number % 5
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
