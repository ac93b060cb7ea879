//! Layers of the family on real servers and clients, each on a port of its own: how refusals are answered, and how the
//! end of a body is judged. The clock is real, since a paused one jumps while the network works; nothing here depends
//! on how long anything takes, only on what comes first.
#![cfg(all(feature = "axum", feature = "tonic"))]

mod axum_server;
mod download;
mod downloads;
#[path = "../support/gate.rs"]
mod gate;
mod grpc;
mod refusals_axum;
mod refusals_hyper;
mod refusals_tonic;
mod refusing;
mod stream_end_axum;
mod stream_end_tonic;
mod unprocessed;

use std::{future::Future, time::Duration};

use plugin_telemetry::{Status, TelemetryHandle, TelemetryStats};

const SECOND: Duration = Duration::from_secs(1);

/// No test may hang: what takes longer than this never ends.
async fn bounded<T>(future: impl Future<Output = T>) -> T {
    tokio::time::timeout(30 * SECOND, future).await.expect("it does not hang")
}

/// Waits for the counts of a call whose end the other side of a connection sees first.
async fn ended(counts: &TelemetryHandle, calls: u64) -> TelemetryStats {
    bounded(async {
        loop {
            let snapshot = counts.stats();
            if snapshot.total() >= calls {
                return snapshot;
            }
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    })
    .await
}

/// Success, failure, refused, cancelled, and still running; no call of these tests is its caller's fault.
fn tally(snapshot: &TelemetryStats) -> [u64; 5] {
    let [success, failure, refused, cancelled, 0] = Status::ALL.map(|status| snapshot.ended(status)) else {
        panic!("{snapshot:?}")
    };
    [success, failure, refused, cancelled, snapshot.active()]
}
