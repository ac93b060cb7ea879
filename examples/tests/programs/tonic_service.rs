use crate::program::{Nobody, Program};

const SERVICE: &str = env!("CARGO_BIN_EXE_tonic-service");
const CLIENT: &str = env!("CARGO_BIN_EXE_tonic-client");

fn client(address: std::net::SocketAddr, calls: usize) -> Program {
    let names = (1..=calls).map(|number| format!("caller {number}"));
    Program::start(CLIENT, std::iter::once(address.to_string()).chain(names))
}

#[tokio::test]
async fn a_server_with_a_rate_limit_answers_a_burst_and_then_that_the_resource_is_exhausted() {
    let mut service = Program::start(SERVICE, ["127.0.0.1:0"]);
    let address = service.address().await;
    // Far more than the burst: a machine would have to take a second for each call to never meet the limit.
    let (lines, code) = client(address, 50).finish().await;
    assert_eq!(code, Some(0));
    for number in 1..=5 {
        assert_eq!(lines[number - 1], format!("hello caller {number}"));
    }
    let limited: Vec<_> = lines.iter().filter(|line| line.starts_with("ResourceExhausted: ")).collect();
    assert!(limited.first().is_some_and(|line| line.contains("RATELIMIT_1501")), "{lines:#?}");
    service.interrupt().await;
}

#[tokio::test]
async fn a_channel_with_a_breaker_stops_calling_a_server_that_is_not_there() {
    let nobody = Nobody::new();
    let (lines, code) = client(nobody.address, 7).finish().await;
    assert_eq!((lines.len(), code), (7, Some(0)));
    let refused = |line: &String| line.starts_with("Unavailable: ") && line.contains("CIRCUIT_1401");
    assert!(!lines[..5].iter().any(refused), "{lines:#?}");
    assert!(lines[5..].iter().all(refused), "{lines:#?}");
}
