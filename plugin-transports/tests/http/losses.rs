//! Calls that are lost with their connections, which nobody shares.

use futures_util::future::join_all;
use plugin_core::{ByErrorType, Classify, PluginInstance, Verdict};
use plugin_transports::http::{HttpClient, HttpConfig};
use tokio::{
    io::AsyncWriteExt,
    net::{TcpListener, TcpSocket},
};

use crate::support::{call, connect, listener, read_message, within};

/// So many calls are in flight, and have been told this much, when all their connections are closed: how many of them are
/// failures of the plugin.
async fn failures(listener: &TcpListener, instance: &PluginInstance<HttpClient>, told: &[&str]) -> usize {
    let calls = join_all(told.iter().map(|_| call(instance, "1")));
    let crash = async {
        let mut open = Vec::new();
        for _ in told {
            let (mut stream, _) = listener.accept().await.expect("a connection");
            read_message(&mut stream).await.expect("a request");
            open.push(stream);
        }
        for (stream, told) in open.iter_mut().zip(told) {
            stream.write_all(told.as_bytes()).await.expect("it is open");
        }
    };
    let (outcomes, ()) = within(async { tokio::join!(calls, crash) }).await;
    let verdicts = outcomes.iter().map(|outcome| {
        let error = outcome.as_ref().expect_err("it is lost");
        ByErrorType.classify(Err::<&(), _>(error)).verdict()
    });
    verdicts.filter(|verdict| *verdict == Verdict::Failure).count()
}

const HALF: &str = "HTTP/1.1 200 OK\r\ncontent-length: 20\r\n\r\n{\"da";

#[tokio::test]
async fn each_call_that_is_lost_on_a_connection_of_its_own_is_a_failure_and_the_plugin_seems_away_until_it_answers() {
    let (listener, address) = listener().await;
    let instance = connect(HttpConfig::builder("p", format!("http://{address}/run")));
    let reach = instance.service().reach();
    assert!(!reach.is_lost());
    for told in ["", HALF] {
        assert_eq!(failures(&listener, &instance, &[told; 5]).await, 5, "{told:?}");
        assert!(reach.is_lost(), "{told:?}");
        reach.connect().await.expect("it listens");
        drop(within(listener.accept()).await);
        assert!(reach.is_lost(), "who takes a connection need not answer");
        let answer = async {
            let (mut stream, _) = listener.accept().await.expect("a connection");
            read_message(&mut stream).await.expect("a request");
            let text = "HTTP/1.1 200 OK\r\ncontent-length: 10\r\nconnection: close\r\n\r\n{\"data\":1}";
            stream.write_all(text.as_bytes()).await.expect("it is open");
        };
        let (answered, ()) = within(async { tokio::join!(call(&instance, "1"), answer) }).await;
        answered.expect("an answer");
        assert!(!reach.is_lost(), "{told:?}");
    }
}

#[tokio::test]
async fn a_try_without_a_call_says_whether_somebody_listens() {
    // Nobody else has the port meanwhile.
    let socket = TcpSocket::new_v4().expect("a socket");
    socket.bind("127.0.0.1:0".parse().expect("an address")).expect("a port");
    let address = socket.local_addr().expect("an address");
    let instance = connect(HttpConfig::builder("p", format!("http://{address}/run")));
    let reach = instance.service().reach();
    assert!(!reach.is_lost(), "nobody has tried");
    within(reach.connect()).await.expect_err("nobody listens yet");
    assert!(reach.is_lost());
    let _listener = socket.listen(8).expect("it listens");
    within(reach.connect()).await.expect("it listens");
    assert!(!reach.is_lost());
}

#[tokio::test]
async fn a_plugin_that_closes_the_connection_of_one_call_after_another_fails_each_of_them() {
    let (listener, address) = listener().await;
    let instance = connect(HttpConfig::builder("p", format!("http://{address}/run")));
    for told in ["", HALF, "", HALF, ""] {
        assert_eq!(failures(&listener, &instance, &[told]).await, 1, "{told:?}");
    }
}

#[tokio::test]
async fn an_answer_that_cannot_be_read_is_evidence_however_many_there_are_at_once() {
    const NO_HTTP: &str = "what?\r\n\r\n";
    const NO_CHUNK: &str = "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\nwhat?\r\n";
    let (listener, address) = listener().await;
    let instance = connect(HttpConfig::builder("p", format!("http://{address}/run")));
    for told in [NO_HTTP, NO_CHUNK] {
        assert_eq!(failures(&listener, &instance, &[told; 4]).await, 4, "{told:?}");
    }
}
