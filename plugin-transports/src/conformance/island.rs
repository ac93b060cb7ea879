//! A server with a runtime and a thread of its own, which can be ended as by a crash.

use std::{
    fmt,
    future::Future,
    io,
    net::SocketAddr,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    thread,
};

use plugin_core::{BoxError, BoxFuture};
use tokio::{
    net::{TcpListener, TcpSocket},
    runtime::{Builder, Handle},
    sync::oneshot,
};

use super::ServedPlugin;

type Start = Arc<dyn Fn() -> BoxFuture<Result<Box<dyn Send>, BoxError>> + Send + Sync>;

/// A server that runs in this process, on a thread with a runtime of its own. To kill it drops that runtime: its tasks end
/// wherever they are, and its sockets are closed. What it does for a call is not counted among the host's timers and tasks.
///
/// ```
/// use plugin_transports::conformance::{Island, ServedPlugin};
/// use tokio::net::{TcpListener, TcpStream};
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), plugin_transports::plugin_core::BoxError> {
/// let port = Island::port()?;
/// let address = port.local_addr()?;
/// // What the closure gives is kept for as long as the server runs.
/// let server = Island::start(move || async move { Ok(Island::listen(address)?) }).await?;
///
/// TcpStream::connect(address).await?;
/// server.kill().await;
/// TcpStream::connect(address).await.expect_err("nobody listens");
/// server.restart().await?;
/// TcpStream::connect(address).await?;
/// # Ok(())
/// # }
/// ```
pub struct Island {
    start: Start,
    running: Mutex<Option<Running>>,
}

struct Running {
    /// Dropping it ends the thread.
    stop: oneshot::Sender<()>,
    stopped: oneshot::Receiver<()>,
    handle: Handle,
    /// Tasks that run while nobody is connected.
    tasks: usize,
}

impl Island {
    /// Starts a server; `serve` is called within its runtime, here and at each restart, and what it gives is kept while the
    /// server runs.
    ///
    /// # Errors
    ///
    /// That of `serve`, or when there can be no thread.
    pub async fn start<F, Fut, T>(serve: F) -> Result<Self, BoxError>
    where
        F: Fn() -> Fut + Send + Sync + 'static,
        Fut: Future<Output = Result<T, BoxError>> + Send + 'static,
        T: Send + 'static,
    {
        let start: Start = Arc::new(move || {
            let kept = serve();
            Box::pin(async move { Ok(Box::new(kept.await?) as Box<dyn Send>) })
        });
        let running = launch(&start).await?;
        Ok(Self { start, running: Mutex::new(Some(running)) })
    }

    /// A port of loopback that nobody else gets, and that nobody listens on until [`listen`](Self::listen) does: for as long as
    /// this is kept, a server that is down is refused and its port is not another's.
    ///
    /// # Errors
    ///
    /// When the system has none.
    pub fn port() -> io::Result<TcpSocket> {
        let socket = TcpSocket::new_v4()?;
        socket.set_reuseport(true)?;
        socket.bind(([127, 0, 0, 1], 0).into())?;
        Ok(socket)
    }

    /// Listens on a [`port`](Self::port).
    ///
    /// # Errors
    ///
    /// When the system says so.
    pub fn listen(address: SocketAddr) -> io::Result<TcpListener> {
        let socket = TcpSocket::new_v4()?;
        socket.set_reuseport(true)?;
        socket.set_reuseaddr(true)?;
        socket.bind(address)?;
        socket.listen(1024)
    }

    fn running(&self) -> MutexGuard<'_, Option<Running>> {
        self.running.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

async fn launch(start: &Start) -> Result<Running, BoxError> {
    let (stop, told_to_stop) = oneshot::channel();
    let (is_up, up) = oneshot::channel();
    let (has_stopped, stopped) = oneshot::channel();
    let start = Arc::clone(start);
    thread::Builder::new().name("conformance-server".to_owned()).spawn(move || {
        let runtime = match Builder::new_current_thread().enable_all().build() {
            Ok(runtime) => runtime,
            Err(error) => {
                let _ = is_up.send(Err(error.into()));
                return;
            }
        };
        let kept = runtime.block_on(async move {
            let kept = match start().await {
                Ok(kept) => kept,
                Err(error) => {
                    let _ = is_up.send(Err(error));
                    return None;
                }
            };
            // What it starts begins to run, and is counted, before somebody connects.
            tokio::task::yield_now().await;
            let handle = Handle::current();
            let tasks = handle.metrics().num_alive_tasks();
            let _ = is_up.send(Ok((handle, tasks)));
            let _ = told_to_stop.await;
            Some(kept)
        });
        // First: a server that hears that it is dropped may take its leave in order, and this is to be a crash.
        runtime.shutdown_background();
        drop(kept);
        let _ = has_stopped.send(());
    })?;
    let (handle, tasks) = up.await.map_err(|_| "the server's thread has ended")??;
    Ok(Running { stop, stopped, handle, tasks })
}

impl ServedPlugin for Island {
    async fn kill(&self) {
        let running = self.running().take();
        if let Some(Running { stop, stopped, .. }) = running {
            drop(stop);
            let _ = stopped.await;
        }
    }

    async fn restart(&self) -> Result<(), BoxError> {
        self.kill().await;
        let running = launch(&self.start).await?;
        *self.running() = Some(running);
        Ok(())
    }

    fn held(&self) -> Option<usize> {
        let held = |running: &Running| running.handle.metrics().num_alive_tasks().saturating_sub(running.tasks);
        Some(self.running().as_ref().map_or(0, held))
    }
}

impl fmt::Debug for Island {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Island").field("is_running", &self.running().is_some()).finish_non_exhaustive()
    }
}
