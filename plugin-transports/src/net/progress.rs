//! How far a call has come: what a late one was doing, and whether the plugin can have seen it.

use std::sync::atomic::{AtomicBool, AtomicU8, AtomicU64, Ordering};

use plugin_core::{
    Sent,
    clock::{self, Instant},
    deadline::cut::{self, Line, Place},
};

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd)]
#[repr(u8)]
pub(crate) enum CallStage {
    Waiting,
    Connecting,
    Sent,
    Reading,
    /// It was given up in line, while others were answered.
    Held,
}

impl CallStage {
    /// Reads on from "spent ...".
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::Waiting | Self::Held => "waiting for a free connection",
            Self::Connecting => "connecting to the plugin",
            Self::Sent => "waiting for the plugin's answer",
            Self::Reading => "reading the plugin's answer",
        }
    }

    pub(crate) const fn sent(self) -> Sent {
        match self {
            Self::Waiting | Self::Connecting | Self::Held => Sent::Nothing,
            Self::Sent | Self::Reading => Sent::Maybe,
        }
    }
}

/// Written by the exchange, on the task of the call.
///
/// When it goes because the call is cut at its limit, it tells the layer that owns the limit how far the call had come. So
/// it must outlive the exchange: only what is withdrawn for good can be called unsent.
#[derive(Debug)]
pub(crate) struct CallProgress {
    stage: AtomicU8,
    /// When it had its turn, where it waited in line for that; [`Instant::ZERO`] where it did not.
    turn: AtomicU64,
    /// The plugin answered others since it had this call.
    others_answered: AtomicBool,
}

impl CallProgress {
    pub(crate) fn new() -> Self {
        Self {
            stage: AtomicU8::new(CallStage::Waiting as u8),
            turn: AtomicU64::new(Instant::ZERO.as_nanos()),
            others_answered: AtomicBool::new(false),
        }
    }

    pub(crate) fn set(&self, stage: CallStage) {
        // Relaxed: one task writes and reads; the atomics are there only because a future has to be Sync to be Send.
        self.stage.store(stage as u8, Ordering::Relaxed);
    }

    pub(crate) fn stage(&self) -> CallStage {
        // Relaxed: as above.
        match self.stage.load(Ordering::Relaxed) {
            0 => CallStage::Waiting,
            1 => CallStage::Connecting,
            2 => CallStage::Sent,
            3 => CallStage::Reading,
            _ => CallStage::Held,
        }
    }

    /// When it had its turn, where it waited in line for that.
    pub(crate) fn turn(&self) -> Option<Instant> {
        // Relaxed: as above.
        Some(Instant::from_nanos(self.turn.load(Ordering::Relaxed))).filter(|turn| *turn != Instant::ZERO)
    }

    /// The present moment, for what is sent next of a call that began then: it may have waited in line since, or for a connection.
    pub(crate) fn sending(&self, began: Instant) -> Instant {
        match self.stage() {
            CallStage::Connecting => clock::now().max(began),
            _ => self.turn().map_or(began, |turn| turn.max(began)),
        }
    }

    /// The call waits in this line from now on, as long as the answer lives.
    pub(crate) fn in_line<'p>(&'p self, line: &'p Line) -> InLine<'p> {
        InLine { progress: self, line, place: line.join(), has_turn: false }
    }

    /// The plugin has the call, or is given it soon, as long as the answer lives.
    pub(crate) fn beside<'p>(&'p self, line: &'p Line) -> Beside<'p> {
        Beside { progress: self, line, place: line.join() }
    }
}

impl Drop for CallProgress {
    fn drop(&mut self) {
        let stage = self.stage();
        match stage {
            CallStage::Waiting => cut::report_in_line(stage.as_str(), false),
            CallStage::Held => cut::report_in_line(stage.as_str(), true),
            CallStage::Connecting | CallStage::Sent | CallStage::Reading => cut::Progress {
                stage: Some(stage.as_str()),
                sent: stage.sent(),
                // The plugin had it, or was dialled for it, since then.
                held_until: self.turn(),
                // Relaxed: as above.
                others_answered: self.others_answered.load(Ordering::Relaxed),
                ..cut::Progress::default()
            }
            .report(),
        }
    }
}

/// A call that the plugin has, beside others: until its answer has been read, or it is given up.
pub(crate) struct Beside<'p> {
    progress: &'p CallProgress,
    line: &'p Line,
    place: Place,
}

impl Beside<'_> {
    /// The plugin has it from now on, or goes on with it.
    pub(crate) fn begins(&mut self) {
        self.place = self.line.join();
    }

    /// Whether the plugin answered others since then.
    pub(crate) fn others_answered(&self) -> bool {
        self.line.has_moved(self.place)
    }

    /// The plugin has answered it. To say that it ran out of its time is no answer.
    pub(crate) fn answered(self) {
        self.line.answered();
    }
}

impl Drop for Beside<'_> {
    fn drop(&mut self) {
        if cut::current().is_some() && self.progress.stage() >= CallStage::Sent && self.others_answered() {
            // Relaxed: as above.
            self.progress.others_answered.store(true, Ordering::Relaxed);
        }
    }
}

/// A call in line for a connection.
pub(crate) struct InLine<'p> {
    progress: &'p CallProgress,
    line: &'p Line,
    place: Place,
    has_turn: bool,
}

impl InLine<'_> {
    /// It is this call's turn.
    pub(crate) fn has_turn(mut self) {
        self.has_turn = true;
        // Relaxed: as above.
        self.progress.turn.store(clock::now().as_nanos(), Ordering::Relaxed);
    }

    /// It is this call's turn, and what it waited for was the plugin, unless others were answered meanwhile.
    #[cfg_attr(not(feature = "http"), allow(dead_code, reason = "of connections that calls share"))]
    pub(crate) fn has_turn_at_last(mut self) {
        if self.line.has_moved(self.place) {
            return self.has_turn();
        }
        self.has_turn = true;
    }
}

impl Drop for InLine<'_> {
    fn drop(&mut self) {
        if !self.has_turn && self.line.has_moved(self.place) {
            self.progress.set(CallStage::Held);
        }
    }
}
