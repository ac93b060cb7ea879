//! Requests: as many as there can be, and at a rate.

use std::{net::SocketAddr, sync::Arc, thread, time::Duration};

use bytes::Bytes;
use http::{HeaderValue, Method, Request, Uri, header};
use http_body_util::{BodyExt, Full};
use hyper::client::conn::http1::{self, SendRequest};
use hyper_util::rt::TokioIo;
use tokio::{
    net::TcpStream,
    sync::{Mutex, mpsc},
    task::JoinSet,
    time::Instant,
};

use super::backend;

/// Where requests go.
#[derive(Clone, Debug)]
pub(super) struct Target {
    address: SocketAddr,
    path: Uri,
}

impl Target {
    pub(super) fn new(address: SocketAddr, path: &str) -> Result<Self, String> {
        Ok(Self { address, path: path.parse().map_err(|error| format!("{path}: {error}"))? })
    }

    /// For messages.
    pub(super) fn uri(&self) -> String {
        format!("http://{}{}", self.address, self.path)
    }
}

/// A connection that is kept, on which one request follows the other.
pub(super) struct Connection {
    sender: SendRequest<Full<Bytes>>,
    path: Uri,
    host: HeaderValue,
    body: Bytes,
}

const JSON: HeaderValue = HeaderValue::from_static("application/json");

impl Connection {
    pub(super) async fn open(target: &Target) -> Result<Self, String> {
        let fault = |what: &str| format!("{}: {what}", target.uri());
        let stream = TcpStream::connect(target.address).await.map_err(|error| fault(&error.to_string()))?;
        stream.set_nodelay(true).map_err(|error| fault(&error.to_string()))?;
        let (sender, connection) =
            http1::handshake(TokioIo::new(stream)).await.map_err(|error| fault(&error.to_string()))?;
        tokio::spawn(connection);
        let host = HeaderValue::try_from(target.address.to_string()).map_err(|error| fault(&error.to_string()))?;
        Ok(Self { sender, path: target.path.clone(), host, body: backend::request() })
    }

    /// Sends a request and reads its answer, which must be a whole one.
    pub(super) async fn call(&mut self) -> Result<(), String> {
        let mut request = Request::new(Full::new(self.body.clone()));
        *request.method_mut() = Method::POST;
        *request.uri_mut() = self.path.clone();
        request.headers_mut().insert(header::HOST, self.host.clone());
        request.headers_mut().insert(header::CONTENT_TYPE, JSON);
        let text = |error: hyper::Error| format!("a call failed: {error}");
        self.sender.ready().await.map_err(text)?;
        let response = self.sender.send_request(request).await.map_err(text)?;
        let status = response.status();
        let body = response.into_body().collect().await.map_err(text)?.to_bytes();
        if !status.is_success() {
            return Err(format!("a call was answered {status}: {}", String::from_utf8_lossy(&body)));
        }
        Ok(())
    }
}

/// Opens so many.
pub(super) async fn open(target: &Target, count: usize) -> Result<Vec<Connection>, String> {
    let mut connections = Vec::with_capacity(count);
    for _ in 0..count {
        connections.push(Connection::open(target).await?);
    }
    Ok(connections)
}

/// What came of a load. The connections are there for the next one.
pub(super) struct Done<T> {
    pub(super) connections: Vec<Connection>,
    pub(super) found: T,
}

/// Each connection sends one request after the other for this time. How many there were, and how long it took until the last was
/// answered.
pub(super) async fn at_full_speed(
    connections: Vec<Connection>,
    time: Duration,
) -> Result<Done<(u64, Duration)>, String> {
    let begun = Instant::now();
    let end = begun + time;
    let done = each(connections, async move |connection| {
        let mut calls = 0_u64;
        while Instant::now() < end {
            connection.call().await?;
            calls += 1;
        }
        Ok(calls)
    })
    .await?;
    let took = begun.elapsed();
    Ok(Done { connections: done.connections, found: (done.found.into_iter().sum(), took) })
}

/// So many requests a second for this time, each on a connection that is free, or on the next that is. How long each took from the
/// moment at which it was due, so that one which is held up by others is not the shorter for it.
pub(super) async fn at_a_rate(
    connections: Vec<Connection>,
    per_second: u32,
    time: Duration,
) -> Result<Done<Vec<Duration>>, String> {
    let (tell, told) = mpsc::unbounded_channel();
    let pacer = thread::spawn(move || tell_when_due(&tell, Duration::from_secs(1) / per_second, time));
    let told = Arc::new(Mutex::new(told));
    let done = each(connections, async move |connection| {
        let mut took = Vec::new();
        loop {
            // Those that are free wait in line for the next.
            let due: Option<Instant> = told.lock().await.recv().await;
            let Some(due) = due else { return Ok(took) };
            connection.call().await?;
            took.push(due.elapsed());
        }
    })
    .await?;
    // It has ended, since nothing comes from it any more.
    _ = pacer.join();
    Ok(Done { connections: done.connections, found: done.found.concat() })
}

/// The last of a wait is not slept: a thread that sleeps is late by about half of this, and a timer of the runtime by more.
const NOT_SLEPT: Duration = Duration::from_micros(120);

/// Tells each request's moment when it has come, until there is no more time or nobody who listens.
fn tell_when_due(tell: &mpsc::UnboundedSender<Instant>, every: Duration, time: Duration) {
    let begun = Instant::now();
    let mut due = begun + every;
    while due < begun + time {
        thread::sleep(due.saturating_duration_since(Instant::now()).saturating_sub(NOT_SLEPT));
        while Instant::now() < due {
            std::hint::spin_loop();
        }
        if tell.send(due).is_err() {
            return;
        }
        due += every;
    }
}

/// Does the same with each connection, all at once.
async fn each<T, F>(connections: Vec<Connection>, work: F) -> Result<Done<Vec<T>>, String>
where
    T: Send + 'static,
    F: AsyncFn(&mut Connection) -> Result<T, String> + Clone + 'static,
{
    let mut tasks = JoinSet::new();
    for mut connection in connections {
        let work = work.clone();
        tasks.spawn_local(async move { work(&mut connection).await.map(|found| (connection, found)) });
    }
    let mut done = Done { connections: Vec::new(), found: Vec::new() };
    while let Some(ended) = tasks.join_next().await {
        let (connection, found) = ended.map_err(|error| error.to_string())??;
        done.connections.push(connection);
        done.found.push(found);
    }
    Ok(done)
}
