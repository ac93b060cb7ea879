use crate::{
    program::{Nobody, Program},
    upstream::Upstream,
};

const PATH: &str = env!("CARGO_BIN_EXE_hyper-client");

#[tokio::test]
async fn a_request_is_repeated_until_it_succeeds() {
    let upstream = Upstream::start(2).await;
    let (lines, code) = Program::start(PATH, [format!("http://{}/", upstream.address)]).finish().await;
    assert_eq!((lines, code), (vec!["200 OK: a quote".to_owned()], Some(0)));
    assert_eq!(upstream.requests(), 3);
}

#[tokio::test]
async fn every_attempt_counts_for_the_breaker_and_an_open_circuit_is_not_tried_again() {
    let upstream = Upstream::start(usize::MAX).await;
    let url = format!("http://{}/", upstream.address);
    let (lines, code) = Program::start(PATH, [&url, &url, &url]).finish().await;
    assert_eq!(lines[0], "503 Service Unavailable: out of order", "the last of four attempts");
    assert!(lines[1..].iter().all(|line| line.contains("CIRCUIT_1401")), "{lines:#?}");
    assert_eq!((lines.len(), code), (3, Some(1)));
    assert_eq!(upstream.requests(), 5, "four attempts, and the one that opened the circuit");
}

#[tokio::test]
async fn an_error_of_hyper_itself_is_told_in_its_own_words() {
    let nobody = Nobody::new();
    let (lines, code) = Program::start(PATH, [format!("http://{}/", nobody.address)]).finish().await;
    assert_eq!((lines.len(), code), (1, Some(1)));
    assert!(lines[0].contains("client error (Connect)"), "{lines:?}");
}
