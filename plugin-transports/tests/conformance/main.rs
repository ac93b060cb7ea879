//! One suite over every transport: what holds for one holds for all. A row is a transport; the cases are the crate's own
//! (`plugin_transports::conformance`).

mod grpc;
mod grpc_faults;
mod http;
mod http_faults;
mod in_process;
mod process;
mod raw_http2;
mod table;
#[path = "../../src/tls/test_files.rs"]
#[allow(dead_code, reason = "other tests use more of it")]
mod test_files;
mod unix;
mod unix_faults;

use std::sync::Arc;

use plugin_core::BoxError;
use plugin_transports::{
    conformance::{self, Ability, CASES, Fault, Island, ServedPlugin, Subject},
    tls::{ServerTls, ServerTlsConfig},
};

use self::test_files::Files;

/// A server on an island, and what has to live as long as it does.
struct Running<K> {
    island: Island,
    kept: K,
}

impl<K: Send + Sync + 'static> ServedPlugin for Running<K> {
    async fn kill(&self) {
        self.island.kill().await;
    }

    async fn restart(&self) -> Result<(), BoxError> {
        self.island.restart().await
    }

    fn held(&self) -> Option<usize> {
        self.island.held()
    }
}

/// A certificate for a server of this machine, and its key.
fn certified() -> Arc<Files> {
    let files = Files::new();
    files.leaf("server");
    Arc::new(files)
}

/// A server's side of TLS with them, where there are any.
fn server_tls(files: Option<&Files>) -> Result<Option<ServerTls>, BoxError> {
    let config = files.map(|files| ServerTlsConfig::new(files.path("server.pem"), files.path("server.key")));
    Ok(config.map(|config| config.build()).transpose()?)
}

/// These, for one reason.
fn all(abilities: impl IntoIterator<Item = Ability>, why: &'static str) -> Vec<(Ability, &'static str)> {
    abilities.into_iter().map(|each| (each, why)).collect()
}

/// A row, in which each case is tried or has a reason why it cannot be.
async fn passes<S: Subject>(subject: &S) {
    let report = conformance::run(subject).await;
    let not_tried: Vec<_> = report.not_tried().collect();
    assert_eq!(not_tried, Vec::<&str>::new(), "{report}");
}

/// A row whose peers do each fault in another way, for each way there is.
async fn each_way<S: Subject>(ways: impl Fn(Fault) -> &'static [&'static str], subject: impl Fn(usize) -> S) {
    let mut failed = Vec::new();
    for fault in Fault::ALL {
        let case = CASES.iter().find(|case| case.needs == Some(Ability::Fault(fault))).expect("a case");
        for (way, words) in ways(fault).iter().enumerate() {
            let report = conformance::check(&subject(way), case.name).await;
            failed.extend((report.failed() > 0).then(|| format!("{words}: {report}")));
        }
    }
    assert!(failed.is_empty(), "{}", failed.join("\n"));
}

/// A row, for long.
async fn soaks<S: Subject>(subject: &S) {
    let report = conformance::soak(subject, 100_000).await;
    println!("{}: {report}", subject.name());
}

macro_rules! rows {
    ($($(#[$more:meta])* $row:ident, $soak:ident: $subject:expr;)+) => {
        $(
            $(#[$more])*
            #[tokio::test]
            async fn $row() {
                passes(&$subject).await;
            }

            $(#[$more])*
            #[tokio::test]
            #[ignore = "soak: 100,000 calls under faults"]
            async fn $soak() {
                soaks(&$subject).await;
            }
        )+

        /// Each row by its name, and what it cannot do.
        fn rows() -> Vec<(String, Vec<(Ability, &'static str)>)> {
            vec![$({
                let subject = $subject;
                (subject.name().to_owned(), subject.lacks())
            }),+]
        }
    };
}

rows! {
    in_process, soak_in_process: in_process::Here;
    http1, soak_http1: http::Http::plain("HTTP/1.1", 1);
    http2, soak_http2: http::Http::plain("HTTP/2", 2);
    https1, soak_https1: http::Http::tls("HTTPS, HTTP/1.1", 1);
    https2, soak_https2: http::Http::tls("HTTPS, HTTP/2", 2);
    http1_over_a_unix_socket, soak_http1_over_a_unix_socket: http::Http::unix("HTTP/1.1 over a Unix socket", 1);
    http2_over_a_unix_socket, soak_http2_over_a_unix_socket: http::Http::unix("HTTP/2 over a Unix socket", 2);
    grpc, soak_grpc: grpc::Grpc::plain("gRPC");
    grpc_over_tls, soak_grpc_over_tls: grpc::Grpc::tls("gRPC over TLS");
    grpc_over_a_unix_socket, soak_grpc_over_a_unix_socket: grpc::Grpc::unix("gRPC over a Unix socket");
    lines_over_a_unix_socket, soak_lines_over_a_unix_socket: unix::Lines;
    subprocess, soak_subprocess: process::Subprocess;
}

#[test]
fn each_case_has_a_name_of_its_own_and_each_fault_a_case() {
    let mut names: Vec<_> = CASES.iter().map(|case| case.name).collect();
    names.sort_unstable();
    names.dedup();
    assert_eq!(names.len(), CASES.len());
    for fault in Fault::ALL {
        assert!(CASES.iter().any(|case| case.needs == Some(Ability::Fault(fault))), "{fault:?}");
    }
}
