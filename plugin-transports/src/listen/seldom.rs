//! What happens again and again, and is told now and then.

use std::{
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use plugin_core::clock::{self, Instant};

/// At most so often the log says that something goes on.
const TELL_EVERY: Duration = Duration::from_secs(10);

/// Something that goes on, as far as the log has not said so.
#[derive(Debug, Default)]
pub(crate) struct Seldom(Mutex<Untold>);

#[derive(Debug, Default)]
struct Untold {
    count: u64,
    told: Option<Instant>,
    /// Somebody tells the rest when it is time.
    is_awaited: bool,
}

/// What is to be done about one more.
#[derive(Debug, PartialEq, Eq)]
enum Next {
    /// It is told, with how many there were since the last time.
    Tell(u64),
    /// It is told after this time, unless another is before.
    TellIn(Duration),
    /// Somebody does already.
    Nothing,
}

impl Seldom {
    /// It happened again. `tell` gets how often since it was told the last time: at once, or when it is time again, with those that
    /// come until then. Within a runtime.
    pub(crate) fn happened(self: &Arc<Self>, tell: impl FnOnce(u64) + Send + 'static) {
        match self.next(clock::now()) {
            Next::Tell(count) => tell(count),
            Next::TellIn(wait) => {
                let seldom = Arc::clone(self);
                tokio::spawn(async move {
                    tokio::time::sleep(wait).await;
                    if let Some(count) = seldom.rest(clock::now()) {
                        tell(count);
                    }
                });
            }
            Next::Nothing => {}
        }
    }

    fn next(&self, now: Instant) -> Next {
        let mut untold = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        untold.count += 1;
        let left = untold.told.map_or(Duration::ZERO, |at| TELL_EVERY.saturating_sub(now.saturating_since(at)));
        if left.is_zero() {
            return Next::Tell(untold.tell(now));
        }
        match std::mem::replace(&mut untold.is_awaited, true) {
            false => Next::TellIn(left),
            true => Next::Nothing,
        }
    }

    #[cfg(test)]
    pub(crate) fn untold(&self) -> u64 {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).count
    }

    /// What is left to tell, where another has not told it meanwhile.
    fn rest(&self, now: Instant) -> Option<u64> {
        let mut untold = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        untold.is_awaited = false;
        (untold.count > 0).then(|| untold.tell(now))
    }
}

impl Untold {
    fn tell(&mut self, now: Instant) -> u64 {
        self.told = Some(now);
        std::mem::take(&mut self.count)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn the_first_is_told_at_once_and_the_rest_when_it_is_time_though_none_comes_later() {
        let (seldom, told) = (Arc::new(Seldom::default()), Arc::new(Mutex::new(Vec::new())));
        let happened = |times: usize| {
            for _ in 0..times {
                let told = Arc::clone(&told);
                seldom.happened(move |count| told.lock().expect("no panic").push(count));
            }
        };
        let after = async |time| {
            tokio::time::sleep(time).await;
            told.lock().expect("no panic").clone()
        };
        happened(5);
        assert_eq!(after(TELL_EVERY - Duration::from_millis(1)).await, [1]);
        happened(2);
        assert_eq!(after(Duration::from_millis(2)).await, [1, 6]);
        assert_eq!(after(TELL_EVERY * 3).await, [1, 6], "there is nothing to tell");
        happened(1);
        assert_eq!(after(Duration::ZERO).await, [1, 6, 1], "it is at once again");
    }
}
