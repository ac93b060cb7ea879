//! Whether the time of a call is up, for the layer that owns it, and the timer that tells; and the same timer for whoever
//! limits something else by which a service is judged: a start, a check, a connection.

use std::{
    fmt,
    future::{Future, poll_fn},
    pin::{Pin, pin},
    task::{Context, Poll},
    time::Duration,
};

use pin_project_lite::pin_project;
use tokio::time::Sleep;

use super::{note::Note, timer, waiting};
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

pin_project! {
    /// The end of a limit by which a service is judged, see [`limit`].
    #[must_use = "a future does nothing until it is polled"]
    pub struct Limited {
        #[pin]
        armed: Armed,
        since: Instant,
        at: Instant,
    }
}

/// Resolves after this time, for whoever limits something that says how a service is, such as its start, a check or a
/// connection. It is to be polled after the work that it limits.
///
/// Where this process did not run meanwhile, since it was stopped or its machine was paused, the answer may have come long
/// ago and be unread. So an end that is noticed late waits a moment longer, in which it is read: 100 ms, and no more than a
/// quarter of the time.
///
/// ```
/// use std::time::Duration;
/// use plugin_core::deadline;
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() {
/// let answer = deadline::within(Duration::from_secs(5), std::future::ready(42)).await;
/// assert_eq!(answer, Some(42));
/// let late = deadline::within(Duration::from_millis(5), std::future::pending::<u8>()).await;
/// assert_eq!(late, None);
/// # }
/// ```
///
/// # Panics
///
/// Outside of a tokio runtime with its timers enabled.
pub fn limit(after: Duration) -> Limited {
    let since = clock::now();
    let at = since.saturating_add(after);
    Limited { armed: Armed { sleep: tokio::time::sleep_until(clock::on_tokio(at)), late: None }, since, at }
}

/// The outcome of this work, or `None` when it has not ended within the [`limit`]. It is dropped then.
///
/// # Panics
///
/// Outside of a tokio runtime with its timers enabled.
pub async fn within<F: Future>(after: Duration, work: F) -> Option<F::Output> {
    let (mut work, mut limit) = (pin!(work), pin!(limit(after)));
    poll_fn(|cx| match work.as_mut().poll(cx) {
        Poll::Ready(output) => Poll::Ready(Some(output)),
        Poll::Pending => limit.as_mut().poll(cx).map(|()| None),
    })
    .await
}

impl Future for Limited {
    type Output = ();

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let mut this = self.project();
        if timer::fired(this.armed.as_mut().project().sleep, cx).is_pending() {
            return Poll::Pending;
        }
        let nothing = Note { stage: None, timer: Instant::MAX, now: None };
        match this.armed.fired(*this.since, *this.at, nothing, cx) {
            Due::NotYet => Poll::Pending,
            Due::Now | Due::Overslept => Poll::Ready(()),
        }
    }
}

impl fmt::Debug for Limited {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Limited").field("at", &self.at).finish_non_exhaustive()
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
    match timer::fired(armed.as_mut().project().sleep, cx) {
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
            if timer::fired(this.sleep, cx).is_pending() {
                return Due::NotYet;
            }
        }
        match *this.late {
            Some(late) if late >= ASLEEP.max(given / 4) => Due::Overslept,
            _ => Due::Now,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::task::Waker;

    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    #[tokio::test(start_paused = true)]
    async fn a_limit_that_is_noticed_late_leaves_a_moment_in_which_the_answer_is_read() {
        // What comes too late; how late the end is noticed; how long after that the answer is read.
        for (late, read, is_in_time) in [(9 * SECOND, 90, true), (9 * SECOND, 110, false), (SECOND / 100, 5, false)] {
            let (tell, told) = tokio::sync::oneshot::channel();
            let mut answer = pin!(within(8 * SECOND, told));
            let first = poll_fn(|cx| Poll::Ready(answer.as_mut().poll(cx).is_pending())).await;
            assert!(first);
            tokio::time::advance(8 * SECOND + late).await;
            let reader = async {
                tokio::time::sleep(Duration::from_millis(read)).await;
                let _ = tell.send(7);
            };
            let (answer, ()) = tokio::join!(answer, reader);
            assert_eq!(answer.is_some(), is_in_time, "{late:?} late, {read} ms later");
        }
    }

    #[tokio::test]
    async fn a_limit_ends_work_that_is_always_ready_for_more() {
        let flood = async {
            loop {
                tokio::task::coop::consume_budget().await;
            }
        };
        assert_eq!(within(20 * MS, flood).await, None::<()>);
    }

    #[tokio::test(start_paused = true)]
    async fn a_limit_ends_when_it_should_where_somebody_looks() {
        let start = clock::now();
        assert_eq!(within(2 * SECOND, std::future::pending::<()>()).await, None);
        assert_eq!(start.elapsed(), 2 * SECOND);
    }

    const MS: Duration = Duration::from_millis(1);

    /// What was heard in a poll in which nobody has read the clock.
    const SILENCE: Note = Note { stage: None, timer: Instant::MAX, now: None };

    #[tokio::test(start_paused = true)]
    async fn answers_are_read_for_a_moment_after_a_late_timer_and_a_process_that_did_not_run_knows_it() {
        for (given, late, reading, due) in [
            (1000, 5, 0, Due::Now),
            (1000, 30, 100, Due::Now),
            (1000, 240, 100, Due::Now),
            (1000, 260, 100, Due::Overslept),
            (4000, 980, 100, Due::Now),
            (4000, 1010, 100, Due::Overslept),
            (100, 200, 25, Due::Now),
            (100, 260, 25, Due::Overslept),
        ] {
            let said = format!("{late} ms late, after {given}");
            let (mut alarm, cx) = (None, &mut Context::from_waker(Waker::noop()));
            let since = clock::now();
            let at = since.saturating_add(given * MS);
            assert_eq!(is_due(&mut alarm, since, at, SILENCE, cx), Due::NotYet, "{said}");
            tokio::time::advance((given + late) * MS).await;
            if reading > 0 {
                assert_eq!(is_due(&mut alarm, since, at, SILENCE, cx), Due::NotYet, "{said}");
                tokio::time::advance((reading - 2) * MS).await;
                assert_eq!(is_due(&mut alarm, since, at, SILENCE, cx), Due::NotYet, "{said}");
                tokio::time::advance(4 * MS).await;
            }
            assert_eq!(is_due(&mut alarm, since, at, SILENCE, cx), due, "{said}");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn there_is_no_timer_where_one_further_in_fires_no_later_or_the_moment_has_come() {
        let (mut alarm, cx) = (None, &mut Context::from_waker(Waker::noop()));
        let since = clock::now();
        let at = since.saturating_add(1000 * MS);
        let armed = timer::armed();
        assert_eq!(is_due(&mut alarm, since, at, Note { now: Some(at), ..SILENCE }, cx), Due::Now);
        assert_eq!(is_due(&mut alarm, since, at, Note { timer: at, ..SILENCE }, cx), Due::NotYet);
        assert_eq!((alarm.is_none(), timer::armed() - armed), (true, 0));
        assert_eq!(is_due(&mut alarm, since, at, SILENCE, cx), Due::NotYet);
        assert_eq!((alarm.is_some(), timer::armed() - armed), (true, 1));
        assert_eq!(is_due(&mut alarm, since, at, Note { timer: since, ..SILENCE }, cx), Due::NotYet);
        assert!(alarm.is_none(), "it would fire for nothing");
    }
}
