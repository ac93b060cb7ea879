//! Two that take a plugin out of service at the same time: what either of them does is no news of the other's.

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use plugin_core::{Call, Code, Plugin, PluginError, Reply};
use plugin_manager::manager::{DrainReport, Manager, Registration, ServingState};
use tokio::{sync::Notify, task::JoinHandle};
use tower::service_fn;

const SECOND: Duration = Duration::from_secs(1);

/// Answers when it is told to.
fn waits_for(go: &Arc<Notify>) -> impl Plugin<u32, u32> + use<> {
    let go = Arc::clone(go);
    service_fn(move |call: Call<u32>| {
        let go = Arc::clone(&go);
        async move {
            go.notified().await;
            Ok::<_, PluginError>(Reply::new(call.into_payload()))
        }
    })
}

struct Stage {
    manager: Manager<u32, u32>,
    call: JoinHandle<Result<Reply<u32>, PluginError>>,
    go: Arc<Notify>,
    /// The transport may be closed.
    close: Arc<Notify>,
    closings: Arc<AtomicUsize>,
}

/// A plugin with a call that runs until it may go.
async fn stage() -> Stage {
    let manager = Manager::new();
    let (go, close, closings) = (Arc::new(Notify::new()), Arc::new(Notify::new()), Arc::new(AtomicUsize::new(0)));
    let registration = Registration::new(waits_for(&go)).on_close({
        let (close, closings) = (close.clone(), closings.clone());
        move |_| {
            closings.fetch_add(1, Ordering::SeqCst);
            let close = close.clone();
            async move {
                close.notified().await;
                Ok(())
            }
        }
    });
    manager.register_with("slow", registration).expect("a free name");
    let call = tokio::spawn(manager.execute("slow", 7));
    tokio::task::yield_now().await;
    Stage { manager, call, go, close, closings }
}

type Report = JoinHandle<Result<DrainReport, PluginError>>;

impl Stage {
    fn drain(&self, limit: Duration) -> Report {
        let manager = self.manager.clone();
        tokio::spawn(async move { manager.drain("slow", limit).await })
    }

    fn unregister(&self, limit: Duration) -> Report {
        let manager = self.manager.clone();
        tokio::spawn(async move { manager.unregister_gracefully("slow", limit).await })
    }

    fn state(&self) -> Option<ServingState> {
        self.manager.get("slow").map(|view| view.state)
    }

    async fn end_the_call(self) {
        self.go.notify_one();
        assert_eq!(self.call.await.expect("no panic").expect("untouched").into_payload(), 7);
    }
}

#[tokio::test(start_paused = true)]
async fn a_short_drain_ends_no_long_one() {
    let stage = stage().await;
    let long = stage.drain(30 * SECOND);
    tokio::time::sleep(SECOND).await;
    let short = stage.drain(SECOND).await.expect("no panic").expect("known");
    assert_eq!((short.unfinished, short.undone), (1, false), "{short:?}");
    assert_eq!(stage.state(), Some(ServingState::Draining), "the call runs");
    tokio::time::sleep(SECOND).await;
    assert!(!long.is_finished(), "it has its own time");
    stage.end_the_call().await;
    let long = long.await.expect("no panic").expect("known");
    assert!(long.is_clean(), "{long:?}");
}

#[tokio::test(start_paused = true)]
async fn a_plugin_that_is_switched_on_undoes_every_drain() {
    let stage = stage().await;
    let (first, second) = (stage.drain(30 * SECOND), stage.drain(20 * SECOND));
    tokio::time::sleep(SECOND).await;
    stage.manager.enable("slow").expect("it may be undone");
    assert!(first.await.expect("no panic").expect("known").undone);
    assert!(second.await.expect("no panic").expect("known").undone);
    assert_eq!(stage.state(), Some(ServingState::Serving));
    stage.end_the_call().await;
}

#[tokio::test(start_paused = true)]
async fn a_drain_that_ends_first_does_not_keep_what_is_to_be_taken_out() {
    let stage = stage().await;
    let out = stage.unregister(3 * SECOND);
    tokio::time::sleep(SECOND).await;
    let drained = stage.drain(SECOND).await.expect("no panic").expect("it is not being closed yet");
    assert_eq!((drained.unfinished, drained.undone), (1, false), "{drained:?}");
    stage.close.notify_one();
    let out = out.await.expect("no panic").expect("known");
    assert_eq!((out.unfinished, out.undone, out.close_error.is_none()), (1, false, true), "{out:?}");
    assert_eq!((stage.state(), stage.closings.load(Ordering::SeqCst)), (None, 1));
}

#[tokio::test(start_paused = true)]
async fn what_is_being_closed_is_not_drained_and_cannot_come_back() {
    let stage = stage().await;
    let long = stage.drain(4 * SECOND);
    let out = stage.unregister(SECOND);
    tokio::time::sleep(2 * SECOND).await;
    let refused = stage.drain(SECOND).await.expect("no panic").expect_err("it is being closed");
    assert_eq!((refused.code(), refused.plugin()), (Code::Draining, Some("slow")));
    let drained = long.await.expect("no panic").expect("known");
    assert_eq!((drained.unfinished, drained.undone), (1, false), "{drained:?}");
    assert_eq!(stage.manager.enable("slow").expect_err("too late").code(), Code::Draining);
    stage.close.notify_one();
    assert!(!out.await.expect("no panic").expect("known").undone);
    assert_eq!(stage.state(), None);
}

#[tokio::test(start_paused = true)]
async fn of_two_that_take_a_plugin_out_neither_says_that_it_serves() {
    let stage = stage().await;
    let (long, short) = (stage.unregister(30 * SECOND), stage.unregister(SECOND));
    stage.close.notify_one();
    assert!(!short.await.expect("no panic").expect("known").undone);
    assert_eq!(stage.state(), None);
    stage.manager.register("slow", waits_for(&Arc::default())).expect("the name is free again");
    let closings = stage.closings.clone();
    let manager = stage.manager.clone();
    stage.end_the_call().await;
    let long = long.await.expect("no panic").expect("known");
    assert!(long.is_clean(), "{long:?}");
    assert_eq!(closings.load(Ordering::SeqCst), 1, "what was closed is not closed again");
    assert_eq!(manager.get("slow").expect("another plugin").state, ServingState::Serving);
}

#[tokio::test(start_paused = true)]
async fn a_drain_of_what_is_taken_out_at_once_or_shut_down_is_not_undone() {
    for shut_down in [false, true] {
        let stage = stage().await;
        let drain = stage.drain(30 * SECOND);
        tokio::time::sleep(SECOND).await;
        stage.close.notify_one();
        if shut_down {
            assert_eq!(stage.manager.shutdown(SECOND).await.len(), 1);
        } else {
            stage.manager.unregister("slow", SECOND).await.expect("known");
        }
        stage.end_the_call().await;
        let report = drain.await.expect("no panic").expect("known");
        assert!(report.is_clean(), "{report:?}");
    }
}
