//! One request and its reply.

use bytes::{Buf, Bytes};
use plugin_core::{PluginError, Sent, clock::Instant};

use super::{
    super::{
        reply::{self, Answer, ReplyUnread},
        request::{Around, MessageType},
    },
    connection::{Came, NotWritten},
    fault,
    pool::{Lease, UnixPool},
};
use crate::{
    json::Limits,
    net::progress::{CallProgress, CallStage},
};

/// A request, but for what it says of the time.
pub(super) struct Outgoing<'r> {
    pub(super) kind: MessageType,
    pub(super) id: &'r str,
    pub(super) payload: Bytes,
}

/// A reply that was read, whose connection can be used again.
pub(super) struct Read {
    pub(super) answer: Answer,
    lease: Lease,
    /// The plugin answered others before it began this answer.
    pub(super) others_answered: bool,
}

impl Read {
    /// All is done: the moment in which the connection is free is that of the call's end.
    pub(super) fn finish(self) -> Answer {
        self.lease.finish();
        self.answer
    }

    /// Likewise, and the connection is closed: a plugin that serves one connection after another waits for that.
    pub(super) fn close(self) -> Answer {
        drop(self.lease.cut_off());
        self.answer
    }
}

/// Sends a request on the first connection that takes it, and reads its reply. One of the pool that turns out to be closed
/// before a byte was written costs nothing but another try.
///
/// `around` gives what stands around the payload when it is sent at that moment.
pub(super) async fn send(
    pool: &std::sync::Arc<UnixPool>,
    outgoing: &Outgoing<'_>,
    make: impl Fn(Instant) -> Result<Around, PluginError>,
    limits: Limits,
    began: Instant,
    progress: &CallProgress,
) -> Result<Read, PluginError> {
    // As it is when nothing has to be waited for; what is wrong with it costs no connection.
    let mut made = Some(make(began)?);
    // Every idle connection may be dead; after as many tries as there can be of them, it is not bad luck any more.
    let mut tries = pool.free() + 2;
    let mut beside = progress.beside(pool.line());
    loop {
        let mut lease = pool.checkout(outgoing.id, began, progress).await?;
        let lost = || PluginError::connection("no connection", Sent::Nothing);
        let connection = lease.connection().ok_or_else(lost)?;
        // It is made when it can be sent: what it says of time is what is left after a wait in line.
        let at = progress.sending(began);
        let around = match made.take().filter(|_| at == began) {
            Some(made) => made,
            None => make(at)?,
        };
        let (before, behind) = (&around.before[..], &around.behind[..]);
        let line = before.chain(&outgoing.payload[..]).chain(behind);
        progress.set(CallStage::Sent);
        beside.begins();
        let not_written = match connection.write(outgoing.id, line).await {
            Ok(()) => None,
            Err(NotWritten { sent: Sent::Nothing, error }) => {
                tries = tries.saturating_sub(1);
                if tries == 0 {
                    lease.is_lost();
                    return Err(fault::lost(error, Sent::Nothing));
                }
                continue;
            }
            // It may have said why before it closed the connection.
            Err(NotWritten { error, .. }) => Some(error),
        };
        connection.begins().await;
        let others_answered = beside.others_answered();
        progress.set(CallStage::Reading);
        let (came, is_whole) = match (connection.read().await, not_written) {
            (Came::Line(line), not_written) => (line, not_written.is_none()),
            (Came::Ended(rest), None) if !rest.is_empty() => (rest, false),
            (Came::TooLong, _) => return Err(fault::too_long(pool.max_line())),
            (Came::Ended(rest), not_written) => {
                lease.is_lost();
                return Err(fault::ended(not_written, rest.is_empty()));
            }
            (Came::Broken(error), _) => {
                if let Some(misspoken) = fault::misspoken(connection, connection.unread(), pool.socket()) {
                    return Err(misspoken);
                }
                lease.is_lost();
                return Err(fault::lost(error, Sent::Maybe));
            }
        };
        let read = reply::read(&came, outgoing.kind, outgoing.id, limits);
        let answer = match read {
            Ok(answer) => answer,
            Err(unread) => {
                if let Some(misspoken) = fault::misspoken(connection, &came, pool.socket()) {
                    return Err(misspoken);
                }
                // The half of one.
                if matches!(unread, ReplyUnread::Broken(_)) && !is_whole {
                    lease.is_lost();
                    return Err(fault::ended(None, false));
                }
                return Err(fault::no_answer(&unread));
            }
        };
        if !answer.is_out_of_time() {
            beside.answered();
        }
        // A plugin whose time is over answers and closes the connection, since its caller may have given the call up: what came
        // onto it after that would be lost.
        let is_kept = is_whole && !answer.is_anonymous && !answer.is_out_of_time();
        let lease = if is_kept { lease } else { lease.cut_off() };
        return Ok(Read { answer, lease, others_answered });
    }
}
