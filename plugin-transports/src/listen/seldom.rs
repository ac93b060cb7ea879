//! What happens again and again, and is told now and then.

use std::{
    sync::{Mutex, PoisonError},
    time::Duration,
};

use plugin_core::clock::Instant;

/// At most so often the log says that something goes on.
const TELL_EVERY: Duration = Duration::from_secs(10);

/// Something that goes on, as far as the log has not said so.
#[derive(Debug, Default)]
pub(crate) struct Seldom(Mutex<Untold>);

#[derive(Debug, Default)]
struct Untold {
    count: u64,
    told: Option<Instant>,
}

impl Seldom {
    /// It happened again. How often since it was told the last time, when it is time to tell.
    pub(crate) fn note(&self, now: Instant) -> Option<u64> {
        let mut untold = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        untold.count += 1;
        if untold.told.is_some_and(|at| now.saturating_since(at) < TELL_EVERY) {
            return None;
        }
        untold.told = Some(now);
        Some(std::mem::take(&mut untold.count))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_is_told_at_once_and_what_follows_with_one_that_comes_later() {
        let (seldom, begin) = (Seldom::default(), Instant::from_nanos(1));
        assert_eq!(
            [1, 2, 9].map(|after| seldom.note(begin.saturating_add(Duration::from_secs(after)))),
            [Some(1), None, None]
        );
        assert_eq!(
            [11, 12].map(|after| seldom.note(begin.saturating_add(Duration::from_secs(after)))),
            [Some(3), None]
        );
    }
}
