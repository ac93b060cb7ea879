//! Callers in a hurry, and what they leave behind for the others.

use super::*;

/// The far end as a plugin that takes one call at a time, and each for so long. It ends with the connection.
pub(super) fn serial(mut far: Far, takes: Duration) -> tokio::task::JoinHandle<()> {
    tokio::spawn(async move {
        while let Ok(Some(line)) = far.0.next_line().await {
            tokio::time::sleep(takes).await;
            let json: serde_json::Value = serde_json::from_str(&line).expect("whole lines only");
            let reply = format!("{{\"id\":{},\"result\":1}}\n", json["id"]);
            if far.1.write_all(reply.as_bytes()).await.is_err() {
                return;
            }
        }
    })
}

/// Calls one after the other for this time, each with this limit; gives back how many were answered, how many were not, and how
/// long the slowest took.
pub(super) async fn caller(connection: Near, limit: Duration, during: Duration) -> (usize, usize, Duration) {
    caller_limited_to(Duration::from_secs(30), connection, limit, during).await
}

/// With this limit of an attempt.
async fn caller_limited_to(
    attempt: Duration,
    connection: Near,
    limit: Duration,
    during: Duration,
) -> (usize, usize, Duration) {
    let (start, mut answered, mut lost, mut slowest) = (clock::now(), 0, 0, Duration::ZERO);
    while start.elapsed() < during {
        let begun = clock::now();
        match limited_to(attempt, &connection, "1", limit).await {
            Ok(_) => answered += 1,
            Err(Ended::Cut(_)) => lost += 1,
            Err(Ended::Failed(failure)) => panic!("{failure:?}"),
        }
        slowest = slowest.max(begun.elapsed());
    }
    (answered, lost, slowest)
}

/// Six callers used to put three hundred requests a second into a plugin that does five, and everybody else stood behind
/// them until their time was up.
#[tokio::test(start_paused = true)]
async fn callers_in_a_hurry_do_not_keep_a_plugin_that_takes_one_call_at_a_time_from_the_others() {
    for hurried in [6, 30] {
        let (connection, _driver, far) = connected(1 << 16, LIMITS);
        let _plugin = serial(far, Duration::from_millis(200));
        let during = Duration::from_secs(60);
        for _ in 0..hurried {
            drop(tokio::spawn(caller(connection.clone(), Duration::from_millis(20), during)));
        }
        // They come when it is at its worst.
        tokio::time::sleep(Duration::from_secs(15)).await;
        let patient = join_all((0..3).map(|_| caller(connection.clone(), Duration::from_secs(5), during / 2))).await;
        for (answered, lost, slowest) in patient {
            assert_eq!(lost, 0, "beside {hurried}: {answered} were answered");
            // Some two of five are a patient caller's.
            assert!(
                answered >= 20 && slowest < Duration::from_secs(2),
                "{answered} answered, the slowest in {slowest:?}"
            );
        }
        assert!(connection.counts().abandoned <= 8, "{:?}", connection.counts());
    }
}

/// The same with one that never answers: whoever waits behind it is told that nothing was sent, and why.
#[tokio::test(start_paused = true)]
async fn behind_calls_that_were_given_up_one_more_is_let_through_at_a_time_and_the_hosts_questions_always() {
    let (connection, _driver, mut far) = connected(1 << 16, LIMITS);
    for abandoned in 1..=2 {
        let ended = limited(&connection, "0", Duration::from_millis(20)).await.expect_err("no answer");
        assert_eq!(ended.cut(), (Sent::Maybe, Some("on the plugin")));
        assert_eq!(connection.counts(), Counts { abandoned, ..Counts::default() });
    }
    let start = clock::now();
    let waits = limited(&connection, "1", Duration::from_millis(900));
    let held = (Sent::Nothing, Some("waiting for its turn at the plugin"));
    assert_eq!(waits.await.expect_err("it was not its turn").cut(), held);
    let mut check = connection.exchange_at(Place::Ahead, frame("null"));
    assert!((&mut check).now_or_never().is_none());
    let (third, fourth) = tokio::join!(
        limited(&connection, "3", Duration::from_secs(3)),
        limited(&connection, "4", Duration::from_millis(900)),
    );
    assert_eq!(third.expect_err("no answer").cut().0, Sent::Maybe, "it may have as much time as it needs");
    assert_eq!(fourth.expect_err("no answer").cut(), held);
    let mut read = Vec::new();
    for _ in 0..4 {
        read.push(request(&mut far).await);
    }
    let payloads: Vec<_> = read.iter().map(|(_, payload)| payload.as_str()).collect();
    assert_eq!(payloads, ["0", "0", "null", "3"]);
    assert!(start.elapsed() < Duration::from_secs(4));
    drop(check);
}

/// A few calls that hang for ever are no reason to keep others from a plugin that has room for them.
#[tokio::test(start_paused = true)]
async fn a_plugin_that_serves_side_by_side_is_never_held_back_for_calls_that_hang_in_it() {
    let (connection, _driver, mut far) = connected(1 << 16, LIMITS);
    let _plugin = tokio::spawn(async move {
        while let Ok(Some(line)) = far.0.next_line().await {
            let json: serde_json::Value = serde_json::from_str(&line).expect("whole lines only");
            if json["payload"] == 1 {
                let reply = format!("{{\"id\":{},\"result\":1}}\n", json["id"]);
                far.1.write_all(reply.as_bytes()).await.expect("writable");
            }
        }
    });
    for round in 0..20 {
        for _ in 0..2 {
            let hangs = limited(&connection, "0", Duration::from_millis(10)).await;
            assert!(matches!(hangs, Err(Ended::Cut(_))));
        }
        // The host's own questions are answered all the while, which says nothing of those in line.
        let asks = async {
            loop {
                let _ = connection.exchange_at(Place::Ahead, frame("1")).await;
                tokio::time::sleep(Duration::from_millis(100)).await;
            }
        };
        let calls = async {
            let before = clock::now();
            assert!(limited(&connection, "1", Duration::from_secs(5)).await.is_ok());
            assert!(before.elapsed() <= Duration::from_secs(1), "round {round}");
            // With that answer they stand in nobody's way.
            let before = clock::now();
            for answer in join_all((0..8).map(|_| limited(&connection, "1", Duration::from_secs(5)))).await {
                assert!(answer.is_ok());
            }
            assert_eq!((before.elapsed(), connection.counts().abandoned), (Duration::ZERO, 0), "round {round}");
        };
        tokio::select! {
            () = asks => unreachable!("they never end"),
            () = calls => {}
        }
    }
}

/// With a short limit, and with one call that takes nearly half of what a caller waits.
#[tokio::test(start_paused = true)]
async fn a_plugin_that_takes_long_for_each_is_kept_from_nobody_by_callers_in_a_hurry() {
    let (second, during) = (Duration::from_secs(1), Duration::from_secs(60));
    for (takes, attempt, waits) in [(second * 3 / 5, second * 2, second * 2), (second * 2, second * 30, second * 5)] {
        let (connection, _driver, far) = connected(1 << 16, LIMITS);
        let _plugin = serial(far, takes);
        for _ in 0..6 {
            let hurried = caller_limited_to(attempt, connection.clone(), Duration::from_millis(20), during * 2);
            drop(tokio::spawn(hurried));
        }
        // After the first burst, of which nothing was known before.
        tokio::time::sleep(during / 2).await;
        let patient = (0..2).map(|_| caller_limited_to(attempt, connection.clone(), waits, during));
        for (answered, lost, slowest) in join_all(patient).await {
            assert_eq!(lost, 0, "{takes:?}: {answered} were answered, the slowest in {slowest:?}");
            assert!(answered >= 14, "{takes:?}: {answered} were answered");
        }
        assert!(connection.counts().abandoned <= 2, "{takes:?}: {:?}", connection.counts());
    }
}

/// Whoever comes now and then has not to wait for what two others have left in the plugin, however little time a call has.
#[tokio::test(start_paused = true)]
async fn two_calls_that_hang_keep_a_caller_who_comes_now_and_then_from_nothing() {
    let (connection, _driver, mut far) = connected(1 << 16, LIMITS);
    let _plugin = tokio::spawn(async move {
        while let Ok(Some(line)) = far.0.next_line().await {
            let json: serde_json::Value = serde_json::from_str(&line).expect("whole lines only");
            if json["payload"] == 1 {
                tokio::time::sleep(Duration::from_millis(10)).await;
                let reply = format!("{{\"id\":{},\"result\":1}}\n", json["id"]);
                far.1.write_all(reply.as_bytes()).await.expect("writable");
            }
        }
    });
    let call = async |payload: &str| {
        let begun = clock::now();
        let limit = Duration::from_millis(800);
        (limited_to(limit, &connection, payload, limit).await, begun.elapsed())
    };
    for _ in 0..3 {
        assert!(call("1").await.0.is_ok());
    }
    let (first, second) = tokio::join!(call("0"), call("0"));
    assert!(first.0.is_err() && second.0.is_err(), "they hang");
    for round in 0..10 {
        tokio::time::sleep(Duration::from_millis(1200)).await;
        let (answer, took) = call("1").await;
        assert!(answer.is_ok() && took <= Duration::from_millis(20), "{round}: {took:?} {answer:?}");
    }
}

/// What it waited on this side was not the plugin's time.
#[tokio::test(start_paused = true)]
async fn a_call_that_was_held_back_and_then_written_is_judged_by_the_time_that_the_plugin_had() {
    let second = Duration::from_secs(1);
    for (limit, is_evidence) in [(second * 6 / 5, false), (second * 5 / 2, true)] {
        let (connection, _driver, _far) = connected(1 << 16, LIMITS);
        for _ in 0..2 {
            limited(&connection, "0", Duration::from_millis(20)).await.expect_err("no answer");
        }
        // It is let through after a second.
        match limited_to(limit, &connection, "1", second * 60).await {
            Err(Ended::Cut(refusal)) => {
                assert_eq!((refusal.sent(), refusal.is_evidence()), (Sent::Maybe, is_evidence), "{limit:?}");
            }
            other => panic!("{other:?}"),
        }
    }
}
