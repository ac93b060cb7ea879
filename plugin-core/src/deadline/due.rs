//! Whether the time of a call is up, for the layer that owns it, and the timer that tells.

use std::{
    future::Future,
    pin::Pin,
    task::{Context, Poll},
    time::Duration,
};

use pin_project_lite::pin_project;
use tokio::time::Sleep;

use super::{
    timer,
    waiting::{self, Note},
};
use crate::clock::{self, Instant};

/// Whether the time of a call is up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Due {
    NotYet,
    Now,
    /// Since long, and nobody has looked: this process did not run for a good part of the time.
    Overslept,
}

/// How late a timer may be before the answers are read that have come meanwhile.
const LATE: Duration = Duration::from_millis(20);

/// How late it must be, and by a quarter of the time that was given, for this process not to have run. A machine that is busy
/// wakes nobody so late.
const ASLEEP: Duration = Duration::from_millis(250);

/// How long the answers may take to be read, and no more than a quarter of the time that was given.
const READING: Duration = Duration::from_millis(100);

pin_project! {
    /// The timer of a layer that owns a limit.
    ///
    /// A process that was stopped, or a machine that was paused, finds all its timers due when it runs again, and the answers
    /// that came meanwhile unread. So one that fires late waits a moment longer, in which others read.
    pub(super) struct Armed {
        #[pin]
        sleep: Sleep,
        // How late it was, while it waits a moment longer.
        late: Option<Duration>,
    }
}

/// Boxed like every [timer](super::timer::Timer).
pub(super) type Alarm = Pin<Box<Armed>>;

fn arm(at: Instant) -> Alarm {
    timer::count();
    Box::pin(Armed { sleep: tokio::time::sleep_until(clock::on_tokio(at)), late: None })
}

/// Whether this moment has come, for the layer that owns this limit of a call that began `since`, and has just heard its
/// inner future wait. Arms a timer, unless a layer further in has one that fires no later: a waiting call needs no more than
/// one.
pub(super) fn is_due(alarm: &mut Option<Alarm>, since: Instant, at: Instant, heard: Note, cx: &mut Context<'_>) -> Due {
    if heard.timer <= at {
        *alarm = None;
        return Due::NotYet;
    }
    let armed = match alarm {
        Some(armed) => armed,
        // It may have passed while what is further in was polled, and need not be waited for then.
        None if heard.now.is_some_and(|now| at <= now) => return Due::Now,
        None => alarm.insert(arm(at)),
    };
    waiting::enforcing(at);
    match armed.as_mut().project().sleep.poll(cx) {
        Poll::Ready(()) => armed.as_mut().fired(since, at, heard, cx),
        Poll::Pending => Due::NotYet,
    }
}

impl Armed {
    #[cold]
    fn fired(self: Pin<&mut Self>, since: Instant, at: Instant, heard: Note, cx: &mut Context<'_>) -> Due {
        let mut this = self.project();
        let given = at.saturating_since(since);
        if this.late.is_none() {
            let now = heard.now.unwrap_or_else(clock::now);
            let late = now.saturating_since(at);
            if late < LATE {
                return Due::Now;
            }
            *this.late = Some(late);
            let until = now.saturating_add(READING.min(given / 4));
            this.sleep.as_mut().reset(clock::on_tokio(until));
            if this.sleep.poll(cx).is_pending() {
                return Due::NotYet;
            }
        }
        match *this.late {
            Some(late) if late >= ASLEEP.max(given / 4) => Due::Overslept,
            _ => Due::Now,
        }
    }
}
