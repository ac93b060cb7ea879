use std::{
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    process::Command,
};

use crate::program::{Nobody, Program, within};

const PATH: &str = env!("CARGO_BIN_EXE_custom-transport");

async fn call(address: SocketAddr, texts: &[&str]) -> (Vec<String>, Option<i32>) {
    let address = address.to_string();
    Program::start(PATH, ["call", &address].iter().chain(texts)).finish().await
}

/// A plugin that hangs up on the first `lost` requests, and answers the rest with `done`. Counts the requests.
async fn hangs_up(lost: usize) -> (SocketAddr, Arc<AtomicUsize>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = listener.local_addr().expect("bound");
    let requests = Arc::new(AtomicUsize::new(0));
    let seen = Arc::clone(&requests);
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            // A connector and a probe connect without asking anything.
            let Ok(length) = stream.read_u32().await else { continue };
            let mut request = vec![0; length as usize];
            stream.read_exact(&mut request).await.expect("the whole request");
            // Relaxed: a count, read when the process that made it grow has ended.
            if seen.fetch_add(1, Ordering::Relaxed) >= lost {
                stream.write_all(b"\0\0\0\x05\0done").await.expect("it reads");
            }
        }
    });
    (address, requests)
}

#[tokio::test]
async fn a_plugin_behind_a_transport_of_ones_own_is_called() {
    let mut plugin = Program::start(PATH, ["serve", "127.0.0.1:0"]);
    let address = plugin.address().await;
    let (lines, code) = call(address, &["hello", "", "grüße"]).await;
    assert_eq!((lines, code), (["capitals is healthy", "HELLO", "", "GRÜSSE"].map(String::from).to_vec(), Some(0)));
    plugin.interrupt().await;
}

#[tokio::test]
async fn the_plugin_refuses_what_is_no_text_and_hangs_up_on_a_frame_without_bounds() {
    let mut plugin = Program::start(PATH, ["serve", "127.0.0.1:0"]);
    let mut stream = TcpStream::connect(plugin.address().await).await.expect("it listens");
    stream.write_all(b"\0\0\0\x01\xff").await.expect("it reads");
    let length = stream.read_u32().await.expect("a reply");
    let mut reply = vec![0; length as usize];
    stream.read_exact(&mut reply).await.expect("the whole reply");
    assert_eq!(reply[0], 1);
    assert!(reply[1..].starts_with(b"the text is not UTF-8"), "{:?}", String::from_utf8_lossy(&reply));
    stream.write_all(b"\xff\xff\xff\xff").await.expect("it reads");
    assert_eq!(within(stream.read(&mut [0])).await.expect("an orderly end"), 0);
    plugin.interrupt().await;
}

#[tokio::test]
async fn a_call_is_repeated_when_its_connection_is_lost() {
    let (address, requests) = hangs_up(2).await;
    let (lines, code) = call(address, &["hello"]).await;
    assert_eq!((lines, code), (["capitals is healthy", "done"].map(String::from).to_vec(), Some(0)));
    assert_eq!(requests.load(Ordering::Relaxed), 3);
}

#[tokio::test]
async fn a_plugin_that_keeps_hanging_up_is_left_alone() {
    let (address, requests) = hangs_up(usize::MAX).await;
    let (lines, code) = call(address, &["one", "two", "three"]).await;
    assert_eq!((lines.len(), code), (4, Some(0)));
    // The second opens the circuit with its first attempt, and is told what became of that one.
    assert!(lines[1..3].iter().all(|line| line.contains("the connection was lost (PLUGIN_1205)")), "{lines:#?}");
    assert!(lines[3].contains("CIRCUIT_1401"), "{lines:#?}");
    assert_eq!(requests.load(Ordering::Relaxed), 5, "four attempts, and the one that opened the circuit");
}

#[tokio::test]
async fn a_plugin_that_is_not_there_is_found_out_by_the_connector() {
    let nobody = Nobody::new();
    let output = Command::new(PATH).args(["call", &nobody.address.to_string(), "hello"]).kill_on_drop(true).output();
    let output = within(output).await.expect("it starts");
    assert_eq!((output.status.code(), output.stdout), (Some(1), vec![]));
    let text = String::from_utf8_lossy(&output.stderr);
    assert!(text.contains(&format!("cannot connect to {}", nobody.address)), "{text}");
    assert!(text.contains("Connection refused"), "{text}");
}
