//! How calls are given out, on a paused clock: readiness, failover, hints, tags. Strategies have their own tests beside
//! them; here they only have to be reached.

mod common;

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use common::{Does, Instance, active, balance, balance_with, call, id_of};
use plugin_core::{Attributed, Call, Code, HealthCell, HealthState, HealthStatus, PluginError, Rejected, Reply, Sent};
use plugin_lb::{Balance, BalanceConfig, Endpoint, Hints, Strategy};
use tower::{Service, ServiceExt, service_fn};

fn three() -> [Instance; 3] {
    ["a", "b", "c"].map(|name| Instance::new(name, Does::Answer))
}

#[tokio::test(start_paused = true)]
async fn calls_go_round_and_every_reply_says_who_answered() {
    let instances = three();
    let mut balance = balance(Strategy::RoundRobin, &instances);
    let mut answers = Vec::new();
    for _ in 0..6 {
        let reply = call(&mut balance).await.expect("a reply");
        let id = reply.instance().expect("tagged");
        assert_eq!(balance.handle().name_of(id).as_deref(), Some(*reply.payload()));
        answers.push(reply.into_payload());
    }
    assert_eq!(answers, ["a", "b", "c", "a", "b", "c"]);
}

#[tokio::test(start_paused = true)]
async fn clones_share_instances_and_turns_and_only_the_picked_one_is_polled() {
    let instances = three();
    let mut first = balance(Strategy::RoundRobin, &instances);
    let mut second = first.clone();
    assert_eq!(*call(&mut first).await.expect("a reply").payload(), "a");
    assert_eq!(instances.each_ref().map(Instance::polls), [1, 0, 0]);
    assert_eq!(*call(&mut second).await.expect("a reply").payload(), "b");
    assert_eq!(instances.each_ref().map(Instance::polls), [1, 1, 0]);
}

#[tokio::test(start_paused = true)]
async fn a_balancer_is_ready_whatever_its_instances_are_and_counts_from_the_pick() {
    let instances = three().map(Instance::never_ready);
    let mut balance = balance(Strategy::RoundRobin, &instances);
    balance.ready().await.expect("always");
    assert_eq!(instances.each_ref().map(Instance::polls), [0, 0, 0]);
    let future = call(&mut balance);
    assert_eq!(active(&balance), 1, "in flight before the first poll");
    drop(future);
    assert_eq!(active(&balance), 0);
}

#[tokio::test(start_paused = true)]
async fn without_an_enabled_instance_the_call_is_refused_with_its_code() {
    let mut empty = balance(Strategy::Random, []);
    let error = call(&mut empty).await.expect_err("nothing to pick");
    assert_eq!((error.code(), error.rejected()), (Code::NoEndpoint, Some(&Rejected::no_endpoint())));
    let only = Instance::new("a", Does::Answer);
    let mut balance = balance(Strategy::Random, [&only]);
    balance.handle().disable_instance("a").expect("there");
    assert_eq!(call(&mut balance).await.expect_err("disabled").code(), Code::NoEndpoint);
    balance.handle().enable_instance("a").expect("there");
    call(&mut balance).await.expect("a reply");
}

#[tokio::test(start_paused = true)]
async fn an_instance_that_fails_its_readiness_costs_the_caller_nothing() {
    for strategy in Strategy::ALL {
        let [a, b, c] = three();
        let (a, b) = (a.failing_readiness(), b.failing_readiness());
        let mut balance = balance(*strategy, [&a, &b, &c]);
        for _ in 0..10 {
            assert_eq!(*call(&mut balance).await.expect("c answers").payload(), "c", "{strategy}");
        }
        assert_eq!((a.calls(), b.calls(), c.calls()), (0, 0, 10));
        assert_eq!(active(&balance), 0);
    }
}

#[tokio::test(start_paused = true)]
async fn an_instance_is_not_lost_to_one_readiness_failure() {
    let [a, b, _] = three();
    let a = a.failing_readiness();
    let mut balance = balance(Strategy::RoundRobin, [&a, &b]);
    call(&mut balance).await.expect("b answers");
    a.ready.fails.store(false, Ordering::SeqCst);
    for _ in 0..10 {
        call(&mut balance).await.expect("a reply");
    }
    assert_eq!(a.calls(), 5);
}

#[tokio::test(start_paused = true)]
async fn when_every_instance_fails_the_last_error_is_the_answer_and_each_was_asked_once() {
    let instances = three().map(Instance::failing_readiness);
    let mut balance = balance(Strategy::RoundRobin, &instances);
    let error = call(&mut balance).await.expect_err("all fail");
    assert_eq!((error.code(), error.instance()), (Code::ConnectionFailed, Some(id_of(&balance, "c"))));
    assert_eq!(instances.each_ref().map(Instance::polls), [1, 1, 1]);
}

#[tokio::test(start_paused = true)]
async fn a_single_instance_answers_for_itself() {
    let unready = Instance::new("a", Does::Answer).failing_readiness();
    let mut balance = balance(Strategy::RoundRobin, [&unready]);
    let error = call(&mut balance).await.expect_err("not ready");
    assert_eq!((error.code(), error.instance()), (Code::ConnectionFailed, Some(id_of(&balance, "a"))));
    assert_eq!(unready.polls(), 1);

    let dead = Instance::new("a", Does::RefuseConnection);
    let mut balance = common::balance(Strategy::RoundRobin, [&dead]);
    assert_eq!(call(&mut balance).await.expect_err("no other").code(), Code::ConnectionFailed);
    assert_eq!(dead.calls(), 1);

    let busy = Instance::new("a", Does::Answer).never_ready();
    let mut balance = common::balance(Strategy::RoundRobin, [&busy]);
    let waiting = tokio::time::timeout(Duration::from_secs(60), call(&mut balance)).await;
    assert!(waiting.is_err(), "there is nobody else to pick, so the wait has no bound here");
}

#[tokio::test(start_paused = true)]
async fn an_instance_that_stays_busy_is_left_after_the_pick_timeout() {
    let [a, b, _] = three();
    let a = a.never_ready();
    let config = BalanceConfig::builder().with_pick_timeout(Duration::from_millis(200)).build().expect("valid");
    let mut balance = balance_with(config, [&a, &b]);
    let start = tokio::time::Instant::now();
    assert_eq!(*call(&mut balance).await.expect("b answers").payload(), "b");
    // A timer's granularity is a millisecond.
    assert!((200..=202).contains(&start.elapsed().as_millis()), "{:?}", start.elapsed());
    assert_eq!(active(&balance), 0);
}

#[tokio::test(start_paused = true)]
async fn when_all_stay_busy_the_refusal_comes_after_one_timeout_each() {
    let instances = three().map(Instance::never_ready);
    let mut balance = balance(Strategy::LeastConnections, &instances);
    let start = tokio::time::Instant::now();
    let error = call(&mut balance).await.expect_err("all busy");
    assert_eq!((error.code(), error.is_retryable()), (Code::PickFailed, true));
    assert_eq!(start.elapsed().as_secs(), 3);
    assert_eq!(active(&balance), 0);
}

#[tokio::test(start_paused = true)]
async fn a_connection_that_fails_before_anything_was_sent_goes_to_another_instance() {
    let (dead, live) = (Instance::new("dead", Does::RefuseConnection), Instance::new("live", Does::Answer));
    let mut balance = balance(Strategy::RoundRobin, [&dead, &live]);
    for _ in 0..4 {
        assert_eq!(*call(&mut balance).await.expect("a reply").payload(), "live");
    }
    let stats = balance.handle().get("dead").expect("there");
    assert_eq!((stats.failed, stats.ok, stats.active), (4, 0, 0));
    assert_eq!(live.calls(), 4);
}

#[tokio::test(start_paused = true)]
async fn a_failure_of_the_plugin_itself_is_not_tried_elsewhere() {
    let (bad, good) = (Instance::new("bad", Does::Fail), Instance::new("good", Does::Answer));
    let mut balance = balance(Strategy::RoundRobin, [&bad, &good]);
    let error = call(&mut balance).await.expect_err("the plugin's own answer");
    assert_eq!((error.code(), error.instance()), (Code::ExecutionFailed, Some(id_of(&balance, "bad"))));
    assert_eq!(good.calls(), 0);
}

#[tokio::test(start_paused = true)]
async fn what_was_sent_and_what_is_the_callers_own_mistake_are_tried_on_no_other_instance() {
    let lost = || PluginError::connection("lost in the middle", Sent::Maybe);
    let mistaken = || PluginError::new(Code::InvalidPayload, "not like this").with_sent(Sent::Nothing);
    let refused = || PluginError::connection("refused", Sent::Nothing);
    for (error, tries) in [(lost as fn() -> PluginError, 1), (mistaken, 1), (refused, 2)] {
        let calls = Arc::new(AtomicUsize::new(0));
        let endpoints = ["a", "b"].map(|name| {
            let calls = Arc::clone(&calls);
            let service = service_fn(move |_: Call<()>| {
                calls.fetch_add(1, Ordering::SeqCst);
                std::future::ready(Err::<Reply<()>, _>(error()))
            });
            Endpoint::new(name, service)
        });
        let balance = Balance::new(BalanceConfig::default(), endpoints).expect("distinct names").for_calls();
        let answer = balance.clone().oneshot(Call::new(())).await.expect_err("neither answers");
        assert_eq!((answer.code(), calls.load(Ordering::SeqCst)), (error().code(), tries), "{answer}");
    }
}

#[tokio::test(start_paused = true)]
async fn with_failover_off_the_first_error_is_the_answer() {
    let config = BalanceConfig::builder().with_failover(false).build().expect("valid");
    let (dead, live) = (Instance::new("dead", Does::RefuseConnection), Instance::new("live", Does::Answer));
    let mut balance = balance_with(config.clone(), [&dead, &live]);
    assert_eq!(call(&mut balance).await.expect_err("no failover").code(), Code::ConnectionFailed);
    let unready = Instance::new("unready", Does::Answer).failing_readiness();
    let mut balance = balance_with(config, [&unready, &live]);
    assert_eq!(call(&mut balance).await.expect_err("no failover").code(), Code::ConnectionFailed);
    assert_eq!(live.calls(), 0);
}

#[tokio::test(start_paused = true)]
async fn a_request_is_kept_away_from_the_instances_that_it_was_tried_on() {
    let instances = three();
    let mut balance = balance(Strategy::RoundRobin, &instances);
    for _ in 0..6 {
        let mut again = Call::new(1);
        again.context_mut().add_tried(id_of(&balance, "a"));
        again.context_mut().add_tried(id_of(&balance, "c"));
        assert_eq!(*balance.call(again).await.expect("a reply").payload(), "b");
    }
}

#[tokio::test(start_paused = true)]
async fn preferences_are_followed_in_their_order_while_the_instance_is_well() {
    let instances = three();
    let health = Arc::new(HealthCell::default());
    let endpoints = instances.each_ref().map(|instance| match instance.name {
        "c" => instance.endpoint().with_health(Arc::clone(&health)),
        _ => instance.endpoint(),
    });
    for strategy in Strategy::ALL {
        let mut balance = Balance::new(BalanceConfig::new(*strategy), endpoints.clone()).expect("distinct").for_calls();
        let mut prefers = || {
            let mut call = Call::new(1);
            ["nobody", "c", "b"].into_iter().for_each(|name| call.context_mut().prefer(name));
            balance.call(call)
        };
        health.set(HealthStatus::healthy());
        assert_eq!(*prefers().await.expect("a reply").payload(), "c", "{strategy}");
        health.set(HealthStatus::new(HealthState::Unhealthy, ""));
        assert_eq!(*prefers().await.expect("a reply").payload(), "b", "{strategy}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_wish_for_a_degraded_instance_is_followed_until_it_was_tried() {
    for strategy in Strategy::ALL {
        let instances = three();
        let health = Arc::new(HealthCell::default());
        health.set(HealthStatus::new(HealthState::Degraded, ""));
        let endpoints = instances.each_ref().map(|instance| match instance.name {
            "b" => instance.endpoint().with_health(Arc::clone(&health)),
            _ => instance.endpoint(),
        });
        let mut balance = Balance::new(BalanceConfig::new(*strategy), endpoints).expect("distinct").for_calls();
        for tried in [false, true] {
            let mut wishes = Call::new(1);
            wishes.context_mut().prefer("b");
            if tried {
                wishes.context_mut().add_tried(id_of(&balance, "b"));
            }
            let answered = balance.call(wishes).await.expect("a reply").into_payload();
            assert_eq!(answered == "b", !tried, "{strategy}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn an_affinity_key_stays_on_its_instance() {
    for strategy in [Strategy::ConsistentHash, Strategy::Maglev] {
        let instances = three();
        let mut balance = balance(strategy, &instances);
        let mut owners = std::collections::HashSet::new();
        for key in 0..40_u8 {
            let mut answers = std::collections::HashSet::new();
            for _ in 0..3 {
                let mut call = Call::new(1);
                call.context_mut().set_affinity_key(&[key]);
                answers.insert(balance.call(call).await.expect("a reply").into_payload());
            }
            assert_eq!(answers.len(), 1, "{strategy}");
            owners.extend(answers);
        }
        assert_eq!(owners.len(), 3, "{strategy}: and different keys on different ones");
    }
}

#[tokio::test(start_paused = true)]
async fn a_panic_of_an_instance_is_its_failure() {
    let instance = Instance::new("a", Does::Panic);
    let mut balance = balance(Strategy::RoundRobin, [&instance]);
    let future = call(&mut balance);
    assert!(tokio::spawn(future).await.expect_err("a panic").is_panic());
    let stats = balance.handle().get("a").expect("there");
    assert_eq!((stats.failed, stats.active), (1, 0));
}

#[tokio::test(start_paused = true)]
async fn the_wait_for_an_instance_is_named_to_the_deadline() {
    let instances = three().map(Instance::never_ready);
    let layer = plugin_core::deadline::DeadlineLayer::new(Duration::from_millis(500));
    let stack = tower::ServiceBuilder::new().layer(layer).service(balance(Strategy::RoundRobin, &instances));
    let error = stack.oneshot(Call::new(1)).await.expect_err("too late");
    let stage = error.rejected().and_then(Rejected::stage);
    assert_eq!(stage, Some("waiting for an instance to be ready"));
}

#[tokio::test(start_paused = true)]
async fn any_request_type_is_served_and_a_closure_reads_its_hints() {
    let named = |name: &'static str| {
        Endpoint::new(name, service_fn(move |_: u64| async move { Ok::<_, plugin_core::BoxError>(name) }))
    };
    let mut plain = Balance::new(BalanceConfig::default(), ["a", "b"].map(named)).expect("distinct names");
    assert_eq!(plain.call(1).await.expect("an answer"), "a");
    let config = BalanceConfig::new(Strategy::ConsistentHash);
    let sticky = Balance::new(config, ["a", "b"].map(named)).expect("distinct names");
    let mut sticky = sticky.hints_with(|key: &u64| Hints::new().with_affinity(*key));
    let first = sticky.call(9).await.expect("an answer");
    for _ in 0..20 {
        assert_eq!(sticky.call(9).await.expect("an answer"), first);
    }
}

#[test]
fn balancers_and_their_futures_cross_threads() {
    static_assertions::assert_impl_all!(common::Calls: Clone, Send, Sync, std::fmt::Debug);
    static_assertions::assert_impl_all!(plugin_lb::BalanceHandle<Instance>: Clone, Send, Sync, std::fmt::Debug);
    fn send<T: Send + 'static>(_: &T) {}
    send(&call(&mut balance(Strategy::Random, [])));
}

#[tokio::test(start_paused = true)]
async fn least_latency_is_not_drawn_to_an_instance_that_fails_fast() {
    let slow = Instance::new("slow", Does::AnswerAfter(Duration::from_millis(40)));
    let broken = Instance::new("broken", Does::Fail);
    let mut balance = balance(Strategy::LeastLatency, [&broken, &slow]);
    let mut failures = 0;
    for _ in 0..500 {
        failures += usize::from(call(&mut balance).await.is_err());
    }
    // 20 s went by: it was asked at the start, and again about every 23 s, when a second has faded to 40 ms.
    assert!((1..=3).contains(&failures), "{failures} of 500 went to the broken one");
}

#[tokio::test(start_paused = true)]
async fn least_latency_is_not_drawn_to_a_new_instance_that_hangs() {
    let (good, hung) = (Instance::new("good", Does::Answer), Instance::new("hung", Does::Hang));
    let mut balance = balance(Strategy::LeastLatency, [&hung, &good]);
    let mut given_up = 0;
    for _ in 0..100 {
        given_up += usize::from(tokio::time::timeout(Duration::from_secs(1), call(&mut balance)).await.is_err());
    }
    assert_eq!(given_up, 1, "who gave up on it has told how long it takes at least");
}
