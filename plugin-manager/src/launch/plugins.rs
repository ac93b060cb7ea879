//! From the settings of plugins to what a manager has of them.

use std::{
    cmp::Reverse,
    collections::BTreeMap,
    future::Future,
    pin::pin,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use bytes::Bytes;
use futures_util::{StreamExt, stream::FuturesUnordered};
use plugin_core::{
    Code, ConfigError, PluginError, PluginInfo, clock,
    deadline::{AttemptTimeoutLayer, DeadlineLayer},
};
use plugin_transports::json::Limits;
use tokio::sync::{Semaphore, SemaphorePermit};

use super::{
    Factories, Stores,
    connect::{self, Maker},
    events,
    reading::Reading,
    recovery,
};
use crate::{
    config::PluginConfig,
    manager::{Announcement, Controls, Known, Manager, Registration, Turn},
    stack::{self, Counts, StackSettings},
};

/// So often the log says for which plugins a start waits.
const TELL_EVERY: Duration = Duration::from_secs(5);

/// The pauses between starts that fail of a plugin that has no process: the first, and the longest.
const AGAIN: (Duration, Duration) = (Duration::from_secs(1), Duration::from_secs(30));

/// So often the log says that one still does not start.
const TELL_STILL: Duration = Duration::from_secs(60);

/// How plugins are started.
pub(crate) struct Terms<'f> {
    /// Whether every one must start, and not just those that are required.
    pub(crate) must: bool,
    pub(crate) factories: &'f Factories,
    pub(crate) json: Limits,
    /// So many may be starting at once.
    pub(crate) at_once: usize,
    /// Where limits are kept that many gateways share.
    pub(crate) stores: Stores,
}

/// What became of the plugins that were to be started.
#[derive(Debug, Default)]
pub(crate) struct Registered {
    /// Why the whole is not started.
    pub(crate) faults: Vec<PluginError>,
    /// Why plugins are not ready that are tried again.
    pub(crate) late: Vec<PluginError>,
    /// Those of them that have no process, whose supervisor tries by itself.
    pub(crate) again: Vec<Again>,
}

/// A plugin whose start has failed, and that somebody is to try again. Dropping it takes out its name.
#[derive(Debug)]
pub(crate) struct Again(Coming);

impl Again {
    /// Tries until it is there, with growing pauses, and at once when an operator asks for that. Dropping the future gives it up.
    pub(crate) async fn until_it_is_there(self, factories: Factories, json: Limits, stores: Stores) {
        let Coming { plugin, place, counts, reading } = self.0;
        let terms = Terms { must: false, factories: &factories, json, at_once: 1, stores };
        let (mut pause, mut told) = (AGAIN.0, clock::now());
        loop {
            tokio::select! {
                () = tokio::time::sleep(pause) => {}
                () = place.turn().wanted() => pause = AGAIN.0,
            }
            let begun = clock::now();
            match start(&plugin, counts.clone(), &reading, &terms).await {
                Ok(started) => {
                    // Otherwise it is to be there no more.
                    if place.register(started.registration).is_ok() {
                        tracing::info!(plugin = plugin.name(), "started in {}", shown(begun.elapsed()));
                    }
                    return;
                }
                Err(fault) => {
                    pause = pause.saturating_mul(2).min(AGAIN.1);
                    let fault = named(fault, plugin.name());
                    if told.elapsed() >= TELL_STILL {
                        told = clock::now();
                        tracing::warn!(
                            plugin = plugin.name(),
                            again = shown(pause),
                            "it could still not be started: {fault}"
                        );
                    }
                    place.turn().fail(&fault.to_string(), pause);
                }
            }
        }
    }
}

/// Plugins whose names a manager knows, and that are still to be started. Dropping it takes out those that have not come.
#[derive(Debug)]
pub(crate) struct Announced(Vec<Coming>);

#[derive(Debug)]
struct Coming {
    plugin: PluginConfig,
    place: Announcement<Bytes, Bytes>,
    counts: Counts,
    /// What its starts read.
    reading: Reading,
}

/// Makes the names of plugins known; what is switched off is all there then.
pub(crate) fn announce(manager: &Manager<Bytes, Bytes>, plugins: &[PluginConfig]) -> Result<Announced, PluginError> {
    let mut all = Vec::new();
    for plugin in plugins {
        if plugin.enabled() {
            // What it says of itself comes with it.
            let info = PluginInfo::new(plugin.name(), plugin.version().unwrap_or_default());
            let counts = stack::counts(plugin.name());
            let controls = Controls {
                deadline: Some(DeadlineLayer::new(plugin.timeout()).handle()),
                attempt_timeout: Some(AttemptTimeoutLayer::new(plugin.attempt_timeout()).handle()),
                ..Controls::default()
            };
            let info = connect::complete(info, plugin, plugin.transport().kind());
            let known = Known { info, telemetry: Some(counts.handle()), controls, waits: true };
            let place = manager.announce_known(plugin.name(), known)?;
            all.push(Coming { plugin: plugin.clone(), place, counts, reading: Reading::default() });
        } else {
            manager.register_with(plugin.name(), connect::switched_off(plugin))?;
        }
    }
    Ok(Announced(all))
}

impl Announced {
    /// Connects the plugins, and registers each as soon as it is ready. One that does not start is a fault where every one `must`,
    /// or it is required, and otherwise tried again: its process by its supervisor, any other by who takes it over. Those of a
    /// higher priority begin before those of a lower one, and nobody waits for another: who is next takes the first place that is
    /// free. After a fault no other begins, and none at all where nobody can make one of them.
    pub(crate) async fn start(self, terms: &Terms<'_>) -> Registered {
        let mut coming = self.0;
        let unmade = |coming: &Coming| {
            let checked = Maker::of(&coming.plugin, terms.factories).and_then(|maker| maker.check(&coming.plugin));
            checked.err().map(|fault| named(fault, coming.plugin.name()))
        };
        let faults: Vec<_> = coming.iter().filter_map(unmade).collect();
        if !faults.is_empty() {
            return Registered { faults, ..Registered::default() };
        }
        // Those of the same priority in the order of the configuration.
        coming.sort_by_key(|coming| Reverse(coming.plugin.priority()));
        let mut all = Registered::default();
        start_all(coming, terms, &mut all).await;
        all
    }
}

async fn start_all(coming: Vec<Coming>, terms: &Terms<'_>, all: &mut Registered) {
    let mut awaited: BTreeMap<String, Arc<Turn>> =
        coming.iter().map(|coming| (coming.plugin.name().to_owned(), Arc::clone(coming.place.turn()))).collect();
    let (failed, places) = (AtomicBool::new(false), Semaphore::new(terms.at_once));
    let (failed, places) = (&failed, &places);
    // Polled in this order at first, which is that in which they get their places.
    let mut starts: FuturesUnordered<_> = coming
        .into_iter()
        .map(|Coming { plugin, place, counts, reading }| async move {
            let name = plugin.name().to_owned();
            // It is never closed.
            let permit = places.acquire().await.ok();
            // Relaxed: one task writes and reads; it is atomic so that the future can be sent.
            if failed.load(Ordering::Relaxed) {
                return (name, None);
            }
            place.turn().begin();
            let begun = clock::now();
            let start = start(&plugin, counts.clone(), &reading, terms);
            let started = match holding(permit, place.turn(), start).await {
                Err(fault) if !terms.must && !plugin.required() => {
                    let fault = named(fault, plugin.name());
                    place.turn().fail(&fault.to_string(), AGAIN.0);
                    Ok((Some(fault), Some(Coming { plugin, place, counts, reading })))
                }
                Err(fault) => Err(fault),
                Ok(started) => place.register(started.registration).map(|()| (started.late, None)),
            };
            let started = started.map(|(late, again)| (late.map(|fault| named(fault, &name)), again));
            let started = started.map_err(|fault| named(fault, &name));
            (name, Some((started, begun.elapsed())))
        })
        .collect();
    let mut tell = tokio::time::interval(TELL_EVERY);
    tell.reset();
    loop {
        let next = tokio::select! {
            biased;
            next = starts.next() => next,
            _ = tell.tick() => {
                let named = |waits| {
                    let names = awaited.iter().filter(|(_, turn)| turn.waits() == waits).map(|(name, _)| name.as_str());
                    names.collect::<Vec<_>>().join(", ")
                };
                let (plugins, waiting) = (named(false), Some(named(true)).filter(|names| !names.is_empty()));
                tracing::info!(plugins, waiting, "still starting");
                continue;
            }
        };
        let Some((plugin, ended)) = next else { return };
        awaited.remove(&plugin);
        match ended {
            None => {}
            Some((Ok((None, _)), took)) => tracing::info!(plugin, "started in {}", shown(took)),
            Some((Ok((Some(late), again)), took)) => {
                tracing::info!(plugin, "not ready after {}, and is tried again", shown(took));
                all.late.push(late);
                all.again.extend(again.map(Again));
            }
            Some((Err(fault), _)) => {
                failed.store(true, Ordering::Relaxed);
                all.faults.push(fault);
            }
        }
    }
}

/// A start, which has this place until it ends, or until an operator has no use for the plugin now: then another one may begin.
async fn holding<T>(mut place: Option<SemaphorePermit<'_>>, turn: &Turn, start: impl Future<Output = T>) -> T {
    let mut start = pin!(start);
    loop {
        tokio::select! {
            biased;
            started = &mut start => return started,
            () = turn.left(), if place.is_some() => place = None,
        }
    }
}

/// A fault with the plugin that has it.
fn named(fault: PluginError, plugin: &str) -> PluginError {
    match fault.plugin() {
        None => fault.with_plugin(plugin),
        Some(_) => fault,
    }
}

/// A time in a sentence: nobody reads the microseconds of a start.
fn shown(took: Duration) -> String {
    plugin_core::go_duration::format(Duration::from_millis(u64::try_from(took.as_millis()).unwrap_or(u64::MAX)))
}

/// The default stack of a plugin that was built, and what happens to it logged.
pub(crate) fn assemble(
    name: &str,
    built: Result<Registration<Bytes, Bytes>, ConfigError>,
) -> Result<Registration<Bytes, Bytes>, PluginError> {
    let registration = built.map_err(|error| PluginError::new(Code::ConfigValue, error.to_string()))?;
    events::follow(name, &registration);
    Ok(registration)
}

/// A plugin that can be registered.
struct Started {
    registration: Registration<Bytes, Bytes>,
    late: Option<PluginError>,
}

/// Connects a plugin and builds its stack.
async fn start(
    plugin: &PluginConfig,
    counts: Counts,
    reading: &Reading,
    terms: &Terms<'_>,
) -> Result<Started, PluginError> {
    let maker = Maker::of(plugin, terms.factories)?;
    let transport = maker.transport();
    let must = terms.must || plugin.required();
    let connected = connect::connect(plugin, &maker, must, terms.json, reading).await?;
    let breaker = plugin.circuit_breaker();
    let settings = StackSettings::default()
        .with_timeout(plugin.timeout())
        .with_attempt_timeout(plugin.attempt_timeout())
        .with_rate_limit_settings(
            plugin.kind_of_rate_limit().map(|limit| limit.settings(|redis| terms.stores.of(redis))),
        )
        .with_concurrency_per_key(plugin.concurrency_per_key().map(|limit| (limit.key().clone(), limit.limit())))
        .with_concurrency(plugin.concurrency())
        .with_adaptive_throttle(plugin.adaptive_throttle())
        .with_retry(Some(plugin.retry().clone()).filter(|retry| retry.max_retries() > 0))
        .with_circuit_breaker(Some(breaker.clone()).filter(|breaker| breaker.enabled()))
        .with_health_check(plugin.health_check())
        .with_balance(plugin.load_balancer())
        .with_counts(counts);
    let mut registration = assemble(plugin.name(), settings.build_over(plugin.name(), connected.instances))?;
    registration = registration.map_info(|info| connect::complete(info, plugin, transport));
    if !connected.reach.is_empty() {
        recovery::follow_reach(registration.controls(), connected.reach);
    }
    if let Some(tls) = connected.tls {
        registration = registration.map_controls(|controls| controls.tls = Some(tls));
    }
    if let Some(process) = connected.process {
        registration = registration.map_controls(|controls| {
            recovery::follow(&Arc::from(plugin.name()), controls, &process);
            controls.process = Some(process);
        });
    }
    Ok(Started { registration, late: connected.late })
}

#[cfg(test)]
mod tests {
    use std::{
        io,
        path::Path,
        sync::{Mutex, PoisonError},
    };

    use plugin_core::{BoxFuture, BoxPlugin, Call, PluginInstance, Reply};
    use serde_json::{Map, Value};

    use super::*;
    use crate::{config, launch::Factory};

    /// Makes a plugin that takes this long.
    struct Takes(Duration);

    impl Factory for Takes {
        fn create(
            &self,
            name: &str,
            _: &Map<String, Value>,
        ) -> BoxFuture<Result<PluginInstance<BoxPlugin<Bytes, Bytes>>, PluginError>> {
            let (name, takes) = (name.to_owned(), self.0);
            Box::pin(async move {
                tokio::time::sleep(takes).await;
                let echo = |call: Call<Bytes>| std::future::ready(Ok(Reply::new(call.into_payload())));
                Ok(PluginInstance::new(BoxPlugin::new(tower::service_fn(echo)), PluginInfo::new(name, "")))
            })
        }
    }

    #[derive(Clone, Default)]
    struct Log(Arc<Mutex<Vec<u8>>>);

    impl io::Write for Log {
        fn write(&mut self, line: &[u8]) -> io::Result<usize> {
            self.0.lock().unwrap_or_else(PoisonError::into_inner).extend_from_slice(line);
            Ok(line.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[tokio::test(start_paused = true)]
    async fn the_log_says_every_five_seconds_which_plugins_are_waited_for() {
        let log = Log::default();
        let writer = log.clone();
        let subscriber = tracing_subscriber::fmt()
            .with_writer(move || writer.clone())
            .without_time()
            .with_target(false)
            .with_ansi(false);
        let _logs = tracing::subscriber::set_default(subscriber.finish());
        let text = "plugins: [{name: b, transport: inproc, type: slow}, {name: a, transport: inproc, type: slower}, \
                    {name: now, transport: inproc, type: now}]";
        let config = config::from_text(Path::new("test.yaml"), text, None, &|_| None).expect("no faults");
        let factories = Factories::new()
            .with("now", Takes(Duration::ZERO))
            .with("slow", Takes(Duration::from_secs(7)))
            .with("slower", Takes(Duration::from_secs(12)));
        let manager = Manager::new();
        let announced = announce(&manager, config.plugins()).expect("free names");
        let terms =
            Terms { must: true, factories: &factories, json: Limits::new(), at_once: 8, stores: Stores::default() };
        assert!(announced.start(&terms).await.faults.is_empty());
        let said = String::from_utf8(log.0.lock().expect("no panic").clone()).expect("text");
        let told: Vec<_> = said.lines().map(str::trim).filter(|line| line.contains("start")).collect();
        assert_eq!(
            told,
            [
                "INFO started in 0s plugin=\"now\"",
                "INFO still starting plugins=\"a, b\"",
                "INFO started in 7s plugin=\"b\"",
                "INFO still starting plugins=\"a\"",
                "INFO started in 12s plugin=\"a\"",
            ]
        );
    }

    #[tokio::test(start_paused = true)]
    async fn where_nobody_can_make_one_of_the_plugins_none_is_started() {
        let plugin =
            tower::service_fn(|call: Call<Bytes>| async { Ok::<_, PluginError>(Reply::new(call.into_payload())) });
        let factories = Factories::new().with_plugin("made", plugin);
        for (bad, says) in [
            ("type: maed", "this program has no plugin of type \"maed\"; it has: made"),
            ("type: made, options: {n: 1}", "this type of plugin takes no options, and `options.n` is set"),
        ] {
            let text = format!(
                "plugins: [{{name: good, transport: inproc, type: made}}, {{name: bad, transport: inproc, {bad}}}]"
            );
            let config = config::from_text(Path::new("test.yaml"), &text, None, &|_| None).expect("read");
            let manager = Manager::new();
            let announced = announce(&manager, config.plugins()).expect("free names");
            let faults = announced
                .start(&Terms {
                    must: false,
                    factories: &factories,
                    json: Limits::new(),
                    at_once: 8,
                    stores: Stores::default(),
                })
                .await
                .faults;
            assert_eq!((faults.len(), faults[0].plugin(), faults[0].message()), (1, Some("bad"), says));
            assert!(!manager.contains("good"), "it was started");
        }
    }
}
