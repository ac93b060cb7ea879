//! The certificates that a gateway shows, at its listener and to a plugin: whoever renews them finds in the metrics, in the admin
//! plane and in the log that one ends.

use std::{
    io::{self, Write},
    net::SocketAddr,
    path::Path,
    sync::{Arc, Mutex},
    time::UNIX_EPOCH,
};

use plugin_core::clock;
use plugin_manager::{
    config,
    launch::{Factories, Running},
};
use serde_json::Value;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};
use tracing_subscriber::fmt::MakeWriter;

#[path = "../../plugin-transports/src/tls/test_files.rs"]
#[allow(dead_code, reason = "a part of it is of use here")]
mod test_files;

use test_files::Files;

const DAY: u64 = 86_400;

/// What was logged on this thread.
#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl Log {
    /// The lines that are about the end of a certificate.
    fn ends(&self) -> Vec<Value> {
        let text = String::from_utf8(self.0.lock().expect("no panic").clone()).expect("text");
        let lines = text.lines().map(|line| serde_json::from_str::<Value>(line).expect("an event"));
        lines
            .filter(|line| line["fields"]["message"].as_str().is_some_and(|said| said.contains("certificate")))
            .collect()
    }
}

impl Write for Log {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        Write::write(&mut *self.0.lock().expect("no panic"), bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl<'a> MakeWriter<'a> for Log {
    type Writer = Self;

    fn make_writer(&'a self) -> Self {
        self.clone()
    }
}

async fn get(address: SocketAddr, path: &str) -> String {
    let mut stream = TcpStream::connect(address).await.expect("a connection");
    let request = format!("GET {path} HTTP/1.1\r\nhost: {address}\r\nconnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).await.expect("it is read");
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.expect("an answer");
    let (head, body) = answer.split_once("\r\n\r\n").expect("a head");
    assert!(head.starts_with("HTTP/1.1 200"), "{answer}");
    body.to_owned()
}

fn text(path: &Path) -> String {
    path.to_str().expect("text").to_owned()
}

/// The planes of a gateway over TLS, on ports that were free a moment ago: a file cannot ask for any free one.
fn planes(cert: &Path, key: &Path) -> String {
    let free = || std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
    let [data, admin] = [free(), free()].map(|listener| listener.local_addr().expect("an address"));
    let tls = format!("{{cert_file: {}, key_file: {}}}", text(cert), text(key));
    format!("server: {{listen: '{data}', tls: {tls}}}, admin: {{listen: '{admin}'}}")
}

/// The value of this series.
#[track_caller]
fn value(page: &str, series: &str) -> u64 {
    let line = page.lines().find_map(|line| line.strip_prefix(series));
    line.unwrap_or_else(|| panic!("{series} is not in {page}")).trim().parse().expect("a whole number")
}

#[tokio::test]
async fn that_a_certificate_ends_is_in_the_metrics_in_the_admin_plane_and_in_the_log() {
    let log = Log::default();
    let subscriber = tracing_subscriber::fmt().json().with_writer(log.clone()).finish();
    let _logs = tracing::subscriber::set_default(subscriber);
    let files = Files::new();
    let (cert, key) = files.leaf_valid("server", -10, 80);
    // It is good for five days more of its hundred.
    let (client, client_key) = files.leaf_valid("client", -95, 5);
    let planes = planes(&cert, &key);
    let [client, client_key, ca] = [client, client_key, files.ca()].map(|path| text(&path));
    let yaml = format!(
        "{{{planes}, plugins: [\
         {{name: ends, transport: https, endpoint: 'https://127.0.0.1:1', health_check: {{enabled: false}}, auth: {{method: mtls, cert_file: {client}, \
         key_file: {client_key}, ca_file: {ca}, min_version: '1.3'}}}}, \
         {{name: shows-none, transport: grpc-tls, endpoint: '127.0.0.1:1', health_check: {{enabled: false}}, auth: {{ca_file: {ca}}}}}, \
         {{name: plain, transport: http, endpoint: 'http://127.0.0.1:1', health_check: {{enabled: false}}}}]}}"
    );
    let config = config::from_text(Path::new("test.yaml"), &yaml, None, &|_| None).expect("no faults");
    let running = Running::start(&config, &Factories::new()).await.expect("it starts");
    let admin = running.gateway().admin_addr();

    let page = get(admin, "/metrics").await;
    let now = clock::wall().duration_since(UNIX_EPOCH).expect("after 1970").as_secs();
    let until = value(&page, "plugin_manager_certificate_expiry_timestamp_seconds{listener=\"server\"}");
    assert!((now + 79 * DAY..=now + 80 * DAY).contains(&until), "{until}");
    let until = value(&page, "plugin_certificate_expiry_timestamp_seconds{plugin=\"ends\"}");
    assert!((now + 4 * DAY..=now + 5 * DAY).contains(&until), "{until}");
    for name in ["refused", "renewals_total", "refusals_total"] {
        assert_eq!(value(&page, &format!("plugin_manager_certificate_{name}{{listener=\"server\"}}")), 0);
        assert_eq!(value(&page, &format!("plugin_certificate_{name}{{plugin=\"ends\"}}")), 0);
        assert_eq!(value(&page, &format!("plugin_certificate_{name}{{plugin=\"shows-none\"}}")), 0);
    }
    assert!(!page.contains("certificate_expiry_timestamp_seconds{plugin=\"shows-none\"}"), "it has none");
    assert!(!page.contains("{plugin=\"plain\",certificate") && !page.contains("certificate_refused{plugin=\"plain\"}"));

    let status: Value = serde_json::from_str(&get(admin, "/admin/v1/status").await).expect("JSON");
    let certificates = status["certificates"].as_array().expect("some");
    let owners: Vec<_> = certificates.iter().map(|one| (one["listener"].as_str(), one["plugin"].as_str())).collect();
    assert_eq!(owners, [(Some("server"), None), (None, Some("ends")), (None, Some("shows-none"))]);
    let ending: Vec<_> = certificates.iter().map(|one| one["ends_soon"].as_bool().expect("it is said")).collect();
    assert_eq!(ending, [false, true, false]);
    assert_eq!(certificates[1]["valid_until_ms"], until * 1000);
    assert!(certificates[2]["valid_until_ms"].is_null(), "{status}");
    let plugin: Value = serde_json::from_str(&get(admin, "/admin/v1/plugins/ends").await).expect("JSON");
    assert_eq!(plugin["certificate"]["names"][0], "localhost");

    // At the start, and not again this day.
    running.gateway().set_ready();
    let told = log.ends();
    assert_eq!(told.len(), 1, "{told:?}");
    let said = &told[0]["fields"];
    assert_eq!((&told[0]["level"], &said["plugin"]), (&"WARN".into(), &"ends".into()));
    assert!(
        said["certificate"].as_str().is_some_and(|one| one.starts_with("for localhost, 127.0.0.1 until 20")),
        "{said}"
    );
    assert_eq!(said["left"], "4 days");
    running.shutdown().await;
}

#[tokio::test]
async fn a_renewal_that_cannot_be_used_shows_and_so_does_one_that_can() {
    let files = Files::new();
    let (cert, key) = files.leaf_valid("live", -10, 80);
    let plugin = "{name: plain, transport: http, endpoint: 'http://127.0.0.1:1', health_check: {enabled: false}}";
    let yaml = format!("{{{}, plugins: [{plugin}]}}", planes(&cert, &key));
    let config = config::from_text(Path::new("test.yaml"), &yaml, None, &|_| None).expect("no faults");
    let running = Running::start(&config, &Factories::new()).await.expect("it starts");
    let admin = running.gateway().admin_addr();
    // Nobody connects to the listener: who looks at the metrics is enough for the new files to be found.
    let until = async |series: &str, wanted: u64| {
        let wait = async {
            while value(&get(admin, "/metrics").await, &format!("{series}{{listener=\"server\"}}")) != wanted {}
        };
        tokio::time::timeout(std::time::Duration::from_secs(30), wait).await.expect("it never shows");
    };
    let (new_cert, new_key) = files.leaf_valid("new", -1, 90);
    std::fs::rename(&new_cert, &cert).expect("it is moved");
    until("plugin_manager_certificate_refused", 1).await;
    let status: Value = serde_json::from_str(&get(admin, "/admin/v1/status").await).expect("JSON");
    let refused = &status["certificates"][0]["refused"];
    assert!(refused.as_str().is_some_and(|why| why.contains("does not belong to the certificate")), "{status}");
    std::fs::rename(&new_key, &key).expect("it is moved");
    until("plugin_manager_certificate_renewals_total", 1).await;
    until("plugin_manager_certificate_refused", 0).await;
    until("plugin_manager_certificate_refusals_total", 1).await;
    running.shutdown().await;
}
