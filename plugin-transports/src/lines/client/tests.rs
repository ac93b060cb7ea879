//! A connection against plugins that are a few lines each, over pipes in memory and on a paused clock.

use std::time::Duration;

use futures_util::{FutureExt, future::join_all};
use plugin_core::{CallContext, clock};
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader, DuplexStream, WriteHalf, duplex, split};

use super::{super::codec::Frame, *};

const LIMITS: Limits = Limits { in_flight: 1024, queued_bytes: 1 << 20, line: 4096, garbage: 4 };

type Far = (tokio::io::Lines<BufReader<tokio::io::ReadHalf<DuplexStream>>>, WriteHalf<DuplexStream>);
type Near = Arc<Connection<WriteHalf<DuplexStream>>>;

/// A connection whose driver runs, and the plugin's end of it.
fn connected(pipe: usize, limits: Limits) -> (Near, tokio::task::JoinHandle<String>, Far) {
    let (near, far) = duplex(pipe);
    let (reader, writer) = split(near);
    let (connection, mut driver) = connect("far".into(), reader, writer, limits);
    let closing = connection.clone();
    let driver = tokio::spawn(async move {
        let end = (&mut driver).await.to_string();
        closing.close(&end);
        end
    });
    let (reader, writer) = split(far);
    (connection, driver, (BufReader::new(reader).lines(), writer))
}

fn frame(payload: &str) -> Frame {
    Frame::new("execute", payload.as_bytes(), &CallContext::new(), 0)
}

fn ask(connection: &Near, payload: &str) -> Exchange<WriteHalf<DuplexStream>> {
    connection.exchange(frame(payload), Instant::MAX)
}

fn within(time: Duration) -> Instant {
    clock::now().saturating_add(time)
}

fn text(answer: Result<crate::lines::codec::Answer, Failure>) -> String {
    let result = answer.expect("an answer").result.expect("a result");
    String::from_utf8(result.to_vec()).expect("text")
}

/// Reads the id and the payload of the next request.
async fn request(far: &mut Far) -> (String, String) {
    let line = far.0.next_line().await.expect("readable").expect("a request");
    let json: serde_json::Value = serde_json::from_str(&line).expect("JSON");
    (json["id"].as_str().expect("an id").to_owned(), json["payload"].to_string())
}

async fn reply(far: &mut Far, id: &str, result: &str) {
    far.1.write_all(format!("{{\"id\":\"{id}\",\"result\":{result}}}\n").as_bytes()).await.expect("writable");
}

use plugin_core::clock::Instant;

#[tokio::test(start_paused = true)]
async fn replies_in_any_order_reach_their_own_calls() {
    let (connection, _driver, mut far) = connected(1 << 16, LIMITS);
    let calls: Vec<_> = (0..100).map(|n| ask(&connection, &n.to_string())).collect();
    let plugin = async {
        let mut requests = Vec::new();
        for _ in 0..100 {
            requests.push(request(&mut far).await);
        }
        for (id, payload) in requests.iter().rev() {
            reply(&mut far, id, payload).await;
        }
    };
    let (answers, ()) = tokio::join!(join_all(calls), plugin);
    let answers: Vec<_> = answers.into_iter().map(text).collect();
    assert_eq!(answers, (0..100).map(|n| n.to_string()).collect::<Vec<_>>());
    assert_eq!(connection.counts(), Counts::default());
}

#[tokio::test(start_paused = true)]
async fn a_call_that_times_out_delays_nobody_and_its_late_reply_is_dropped() {
    let (connection, _driver, mut far) = connected(1 << 16, LIMITS);
    let slow = connection.exchange(frame("\"slow\""), within(Duration::from_millis(50)));
    let plugin = async {
        let (first, _) = request(&mut far).await;
        let (second, _) = request(&mut far).await;
        reply(&mut far, &first, "\"late\"").await;
        reply(&mut far, &second, "\"own\"").await;
    };
    let calls = async {
        let start = clock::now();
        assert_eq!(slow.await, Err(Failure::Late(plugin_core::Sent::Maybe)));
        assert_eq!(start.elapsed().as_millis() / 10, 5, "it ended when it was due");
        text(ask(&connection, "2").await)
    };
    let (own, ()) = tokio::join!(calls, plugin);
    assert_eq!(own, "\"own\"");
    assert_eq!(connection.counts(), Counts { late: 1, ..Counts::default() });
}

#[tokio::test(start_paused = true)]
async fn an_earlier_deadline_is_kept_although_a_later_one_came_first() {
    let (connection, _driver, _far) = connected(1 << 16, LIMITS);
    let start = clock::now();
    let long = connection.exchange(frame("1"), within(Duration::from_secs(60)));
    let short = async {
        tokio::time::sleep(Duration::from_secs(1)).await;
        let outcome = connection.exchange(frame("2"), within(Duration::from_secs(1))).await;
        (outcome, start.elapsed().as_secs())
    };
    let (long, (short, took)) = tokio::join!(long, short);
    assert_eq!((short.is_err(), took), (true, 2));
    assert_eq!((long.is_err(), start.elapsed().as_secs()), (true, 60));
}

#[tokio::test(start_paused = true)]
async fn a_plugin_that_does_not_read_bounds_the_queue_and_what_was_not_written_is_withdrawn() {
    let (connection, _driver, mut far) = connected(64, Limits { queued_bytes: 4096, ..LIMITS });
    let big = format!("\"{}\"", "x".repeat(1500));
    // The first is on its way: its beginning fills the pipe. The second and third wait.
    let mut first = ask(&connection, &big);
    assert!((&mut first).now_or_never().is_none());
    tokio::task::yield_now().await;
    let queued: Vec<_> = (0..2)
        .map(|_| connection.exchange(frame(&big), within(Duration::from_secs(1))))
        .map(|call| tokio::spawn(call))
        .collect();
    tokio::task::yield_now().await;
    assert_eq!(ask(&connection, &big).await, Err(Failure::QueueFull(4096)));
    for call in queued {
        assert_eq!(call.await.expect("no panic"), Err(Failure::Late(plugin_core::Sent::Nothing)));
    }
    let last = ask(&connection, "\"last\"");
    let plugin = async {
        let (id, _) = request(&mut far).await;
        reply(&mut far, &id, "1").await;
        let (id, payload) = request(&mut far).await;
        assert_eq!(payload, "\"last\"", "nothing of the two that were withdrawn");
        reply(&mut far, &id, "2").await;
    };
    let (first, last, ()) = tokio::join!(first, last, plugin);
    assert_eq!((text(first).as_str(), text(last).as_str()), ("1", "2"));
}

#[tokio::test(start_paused = true)]
async fn garbage_between_replies_is_counted_and_in_a_row_ends_the_connection() {
    let (connection, driver, mut far) = connected(1 << 16, LIMITS);
    let plugin = async {
        for _ in 0..5 {
            let (id, _) = request(&mut far).await;
            far.1.write_all(b"hello\n{\"id\":\"nobody's\"}\n\n").await.expect("writable");
            reply(&mut far, &id, "true").await;
        }
        let _ = request(&mut far).await;
        far.1.write_all(b"one\ntwo\nthree\nfour\n").await.expect("writable");
    };
    let calls = async {
        for _ in 0..5 {
            assert_eq!(text(ask(&connection, "1").await), "true");
        }
        ask(&connection, "1").await
    };
    let (last, ()) = tokio::join!(calls, plugin);
    let end = driver.await.expect("no panic");
    assert!(end.contains("4 lines in a row"), "{end}");
    assert_eq!(last, Err(Failure::Lost(end.into(), plugin_core::Sent::Maybe)));
    assert_eq!(connection.counts().garbage, 19);
}

#[tokio::test(start_paused = true)]
async fn a_reply_that_is_too_long_fails_its_own_call_and_no_other() {
    let (connection, _driver, mut far) = connected(1 << 16, LIMITS);
    let calls = [ask(&connection, "1"), ask(&connection, "2")];
    let plugin = async {
        let (first, _) = request(&mut far).await;
        let (second, _) = request(&mut far).await;
        reply(&mut far, &first, &format!("\"{}\"", "x".repeat(LIMITS.line * 3))).await;
        reply(&mut far, &second, "2").await;
    };
    let (answers, ()) = tokio::join!(join_all(calls), plugin);
    assert_eq!(answers[0], Err(Failure::ReplyTooLarge(LIMITS.line)));
    assert_eq!(text(answers[1].clone()), "2");
}

#[tokio::test(start_paused = true)]
async fn a_line_without_an_end_ends_the_connection() {
    let (connection, driver, mut far) = connected(1 << 16, LIMITS);
    let endless = async {
        let chunk = [b'x'; 1024];
        while far.1.write_all(&chunk).await.is_ok() {}
    };
    let call = ask(&connection, "1");
    tokio::select! {
        _ = endless => panic!("the plugin's end stays open as long as the connection"),
        lost = call => assert!(matches!(lost, Err(Failure::Lost(..)))),
    }
    assert!(driver.await.expect("no panic").contains("without a line feed"));
}

#[tokio::test(start_paused = true)]
async fn dropping_the_driver_fails_what_is_in_flight_and_what_comes_later() {
    let (connection, driver, _far) = connected(1 << 16, LIMITS);
    let call = tokio::spawn(ask(&connection, "1"));
    tokio::task::yield_now().await;
    driver.abort();
    assert!(matches!(call.await.expect("no panic"), Err(Failure::Lost(..))));
    assert!(matches!(ask(&connection, "2").await, Err(Failure::Lost(_, plugin_core::Sent::Nothing))));
}

/// Drops calls at every moment of their lives while others go on: the table must come back to empty, and every call
/// that is kept must have its own answer.
#[tokio::test(start_paused = true)]
async fn a_thousand_calls_dropped_or_timed_out_at_any_moment_disturb_no_other() {
    let (connection, _driver, mut far) = connected(512, Limits { in_flight: 64, ..LIMITS });
    let plugin = tokio::spawn(async move {
        let mut held: Vec<(String, String)> = Vec::new();
        while let Ok(Some(line)) = far.0.next_line().await {
            let json: serde_json::Value = serde_json::from_str(&line).expect("whole lines only");
            held.push((json["id"].as_str().expect("an id").to_owned(), json["payload"].to_string()));
            // Answers out of order, some at once and some much later.
            while held.len() > fastrand_like(&line) % 8 {
                let at = held.len() / 2;
                let (id, payload) = held.swap_remove(at);
                if far.1.write_all(format!("{{\"id\":\"{id}\",\"result\":{payload}}}\n").as_bytes()).await.is_err() {
                    return;
                }
            }
        }
    });
    for round in 0..100 {
        let kept: Vec<_> =
            (0..10).map(|n| (n, connection.exchange(frame(&n.to_string()), within(Duration::from_secs(1))))).collect();
        for polls in 0..10 {
            let mut dropped = ask(&connection, "\"dropped\"");
            for _ in 0..polls % 4 {
                let _ = (&mut dropped).now_or_never();
                if polls > round % 10 {
                    tokio::task::yield_now().await;
                }
            }
        }
        for (n, outcome) in join_all(kept.into_iter().map(|(n, call)| async move { (n, call.await) })).await {
            match outcome {
                Ok(answer) => assert_eq!(text(Ok(answer)), n.to_string()),
                Err(failure) => assert!(matches!(failure, Failure::Late(_)), "{failure:?}"),
            }
        }
    }
    assert_eq!(connection.counts().in_flight, 0);
    assert_eq!(connection.counts().garbage, 0);
    plugin.abort();
}

/// A number that depends on the line alone, so that a failure can be repeated.
fn fastrand_like(line: &str) -> usize {
    line.bytes().fold(7, |hash, byte| hash * 31 % 1_000_003 + usize::from(byte))
}
