//! A connection against plugins that are a few lines each, over pipes in memory and on a paused clock.

use std::{
    sync::{
        Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use futures_util::{FutureExt, future::join_all};
use plugin_core::{CallContext, Rejected, Sent, clock, deadline::AttemptTimeoutLayer};
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader, DuplexStream, WriteHalf, duplex, split};
use tower::ServiceExt;

use super::{super::codec::Frame, *};

mod alone;
mod garbage;
mod hurry;
mod trials;

const LIMITS: LineLimits =
    LineLimits { in_flight: 1024, queued_bytes: 1 << 20, line: 4096, noise: 4, json: crate::json::Limits::new() };

type Far = (tokio::io::Lines<BufReader<tokio::io::ReadHalf<DuplexStream>>>, WriteHalf<DuplexStream>);
type Near = Arc<LineConnection<WriteHalf<DuplexStream>>>;

/// A connection whose driver runs, and the plugin's end of it.
fn connected(pipe: usize, limits: LineLimits) -> (Near, tokio::task::JoinHandle<String>, Far) {
    let (near, far) = duplex(pipe);
    let (reader, writer) = split(near);
    let (connection, mut driver) = connect("far".into(), reader, writer, limits);
    let closing = connection.clone();
    let driver = tokio::spawn(async move {
        let end = (&mut driver).await.to_string();
        closing.close(&(&*end).into());
        end
    });
    let (reader, writer) = split(far);
    (connection, driver, (BufReader::new(reader).lines(), writer))
}

fn frame(payload: &str) -> Frame {
    Frame::new("execute", payload.as_bytes(), &CallContext::new(), 0)
}

fn ask(connection: &Near, payload: &str) -> Exchange<WriteHalf<DuplexStream>> {
    connection.exchange(frame(payload), None)
}

/// A call by a caller who waits no longer than this, and says so.
fn ask_within(connection: &Near, payload: &str, waits: Duration) -> Exchange<WriteHalf<DuplexStream>> {
    connection.exchange(frame(payload), Some(clock::now().saturating_add(waits)))
}

/// The same call under core's limit of an attempt, by a caller who waits no longer than this.
async fn limited(connection: &Near, payload: &str, waits: Duration) -> Result<crate::lines::codec::Answer, Ended> {
    limited_to(Duration::from_secs(30), connection, payload, waits).await
}

/// With this limit of an attempt.
async fn limited_to(
    attempt: Duration,
    connection: &Near,
    payload: &str,
    waits: Duration,
) -> Result<crate::lines::codec::Answer, Ended> {
    let service = tower::service_fn(|exchange: Exchange<_>| async { exchange.await.map_err(Ended::Failed) });
    let call = plugin_core::Call::new(ask_within(connection, payload, waits)).with_timeout(waits);
    let service = tower::ServiceBuilder::new()
        .layer(AttemptTimeoutLayer::new(attempt))
        .map_request(plugin_core::Call::into_payload)
        .service(service);
    service.oneshot(call).await
}

#[derive(Debug)]
enum Ended {
    Failed(Failure),
    Cut(Rejected),
}

impl From<Rejected> for Ended {
    fn from(rejected: Rejected) -> Self {
        Self::Cut(rejected)
    }
}

impl Ended {
    /// How far it had come, when it was cut at its limit.
    fn cut(self) -> (Sent, Option<&'static str>) {
        match self {
            Self::Cut(rejected) => (rejected.sent(), rejected.stage()),
            Self::Failed(failure) => panic!("{failure:?}"),
        }
    }
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
    let slow = limited(&connection, "\"slow\"", Duration::from_millis(50));
    let plugin = async {
        let (first, _) = request(&mut far).await;
        let (second, _) = request(&mut far).await;
        reply(&mut far, &first, "\"late\"").await;
        reply(&mut far, &second, "\"own\"").await;
    };
    let calls = async {
        let start = clock::now();
        assert_eq!(slow.await.expect_err("too slow").cut(), (Sent::Maybe, Some("on the plugin")));
        assert_eq!(start.elapsed().as_millis() / 10, 5, "it ended when it was due");
        text(ask(&connection, "2").await)
    };
    let (own, ()) = tokio::join!(calls, plugin);
    assert_eq!(own, "\"own\"");
    assert_eq!(connection.counts(), Counts { late: 1, ..Counts::default() });
}

/// The bytes leave between two polls of the call: it was queued when it was last polled, and the plugin has it when its time
/// is up. What it noted then would be a lie, so what the table says at the cut is what counts.
#[tokio::test(start_paused = true)]
async fn a_request_that_leaves_between_two_polls_was_sent() {
    let (connection, _driver, mut far) = connected(64, LIMITS);
    let big = format!("\"{}\"", "x".repeat(1500));
    // Its beginning fills the pipe, so the one after it waits in the table.
    let mut first = ask(&connection, &big);
    assert!((&mut first).now_or_never().is_none());
    tokio::task::yield_now().await;
    let polls = Arc::new(AtomicUsize::new(0));
    let second = tokio::spawn({
        let (connection, polls) = (connection.clone(), polls.clone());
        async move {
            let mut call = Box::pin(limited(&connection, "2", Duration::from_secs(1)));
            std::future::poll_fn(|cx| {
                polls.fetch_add(1, Ordering::Relaxed);
                call.as_mut().poll(cx)
            })
            .await
        }
    });
    tokio::time::sleep(Duration::from_millis(500)).await;
    assert_eq!(polls.load(Ordering::Relaxed), 1, "queued");
    let (first_id, _) = request(&mut far).await;
    let (second_id, payload) = request(&mut far).await;
    assert_eq!(payload, "2");
    assert_eq!(polls.load(Ordering::Relaxed), 1, "its bytes have left, and nobody has told it");
    let ended = second.await.expect("no panic");
    assert_eq!(ended.expect_err("no answer").cut(), (Sent::Maybe, Some("on the plugin")));
    assert_eq!(polls.load(Ordering::Relaxed), 2);
    // With nothing to do for anybody it is held back no more.
    reply(&mut far, &first_id, "1").await;
    reply(&mut far, &second_id, "2").await;
    tokio::time::sleep(Duration::from_millis(1)).await;
    // And what stays in the table until then was not.
    // It alone is as much as is taken at once.
    let huge = format!("\"{}\"", "x".repeat(1 << 17));
    let third = limited(&connection, &huge, Duration::from_secs(1));
    let fourth = limited(&connection, "4", Duration::from_secs(1));
    let (third, fourth) = tokio::join!(third, fourth);
    assert_eq!(third.expect_err("no answer").cut().0, Sent::Maybe, "a part of it has left");
    let waits = (Sent::Nothing, Some("waiting until the plugin reads"));
    assert_eq!(fourth.expect_err("no answer").cut(), waits);
    drop(first);
}

#[tokio::test(start_paused = true)]
async fn a_plugin_that_does_not_read_bounds_the_queue_and_what_was_not_written_is_withdrawn() {
    let (connection, _driver, mut far) = connected(64, LineLimits { queued_bytes: 4096, ..LIMITS });
    let big = format!("\"{}\"", "x".repeat(1500));
    // The first is on its way: its beginning fills the pipe. The second and third wait.
    let mut first = ask(&connection, &big);
    assert!((&mut first).now_or_never().is_none());
    tokio::task::yield_now().await;
    let queued: Vec<_> = (0..2)
        .map(|_| {
            let (connection, big) = (connection.clone(), big.clone());
            tokio::spawn(async move { limited(&connection, &big, Duration::from_secs(1)).await })
        })
        .collect();
    tokio::task::yield_now().await;
    assert_eq!(ask(&connection, &big).await, Err(Failure::QueueFull(4096)));
    for call in queued {
        assert_eq!(call.await.expect("no panic").expect_err("too late").cut().0, Sent::Nothing);
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
async fn noise_between_replies_is_counted_and_in_a_row_ends_the_connection() {
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
    assert_eq!(last, Err(Failure::Lost((&*end).into(), plugin_core::Sent::Maybe)));
    assert_eq!(connection.counts().noise, 19);
}

#[derive(Clone, Default)]
struct Written(Arc<Mutex<Vec<u8>>>);

impl std::io::Write for Written {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().expect("no panic").extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

#[tokio::test(start_paused = true)]
async fn what_is_no_reply_to_a_call_in_flight_is_logged_as_what_it_is() {
    let written = Written::default();
    let writer = written.clone();
    let log = tracing_subscriber::fmt().json().with_max_level(tracing::Level::DEBUG);
    let subscriber = log.with_writer(move || writer.clone()).finish();
    let _guard = tracing::subscriber::set_default(subscriber);
    let (connection, _driver, mut far) = connected(1 << 16, LIMITS);
    let call = tokio::spawn(ask(&connection, "1"));
    let (first, _) = request(&mut far).await;
    reply(&mut far, &first, "1").await;
    reply(&mut far, &first, "2").await;
    assert_eq!(text(call.await.expect("no panic")), "1");
    let given_up = limited(&connection, "2", Duration::from_millis(10)).await.expect_err("no answer");
    assert_eq!(given_up.cut().0, Sent::Maybe);
    let (second, _) = request(&mut far).await;
    reply(&mut far, &second, "3").await;
    reply(&mut far, &second, "4").await;
    reply(&mut far, "b000000000000000", "5").await;
    far.1.write_all(b"no \"reply\" \x1b[1m\n").await.expect("writable");
    // The rest of this second is counted, and told with the first line of the next.
    for _ in 0..6 {
        reply(&mut far, &second, "6").await;
        for _ in 0..2 {
            far.1.write_all(b"more\n").await.expect("writable");
        }
    }
    tokio::time::sleep(Duration::from_secs(1)).await;
    far.1.write_all(b"last\n").await.expect("writable");
    tokio::time::sleep(Duration::from_millis(1)).await;
    let text = String::from_utf8(written.0.lock().expect("no panic").clone()).expect("text");
    let events: Vec<serde_json::Value> =
        text.lines().map(|line| serde_json::from_str(line).expect("an event")).collect();
    let said: Vec<_> = events.iter().map(|event| event["fields"]["message"].as_str().expect("a message")).collect();
    assert_eq!(
        said[..5],
        [
            "a second reply to one call on the plugin's stdout",
            "a reply came after its call had ended",
            "a second reply to one call on the plugin's stdout",
            "a reply on the plugin's stdout has an id that no call had",
            "a line on the plugin's stdout is not a reply",
        ]
    );
    assert_eq!((events[0]["level"].as_str(), events[1]["level"].as_str()), (Some("WARN"), Some("DEBUG")));
    assert_eq!(events[0]["fields"]["plugin"], "far");
    assert_eq!(events[1]["fields"]["bytes"], format!("{{\"id\":\"{second}\",\"result\":3}}").len());
    assert_eq!(events[0]["fields"]["line"], format!("{{\"id\":\"{first}\",\"result\":2}}"), "as it was written");
    assert_eq!(events[4]["fields"]["line"], "no \"reply\" \\u{1b}[1m");
    let warned = events.iter().filter(|event| event["level"] == "WARN").count();
    let dropped = events.last().expect("some")["fields"]["dropped"].as_u64();
    assert_eq!((warned, dropped), (11, Some(22 - 10)), "ten in a second, and the last");
    assert_eq!(connection.counts().noise, 15);
}

#[tokio::test(start_paused = true)]
async fn a_reply_that_cannot_be_read_ends_its_own_call_at_once_and_no_other() {
    let (connection, _driver, mut far) = connected(1 << 16, LIMITS);
    let filler = "x".repeat(LIMITS.line * 3);
    let broken = |id: &str, n: usize| -> Vec<u8> {
        let number = u64::from_str_radix(id, 16).expect("an id");
        let reply = format!("{{\"id\":\"{id}\",\"result\":1}}");
        let asked = format!("\"id\":\"{id}\",\"method\":\"execute\",\"payload\":1");
        match n {
            0 => format!("{{\"id\":\"{id}\",\"result\":NaN}}"),
            1 => format!("{{\"id\":\"{id}\",\"result\":1,\"result\":2}}"),
            2 => format!("{{\"id\":{number},\"result\":1}}"),
            3 => format!("{{\"id\":{number:#x},\"result\":1}}"),
            4 => format!("{{\"result\":\"{filler}\",\"id\":\"{id}\"}}"),
            5 => return [b"{\"result\":\"caf\xe9\",\"id\":\"", id.as_bytes(), b"\"}"].concat(),
            6 => format!("{{'id': '{id}', 'result': None}}"),
            7 => return reply.encode_utf16().flat_map(u16::to_le_bytes).collect(),
            8 => return reply.encode_utf16().flat_map(u16::to_be_bytes).collect(),
            9 => format!("[{reply}]"),
            10 => format!("{{{asked},\"result\":NaN}}"),
            11 => format!("{{{asked},\"result\":\"{filler}\"}}"),
            13 => format!("{{\"id\":\"{id}\",\"results\":1}}"),
            12 => format!("{{\"\\u0069d\":\"{id}\",\"result\":NaN}}"),
            _ => format!("{{\"id\":\"{}\",\"result\":1}}", id.to_uppercase()),
        }
        .into_bytes()
    };
    let start = clock::now();
    for n in 0..15 {
        let plugin = async {
            let (id, _) = request(&mut far).await;
            let (other, _) = request(&mut far).await;
            far.1.write_all(&[broken(&id, n), b"\n".to_vec()].concat()).await.expect("writable");
            reply(&mut far, &other, "true").await;
        };
        let calls = async { tokio::join!(ask(&connection, "1"), ask(&connection, "2"), plugin) };
        // Of a clock that is paused: it passes at once when everybody waits for an answer that does not come.
        let ended = tokio::time::timeout(Duration::from_secs(60), calls).await;
        let (failed, other, ()) = ended.unwrap_or_else(|_| panic!("{n}: the call waits for ever"));
        match failed {
            Err(Failure::ReplyTooLarge(limit)) if matches!(n, 4 | 11) => assert_eq!(limit, LIMITS.line),
            Err(Failure::Unreadable(why)) if n == 13 => assert!(why.contains("neither `result` nor `error`"), "{why}"),
            Err(Failure::Unreadable(why)) if n == 14 => assert!(why.contains("not written as it was given"), "{why}"),
            Err(Failure::Unreadable(why)) => assert!(why.starts_with("it is no "), "{n}: {why}"),
            other => panic!("{n}: {other:?}"),
        }
        assert_eq!(text(other), "true");
    }
    assert_eq!(start.elapsed(), Duration::ZERO, "nobody waited");
    assert_eq!(connection.counts(), Counts::default(), "none of them is noise");
}

#[tokio::test(start_paused = true)]
async fn half_a_reply_and_the_whole_of_the_next_on_one_line_end_both_calls_at_once() {
    for too_long in [false, true] {
        let (connection, _driver, mut far) = connected(1 << 16, LIMITS);
        let plugin = async {
            let (first, _) = request(&mut far).await;
            let (second, _) = request(&mut far).await;
            let (third, _) = request(&mut far).await;
            let filler = "x".repeat(if too_long { LIMITS.line * 3 } else { 3 });
            let half = format!("{{\"id\":\"{first}\",\"result\":\"{filler}");
            far.1.write_all(half.as_bytes()).await.expect("writable");
            reply(&mut far, &second, "true").await;
            reply(&mut far, &third, "true").await;
        };
        let calls = async { tokio::join!(ask(&connection, "1"), ask(&connection, "2"), ask(&connection, "3"), plugin) };
        let ended = tokio::time::timeout(Duration::from_secs(60), calls).await;
        let (first, second, third, ()) = ended.expect("a call waits for ever");
        assert_eq!(matches!(first, Err(Failure::ReplyTooLarge(_))), too_long);
        assert!(matches!(first, Err(Failure::ReplyTooLarge(_) | Failure::Unreadable(_))), "{first:?}");
        assert!(matches!(&second, Err(Failure::Unreadable(why)) if why.contains("in one line with")), "{second:?}");
        assert_eq!(text(third), "true");
        assert_eq!(connection.counts(), Counts::default());
    }
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

const DIGITS: [&str; 10] = ["0", "1", "2", "3", "4", "5", "6", "7", "8", "9"];

/// Drops calls at every moment of their lives while others go on: the table must come back to empty, and every call
/// that is kept must have its own answer.
#[tokio::test(start_paused = true)]
async fn a_thousand_calls_dropped_or_timed_out_at_any_moment_disturb_no_other() {
    let (connection, _driver, mut far) = connected(512, LineLimits { in_flight: 64, ..LIMITS });
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
        let kept: Vec<_> = (0..10).map(|n| (n, limited(&connection, DIGITS[n], Duration::from_secs(1)))).collect();
        for polls in 0..10 {
            let mut dropped = ask(&connection, "\"dropped\"");
            for _ in 0..polls % 4 {
                if (&mut dropped).now_or_never().is_some() {
                    break;
                }
                if polls > round % 10 {
                    tokio::task::yield_now().await;
                }
            }
        }
        for (n, outcome) in join_all(kept.into_iter().map(|(n, call)| async move { (n, call.await) })).await {
            match outcome {
                Ok(answer) => assert_eq!(text(Ok(answer)), DIGITS[n]),
                Err(ended) => assert!(matches!(ended, Ended::Cut(_)), "{ended:?}"),
            }
        }
    }
    assert_eq!(connection.counts().in_flight, 0);
    assert_eq!(connection.counts().noise, 0);
    plugin.abort();
}

/// A number that depends on the line alone, so that a failure can be repeated.
fn fastrand_like(line: &str) -> usize {
    line.bytes().fold(7, |hash, byte| hash * 31 % 1_000_003 + usize::from(byte))
}
