//! A copy under way.

use std::{future::poll_fn, thread::panicking, time::Duration};

use plugin_core::{Classify, End, Verdict, deadline};
use tower_service::Service;

use super::state::Place;

/// Sends a copy, and counts what becomes of it. Its answer goes nowhere.
pub(super) async fn run<M, Req, C>(place: Place, classify: C, mut mirror: M, copy: Req, limit: Duration)
where
    M: Service<Req>,
    C: Classify<M::Response, M::Error>,
{
    // Before everything that may panic, so that it is dropped after that.
    let mut copied = Copied { place, is_counted: false };
    let call = async move {
        poll_fn(|cx| mirror.poll_ready(cx)).await?;
        mirror.call(copy).await
    };
    let result = deadline::within(limit, call).await;
    let verdict = result.map(|result| {
        let judged = classify.classify(result.as_ref()).verdict();
        // Nobody reads its body.
        if judged == Verdict::AtEnd { classify.classify_end(End::Unfollowed).verdict() } else { judged }
    });
    copied.ends_with(verdict.unwrap_or(Verdict::Failure));
}

/// Counts the end of a copy, also when its service panics.
struct Copied {
    place: Place,
    is_counted: bool,
}

impl Copied {
    fn ends_with(&mut self, verdict: Verdict) {
        self.is_counted = true;
        match verdict {
            Verdict::Success => self.place.succeeded(),
            Verdict::Failure => self.place.failed(),
            _ => {}
        }
    }
}

impl Drop for Copied {
    fn drop(&mut self) {
        // Else its runtime ends, which says nothing of it.
        if !self.is_counted && panicking() {
            self.place.failed();
        }
    }
}
