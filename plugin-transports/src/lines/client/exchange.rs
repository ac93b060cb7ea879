//! One request and its answer.

use std::{
    fmt,
    future::Future,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
    time::Duration,
};

use plugin_core::{
    clock::{self, Instant},
    deadline::{cut, waiting},
    polled_after_end,
};
use tokio::io::AsyncWrite;

use super::{
    super::codec::{Answer, Frame},
    Failure, LineConnection, Place,
    backlog::Caller,
    table::{Came, Treatment},
};

/// Resolves to the answer, or to why there is none. It has no limit of its own: whoever has one drops it, which withdraws
/// the request, and is told how far it had come.
pub(crate) struct Exchange<W> {
    connection: Arc<LineConnection<W>>,
    stage: ExchangeStage,
    limit: Duration,
    turn: Treatment,
}

enum ExchangeStage {
    New { frame: Frame, place: Place, deadline: Option<Instant> },
    Waiting(u64),
    Over,
}

impl<W> LineConnection<W> {
    /// A request and its answer. Nothing is sent before the first poll; dropping it withdraws the request, or, when
    /// it was sent, lets the reply be dropped on arrival.
    /// `deadline` is until when its caller waits, where that is known.
    pub(crate) fn exchange(self: &Arc<Self>, frame: Frame, deadline: Option<Instant>) -> Exchange<W> {
        Exchange::new(self.clone(), frame, Place::Call, deadline)
    }

    /// Like [`exchange`](Self::exchange), for the host's own requests.
    pub(crate) fn exchange_at(self: &Arc<Self>, place: Place, frame: Frame) -> Exchange<W> {
        Exchange::new(self.clone(), frame, place, None)
    }
}

impl<W> Exchange<W> {
    fn new(connection: Arc<LineConnection<W>>, frame: Frame, place: Place, deadline: Option<Instant>) -> Self {
        Self {
            connection,
            stage: ExchangeStage::New { frame, place, deadline },
            limit: Duration::MAX,
            turn: Treatment::default(),
        }
    }

    /// Where the call has no deadline, its caller waits for so long from when it is seen waiting.
    pub(crate) fn limited_to(mut self, limit: Duration) -> Self {
        self.limit = limit;
        self
    }

    /// The call was held back on this side until this moment, before it came here.
    pub(crate) fn held_until(mut self, at: Option<Instant>) -> Self {
        self.turn.held_until = at;
        self
    }

    /// How the call was treated on this side, once it has its answer.
    pub(crate) fn turn(&self) -> Treatment {
        self.turn
    }
}

impl<W: AsyncWrite + Unpin> Future for Exchange<W> {
    type Output = Result<Answer, Failure>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.get_mut();
        match std::mem::replace(&mut this.stage, ExchangeStage::Over) {
            ExchangeStage::New { frame, place, deadline } => {
                let came = waiting::began();
                let end = came.map(|came| came.saturating_add(this.limit)).filter(|end| *end != Instant::MAX);
                let caller = Caller { came, deadline: deadline.or(end) };
                match this.connection.submit(frame, cx.waker(), place, caller) {
                    Ok(id) => {
                        this.stage = ExchangeStage::Waiting(id);
                        Poll::Pending
                    }
                    Err(failure) => Poll::Ready(Err(failure)),
                }
            }
            ExchangeStage::Waiting(id) => match this.connection.fetch(id, cx.waker()) {
                Some((outcome, turn)) => {
                    this.turn = this.turn.then(turn);
                    Poll::Ready(outcome)
                }
                None => {
                    this.stage = ExchangeStage::Waiting(id);
                    Poll::Pending
                }
            },
            ExchangeStage::Over => polled_after_end("plugin_transports::process::ProcessFuture"),
        }
    }
}

impl Treatment {
    /// That of a call that was held back before, and then treated so.
    fn then(self, next: Self) -> Self {
        Self { held_until: self.held_until.max(next.held_until), ..next }
    }

    fn report(self, came: Came) {
        cut::Progress {
            stage: Some(came.stage()),
            sent: came.sent(),
            held_until: self.held_until,
            others_answered: self.others_answered,
            ..cut::Progress::default()
        }
        .report();
    }
}

impl<W> Drop for Exchange<W> {
    fn drop(&mut self) {
        // Withdrawing is what makes it certain: a request that is still in the table now will never be written.
        let came = match self.stage {
            ExchangeStage::New { .. } => Came::Queued,
            ExchangeStage::Waiting(id) => self.connection.forget(id),
            ExchangeStage::Over => return,
        };
        match came {
            Came::Held => cut::report_in_line(came.stage(), true),
            Came::Stuck => cut::report_in_line(came.stage(), false),
            Came::Behind => cut::report_held_until(came.stage(), came.sent(), clock::now()),
            Came::Queued => self.turn.report(came),
            Came::Sent(turn) => self.turn.then(turn).report(came),
        }
    }
}

impl<W> fmt::Debug for Exchange<W> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let stage = match &self.stage {
            ExchangeStage::New { .. } => "new",
            ExchangeStage::Waiting(_) => "waiting",
            ExchangeStage::Over => "over",
        };
        f.debug_struct("Exchange").field("stage", &stage).finish_non_exhaustive()
    }
}
