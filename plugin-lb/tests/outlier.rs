//! Instances that fail while others do not, on a paused clock: they get no calls for a time, and always come back.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU8, Ordering},
    },
    time::Duration,
};

use plugin_core::{Call, Code, HealthCell, HealthStatus, PluginError, Reply, Sent};
use plugin_lb::{
    Balance, BalanceConfig, BalanceHandle, CallEnvelope, EjectionCause, EjectionChange, Endpoint, FailureRate,
    InstanceStats, OutlierConfig, Strategy, SuccessRate,
};
use tower::{ServiceExt, service_fn, util::BoxCloneSyncService};

const SECOND: Duration = Duration::from_secs(1);

/// How an instance answers: well, with an error, or not at all; or badly for one call of so many.
const WELL: u8 = 0;
const FAILS: u8 = 1;
const UNREACHED: u8 = 2;
const EACH: u8 = 100;

type Service = BoxCloneSyncService<Call<u8>, Reply<usize>, PluginError>;

struct Rig {
    balance: Balance<Service, plugin_core::ByErrorType, plugin_core::AsErrorValue, plugin_core::AtHead, CallEnvelope>,
    does: Vec<Arc<AtomicU8>>,
}

fn name(index: usize) -> String {
    format!("i{index}")
}

impl Rig {
    fn new(count: usize, outlier: impl Into<Option<OutlierConfig>>) -> Self {
        let does: Vec<_> = (0..count).map(|_| Arc::new(AtomicU8::new(WELL))).collect();
        let endpoints = does.iter().enumerate().map(|(index, does)| Endpoint::new(name(index), service(index, does)));
        let config = BalanceConfig::builder().with_outlier(outlier).with_failover(false).build().expect("valid");
        let balance = Balance::new(config, endpoints).expect("names of their own").for_calls();
        Self { balance, does }
    }

    fn handle(&self) -> BalanceHandle<Service> {
        self.balance.handle()
    }

    fn set(&self, index: usize, does: u8) {
        self.does[index].store(does, Ordering::Relaxed);
    }

    fn stats(&self, index: usize) -> InstanceStats {
        self.handle().get(&name(index)).expect("it is there")
    }

    fn ejected(&self) -> Vec<usize> {
        (0..self.does.len()).filter(|index| self.stats(*index).ejected_for.is_some()).collect()
    }

    /// So many calls, with this time before each. How many each instance was asked.
    async fn calls(&self, calls: usize, every: Duration) -> Vec<u64> {
        let totals = || (0..self.does.len()).map(|index| self.stats(index).total).collect::<Vec<_>>();
        let before = totals();
        for _ in 0..calls {
            tokio::time::advance(every).await;
            let _either = self.balance.clone().oneshot(Call::new(0)).await;
        }
        totals().iter().zip(before).map(|(after, before)| after - before).collect()
    }
}

fn service(index: usize, does: &Arc<AtomicU8>) -> Service {
    let (does, mut count) = (Arc::clone(does), 0_u8);
    BoxCloneSyncService::new(service_fn(move |_: Call<u8>| {
        let fault = match does.load(Ordering::Relaxed) {
            WELL => None,
            FAILS => Some(PluginError::execution("it fails")),
            UNREACHED => Some(PluginError::connection("nobody is there", Sent::Nothing)),
            each => {
                count = (count + 1) % (each - EACH);
                (count == 0).then(|| PluginError::execution("it fails now and then"))
            }
        };
        std::future::ready(fault.map_or_else(|| Ok(Reply::new(index)), Err))
    }))
}

fn in_a_row(failures: u32) -> OutlierConfig {
    OutlierConfig::builder().with_consecutive_failures(failures).build().expect("valid")
}

#[tokio::test(start_paused = true)]
async fn one_of_three_that_fails_at_once_gets_next_to_nothing() {
    for strategy in [Strategy::RoundRobin, Strategy::Random, Strategy::LeastConnections, Strategy::LeastLatency] {
        for bad in 0..3 {
            let rig = Rig::new(3, in_a_row(5));
            let config = BalanceConfig::builder().with_strategy(strategy).with_failover(false);
            rig.handle().reconfigure(config.with_outlier(in_a_row(5)).build().expect("valid"));
            rig.set(bad, FAILS);
            let asked = rig.calls(6_000, Duration::from_millis(100)).await;
            // Ten minutes: 5 failures, and one more after each of its ejections of 30 s, 60 s, 90 s and so on.
            assert!((5..=11).contains(&asked[bad]), "{strategy:?}: {asked:?}");
            // That strategy sends nothing to it by itself.
            assert!(strategy == Strategy::LeastLatency || rig.stats(bad).ejections >= 4, "{strategy:?}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn it_comes_back_after_its_time_and_takes_its_share_when_it_is_well() {
    let rig = Rig::new(3, in_a_row(5));
    rig.set(1, FAILS);
    rig.calls(30, SECOND / 100).await;
    assert_eq!(rig.ejected(), [1]);
    assert_eq!((rig.stats(1).failed, rig.stats(1).ejections), (5, 1));
    assert!(rig.stats(1).ejected_for.is_some_and(|left| left > 29 * SECOND));
    rig.set(1, WELL);
    assert_eq!(rig.calls(20, SECOND).await[1], 0, "well or not, it has its time");
    rig.calls(10, SECOND).await;
    assert_eq!(rig.calls(30, SECOND).await, [10, 10, 10]);
    assert_eq!(rig.ejected(), [0_usize; 0]);
    // What it did before is forgotten: it takes five failures again.
    rig.set(1, FAILS);
    rig.calls(12, SECOND / 100).await;
    assert_eq!((rig.stats(1).ejections, rig.ejected().len()), (1, 0));
    rig.calls(3, SECOND / 100).await;
    assert_eq!(rig.stats(1).ejections, 2);
}

#[tokio::test(start_paused = true)]
async fn one_that_hangs_and_is_back_is_tried_by_few_calls_however_many_come_before_the_first_has_failed() {
    let hangs = service_fn(|_: Call<u8>| async {
        tokio::time::sleep(5 * SECOND).await;
        Err::<Reply<usize>, _>(PluginError::execution("at last"))
    });
    let well = service_fn(|_: Call<u8>| async { Ok::<_, PluginError>(Reply::new(0)) });
    let endpoints = [
        Endpoint::new("hangs", BoxCloneSyncService::new(hangs)),
        Endpoint::new("well", BoxCloneSyncService::new(well)),
    ];
    let config = BalanceConfig::builder().with_outlier(in_a_row(5)).build().expect("valid");
    let balance = Balance::new(config, endpoints).expect("two names").for_calls();
    let handle = balance.handle();
    let call = || drop(tokio::spawn(balance.clone().oneshot(Call::new(0))));
    let total = || handle.get("hangs").expect("there").total;
    (0..20).for_each(|_| call());
    tokio::time::sleep(6 * SECOND).await;
    assert_eq!(handle.get("hangs").expect("there").ejections, 1);
    let before = total();
    tokio::time::sleep(30 * SECOND).await;
    // A hundred a second, and none of them has failed before the fifth second is over.
    for _ in 0..490 {
        call();
        tokio::time::sleep(SECOND / 100).await;
    }
    assert_eq!(total() - before, 3, "at once, after a second, and after two more");
    tokio::time::sleep(SECOND).await;
    assert_eq!(handle.get("hangs").expect("there").ejections, 2);
}

#[tokio::test(start_paused = true)]
async fn one_that_fails_as_well_and_is_spared_is_told_of_once_until_another_is_back() {
    let rig = Rig::new(3, in_a_row(5));
    let mut events = rig.handle().events();
    rig.set(0, FAILS);
    rig.set(1, FAILS);
    rig.calls(300, SECOND / 100).await;
    let changes = |events: &mut plugin_lb::BalanceEvents| {
        std::iter::from_fn(|| events.try_next()).map(|event| event.change).collect::<Vec<_>>()
    };
    let cause = EjectionCause::Failures(5);
    let told = changes(&mut events);
    assert_eq!(
        told[..2],
        [
            EjectionChange::Ejected { cause, time: 30 * SECOND },
            EjectionChange::Spared { cause: EjectionCause::Failures(5) },
        ]
    );
    assert_eq!(told.len(), 2, "{told:?}");
    rig.calls(40, SECOND).await;
    let told = changes(&mut events);
    assert!(told.iter().filter(|change| matches!(change, EjectionChange::Spared { .. })).count() <= 2, "{told:?}");
}

#[tokio::test(start_paused = true)]
async fn who_listens_is_told_who_is_ejected_why_for_how_long_and_who_is_back() {
    let rig = Rig::new(3, in_a_row(5));
    rig.set(1, FAILS);
    rig.calls(15, SECOND / 100).await; // nobody listens: the first ejection is told to nobody
    let mut events = rig.handle().events();
    assert_eq!(events.try_next(), None);
    rig.calls(32, SECOND).await; // and the second is
    let told = events.next().await.expect("it failed again");
    assert_eq!((told.sequence, &*told.name, told.instance), (2, "i1", rig.stats(1).id));
    assert_eq!(told.change, EjectionChange::Ejected { cause: EjectionCause::Probation, time: 60 * SECOND });
    rig.set(1, WELL);
    rig.calls(60, SECOND).await;
    let back = events.try_next().expect("it answered a call");
    assert_eq!((back.sequence, &*back.name, back.change), (3, "i1", EjectionChange::Returned));
    rig.calls(30, SECOND).await;
    assert_eq!(events.try_next(), None, "each is told once");
    rig.set(2, UNREACHED);
    rig.handle().reconfigure(
        BalanceConfig::builder()
            .with_failover(false)
            .with_outlier(OutlierConfig::builder().with_consecutive_unreached(2).build().expect("valid"))
            .build()
            .expect("valid"),
    );
    rig.calls(6, SECOND / 100).await;
    let told = events.try_next().expect("nobody was there twice");
    assert_eq!(told.change, EjectionChange::Ejected { cause: EjectionCause::Unreached(2), time: 30 * SECOND });
    drop(rig);
    assert_eq!(events.next().await, None, "the balancer is gone");
}

#[tokio::test(start_paused = true)]
async fn who_is_back_and_fails_is_ejected_at_once_and_for_longer() {
    let rig = Rig::new(2, in_a_row(3));
    rig.set(0, FAILS);
    rig.calls(6, SECOND / 100).await;
    let mut left = rig.stats(0).ejected_for.expect("ejected");
    for longer in [60, 90, 120] {
        tokio::time::advance(left).await;
        let before = rig.stats(0).failed;
        rig.calls(2, SECOND / 100).await;
        assert_eq!(rig.stats(0).failed, before + 1, "one call told enough");
        left = rig.stats(0).ejected_for.expect("ejected");
        assert!(left > (longer - 1) * SECOND && left <= longer * SECOND, "{left:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn no_more_are_ejected_than_may_be_whoever_fails() {
    for (count, percent, most) in
        [(10, 10, 1), (10, 30, 3), (10, 31, 4), (3, 10, 1), (2, 100, 2), (10, 100, 10), (1, 100, 0)]
    {
        let config = in_a_row(3).to_builder().with_max_ejected_percent(percent).build().expect("valid");
        let rig = Rig::new(count, config);
        (0..count).for_each(|index| rig.set(index, FAILS));
        rig.calls(count * 20, SECOND / 1000).await;
        assert_eq!(rig.ejected().len(), most, "{count} instances, {percent} %");
        let asked = rig.calls(count * 3, SECOND / 1000).await;
        assert_eq!(asked.iter().sum::<u64>(), count as u64 * 3, "each call goes somewhere");
    }
}

#[tokio::test(start_paused = true)]
async fn an_instance_that_was_removed_or_is_disabled_counts_for_nobody() {
    let rig = Rig::new(3, in_a_row(3));
    rig.set(0, FAILS);
    rig.calls(9, SECOND / 100).await;
    assert_eq!(rig.ejected(), [0]);
    rig.handle().disable_instance(&name(0)).expect("it is there");
    rig.set(1, FAILS);
    rig.calls(6, SECOND / 100).await;
    assert_eq!(rig.ejected(), [0, 1], "of the two that take calls none was ejected");
    rig.handle().enable_instance(&name(0)).expect("it is there");
    assert_eq!(rig.calls(10, SECOND / 100).await, [0, 0, 10], "it still has its time");
    rig.handle().disable_instance(&name(0)).expect("it is there");
    rig.handle().reconfigure(BalanceConfig::builder().with_failover(false).build().expect("valid"));
    assert_eq!(rig.ejected(), [0_usize; 0], "nobody is where nobody can be");
}

#[tokio::test(start_paused = true)]
async fn without_settings_nobody_is_ejected_and_new_settings_hold_at_once() {
    let rig = Rig::new(2, None);
    rig.set(0, FAILS);
    assert_eq!(rig.calls(40, SECOND / 100).await, [20, 20]);
    assert_eq!((rig.stats(0).ejections, rig.ejected().len()), (0, 0));
    let with = |outlier: Option<OutlierConfig>| {
        BalanceConfig::builder().with_failover(false).with_outlier(outlier).build().expect("valid")
    };
    rig.handle().reconfigure(with(Some(in_a_row(5))));
    assert_eq!(rig.calls(40, SECOND / 100).await[0], 5, "those of before do not count");
    rig.handle().reconfigure(with(None));
    assert_eq!(rig.ejected(), [0_usize; 0], "and nothing says that it is");
    assert_eq!(rig.calls(4, SECOND / 100).await, [2, 2], "whoever was ejected is asked again");
    rig.handle().reconfigure(with(Some(in_a_row(5))));
    assert_eq!(rig.calls(40, SECOND / 100).await[0], 5, "nothing is left of the ejection of before");
}

#[tokio::test(start_paused = true)]
async fn a_success_between_failures_keeps_an_instance() {
    let rig = Rig::new(2, in_a_row(3));
    rig.set(0, EACH + 2);
    rig.calls(200, SECOND / 100).await;
    assert_eq!((rig.stats(0).failed, rig.stats(0).ejections), (50, 0));
}

#[tokio::test(start_paused = true)]
async fn calls_of_which_nothing_could_be_sent_have_a_number_of_their_own() {
    let config = OutlierConfig::builder().with_consecutive_failures(None).with_consecutive_unreached(2);
    let rig = Rig::new(3, config.build().expect("valid"));
    rig.set(0, FAILS);
    rig.calls(30, SECOND / 100).await;
    assert_eq!(rig.ejected(), [0_usize; 0]);
    rig.set(0, UNREACHED);
    rig.calls(6, SECOND / 100).await;
    assert_eq!(rig.ejected(), [0]);
    assert_eq!(rig.stats(0).last_failure.and_then(|failure| failure.code), Some(Code::ConnectionFailed));
}

#[tokio::test(start_paused = true)]
async fn one_that_fails_much_more_than_others_is_an_outlier_of_the_interval() {
    let compare = SuccessRate { deviations: 1.9, min_instances: 5, min_calls: 20 };
    let bound = FailureRate { over: 0.3, min_instances: 5, min_calls: 20 };
    let base = OutlierConfig::builder().with_consecutive_failures(None);
    for (config, caught) in [
        (base.with_success_rate(compare), true),
        (base.with_failure_rate(bound), true),
        (base.with_failure_rate(FailureRate { over: 0.5, ..bound }), false),
        (base.with_success_rate(SuccessRate { min_calls: 1_000, ..compare }), false),
        (base.with_success_rate(SuccessRate { min_instances: 7, ..compare }), false),
        (base, false),
    ] {
        let rig = Rig::new(6, config.build().expect("valid"));
        rig.set(3, EACH + 2);
        // 50 calls for each in an interval of ten seconds.
        rig.calls(250, Duration::from_millis(33)).await;
        assert_eq!(rig.ejected(), [0_usize; 0], "before the interval is over nothing is compared");
        rig.calls(100, Duration::from_millis(33)).await;
        assert_eq!(rig.ejected() == [3], caught, "{config:?}: {:?}", rig.ejected());
    }
}

#[tokio::test(start_paused = true)]
async fn an_interval_is_judged_by_itself() {
    let bound = FailureRate { over: 0.3, min_instances: 2, min_calls: 20 };
    let config = OutlierConfig::builder().with_consecutive_failures(None).with_failure_rate(bound);
    let rig = Rig::new(2, config.build().expect("valid"));
    rig.calls(2_000, SECOND / 100).await;
    rig.set(0, EACH + 2);
    // Of all calls it has failed in far fewer than 30 %; of those of this interval in half.
    rig.calls(1_100, SECOND / 100).await;
    assert_eq!(rig.ejected(), [0]);
}

#[tokio::test(start_paused = true)]
async fn one_that_is_ejected_is_asked_where_all_others_are_down() {
    let cells: Vec<_> = (0..2).map(|_| Arc::new(HealthCell::new(HealthStatus::healthy()))).collect();
    let does: Vec<_> = (0..2).map(|_| Arc::new(AtomicU8::new(WELL))).collect();
    let endpoints = (0..2)
        .map(|index| Endpoint::new(name(index), service(index, &does[index])).with_health(Arc::clone(&cells[index])));
    let config = BalanceConfig::builder().with_failover(false).with_outlier(in_a_row(1)).build().expect("valid");
    let rig = Rig { balance: Balance::new(config, endpoints).expect("two").for_calls(), does: does.clone() };
    rig.set(0, FAILS);
    rig.calls(2, SECOND / 100).await;
    assert_eq!((rig.ejected(), rig.calls(4, SECOND / 100).await), (vec![0], vec![0, 4]));
    rig.set(0, WELL);
    cells[1].set(HealthStatus::new(plugin_core::HealthState::Offline, "gone"));
    assert_eq!(rig.calls(4, SECOND / 100).await, [4, 0], "one that may fail is better than one that is gone");
    cells[0].set(HealthStatus::new(plugin_core::HealthState::Offline, "gone"));
    cells[1].set(HealthStatus::healthy());
    assert_eq!(rig.calls(4, SECOND / 100).await, [0, 4]);
}

#[tokio::test(start_paused = true)]
async fn what_was_counted_in_an_interval_stays_when_instances_come_and_go() {
    let bound = FailureRate { over: 0.3, min_instances: 2, min_calls: 100 };
    let config = OutlierConfig::builder().with_consecutive_failures(None).with_failure_rate(bound);
    let rig = Rig::new(3, config.build().expect("valid"));
    rig.set(0, EACH + 2);
    for round in 0..11 {
        rig.calls(100, SECOND / 100).await;
        if round % 2 == 0 {
            rig.handle().disable_instance(&name(2)).expect("it is there");
        } else {
            rig.handle().enable_instance(&name(2)).expect("it is there");
        }
    }
    assert_eq!(rig.ejected(), [0]);
}

#[tokio::test(start_paused = true)]
async fn nobody_is_judged_by_what_is_long_over() {
    let bound = FailureRate { over: 0.3, min_instances: 2, min_calls: 20 };
    let config = OutlierConfig::builder().with_consecutive_failures(None).with_failure_rate(bound);
    let rig = Rig::new(2, config.build().expect("valid"));
    rig.set(0, FAILS);
    rig.calls(100, SECOND / 100).await;
    rig.set(0, WELL);
    tokio::time::advance(3600 * SECOND).await;
    rig.set(1, FAILS);
    rig.calls(2, SECOND / 100).await;
    assert_eq!(rig.ejected(), [0_usize; 0]);
}

#[tokio::test(start_paused = true)]
async fn a_call_that_began_before_the_ejection_says_nothing_of_how_an_instance_is_after_it() {
    let gate = Arc::new(tokio::sync::Semaphore::new(0));
    let (does, waits) = (Arc::new(AtomicU8::new(WELL)), Arc::clone(&gate));
    let slow = Arc::clone(&does);
    let slow = BoxCloneSyncService::new(service_fn(move |call: Call<u8>| {
        let (does, waits) = (Arc::clone(&slow), Arc::clone(&waits));
        async move {
            if *call.payload() == 1 {
                waits.acquire().await.expect("open").forget();
                return Err(PluginError::execution("it fails late"));
            }
            match does.load(Ordering::Relaxed) {
                WELL => Ok(Reply::new(0)),
                _ => Err(PluginError::execution("it fails")),
            }
        }
    }));
    let other = Arc::new(AtomicU8::new(WELL));
    let config = BalanceConfig::builder().with_failover(false).with_outlier(in_a_row(3)).build().expect("valid");
    let endpoints = [Endpoint::new(name(0), slow), Endpoint::new(name(1), service(1, &other))];
    let rig = Rig { balance: Balance::new(config, endpoints).expect("two").for_calls(), does: vec![does, other] };
    let stragglers: Vec<_> = (0..4).map(|_| tokio::spawn(rig.balance.clone().oneshot(Call::new(1)))).collect();
    tokio::task::yield_now().await;
    rig.set(0, FAILS);
    rig.calls(6, SECOND / 100).await;
    assert_eq!(rig.ejected(), [0]);
    rig.set(0, WELL);
    tokio::time::advance(31 * SECOND).await;
    gate.add_permits(4);
    for straggler in stragglers {
        let _either = straggler.await.expect("no panic");
    }
    assert_eq!((rig.ejected(), rig.stats(0).ejections), (Vec::new(), 1), "they are of before");
    assert_eq!(rig.calls(10, SECOND / 100).await, [5, 5]);
}
