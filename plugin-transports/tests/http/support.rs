//! A plugin that answers byte for byte what a test says, and calls that are bounded in time.

use std::{
    future::Future,
    net::SocketAddr,
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use bytes::Bytes;
use plugin_core::{Call, PluginError, PluginInstance, Reply};
use plugin_transports::{
    ConnectionConfig, ConnectionConfigBuilder,
    http::{HttpClient, HttpConfig, HttpConfigBuilder, HttpPlugin},
};
use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    sync::{Notify, Semaphore},
};
use tower::ServiceExt;

/// No test waits longer.
pub(crate) const PATIENCE: Duration = Duration::from_secs(30);

pub(crate) async fn within<F: Future>(future: F) -> F::Output {
    tokio::time::timeout(PATIENCE, future).await.expect("it hangs")
}

/// Lets the runtime hear of everything that has happened to its sockets so far, and act on it.
pub(crate) async fn settle() {
    let (listener, address) = listener().await;
    let (near, far) = tokio::join!(TcpStream::connect(address), listener.accept());
    drop((near.expect("a connection"), far.expect("a connection")));
    for _ in 0..50 {
        tokio::task::yield_now().await;
    }
}

pub(crate) async fn listener() -> (TcpListener, SocketAddr) {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = listener.local_addr().expect("an address");
    (listener, address)
}

/// What the scripted plugin does with a request.
pub(crate) enum Act {
    /// Answers with these bytes and reads on.
    Answer(Vec<u8>),
    /// Writes these bytes and closes the connection.
    Close(Vec<u8>),
    /// Writes these bytes and nothing more.
    Stall(Vec<u8>),
    /// Writes these bytes again and again until the other side goes away.
    Flood(Vec<u8>, Vec<u8>),
    /// Takes a permit, answers with these bytes, and reads on.
    Wait(Arc<Semaphore>, Vec<u8>),
}

/// A plugin that does as it is told.
pub(crate) struct Scripted {
    pub(crate) address: SocketAddr,
    seen: Arc<Mutex<Vec<String>>>,
    open: Arc<AtomicUsize>,
    most_open: Arc<AtomicUsize>,
    accepted: Arc<AtomicUsize>,
    changed: Arc<Notify>,
}

impl Scripted {
    /// Every request, head and body, is handed to `script` with its number from 0.
    pub(crate) async fn start(script: impl Fn(usize, &str) -> Act + Send + Sync + 'static) -> Self {
        let (listener, address) = listener().await;
        let plugin = Self {
            address,
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

    /// A plugin that gives the same answer to every request.
    pub(crate) async fn answering(answer: impl Into<Vec<u8>>) -> Self {
        let answer = answer.into();
        Self::start(move |_, _| Act::Answer(answer.clone())).await
    }

    pub(crate) fn config(&self) -> HttpConfigBuilder {
        HttpConfig::builder("p", format!("http://{}/run", self.address))
    }

    /// The requests so far.
    pub(crate) fn seen(&self) -> Vec<String> {
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
    mut stream: TcpStream,
    script: &(dyn Fn(usize, &str) -> Act + Send + Sync),
    seen: &Mutex<Vec<String>>,
    changed: &Notify,
) {
    while let Some(request) = read_message(&mut stream).await {
        let act = {
            let mut seen = seen.lock().expect("no panic");
            seen.push(request);
            let number = seen.len() - 1;
            script(number, &seen[number])
        };
        changed.notify_waiters();
        let wrote = match act {
            Act::Answer(bytes) => stream.write_all(&bytes).await,
            Act::Wait(told, bytes) => {
                tokio::select! {
                    permit = told.acquire() => {
                        permit.expect("it is never closed").forget();
                        stream.write_all(&bytes).await
                    }
                    _ = stream.read_u8() => return,
                }
            }
            Act::Close(bytes) => {
                let _ = stream.write_all(&bytes).await;
                return;
            }
            Act::Stall(bytes) => {
                let _ = stream.write_all(&bytes).await;
                let _ = stream.read_u8().await;
                return;
            }
            Act::Flood(first, rest) => {
                let _ = stream.write_all(&first).await;
                while stream.write_all(&rest).await.is_ok() {}
                return;
            }
        };
        if wrote.is_err() {
            return;
        }
    }
}

/// A head and, as long as `content-length` says, a body.
pub(crate) async fn read_message(stream: &mut (impl AsyncRead + Unpin)) -> Option<String> {
    let mut bytes = Vec::new();
    let mut wanted = usize::MAX;
    while bytes.len() < wanted {
        if stream.read_buf(&mut bytes).await.ok()? == 0 {
            return None;
        }
        if let Some(end) = bytes.windows(4).position(|four| four == b"\r\n\r\n") {
            let head = String::from_utf8_lossy(&bytes[..end]).to_ascii_lowercase();
            let length = head.lines().find_map(|line| line.strip_prefix("content-length:"));
            wanted = end + 4 + length.map_or(0, |length| length.trim().parse().expect("a number"));
        }
    }
    Some(String::from_utf8_lossy(&bytes).into_owned())
}

/// An answer with a status line such as `200 OK`, headers that end in line breaks, and a body.
pub(crate) fn answer(status: &str, headers: &str, body: &str) -> Vec<u8> {
    let length = body.len();
    format!("HTTP/1.1 {status}\r\n{headers}content-length: {length}\r\n\r\n{body}").into_bytes()
}

pub(crate) fn ok(body: &str) -> Vec<u8> {
    answer("200 OK", "content-type: application/json\r\n", body)
}

pub(crate) fn connection(build: impl FnOnce(ConnectionConfigBuilder) -> ConnectionConfigBuilder) -> ConnectionConfig {
    build(ConnectionConfig::builder()).build().expect("valid settings")
}

pub(crate) fn connect(config: HttpConfigBuilder) -> PluginInstance<HttpClient> {
    HttpPlugin::connect(config.build().expect("valid settings")).expect("nothing to read")
}

pub(crate) async fn call(
    instance: &PluginInstance<HttpClient>,
    payload: &'static str,
) -> Result<Reply<Bytes>, PluginError> {
    send(instance, Call::new(Bytes::from_static(payload.as_bytes()))).await
}

pub(crate) async fn send(
    instance: &PluginInstance<HttpClient>,
    call: Call<Bytes>,
) -> Result<Reply<Bytes>, PluginError> {
    within(instance.service().clone().oneshot(call)).await
}

/// The error of one call to a plugin that gives this answer.
pub(crate) async fn fault(answer: impl Into<Vec<u8>>) -> PluginError {
    let plugin = Scripted::answering(answer).await;
    call(&connect(plugin.config()), "1").await.expect_err("a fault")
}
