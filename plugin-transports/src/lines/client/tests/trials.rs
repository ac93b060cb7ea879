//! Callers in a hurry and callers who leave, beside patient ones, over plugins of every kind: what is held back for the sake of
//! the patient must not cost them anything where there is nothing to hold back for.

use super::{
    hurry::{caller, serial},
    *,
};

const SECOND: Duration = Duration::from_secs(1);
const HURRY: Duration = Duration::from_millis(50);

/// The far end as a plugin that serves all calls side by side. How long one takes is its payload, in milliseconds; one of
/// 0 has no answer.
fn parallel(mut far: Far) -> tokio::task::JoinHandle<()> {
    tokio::spawn(async move {
        let (answers, mut answered) = tokio::sync::mpsc::unbounded_channel::<String>();
        loop {
            tokio::select! {
                Some(reply) = answered.recv() => if far.1.write_all(reply.as_bytes()).await.is_err() {
                    return;
                },
                Ok(Some(line)) = far.0.next_line() => {
                    let json: serde_json::Value = serde_json::from_str(&line).expect("whole lines only");
                    let takes = json["payload"].as_u64().expect("a number");
                    if takes > 0 {
                        let (answers, reply) = (answers.clone(), format!("{{\"id\":{},\"result\":1}}\n", json["id"]));
                        drop(tokio::spawn(async move {
                            tokio::time::sleep(Duration::from_millis(takes)).await;
                            let _ = answers.send(reply);
                        }));
                    }
                }
                else => return,
            }
        }
    })
}

async fn is_answered(connection: &Near, takes: u64, waits: Duration) -> bool {
    match limited(connection, &takes.to_string(), waits).await {
        Ok(_) => true,
        Err(Ended::Cut(_)) => false,
        Err(Ended::Failed(failure)) => panic!("{failure:?}"),
    }
}

/// Comes and goes for this time, and never says how long it will wait.
async fn leaver(connection: Near, stays: Duration, during: Duration) {
    let start = clock::now();
    while start.elapsed() < during {
        let _ = tokio::time::timeout(stays, ask(&connection, "1")).await;
    }
}

#[tokio::test(start_paused = true)]
async fn one_call_in_a_hurry_is_no_reason_to_hold_back_a_burst_from_a_plugin_that_serves_side_by_side() {
    for takes in [300, 1000, 2000] {
        let (connection, _driver, far) = connected(1 << 16, LIMITS);
        let _plugin = parallel(far);
        assert!(is_answered(&connection, takes, 5 * SECOND).await);
        for _ in 0..3 {
            assert!(!is_answered(&connection, takes, HURRY).await);
            let before = clock::now();
            assert!(is_answered(&connection, takes, 5 * SECOND).await);
            let burst = join_all((0..60).map(|_| is_answered(&connection, takes, 5 * SECOND))).await;
            assert!(burst.iter().all(|answered| *answered), "{takes}");
            let long = before.elapsed().as_millis();
            assert!(u128::from(3 * takes) >= long, "one call and then sixty at once of {takes} took {long}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn calls_that_hang_in_a_plugin_that_serves_side_by_side_cost_no_other_its_answer() {
    for (each, hangs) in [(20, "one in twenty"), (5, "one in five")] {
        let (connection, _driver, far) = connected(1 << 16, LIMITS);
        let _plugin = parallel(far);
        let calls = (0..1800_u64).map(|number| {
            let connection = connection.clone();
            async move {
                // Thirty a second, evenly spread, of half a second to one and a half.
                tokio::time::sleep(Duration::from_millis(number * 1000 / 30)).await;
                let takes = if number % each == 3 { 0 } else { 500 + number * 7919 % 1000 };
                (takes > 0) == is_answered(&connection, takes, 5 * SECOND).await
            }
        });
        let as_expected = join_all(calls).await.into_iter().filter(|is| *is).count();
        assert_eq!(as_expected, 1800, "{hangs} hangs");
    }
}

#[tokio::test(start_paused = true)]
async fn callers_who_leave_cost_the_others_half_of_a_plugin_that_takes_one_call_at_a_time_and_no_answer() {
    for leavers in [1, 6] {
        let (connection, _driver, far) = connected(1 << 16, LIMITS);
        let _plugin = serial(far, Duration::from_millis(200));
        let during = 60 * SECOND;
        for _ in 0..leavers {
            drop(tokio::spawn(leaver(connection.clone(), HURRY, during)));
        }
        let patient = join_all((0..3).map(|_| caller(connection.clone(), 5 * SECOND, during))).await;
        let answered: usize = patient.iter().map(|(answered, ..)| answered).sum();
        assert_eq!(patient.iter().map(|(_, lost, _)| lost).sum::<usize>(), 0, "{answered} were answered");
        // It does five in a second.
        assert!(answered >= 100, "{answered} beside {leavers}");
    }
}

#[tokio::test(start_paused = true)]
async fn what_was_held_back_is_not_let_through_at_once_when_all_is_well_again() {
    let (connection, _driver, far) = connected(1 << 16, LIMITS);
    let _plugin = serial(far, Duration::from_millis(200));
    let during = 60 * SECOND;
    let patient = (0..12).map(|_| caller(connection.clone(), 5 * SECOND, during));
    for _ in 0..10 {
        drop(tokio::spawn(caller(connection.clone(), Duration::from_millis(150), during)));
    }
    let (mut answered, mut lost) = (0, 0);
    for (ok, not, _) in join_all(patient).await {
        (answered, lost) = (answered + ok, lost + not);
    }
    assert!(lost == 0 && answered >= 200, "{answered} answered, {lost} lost");
}

/// Comes, and goes after a moment.
async fn leaves(connection: &Near, takes: u64) {
    let _ = tokio::time::timeout(SECOND / 5, is_answered(connection, takes, 30 * SECOND)).await;
}

#[tokio::test(start_paused = true)]
async fn clients_who_leave_cost_nobody_his_answer_where_a_call_takes_more_than_half_of_its_time() {
    for (takes, waits) in [(16_000, 30 * SECOND), (3_000, 5 * SECOND)] {
        for was_watched in [false, true] {
            let (connection, _driver, far) = connected(1 << 16, LIMITS);
            let _plugin = parallel(far);
            if was_watched {
                leaves(&connection, takes).await;
            }
            assert!(is_answered(&connection, takes, waits).await);
            for _ in 0..2 {
                tokio::join!(leaves(&connection, takes), leaves(&connection, takes));
                let burst = join_all((0..30).map(|_| is_answered(&connection, takes, waits))).await;
                let answered = burst.iter().filter(|answered| **answered).count();
                assert_eq!(answered, 30, "{takes}, watched before: {was_watched}");
            }
        }
    }
}

#[tokio::test(start_paused = true)]
async fn however_often_clients_have_left_a_plugin_that_serves_side_by_side_answers_all_others() {
    let (connection, _driver, far) = connected(1 << 16, LIMITS);
    let _plugin = parallel(far);
    assert!(is_answered(&connection, 1_500, 5 * SECOND).await);
    for _ in 0..8 {
        tokio::join!(leaves(&connection, 1_500), leaves(&connection, 1_500));
        tokio::time::sleep(2 * SECOND).await;
    }
    assert_eq!(connection.counts().abandoned, 0);
    let burst = join_all((0..30).map(|_| is_answered(&connection, 1_500, 5 * SECOND))).await;
    assert!(burst.iter().all(|answered| *answered));
}

/// Four of five take three times as long as their callers wait.
#[tokio::test(start_paused = true)]
async fn the_few_calls_that_are_quick_are_answered_beside_the_many_that_are_not() {
    for share in [20, 5] {
        let (connection, _driver, far) = connected(1 << 16, LIMITS);
        let _plugin = parallel(far);
        // Not evenly spread, nor the same for each run of them.
        let is_quick = move |number: u64| (number + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 32 & 0xffff < share * 655;
        let quick = (0..1800_u64).map(|number| {
            let connection = connection.clone();
            async move {
                tokio::time::sleep(Duration::from_millis(number * 50)).await;
                let takes = if is_quick(number) { 50 } else { 3_000 };
                is_answered(&connection, takes, SECOND).await && is_quick(number)
            }
        });
        let answered = join_all(quick).await.into_iter().filter(|is| *is).count() as u64;
        let quick = (0..1800).filter(|number| is_quick(*number)).count() as u64;
        assert!(answered == quick && quick > 9 * share, "{answered} of {quick}, which are {share} in a hundred");
    }
}

/// It was known how long a call takes, before anybody was in a hurry.
#[tokio::test(start_paused = true)]
async fn a_burst_of_calls_in_a_hurry_costs_those_who_were_there_before_no_answer() {
    let (connection, _driver, far) = connected(1 << 16, LIMITS);
    let _plugin = serial(far, 2 * SECOND);
    let patient = (0..8).map(|_| caller(connection.clone(), 30 * SECOND, 80 * SECOND));
    let burst = async {
        tokio::time::sleep(20 * SECOND).await;
        join_all((0..8).map(|_| limited(&connection, "1", Duration::from_millis(20)))).await
    };
    let (patient, burst) = tokio::join!(join_all(patient), burst);
    assert!(burst.iter().all(Result::is_err));
    let lost: usize = patient.iter().map(|(_, lost, _)| lost).sum();
    assert_eq!(lost, 0, "{patient:?}");
}

/// Too many callers are no fault of a plugin that answers one after the other; one that answers nobody hangs.
#[tokio::test(start_paused = true)]
async fn what_is_cut_behind_others_that_are_answered_is_no_evidence_and_what_hangs_is() {
    let evidence = async |connection: &Near| {
        let calls = (0..40).map(|_| limited_to(5 * SECOND, connection, "1", 60 * SECOND));
        let ends = join_all(calls).await.into_iter().filter_map(|end| match end {
            Ok(_) => None,
            Err(Ended::Cut(refusal)) => Some(refusal.is_evidence()),
            Err(Ended::Failed(failure)) => panic!("{failure:?}"),
        });
        let ends: Vec<_> = ends.collect();
        (ends.len(), ends.iter().filter(|is_evidence| **is_evidence).count())
    };
    let (connection, _driver, far) = connected(1 << 16, LIMITS);
    let _plugin = serial(far, SECOND / 5);
    let (lost, blamed) = evidence(&connection).await;
    assert!(lost >= 15 && blamed <= 1, "{blamed} of {lost}");
    let (connection, _driver, _far) = connected(1 << 16, LIMITS);
    assert_eq!(evidence(&connection).await, (40, 40));
}

/// The far end as a plugin that takes one call at a time, and answers some beside it at once: those whose payload is 0.
fn serial_with_a_quick_way(mut far: Far, takes: Duration) -> tokio::task::JoinHandle<()> {
    tokio::spawn(async move {
        let mut line = std::collections::VecDeque::new();
        let mut done = std::pin::pin!(tokio::time::sleep(Duration::ZERO));
        loop {
            let id: serde_json::Value = tokio::select! {
                () = &mut done, if !line.is_empty() => {
                    done.as_mut().reset(tokio::time::Instant::now() + takes);
                    line.pop_front().expect("one at least")
                }
                Ok(Some(read)) = far.0.next_line() => {
                    let mut json: serde_json::Value = serde_json::from_str(&read).expect("whole lines only");
                    let id = json["id"].take();
                    if json["payload"] != 0 {
                        if line.is_empty() {
                            done.as_mut().reset(tokio::time::Instant::now() + takes);
                        }
                        line.push_back(id);
                        continue;
                    }
                    id
                }
                else => return,
            };
            if far.1.write_all(format!("{{\"id\":{id},\"result\":1}}\n").as_bytes()).await.is_err() {
                return;
            }
        }
    })
}

#[tokio::test(start_paused = true)]
async fn one_quick_answer_does_not_make_a_plugin_that_takes_one_call_at_a_time_one_that_serves_side_by_side() {
    for quick in [1, 40] {
        let (connection, _driver, far) = connected(1 << 16, LIMITS);
        let _plugin = serial_with_a_quick_way(far, SECOND / 5);
        let burst = join_all((0..30).map(|_| is_answered(&connection, 1, 30 * SECOND)));
        let overtakes = async {
            for _ in 0..quick {
                tokio::time::sleep(SECOND).await;
                assert!(is_answered(&connection, 0, 5 * SECOND).await);
            }
        };
        let patient = async {
            tokio::time::sleep(15 * SECOND).await;
            join_all((0..3).map(|_| caller(connection.clone(), 5 * SECOND, 25 * SECOND))).await
        };
        let hurried = async {
            tokio::time::sleep(10 * SECOND).await;
            join_all((0..6).map(|_| caller(connection.clone(), HURRY, 30 * SECOND))).await
        };
        let (burst, (), patient, _) = tokio::join!(burst, overtakes, patient, hurried);
        assert!(burst.iter().all(|answered| *answered));
        let lost = patient.iter().map(|(_, lost, _)| lost).sum::<usize>();
        assert_eq!(lost, 0, "{quick} quick, patient {patient:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn calls_that_hung_cost_those_who_come_next_no_answer_where_calls_are_served_side_by_side() {
    for waits in [9 * SECOND / 2, 5 * SECOND] {
        let (connection, _driver, far) = connected(1 << 16, LIMITS);
        let _plugin = parallel(far);
        for _ in 0..5 {
            assert!(is_answered(&connection, 2000, 30 * SECOND).await);
        }
        let hung = join_all((0..3).map(|_| is_answered(&connection, 0, 3 * SECOND))).await;
        assert_eq!(hung, [false; 3]);
        tokio::time::sleep(SECOND / 5).await;
        let next = join_all((0..5).map(|_| is_answered(&connection, 2000, waits))).await;
        assert_eq!(next, [true; 5], "with {waits:?}");
    }
}

/// Nobody looked at it before the turn of the one that had gone away.
#[tokio::test(start_paused = true)]
async fn who_stands_behind_one_that_goes_away_is_written_when_it_is_his_own_turn() {
    let (connection, _driver, far) = connected(1 << 16, LIMITS);
    let _plugin = parallel(far);
    for _ in 0..5 {
        assert!(is_answered(&connection, 2000, 30 * SECOND).await);
    }
    join_all((0..3).map(|_| is_answered(&connection, 0, 3 * SECOND))).await;
    tokio::time::sleep(SECOND / 5).await;
    // The first is let through after two seconds, and the second would be four later.
    let first = is_answered(&connection, 2000, 60 * SECOND);
    let second = tokio::time::timeout(2 * SECOND, is_answered(&connection, 2000, 60 * SECOND));
    let third = is_answered(&connection, 2000, 5 * SECOND);
    let (first, second, third) = tokio::join!(first, second, third);
    assert_eq!((first, second.ok(), third), (true, None, true));
}
