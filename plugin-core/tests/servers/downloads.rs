//! Telemetry of downloads: a body that declared its length and was read to it is a success, whoever reads it and in
//! whichever version of HTTP.

use axum::{Router, response::Response, routing::get};
use plugin_core::{AtEnd, ByHttpStatus};
use plugin_telemetry::{TelemetryHandle, TelemetryLayer};

use super::{
    bounded,
    download::{self, LENGTH, clients},
    ended, tally,
};

/// A site that answers so, and the counts of its server.
async fn site(answer: fn() -> Response) -> (std::net::SocketAddr, TelemetryHandle) {
    let layer = TelemetryLayer::new("site").classify(ByHttpStatus::new().until_end_of_body()).follow::<AtEnd>();
    let counts = layer.handle();
    let app = Router::new().route("/", get(move || async move { answer() })).layer(layer);
    (download::serve(app).await, counts)
}

#[tokio::test]
async fn a_whole_download_is_a_success() {
    for (version, client) in clients() {
        let (address, counts) = site(download::whole).await;
        for _ in 0..20 {
            assert_eq!(bounded(client.read(address)).await, Some((200, LENGTH)), "{version}");
        }
        assert_eq!(tally(&ended(&counts, 20).await), [20, 0, 0, 0, 0], "{version}");
    }
}

#[tokio::test]
async fn the_head_of_a_download_is_a_success() {
    for (version, client) in clients() {
        let (address, counts) = site(download::whole).await;
        for _ in 0..5 {
            assert_eq!(bounded(client.head(address)).await, Some(200), "{version}");
        }
        assert_eq!(tally(&ended(&counts, 5).await), [5, 0, 0, 0, 0], "{version}");
    }
}

#[tokio::test]
async fn a_download_that_breaks_off_is_a_failure() {
    for (version, client) in clients() {
        let (address, counts) = site(download::broken).await;
        assert_eq!(bounded(client.read(address)).await, None, "{version}");
        assert_eq!(tally(&ended(&counts, 1).await), [0, 1, 0, 0, 0], "{version}");
    }
}

#[tokio::test]
async fn a_download_that_its_reader_leaves_is_cancelled() {
    for (version, client) in clients() {
        let (address, counts) = site(download::half).await;
        bounded(client.leave(address)).await;
        assert_eq!(tally(&ended(&counts, 1).await), [0, 0, 0, 1, 0], "{version}");
    }
}
