//! Twice as many calls as the service can do, of which some are important, or most are of one user.

use std::{collections::BTreeMap, time::Duration};

use plugin_core::{Call, PluginError, Reply};
use plugin_ratelimit::concurrency::{
    ByCallPriority, ByUsage, ConcurrencyLimit, ConcurrencyLimitConfig, ConcurrencyLimitLayer, Prioritizer, PriorityOf,
};
use tower::{Layer, ServiceExt, service_fn};

use crate::support::MS;

/// 20 calls at once of 20 ms each: a thousand in a second.
const CAPACITY: u32 = 1000;
const SECONDS: u32 = 5;

fn config() -> ConcurrencyLimitConfig {
    let config = ConcurrencyLimitConfig::builder().with_max(20).with_queue(40).with_max_wait(500 * MS);
    config.build().expect("valid")
}

/// What of each name was asked, and answered.
type Answered = BTreeMap<String, (u32, u32)>;

/// Two calls in each millisecond. `which` gives the name and the importance of each by its number.
async fn overload<P>(limits: &[ConcurrencyLimit], priority: P, which: impl Fn(u32) -> (String, i16)) -> Answered
where
    P: PriorityOf<Call<String>> + Clone + Send + Sync + 'static,
{
    let services: Vec<_> = limits
        .iter()
        .map(|limit| {
            let layer = ConcurrencyLimitLayer::sharing(limit).for_calls().prioritize(priority.clone());
            layer.layer(service_fn(|call: Call<String>| async move {
                tokio::time::sleep(20 * MS).await;
                Ok::<_, PluginError>(Reply::new(call.into_payload()))
            }))
        })
        .collect();
    let mut calls = Vec::new();
    for n in 0..2 * CAPACITY * SECONDS {
        let (name, priority) = which(n);
        let mut call = Call::new(name.clone());
        call.context_mut().set_priority(priority);
        let service = services[n as usize % services.len()].clone();
        calls.push((name, tokio::spawn(service.oneshot(call))));
        if n % 2 == 1 {
            tokio::time::sleep(MS).await;
        }
    }
    let mut answered = Answered::new();
    for (name, call) in calls {
        let (asked, done) = answered.entry(name).or_default();
        *asked += 1;
        *done += u32::from(call.await.expect("no panic").is_ok());
    }
    answered
}

fn share((asked, done): (u32, u32)) -> f64 {
    f64::from(done) / f64::from(asked)
}

fn of_capacity(answered: &Answered) -> f64 {
    f64::from(answered.values().map(|(_, done)| done).sum::<u32>()) / f64::from(CAPACITY * SECONDS)
}

/// A fifth of the calls is important.
fn some_are_important(n: u32) -> (String, i16) {
    if n.is_multiple_of(5) { ("high".to_owned(), 1) } else { ("low".to_owned(), 0) }
}

#[tokio::test(start_paused = true)]
async fn an_overload_of_low_priority_does_no_harm_to_what_is_important() {
    let prioritizer = Prioritizer::new();
    for limit in [ConcurrencyLimit::new(config()), ConcurrencyLimit::prioritized(config(), &prioritizer)] {
        let answered = overload(&[limit], ByCallPriority, some_are_important).await;
        assert_eq!(share(answered["high"]), 1.0, "{answered:?}");
        assert!(of_capacity(&answered) > 0.9, "{answered:?}");
    }
    assert_eq!(prioritizer.refused_share(), 0.0, "its limit is gone");
}

#[tokio::test(start_paused = true)]
async fn a_prioritizer_refuses_what_a_full_line_would_push_out() {
    let waits = |prioritizer: Option<Prioritizer>| async move {
        let limit = match &prioritizer {
            Some(prioritizer) => ConcurrencyLimit::prioritized(config(), prioritizer),
            None => ConcurrencyLimit::new(config()),
        };
        let watched = limit.clone();
        let watch = tokio::spawn(async move {
            let mut sum = 0;
            for _ in 0..100 {
                tokio::time::sleep(Duration::from_millis(37)).await;
                sum += watched.stats().waiting;
            }
            sum
        });
        let answered = overload(&[limit], ByCallPriority, some_are_important).await;
        (answered, watch.await.expect("no panic"))
    };
    let (_, full) = waits(None).await;
    let (answered, shorter) = waits(Some(Prioritizer::new())).await;
    assert!(share(answered["high"]) > 0.99 && of_capacity(&answered) > 0.9, "{answered:?}");
    assert!(shorter * 10 < full * 9, "{shorter} in line instead of {full}");
}

#[tokio::test(start_paused = true)]
async fn a_user_who_asks_for_most_of_it_leaves_the_others_what_they_need() {
    // Ten users ask for 40 in a second each, and one for 1,600.
    let which =
        |n: u32| if n.is_multiple_of(5) { (format!("user {}", n / 5 % 10), 0) } else { ("greedy".to_owned(), 0) };
    let others = |answered: &Answered| {
        let of = answered.iter().filter(|(name, _)| *name != "greedy").map(|(_, counts)| share(*counts));
        of.fold(1.0, f64::min)
    };
    let user = |call: &Call<String>| Some(call.payload().clone());
    let fair = overload(&[ConcurrencyLimit::new(config())], ByUsage::new(user, 1000), which).await;
    assert!(others(&fair) > 0.9, "{fair:?}");
    assert!(share(fair["greedy"]) > 0.3 && of_capacity(&fair) > 0.9, "what they leave is the greedy one's: {fair:?}");
    let unfair = overload(&[ConcurrencyLimit::new(config())], ByCallPriority, which).await;
    assert!(others(&unfair) < 0.7, "{unfair:?}");
}

#[tokio::test(start_paused = true)]
async fn what_is_important_passes_at_each_of_the_limits_that_share_a_prioritizer() {
    // Two limits of the same prioritizer share the load, and one of them is full: the important calls pass at both.
    let prioritizer = Prioritizer::new();
    let small = config().to_builder().with_max(5).build().expect("valid");
    let limits =
        [ConcurrencyLimit::prioritized(small, &prioritizer), ConcurrencyLimit::prioritized(config(), &prioritizer)];
    let answered =
        overload(&limits, ByCallPriority, |n| if n % 10 < 2 { ("high".to_owned(), 1) } else { ("low".to_owned(), 0) })
            .await;
    assert!(share(answered["high"]) > 0.99, "{answered:?}");
}
