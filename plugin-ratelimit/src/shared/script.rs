//! The scripts that run in Redis, and what they answer.

use std::sync::LazyLock;

use redis::{Cmd, ErrorKind, RedisError, RedisResult, ServerErrorKind, Value, cmd, from_redis_value};

use super::{connection::Connection, standing::Standing};
use crate::gcra::Limit;

/// A script, called by its hash and sent as a whole to a server that does not know it.
pub(super) struct Script {
    text: &'static str,
    hash: String,
}

pub(super) static DECIDE: LazyLock<Script> = LazyLock::new(|| Script::new(include_str!("decide.lua")));
pub(super) static HEARTBEAT: LazyLock<Script> = LazyLock::new(|| Script::new(include_str!("heartbeat.lua")));

impl Script {
    fn new(text: &'static str) -> Self {
        Self { text, hash: redis::Script::new(text).get_hash().to_owned() }
    }

    /// Runs the script over one key.
    ///
    /// One round trip, and another one where the server has not the script: `EVAL` runs it and keeps it, so it need not be
    /// loaded on every node of a cluster before.
    pub(super) async fn run(&self, connection: &mut Connection, key: &str, args: &[Arg<'_>]) -> RedisResult<Value> {
        match connection.query(&command("EVALSHA", &self.hash, key, args)).await {
            Err(error) if error.kind() == ErrorKind::Server(ServerErrorKind::NoScript) => {
                connection.query(&command("EVAL", self.text, key, args)).await
            }
            result => result,
        }
    }
}

/// An argument of a script.
#[derive(Clone, Copy)]
pub(super) enum Arg<'a> {
    Number(i64),
    Text(&'a str),
}

/// A number that a double holds. Of more than 104 days up to 8 ns more: of one that is rounded down the script would find that
/// a full bucket holds a token less.
fn exact(nanos: u64) -> u64 {
    if nanos < 1 << 53 { nanos } else { nanos.div_ceil(8).saturating_mul(8) }
}

fn command(name: &'static str, script: &str, key: &str, args: &[Arg<'_>]) -> Cmd {
    let mut command = cmd(name);
    command.arg(script).arg(1).arg(key);
    for arg in args {
        match arg {
            Arg::Number(number) => command.arg(number),
            Arg::Text(text) => command.arg(text),
        };
    }
    command
}

/// What one decision asks for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Question {
    /// Tokens without which nothing is taken.
    pub(super) tokens: u32,
    /// Tokens that are taken if they are there.
    pub(super) most: u32,
    /// Nanoseconds that are paid first, or given back if below zero.
    pub(super) shift: i64,
}

/// What the script said.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Answer {
    /// Tokens that were taken.
    pub(super) taken: u32,
    /// Nanoseconds until the bucket is full.
    pub(super) debt: u64,
    /// The time in which a token comes back until then: that of the question, or the shorter one of others who owe.
    pub(super) pace: u64,
}

impl Answer {
    /// Where the bucket stands if this was true at `at`.
    pub(super) fn standing(self, at: u64) -> Standing {
        Standing { full_at: at.saturating_add(self.debt), pace: self.pace }
    }
}

impl Question {
    pub(super) async fn ask(self, connection: &mut Connection, key: &str, limit: Limit) -> RedisResult<Answer> {
        let value = DECIDE.run(connection, key, &self.args(limit)).await?;
        let (taken, debt, pace) = from_redis_value::<(i64, i64, i64)>(value).map_err(RedisError::from)?;
        // The script counts all from zero, tokens and pace never above what it was given. Whoever answers otherwise is not believed.
        let pace = u64::try_from(pace).map_or(limit.interval, |pace| pace.clamp(1, limit.interval.max(1)));
        let taken = u32::try_from(taken).unwrap_or(0).min(self.most);
        Ok(Answer { taken, debt: u64::try_from(debt).unwrap_or(0), pace })
    }

    fn args(self, limit: Limit) -> [Arg<'static>; 5] {
        let nanos = |nanos: u64| Arg::Number(i64::try_from(nanos).unwrap_or(i64::MAX));
        [
            nanos(limit.interval),
            nanos(exact(limit.tolerance)),
            Arg::Number(self.tokens.into()),
            Arg::Number(self.most.into()),
            Arg::Number(self.shift),
        ]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_full_bucket_holds_its_burst_however_long_it_takes_to_fill() {
        let year = 365 * 24 * 60 * 60 * 1_000_000_000_u64;
        for burst in 1..2_000 {
            let interval = year / burst;
            let tolerance = exact(interval * burst) as f64;
            assert_eq!(tolerance as u64, exact(interval * burst), "a double holds it");
            assert_eq!((tolerance / interval as f64).floor() as u64, burst, "{burst}");
        }
        assert_eq!(exact(5), 5);
    }
}
