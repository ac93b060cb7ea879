//! Sockets in directories of their own, a plugin that answers byte for byte what a test says, and calls that are bounded in
//! time.

use std::{
    future::Future,
    io,
    path::{Path, PathBuf},
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use bytes::Bytes;
use plugin_core::{Call, Plugin, PluginError, PluginInstance, Reply};
use plugin_transports::{
    ConnectionConfig, ConnectionConfigBuilder,
    listen::{Serving, SocketPath, UnixSocket, UnixSocketOptions},
    unix::{self, UnixClient, UnixConfig, UnixConfigBuilder, UnixPlugin, UnixServerOptions},
};
use serde_json::Value;
use tempfile::TempDir;
use tokio::{
    io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader},
    net::{UnixListener, UnixStream},
    sync::{Notify, Semaphore},
};
use tower::ServiceExt;

/// No test waits longer.
pub(crate) const PATIENCE: Duration = Duration::from_secs(30);

pub(crate) async fn within<F: Future>(future: F) -> F::Output {
    tokio::time::timeout(PATIENCE, future).await.expect("it hangs")
}

pub(crate) const fn millis(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

/// A directory with room for a socket.
pub(crate) struct Place(TempDir);

impl Place {
    pub(crate) fn new() -> Self {
        Self(tempfile::tempdir().expect("a directory"))
    }

    pub(crate) fn path(&self) -> PathBuf {
        self.0.path().join("p.sock")
    }

    pub(crate) fn config(&self) -> UnixConfigBuilder {
        UnixConfig::builder("p", self.path().to_str().expect("text"))
    }

    pub(crate) async fn bind(&self) -> io::Result<UnixSocket> {
        let path = SocketPath::try_from(self.path().as_path()).expect("short enough");
        UnixSocket::bind(&path, UnixSocketOptions::new()).await
    }

    pub(crate) async fn serve(
        &self,
        plugin: impl Plugin<Bytes, Bytes>,
        options: UnixServerOptions,
    ) -> Serving<SocketPath> {
        unix::serve(plugin, self.bind().await.expect("free"), options).expect("it listens")
    }

    pub(crate) async fn host(&self) -> Host {
        Host::connect(&self.path()).await
    }
}

/// A host that writes what a test says.
pub(crate) struct Host(pub(crate) BufReader<UnixStream>);

impl Host {
    pub(crate) async fn connect(path: &Path) -> Self {
        Self(BufReader::new(UnixStream::connect(path).await.expect("somebody listens")))
    }

    pub(crate) async fn write(&mut self, text: impl AsRef<[u8]>) {
        within(self.0.get_mut().write_all(text.as_ref())).await.expect("it is read");
    }

    /// The next line, or `None` at the end.
    pub(crate) async fn line(&mut self) -> Option<String> {
        let mut line = String::new();
        match within(self.0.read_line(&mut line)).await {
            Ok(0) => None,
            Ok(_) => Some(line),
            Err(error) if error.kind() == io::ErrorKind::ConnectionReset => None,
            Err(error) => panic!("{error}"),
        }
    }

    pub(crate) async fn reply(&mut self) -> Value {
        let line = self.line().await.expect("a reply");
        serde_json::from_str(&line).expect("JSON")
    }

    pub(crate) async fn ask(&mut self, line: &str) -> Value {
        self.write(format!("{line}\n")).await;
        self.reply().await
    }
}

/// What the scripted plugin does with a request.
pub(crate) enum Act {
    /// Writes these bytes and reads on.
    Write(Vec<u8>),
    /// Writes these bytes and closes the connection.
    Close(Vec<u8>),
    /// Writes these bytes, closes the direction in which it sends, and reads on.
    HalfClose(Vec<u8>),
    /// Writes these bytes and nothing more.
    Stall(Vec<u8>),
    /// Writes these bytes again and again until the other side goes away.
    Flood(Vec<u8>),
    /// Takes a permit, writes these bytes, and reads on.
    Wait(Arc<Semaphore>, Vec<u8>),
    /// Writes the bytes one by one, as slowly as the permits come.
    Drip(Arc<Semaphore>, Vec<u8>),
}

/// A reply to this request, with `success` and `data`.
pub(crate) fn ok(request: &Value, data: &str) -> Vec<u8> {
    let (kind, id) = (&request["type"], &request["request_id"]);
    format!("{{\"type\":{kind},\"request_id\":{id},\"success\":true,\"data\":{data}}}\n").into_bytes()
}

/// A plugin that does as it is told.
pub(crate) struct Scripted {
    pub(crate) place: Place,
    seen: Arc<Mutex<Vec<Value>>>,
    open: Arc<AtomicUsize>,
    most_open: Arc<AtomicUsize>,
    accepted: Arc<AtomicUsize>,
    changed: Arc<Notify>,
}

impl Scripted {
    /// Every request is handed to `script` with its number from 0.
    pub(crate) fn start(script: impl Fn(usize, &Value) -> Act + Send + Sync + 'static) -> Self {
        let place = Place::new();
        let listener = UnixListener::bind(place.path()).expect("free");
        let plugin = Self {
            place,
            seen: Arc::default(),
            open: Arc::default(),
            most_open: Arc::default(),
            accepted: Arc::default(),
            changed: Arc::default(),
        };
        let script = Arc::new(script);
        let (seen, open, most) = (plugin.seen.clone(), plugin.open.clone(), plugin.most_open.clone());
        let (accepted, changed) = (plugin.accepted.clone(), plugin.changed.clone());
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                accepted.fetch_add(1, Ordering::SeqCst);
                most.fetch_max(open.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
                let (script, seen) = (script.clone(), seen.clone());
                let (open, changed) = (open.clone(), changed.clone());
                tokio::spawn(async move {
                    converse(stream, &*script, &seen, &changed).await;
                    open.fetch_sub(1, Ordering::SeqCst);
                    changed.notify_waiters();
                });
            }
        });
        plugin
    }

    pub(crate) fn config(&self) -> UnixConfigBuilder {
        self.place.config()
    }

    pub(crate) fn connect(&self) -> PluginInstance<UnixClient> {
        connect(self.config())
    }

    /// The requests so far.
    pub(crate) fn seen(&self) -> Vec<Value> {
        self.seen.lock().expect("no panic").clone()
    }

    pub(crate) fn accepted(&self) -> usize {
        self.accepted.load(Ordering::SeqCst)
    }

    pub(crate) fn most_open(&self) -> usize {
        self.most_open.load(Ordering::SeqCst)
    }

    /// Waits until this many requests have come.
    pub(crate) async fn until_seen(&self, count: usize) {
        self.until(|| self.seen.lock().expect("no panic").len() >= count).await;
    }

    /// Waits until this many connections are open.
    pub(crate) async fn until_open(&self, count: usize) {
        self.until(|| self.open.load(Ordering::SeqCst) == count).await;
    }

    async fn until(&self, done: impl Fn() -> bool) {
        within(async {
            loop {
                let changed = self.changed.notified();
                tokio::pin!(changed);
                // Registered before the look, so that no change is missed.
                changed.as_mut().enable();
                if done() {
                    return;
                }
                changed.await;
            }
        })
        .await;
    }
}

async fn converse(
    stream: UnixStream,
    script: &(dyn Fn(usize, &Value) -> Act + Send + Sync),
    seen: &Mutex<Vec<Value>>,
    changed: &Notify,
) {
    let mut stream = BufReader::new(stream);
    loop {
        let mut line = String::new();
        if stream.read_line(&mut line).await.unwrap_or(0) == 0 {
            return;
        }
        let act = {
            let mut seen = seen.lock().expect("no panic");
            seen.push(serde_json::from_str(&line).expect("a request is JSON"));
            let number = seen.len() - 1;
            script(number, &seen[number])
        };
        changed.notify_waiters();
        let out = stream.get_mut();
        let wrote = match act {
            Act::Write(bytes) => out.write_all(&bytes).await,
            Act::HalfClose(bytes) => {
                let _ = out.write_all(&bytes).await;
                out.shutdown().await
            }
            Act::Close(bytes) => {
                let _ = out.write_all(&bytes).await;
                return;
            }
            Act::Stall(bytes) => {
                let _ = out.write_all(&bytes).await;
                let _ = out.read_u8().await;
                return;
            }
            Act::Flood(bytes) => {
                while out.write_all(&bytes).await.is_ok() {}
                return;
            }
            Act::Wait(told, bytes) => {
                tokio::select! {
                    permit = told.acquire() => {
                        permit.expect("it is never closed").forget();
                        out.write_all(&bytes).await
                    }
                    _ = out.read_u8() => return,
                }
            }
            Act::Drip(told, bytes) => {
                for byte in bytes {
                    told.acquire().await.expect("it is never closed").forget();
                    if out.write_all(&[byte]).await.is_err() {
                        return;
                    }
                }
                Ok(())
            }
        };
        if wrote.is_err() {
            return;
        }
    }
}

pub(crate) fn connection(build: impl FnOnce(ConnectionConfigBuilder) -> ConnectionConfigBuilder) -> ConnectionConfig {
    build(ConnectionConfig::builder()).build().expect("valid settings")
}

pub(crate) fn connect(config: UnixConfigBuilder) -> PluginInstance<UnixClient> {
    UnixPlugin::connect(config.build().expect("valid settings")).expect("nothing can be wrong")
}

pub(crate) async fn call(
    instance: &PluginInstance<UnixClient>,
    payload: impl Into<String>,
) -> Result<Reply<Bytes>, PluginError> {
    send(instance, Call::new(Bytes::from(payload.into()))).await
}

pub(crate) async fn send(
    instance: &PluginInstance<UnixClient>,
    call: Call<Bytes>,
) -> Result<Reply<Bytes>, PluginError> {
    within(instance.service().clone().oneshot(call)).await
}
