//! The task that keeps the connection: connects, sends heartbeats, and looks after a fault whether Redis answers again.

use std::{
    future::Future,
    hash::{BuildHasher, RandomState},
    sync::{Arc, Weak},
    time::Duration,
};

use plugin_core::{Backoff, Jitter, clock};
use redis::{RedisError, RedisResult};
use tokio::{runtime::Handle, sync::Notify, task::JoinHandle, time};

use super::{
    AwayReason, connection::Connection, fault::Fault, instance::Instance, link::Link, replicas, script::Question,
};
use crate::{gcra::Limit, sync::lock};

/// The waits between tries to connect.
const FIRST: Duration = Duration::from_millis(100);
const LONGEST: Duration = Duration::from_secs(1);

/// Has a keeper on this runtime, if there is none, or the one that there was has ended with its runtime.
pub(super) fn ensure(link: &Arc<Link>) {
    let Ok(runtime) = Handle::try_current() else { return };
    let mut keeper = lock(&link.keeper);
    if keeper.as_ref().is_none_or(JoinHandle::is_finished) {
        *keeper = Some(runtime.spawn(keep(Arc::downgrade(link), link.me.clone(), Arc::clone(&link.wake))));
    }
}

/// Keeps the connection for as long as the link lives. Dropped with its runtime; whoever decides next has another one made.
async fn keep(link: Weak<Link>, me: Instance, wake: Arc<Notify>) {
    let waits = Backoff::new(FIRST, LONGEST, 2.0, Jitter::Proportional(0.3)).unwrap_or_default();
    let (mut tries, mut last) = (0_u32, None);
    loop {
        let wait = {
            let Some(link) = link.upgrade() else { break };
            let is_well = look(&link, &me).await;
            last = link.connection().map(|(_, connection)| (connection, link.config.timeout()));
            if is_well {
                tries = 0;
                link.pace()
            } else {
                tries = tries.saturating_add(1);
                waits.wait(tries - 1, Duration::ZERO, chance())
            }
        };
        tokio::select! {
            () = time::sleep(wait) => {}
            () = wake.notified() => {
                // A fault was met between two looks. A server that fails every look is still given its wait.
                if tries > 0 {
                    time::sleep(wait).await;
                }
            }
        }
    }
    if let Some((connection, timeout)) = last {
        let _ = time::timeout(timeout, me.leave(connection)).await;
    }
}

/// Whether Redis answers, over the connection that there is or a new one.
async fn look(link: &Arc<Link>, me: &Instance) -> bool {
    let (epoch, mut connection) = match link.connection() {
        Some(present) => present,
        None => match connect(link).await {
            Ok(connection) => (link.connected(&connection), connection),
            Err((reason, epoch)) => {
                link.failed(reason, epoch, None);
                return false;
            }
        },
    };
    let age = link.config.heartbeat().saturating_mul(replicas::KEPT as u32);
    let beaten = within(link, me.beat(&mut connection, age)).await;
    let counted = match (beaten, link.suspect()) {
        (Ok(count), Some(key)) => {
            // No token is taken: the question is whether there is an answer.
            let limit = Limit { interval: 1, tolerance: 1, window: 1 };
            match within(link, Question::default().ask(&mut connection, &key, limit)).await {
                Ok(_) | Err(Fault::Key) => Ok(count),
                Err(fault) => Err(fault),
            }
        }
        (counted, _) => counted,
    };
    match counted {
        Ok(count) => {
            link.looked_after(count, epoch);
            true
        }
        Err(Fault::Slow) => true,
        Err(Fault::Away(reason)) => {
            link.failed(reason, epoch, None);
            false
        }
        Err(Fault::Key) => {
            link.failed(AwayReason::Error("WRONGTYPE".to_owned()), epoch, None);
            false
        }
    }
}

async fn connect(link: &Link) -> Result<Connection, (AwayReason, u64)> {
    let config = &link.config;
    let epoch = link.epoch();
    let open = Connection::open(&config.address, config.connect_timeout(), config.timeout());
    match time::timeout(config.connect_timeout(), open).await {
        Ok(Ok(connection)) => Ok(connection),
        Ok(Err(error)) => Err((reason(&error), epoch)),
        Err(_) => Err((AwayReason::ConnectTimedOut, epoch)),
    }
}

/// Of a connection that was not made.
fn reason(error: &RedisError) -> AwayReason {
    match Fault::from(error) {
        Fault::Away(reason) => reason,
        Fault::Key | Fault::Slow => AwayReason::Unreachable,
    }
}

async fn within<T>(link: &Link, asked: impl Future<Output = RedisResult<T>>) -> Result<T, Fault> {
    let sent = clock::now();
    match time::timeout(link.config.timeout(), asked).await {
        Ok(Ok(answer)) => {
            link.heard();
            Ok(answer)
        }
        Ok(Err(error)) => Err(Fault::from(&error)),
        Err(_) => Err(link.late(sent)),
    }
}

/// A number from 0 to 1, so that instances do not all connect at once.
fn chance() -> f64 {
    f64::from(RandomState::new().hash_one(0_u8) as u32) / f64::from(u32::MAX)
}
