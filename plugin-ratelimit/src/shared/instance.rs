//! An instance among the others that share a limit.

use std::{
    hash::{BuildHasher, RandomState},
    time::Duration,
};

use redis::{RedisError, RedisResult, cmd, from_redis_value};

use super::{
    connection::Connection,
    script::{Arg, HEARTBEAT},
    stored_key::of_instances,
};

/// This instance among the others.
#[derive(Clone)]
pub(super) struct Instance {
    /// The key of all instances.
    key: String,
    /// A name of its own, drawn at random.
    name: String,
}

impl Instance {
    pub(super) fn new(prefix: &str) -> Self {
        let random = || RandomState::new().hash_one(prefix);
        Self { key: of_instances(prefix), name: format!("{:016x}{:016x}", random(), random()) }
    }

    /// Is heard, and hears how many there are.
    pub(super) async fn beat(&self, connection: &mut Connection, age: Duration) -> RedisResult<u32> {
        let age = i64::try_from(age.as_millis()).unwrap_or(i64::MAX).max(1);
        let value = HEARTBEAT.run(connection, &self.key, &[Arg::Text(&self.name), Arg::Number(age)]).await?;
        from_redis_value(value).map_err(RedisError::from)
    }

    /// Is not counted any more.
    pub(super) async fn leave(&self, mut connection: Connection) {
        let _ = connection.query(cmd("ZREM").arg(&self.key).arg(&self.name)).await;
    }
}
