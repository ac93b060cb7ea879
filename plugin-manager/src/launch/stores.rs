//! The connections to Redis that limits are kept over.

use std::sync::{Arc, Mutex, PoisonError};

use plugin_ratelimit::{AwayReason, RedisConfig, RedisStore, SharedMode};

/// One connection for each Redis and prefix, whatever uses it: gateways are counted by them. Of settings that differ those of the first
/// hold; a configuration in which they do is not taken. Clones share them.
#[derive(Clone, Debug, Default)]
pub(crate) struct Stores(Arc<Mutex<Vec<RedisStore>>>);

impl Stores {
    /// The connection to this Redis. It is made in a task of its own, and the log says when it is away.
    pub(crate) fn of(&self, config: &RedisConfig) -> RedisStore {
        let mut stores = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(store) = stores.iter().find(|store| store.config().is_same_place(config)) {
            return store.clone();
        }
        let store = RedisStore::new(config.clone());
        follow(&store);
        stores.push(store.clone());
        store
    }
}

/// Logs who decides, for as long as somebody has the connection.
fn follow(store: &RedisStore) {
    let (mut events, redis, prefix) = (store.events(), store.config().address(), store.config().prefix().to_owned());
    // It was connecting before anybody listened.
    let first = store.status();
    tokio::spawn(async move {
        let mut told = SharedMode::Connecting;
        let mut tell = move |mode: SharedMode, reason: Option<&AwayReason>| {
            if mode == std::mem::replace(&mut told, mode) {
                return;
            }
            let reason = reason.map(ToString::to_string);
            match mode {
                SharedMode::Local => tracing::warn!(
                    redis,
                    prefix,
                    reason,
                    "Redis is away; this gateway lets its share of the shared rate limits through"
                ),
                SharedMode::Shared => tracing::info!(redis, prefix, "Redis decides the shared rate limits"),
                _ => {}
            }
        };
        tell(first.mode, first.reason.as_ref());
        while let Some(event) = events.next().await {
            tell(event.to, event.reason.as_ref());
        }
    });
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[derive(Clone, Default)]
    struct Written(Arc<Mutex<Vec<u8>>>);

    impl std::io::Write for Written {
        fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
            self.0.lock().expect("no panic").extend_from_slice(bytes);
            Ok(bytes.len())
        }

        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }

    #[tokio::test]
    async fn that_a_redis_is_away_is_told_once_however_soon_it_was_found() {
        let written = Written::default();
        let writer = written.clone();
        let log = tracing_subscriber::fmt().with_writer(move || writer.clone()).with_ansi(false).finish();
        let _guard = tracing::subscriber::set_default(log);
        let dir = tempfile::tempdir().expect("a directory");
        let url = format!("unix://{}", dir.path().join("nobody.sock").display());
        let store = RedisStore::new(RedisConfig::builder(&url).build().expect("valid"));
        let away = async {
            while store.status().mode != SharedMode::Local {
                tokio::task::yield_now().await;
            }
        };
        tokio::time::timeout(Duration::from_secs(30), away).await.expect("nobody listens there");
        follow(&store);
        for _ in 0..100 {
            tokio::task::yield_now().await;
        }
        let text = String::from_utf8(written.0.lock().expect("no panic").clone()).expect("text");
        assert_eq!(text.matches("Redis is away").count(), 1, "{text}");
    }
}
