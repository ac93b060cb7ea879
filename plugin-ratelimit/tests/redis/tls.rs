//! A server that speaks TLS alone.

use std::{path::Path, process::Command};

use plugin_ratelimit::{AwayReason, SharedBucket, SharedMode};
use tempfile::TempDir;

use super::{
    passing, patient, quick,
    server::{Server, free_port},
    shared, store, until, within, without_refill,
};

/// Says to the test, started as a process of its own, where the server is whose certificate it trusts.
const URL: &str = "TEST_OF_REDIS_TLS";

fn certificate(dir: &Path) {
    let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).expect("a certificate");
    std::fs::write(dir.join("cert.pem"), made.cert.pem()).expect("written");
    std::fs::write(dir.join("key.pem"), made.signing_key.serialize_pem()).expect("written");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_is_used_over_tls_when_its_certificate_is_trusted_and_not_otherwise() {
    if let Ok(url) = std::env::var(URL) {
        let store = shared(patient(&url)).await;
        let bucket = SharedBucket::new(&store, "limit", without_refill(10));
        assert_eq!((passing(&bucket, "", 20).await, bucket.stats().local), (10, 0));
        return;
    }
    let (dir, port): (TempDir, u16) = (tempfile::tempdir().expect("a directory"), free_port());
    certificate(dir.path());
    let path = |name: &str| dir.path().join(name).display().to_string();
    let (cert, key) = (path("cert.pem"), path("key.pem"));
    let args =
        ["--tls-port", &port.to_string(), "--tls-cert-file", &cert, "--tls-key-file", &key, "--tls-auth-clients", "no"];
    // It answers on a socket too, by which it is known to be up.
    let server = Server::with(&args).await;
    let url = format!("rediss://localhost:{port}");

    let stranger = store(quick(&url));
    let bucket = SharedBucket::new(&stranger, "limit", without_refill(10));
    assert_eq!(passing(&bucket, "", 20).await, 10);
    until("it is not trusted", || stranger.status().reason == Some(AwayReason::Unreachable)).await;
    assert_eq!(stranger.status().mode, SharedMode::Local);

    let name = "tls::a_server_is_used_over_tls_when_its_certificate_is_trusted_and_not_otherwise";
    let mut again = Command::new(std::env::current_exe().expect("this program"));
    again.args([name, "--exact", "--nocapture"]).env(URL, &url).env("SSL_CERT_FILE", &cert);
    let output = within(tokio::task::spawn_blocking(move || again.output())).await.expect("no panic").expect("it runs");
    let told = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success() && told.contains("1 passed"), "{told} {}", String::from_utf8_lossy(&output.stderr));
    assert_eq!(server.query::<u32>("EXISTS ratelimit:limit:{}").await, 1);
}
