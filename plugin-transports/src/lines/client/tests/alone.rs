//! A caller that is alone reads its own answer, and leaves all else to the driver.

use std::{future::poll_fn, pin::pin, sync::atomic::AtomicUsize, task::Poll};

use futures_util::poll;

use super::*;

/// A connection whose driver counts how often it is polled.
fn counted() -> (Near, tokio::task::JoinHandle<String>, Far, Arc<AtomicUsize>) {
    let (near, far) = duplex(1 << 16);
    let (reader, writer) = split(near);
    let (connection, mut driver) = connect("far".into(), reader, writer, LIMITS);
    let (closing, polls) = (connection.clone(), Arc::<AtomicUsize>::default());
    let counting = polls.clone();
    let driver = tokio::spawn(async move {
        let end = poll_fn(|cx| {
            counting.fetch_add(1, Ordering::Relaxed);
            driver.poll_unpin(cx)
        });
        let end = end.await.to_string();
        closing.close(&(&*end).into());
        end
    });
    let (reader, writer) = split(far);
    (connection, driver, (BufReader::new(reader).lines(), writer), polls)
}

/// Until the driver waits.
async fn settled() {
    for _ in 0..10 {
        tokio::task::yield_now().await;
    }
}

/// Calls, and answers it.
async fn answered(connection: &Near, far: &mut Far, payload: &str) -> String {
    let plugin = async {
        let (id, payload) = request(far).await;
        reply(far, &id, &payload).await;
    };
    let (answer, ()) = tokio::join!(ask(connection, payload), plugin);
    text(answer)
}

#[tokio::test(start_paused = true)]
async fn calls_one_after_the_other_do_not_wake_the_driver() {
    let (connection, _driver, mut far, polls) = counted();
    settled().await;
    let before = polls.load(Ordering::Relaxed);
    for call in 0..200 {
        let payload = call.to_string();
        assert_eq!(answered(&connection, &mut far, &payload).await, payload);
    }
    // Tokio ends the turn of a task that reads for too long without a pause; whoever is in the middle then wakes it.
    let woken = polls.load(Ordering::Relaxed) - before;
    assert!(woken <= 20, "{woken} times for 200 calls");
    assert_eq!(connection.counts(), Counts::default());
}

#[tokio::test(start_paused = true)]
async fn a_caller_that_does_not_look_holds_up_nobody_who_comes_later() {
    let (connection, _driver, mut far, _) = counted();
    settled().await;
    let mut first = pin!(ask(&connection, "1"));
    assert!(poll!(&mut first).is_pending());
    let (first_id, _) = request(&mut far).await;
    // The answer wakes the first, who does not look.
    reply(&mut far, &first_id, "1").await;
    settled().await;
    let second = async {
        assert_eq!(text(ask(&connection, "2").await), "2");
    };
    let plugin = async {
        let (id, _) = request(&mut far).await;
        reply(&mut far, &id, "2").await;
    };
    tokio::join!(second, plugin);
    assert_eq!(text(first.await), "1");
}

#[tokio::test(start_paused = true)]
async fn a_caller_that_leaves_when_its_answer_comes_leaves_it_to_the_driver() {
    let (connection, _driver, mut far, _) = counted();
    settled().await;
    {
        let mut first = pin!(ask(&connection, "1"));
        assert!(poll!(&mut first).is_pending());
        let (id, _) = request(&mut far).await;
        reply(&mut far, &id, "1").await;
    }
    settled().await;
    assert_eq!(connection.counts(), Counts { late: 1, ..Counts::default() }, "it was read");
    assert_eq!(answered(&connection, &mut far, "2").await, "2");
}

#[tokio::test(start_paused = true)]
async fn what_is_not_its_answer_is_left_to_the_driver() {
    let (connection, driver, mut far, _) = counted();
    settled().await;
    // In front of it, in pieces, and behind it.
    let plugin = async {
        let (id, _) = request(&mut far).await;
        far.1.write_all(b"a line of a log\n{\"id\":").await.expect("writable");
        settled().await;
        far.1.write_all(format!("\"{id}\",\"result\":1}}\nanother\nand the be").as_bytes()).await.expect("writable");
        settled().await;
    };
    let (answer, ()) = tokio::join!(ask(&connection, "1"), plugin);
    assert_eq!(text(answer), "1");
    settled().await;
    assert_eq!(connection.counts().noise, 2);
    far.1.write_all(b"ginning of a third\n").await.expect("writable");
    settled().await;
    assert_eq!(connection.counts().noise, 3, "nobody has called since");
    assert_eq!(answered(&connection, &mut far, "2").await, "2");
    drop(far);
    assert_eq!(driver.await.expect("it ends"), "closed its stdout");
}

/// Counts how often it was woken.
#[derive(Default)]
struct Woken(AtomicUsize);

impl std::task::Wake for Woken {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }
}

/// Its turn is over with it, also where the driver has looked in between and has read its answer.
#[tokio::test(start_paused = true)]
async fn what_comes_after_a_call_that_was_alone_wakes_the_driver_whoever_read_its_answer() {
    let (near, far) = duplex(1 << 16);
    let (reader, writer) = split(near);
    let (connection, mut driver) = connect("far".into(), reader, writer, LIMITS);
    let (reader, writer) = split(far);
    let mut far = (BufReader::new(reader).lines(), writer);
    let woken = Arc::<Woken>::default();
    let waker = Arc::clone(&woken).into();
    let mut drive = || driver.poll_unpin(&mut std::task::Context::from_waker(&waker)).is_pending();
    assert!(drive());
    let mut call = pin!(ask(&connection, "1"));
    assert!(poll!(&mut call).is_pending());
    let (id, _) = request(&mut far).await;
    reply(&mut far, &id, "1").await;
    assert!(drive());
    assert!(poll!(&mut call).is_ready());
    assert!(drive());
    let before = woken.0.load(Ordering::Relaxed);
    far.1.write_all(b"a line of a log\n").await.expect("writable");
    assert_eq!(woken.0.load(Ordering::Relaxed), before + 1);
    assert!(drive());
    assert_eq!(connection.counts().noise, 1);
}

#[tokio::test(start_paused = true)]
async fn the_end_is_told_by_the_driver_to_whoever_is_alone_and_where_nobody_is() {
    let (connection, driver, mut far, _) = counted();
    settled().await;
    assert_eq!(answered(&connection, &mut far, "1").await, "1");
    let mut alone = pin!(ask(&connection, "2"));
    assert!(poll!(&mut alone).is_pending());
    request(&mut far).await;
    drop(far);
    let failure = alone.await.expect_err("nobody answers");
    assert!(matches!(failure, Failure::Lost(_, Sent::Maybe)), "{failure:?}");
    assert_eq!(driver.await.expect("it ends"), "closed its stdout");

    let (connection, driver, mut far, _) = counted();
    settled().await;
    assert_eq!(answered(&connection, &mut far, "1").await, "1");
    drop(far);
    assert_eq!(driver.await.expect("it ends"), "closed its stdout", "after a call that was alone");
}

#[tokio::test(start_paused = true)]
async fn a_caller_that_goes_to_another_task_is_woken_there() {
    let (connection, _driver, mut far, _) = counted();
    settled().await;
    assert_eq!(answered(&connection, &mut far, "1").await, "1");
    // A caller whose last poll was by another task is woken where it is now.
    let mut moved = Box::pin(ask(&connection, "2"));
    assert!(poll!(&mut moved).is_pending());
    let (id, _) = request(&mut far).await;
    let mut moved = tokio::spawn(async move {
        let mut moved = moved;
        poll_fn(|cx| Poll::Ready(moved.poll_unpin(cx).is_pending())).await;
        moved.await
    });
    settled().await;
    assert!(poll!(&mut moved).is_pending());
    reply(&mut far, &id, "2").await;
    assert_eq!(text(moved.await.expect("no panic")), "2");
}

/// On two threads, callers that are alone at times, and not at others, and leave at times: each that stays has its own answer, however
/// the turn to read has passed among them and the driver.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nobody_is_forgotten_however_the_turn_to_read_passes() {
    const CALLS: usize = 4_000;
    let (connection, _driver, mut far) = connected(1 << 16, LIMITS);
    let plugin = tokio::spawn(async move {
        while let Ok(Some(line)) = far.0.next_line().await {
            let json: serde_json::Value = serde_json::from_str(&line).expect("JSON");
            let id = json["id"].as_str().expect("an id").to_owned();
            reply(&mut far, &id, &json["payload"].to_string()).await;
        }
    });
    let caller = |number: usize| {
        let connection = connection.clone();
        tokio::spawn(async move {
            for call in 0..CALLS {
                let payload = (number * CALLS + call).to_string();
                let mut exchange = Box::pin(ask(&connection, &payload));
                // Now and then it leaves, polled once or twice, or makes a pause in which the other is alone.
                if (call + number).is_multiple_of(7) {
                    let _ = poll!(&mut exchange);
                    tokio::task::yield_now().await;
                    let _ = poll!(&mut exchange);
                    drop(exchange);
                    continue;
                }
                assert_eq!(text(exchange.await), payload);
                if call.is_multiple_of(5 + number) {
                    tokio::task::yield_now().await;
                }
            }
        })
    };
    let callers = [caller(0), caller(1)];
    let all = tokio::time::timeout(Duration::from_secs(60), join_all(callers)).await;
    for caller in all.expect("somebody waits for an answer that was read, or that nobody reads") {
        caller.expect("its own answer");
    }
    plugin.abort();
}
