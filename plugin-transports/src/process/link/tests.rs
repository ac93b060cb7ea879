use super::*;

const SECOND: Duration = Duration::from_secs(1);

fn down(failed: bool, wait: Option<Duration>) -> Down {
    let until = wait.map(|wait| clock::now().saturating_add(wait));
    Down {
        failed,
        until,
        starts: 3,
        why: Cause { why: "exited".to_owned(), for_callers: None, said: Some("no database".to_owned()) },
    }
}

fn link() -> LinkState {
    LinkState::new(Arc::new(ProcessConfig::builder("plugin", "plugin").build().expect("in bounds")))
}

#[tokio::test(start_paused = true)]
async fn a_call_waits_for_the_next_start_of_a_process_that_has_not_failed_and_for_no_other() {
    assert!(down(false, Some(SECOND)).is_awaited(3));
    assert!(!down(false, Some(SECOND)).is_awaited(2), "that start has ended");
    assert!(!down(true, Some(SECOND)).is_awaited(3), "it has failed, however soon it is tried again");
    assert!(!down(false, None).is_awaited(3), "nobody starts it");
}

#[tokio::test(start_paused = true)]
async fn a_refusal_says_when_to_come_again_while_that_is_known() {
    let late = down(false, Some(SECOND));
    assert_eq!(late.refusal().retry_after(), Some(SECOND));
    tokio::time::advance(SECOND).await;
    assert_eq!(late.refusal().retry_after(), None, "it should be there, and is not");
    for (failed, code, state) in
        [(false, Code::ConnectionFailed, HealthState::Unhealthy), (true, Code::CrashLoop, HealthState::Offline)]
    {
        let down = down(failed, None);
        let refusal = down.refusal();
        assert_eq!((refusal.code(), refusal.retry_after(), refusal.detail()), (code, None, Some("no database")));
        assert_eq!(down.health().state, state);
    }
}

#[tokio::test(start_paused = true)]
async fn only_what_has_failed_and_nobody_tries_again_waits_for_its_operator() {
    for (failed, wait, waits) in
        [(true, None, true), (true, Some(SECOND), false), (false, None, false), (false, Some(SECOND), false)]
    {
        let link = link();
        link.down(down(failed, wait));
        assert_eq!((link.waits_for_operator(), link.retry_after()), (waits, wait), "{failed} {wait:?}");
    }
}

#[tokio::test]
async fn what_is_to_be_done_before_calls_are_lost_is_let_go_at_the_end_and_not_kept_after_it() {
    let (link, held) = (link(), Arc::new(()));
    let act = || -> Act {
        let held = held.clone();
        Arc::new(move || drop(held.clone()))
    };
    let mut events = link.subscribe();
    link.before_calls_are_lost(act());
    assert_eq!(Arc::strong_count(&held), 2);
    link.over();
    assert_eq!((Arc::strong_count(&held), link.state()), (1, ProcessState::Stopped));
    assert_eq!(events.try_recv(), Ok(ProcessEvent::Stopped));
    link.before_calls_are_lost(act());
    assert_eq!(Arc::strong_count(&held), 1, "nothing happens any more");
}

#[test]
fn the_first_start_is_no_restart_and_calls_that_are_cut_are_added_up() {
    let link = link();
    assert_eq!((link.stats(), link.has_been_ready()), (ProcessStats::default(), false));
    link.count_start(true);
    link.count_start(false);
    link.count_cut(2);
    link.count_cut(3);
    assert_eq!(link.stats(), ProcessStats { restarts: 1, failed_starts: 1, cut_calls: 5, ..ProcessStats::default() });
}
