//! What must hold before a plugin serves, and its session with the host.

use std::{env, fmt, future::Future};

use bytes::Bytes;
use plugin_core::{Call, ConfigError, Reply};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    signal::unix::{SignalKind, signal},
};
use tower_service::Service;

use super::{ServeError, Server, session::Session, stdio};
use crate::lines::{env as names, split::LEAST_LINE};

impl Server {
    /// Serves on stdin and stdout until the host closes stdin, asks for `shutdown`, or sends SIGTERM; requests in work
    /// are finished first. What the plugin itself prints to stdout goes to stderr from here on.
    ///
    /// # Errors
    ///
    /// When the program was not started by a host (shown as an explanation for the person who started it), when a
    /// setting is out of its bounds, when a standard stream breaks, or when requests were dropped at the end of the
    /// drain timeout.
    pub async fn serve<S>(self, service: S) -> Result<(), ServeError>
    where
        S: Service<Call<Bytes>, Response = Reply<Bytes>, Error: fmt::Display, Future: Send> + Clone + Send + 'static,
    {
        if env::var(names::COOKIE).as_deref() != Ok(names::COOKIE_VALUE) {
            return Err(ServeError::by_hand());
        }
        let mut term = signal(SignalKind::terminate()).map_err(ServeError::io)?;
        let (input, output) = stdio::take().map_err(ServeError::io)?;
        let stop = async move {
            term.recv().await;
        };
        self.serve_on(service, input, output, stop).await
    }

    /// Serves on any pair of streams until the input ends, `shutdown` is asked for, or `stop` resolves.
    ///
    /// # Errors
    ///
    /// As [`serve`](Self::serve), but for how the program was started.
    pub async fn serve_on<S, R, W>(
        self,
        service: S,
        input: R,
        output: W,
        stop: impl Future<Output = ()>,
    ) -> Result<(), ServeError>
    where
        S: Service<Call<Bytes>, Response = Reply<Bytes>, Error: fmt::Display, Future: Send> + Clone + Send + 'static,
        R: AsyncRead + Unpin,
        W: AsyncWrite + Unpin,
    {
        if self.concurrency == 0 {
            return Err(ConfigError::new("concurrency", "must be at least 1").into());
        }
        if self.max_line < LEAST_LINE {
            let problem = format!("must be at least {LEAST_LINE} bytes, and is {}", self.max_line);
            return Err(ConfigError::new("max_line", problem).into());
        }
        Session::new(self, service, input, output).run(stop).await
    }
}
