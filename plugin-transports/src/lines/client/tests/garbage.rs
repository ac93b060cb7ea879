//! How much of garbage is read, and what the log shows of it.

use super::*;

/// What was logged, as JSON.
fn logging() -> (Written, tracing::subscriber::DefaultGuard) {
    let written = Written::default();
    let writer = written.clone();
    let log = tracing_subscriber::fmt().json().with_max_level(tracing::Level::DEBUG);
    (written, tracing::subscriber::set_default(log.with_writer(move || writer.clone()).finish()))
}

fn events(written: &Written) -> Vec<serde_json::Value> {
    let text = String::from_utf8(written.0.lock().expect("no panic").clone()).expect("text");
    text.lines()
        .map(|line| serde_json::from_str::<serde_json::Value>(line).expect("an event")["fields"].clone())
        .collect()
}

/// Lets the driver read all that was written.
async fn read() {
    tokio::time::sleep(Duration::from_millis(1)).await;
}

#[tokio::test(start_paused = true)]
async fn a_line_without_an_end_is_read_to_sixteen_times_the_limit_and_not_a_byte_further() {
    let (_connection, driver, mut far) = connected(1 << 10, LIMITS);
    let most = LIMITS.line * 16;
    far.1.write_all(&vec![b'x'; most]).await.expect("it is read");
    read().await;
    assert!(!driver.is_finished(), "it may still end");
    far.1.write_all(b"x").await.expect("it is read");
    let end = driver.await.expect("no panic");
    assert_eq!(end, format!("wrote {} bytes to stdout without a line feed", most + 1));
}

#[tokio::test(start_paused = true)]
async fn of_a_line_of_garbage_the_log_has_the_beginning_and_the_length() {
    let (written, _guard) = logging();
    let (_connection, _driver, mut far) = connected(1 << 16, LIMITS);
    far.1.write_all(format!("{}\n", "ab".repeat(500)).as_bytes()).await.expect("writable");
    // The second byte of the last character that is shown is beyond what is.
    far.1.write_all(format!("{}é and more\n", "a".repeat(199)).as_bytes()).await.expect("writable");
    read().await;
    let events = events(&written);
    assert_eq!((&events[0]["line"], &events[0]["bytes"]), (&"ab".repeat(100).into(), &1000.into()));
    assert_eq!(events[1]["line"], "a".repeat(199));
    assert!(events.iter().all(|event| event.get("dropped").is_none()), "none was: {events:?}");
    assert!(events.iter().all(|event| event.get("cut").is_none()), "each was read to its end: {events:?}");
}

/// It was said to have as many bytes as are kept of it.
#[tokio::test(start_paused = true)]
async fn of_a_line_of_garbage_that_is_too_long_the_log_does_not_say_that_what_is_kept_is_all() {
    let (written, _guard) = logging();
    let (_connection, _driver, mut far) = connected(1 << 16, LIMITS);
    far.1.write_all(format!("{}\n", "x".repeat(LIMITS.line * 3)).as_bytes()).await.expect("writable");
    read().await;
    let events = events(&written);
    assert_eq!(events.len(), 1, "{events:?}");
    assert_eq!((&events[0]["line"], &events[0]["cut"]), (&"x".repeat(64).into(), &true.into()));
    assert!(events[0].get("bytes").is_none(), "{events:?}");
}
