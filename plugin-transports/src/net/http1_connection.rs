//! A connection of HTTP/1.1, and its permit while it is in use.

use std::{
    future::Future,
    pin::Pin,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    task::{Context, Poll},
};

use hyper::client::conn::http1;
use tokio::{sync::OwnedSemaphorePermit, task::AbortHandle};

use super::{connect::ConnectionTask, exclusive::Kept, first_words::Refused};
use crate::net::body::Parts;

/// A connection of HTTP/1.1. Dropping it lets its driver close it in order.
pub(crate) struct Http1Connection {
    pub(crate) sender: http1::SendRequest<Parts>,
    pub(crate) driver: AbortHandle,
    /// The permit, while the connection is in use. The driver owns the cell too: a connection that is cut off keeps its
    /// permit until its socket is closed.
    held: Arc<Mutex<Option<OwnedSemaphorePermit>>>,
    pub(crate) refused: Refused,
}

impl Http1Connection {
    pub(crate) fn drive(sender: http1::SendRequest<Parts>, driver: ConnectionTask, refused: Refused) -> Self {
        let held = Arc::new(Mutex::new(None));
        let task = tokio::spawn(DrivenHttp1 { driver, held: Arc::clone(&held) });
        Self { sender, driver: task.abort_handle(), held, refused }
    }

    /// Where the permit is while the connection is in use.
    pub(crate) fn permit(&self) -> MutexGuard<'_, Option<OwnedSemaphorePermit>> {
        lock(&self.held)
    }
}

impl Kept for Http1Connection {
    fn is_closed(&self) -> bool {
        self.sender.is_closed()
    }

    fn release(&mut self) -> Option<OwnedSemaphorePermit> {
        self.permit().take()
    }
}

/// Drives a connection. The driver, and the socket in it, is dropped before the permit.
struct DrivenHttp1 {
    driver: ConnectionTask,
    held: Arc<Mutex<Option<OwnedSemaphorePermit>>>,
}

impl Future for DrivenHttp1 {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        self.driver.as_mut().poll(cx)
    }
}

impl Drop for DrivenHttp1 {
    fn drop(&mut self) {
        self.driver = Box::pin(std::future::ready(()));
        drop(lock(&self.held).take());
    }
}

/// No code that can panic runs under this lock.
fn lock(held: &Mutex<Option<OwnedSemaphorePermit>>) -> MutexGuard<'_, Option<OwnedSemaphorePermit>> {
    held.lock().unwrap_or_else(PoisonError::into_inner)
}
