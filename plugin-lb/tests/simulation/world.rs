//! A balancer over instances that exist in a simulation alone, and callers who do not wait for one another.
//!
//! What is simulated is the world around the balancer; the balancer and its guards are those of the crate. Time is
//! tokio's paused clock, which goes on to the next event as soon as nobody has anything to do, so a minute takes a
//! moment. The balancer reads a clock that is moved with it from the same moment in each run: estimates count time in
//! ticks, and where these begin would else be chance. All that is random comes from seeds, and every strategy is given
//! the same calls: the same arrivals, the same work in each of them, the same keys.

use std::{
    cell::RefCell,
    future::{Future, poll_fn},
    ops::Range,
    pin::pin,
    sync::{Arc, Mutex},
    task::{Context, Poll},
    time::Duration,
};

use plugin_core::{BoxFuture, Call, PluginError, Reply, Sent, clock::fake::Machine, deadline::DeadlineLayer};
use plugin_lb::{Balance, BalanceConfig, Endpoint, OutlierConfig, Strategy};
use tokio::{sync::Semaphore, time::Instant};
use tower::{Service, ServiceBuilder, ServiceExt};

/// How long a call may take, after which its caller goes away.
pub(crate) const PATIENCE: Duration = Duration::from_secs(1);

/// Calls that an instance works on at once; the others wait in its line.
const WORKERS: usize = 2;

/// Callers, each with a key of its own.
const KEYS: u64 = 1000;

/// What an instance does with a call at some moment.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Does {
    /// Works on it for so many milliseconds on the mean.
    Work(f64, Varying),
    /// Fails after a millisecond.
    Fail,
    /// Never answers.
    Hang,
    /// Nobody listens: the connection is refused, and what was being worked on is lost.
    Refuse,
}

/// How the work of one call differs from that of others.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Varying {
    /// Exponentially distributed: most take less than the mean, and one in a hundred 4.6 times as long.
    Much,
    /// Normally distributed, with a standard deviation of 30 % of the mean.
    Little,
}

/// What happens to whom.
#[derive(Clone, Copy)]
pub(crate) struct World {
    pub(crate) instances: usize,
    /// Calls that come in a second, on the mean.
    pub(crate) per_second: f64,
    pub(crate) seconds: f64,
    /// What the instance of this number does at this second.
    pub(crate) does: fn(usize, f64) -> Does,
    /// The last one joins at this second, and not at the start.
    pub(crate) last_joins: Option<f64>,
}

/// The seconds of a run at which calls began on each instance, and what each of the calls came to.
pub(crate) struct Run {
    pub(crate) picked: Vec<Vec<f64>>,
    pub(crate) calls: Vec<Came>,
}

#[derive(Clone, Copy)]
pub(crate) struct Came {
    pub(crate) at: f64,
    /// In milliseconds; `None` for a call that failed.
    pub(crate) after: Option<f64>,
}

struct Instance {
    number: usize,
    does: fn(usize, f64) -> Does,
    begin: Instant,
    workers: Semaphore,
    picked: Mutex<Vec<f64>>,
}

#[derive(Clone)]
struct Simulated(Arc<Instance>);

impl Instance {
    fn now(&self) -> f64 {
        self.begin.elapsed().as_secs_f64()
    }

    async fn answer(&self, work: u64) -> Result<Reply<()>, PluginError> {
        let gone = |sent| Err(PluginError::connection("nobody listens", sent));
        match (self.does)(self.number, self.now()) {
            Does::Refuse => gone(Sent::Nothing),
            Does::Hang => std::future::pending().await,
            Does::Fail => {
                tokio::time::sleep(Duration::from_millis(1)).await;
                Err(PluginError::execution("as always"))
            }
            Does::Work(..) => {
                let _worker = self.workers.acquire().await.map_err(|_| PluginError::execution("closed"))?;
                // By what it does when it begins, however long it was in line.
                if let Does::Work(mean, varying) = (self.does)(self.number, self.now()) {
                    tokio::time::sleep(takes(mean, varying, work)).await;
                }
                match (self.does)(self.number, self.now()) {
                    Does::Refuse => gone(Sent::Maybe),
                    _ => Ok(Reply::new(())),
                }
            }
        }
    }
}

/// In whole milliseconds, as tokio's clock has them.
fn takes(mean: f64, varying: Varying, work: u64) -> Duration {
    let mut random = fastrand::Rng::with_seed(work);
    let times = match varying {
        Varying::Much => -(1.0 - random.f64()).ln(),
        // The sum of twelve is as good as normal, and never far off.
        Varying::Little => 1.0 + 0.3 * ((0..12).map(|_| random.f64()).sum::<f64>() - 6.0),
    };
    Duration::from_secs_f64((mean * times).round().max(1.0) / 1000.0)
}

impl Service<Call<u64>> for Simulated {
    type Response = Reply<()>;
    type Error = PluginError;
    type Future = BoxFuture<Result<Reply<()>, PluginError>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), PluginError>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, call: Call<u64>) -> Self::Future {
        let instance = Arc::clone(&self.0);
        instance.picked.lock().expect("no panic").push(instance.now());
        Box::pin(async move { instance.answer(*call.payload()).await })
    }
}

/// The balancer's clock, and where tokio's was when it was moved last.
struct Moved {
    machine: Machine,
    at: Instant,
}

thread_local!(static CLOCK: RefCell<Option<Moved>> = const { RefCell::new(None) });

impl Moved {
    fn install() -> Self {
        Self { machine: Machine::install(), at: Instant::now() }
    }

    /// Moves this thread's clock to where tokio's is.
    fn follow() {
        CLOCK.with_borrow_mut(|clock| {
            if let Some(moved) = clock {
                let now = Instant::now();
                moved.machine.pass(now - std::mem::replace(&mut moved.at, now));
            }
        });
    }
}

/// Polls a call at the time that it is.
async fn in_time<F: Future>(call: F) -> F::Output {
    let mut call = pin!(call);
    poll_fn(|cx| {
        Moved::follow();
        call.as_mut().poll(cx)
    })
    .await
}

impl World {
    /// What this strategy makes of it.
    pub(crate) fn run(&self, strategy: Strategy, outlier: Option<OutlierConfig>) -> Run {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build();
        // The tickets of the balancer are those of this thread.
        fastrand::seed(SEED);
        runtime.expect("a runtime").block_on(async {
            CLOCK.set(Some(Moved::install()));
            let run = self.simulate(strategy, outlier).await;
            CLOCK.set(None);
            run
        })
    }

    async fn simulate(&self, strategy: Strategy, outlier: Option<OutlierConfig>) -> Run {
        let begin = Instant::now();
        let instance = |number| {
            let (workers, picked) = (Semaphore::new(WORKERS), Mutex::default());
            Simulated(Arc::new(Instance { number, does: self.does, begin, workers, picked }))
        };
        let instances: Vec<_> = (0..self.instances).map(instance).collect();
        let endpoint =
            |instance: &Simulated| Endpoint::new(format!("instance-{}", instance.0.number), instance.clone());
        let at_start = self.instances - usize::from(self.last_joins.is_some());
        let config = BalanceConfig::builder().with_strategy(strategy).with_outlier(outlier).build().expect("valid");
        let balance = Balance::new(config, instances.iter().take(at_start).map(endpoint)).expect("names").for_calls();
        let handle = balance.handle();
        let stack = ServiceBuilder::new().layer(DeadlineLayer::new(PATIENCE)).service(balance);

        let (mut random, mut at, mut joins) = (fastrand::Rng::with_seed(SEED), 0.0, self.last_joins);
        let mut open = Vec::new();
        loop {
            at += -(1.0 - random.f64()).ln() / self.per_second;
            if at >= self.seconds {
                break;
            }
            if let Some(joins) = joins.take_if(|joins| at >= *joins) {
                tokio::time::sleep_until(begin + Duration::from_secs_f64(joins)).await;
                handle.add(endpoint(&instances[at_start])).expect("a new name");
            }
            tokio::time::sleep_until(begin + Duration::from_secs_f64(at)).await;
            Moved::follow();
            let mut call = Call::new(random.u64(..));
            call.context_mut().set_affinity_key(&random.u64(..KEYS).to_le_bytes());
            let came = stack.clone().oneshot(call);
            open.push(tokio::spawn(in_time(async move {
                let (at, began) = ((Instant::now() - begin).as_secs_f64(), Instant::now());
                let answered = came.await.is_ok();
                Came { at, after: answered.then(|| began.elapsed().as_secs_f64() * 1000.0) }
            })));
        }
        let mut calls = Vec::with_capacity(open.len());
        for call in open {
            calls.push(call.await.expect("no panic"));
        }
        let picked = instances.iter().map(|instance| instance.0.picked.lock().expect("no panic").clone()).collect();
        Run { picked, calls }
    }
}

/// Of the arrivals, their work and their keys, and of what strategies draw.
const SEED: u64 = 2_026;

impl Run {
    /// Milliseconds within which this share of the calls that were answered was answered.
    pub(crate) fn percentile(&self, of: f64, seconds: &Range<f64>) -> f64 {
        let calls = self.calls.iter().filter(|call| seconds.contains(&call.at));
        let mut after: Vec<_> = calls.filter_map(|call| call.after).collect();
        after.sort_by(f64::total_cmp);
        let place = (after.len() as f64 * of).ceil() as usize;
        after.get(place.saturating_sub(1)).copied().unwrap_or(f64::NAN)
    }

    /// The share of calls that failed, from the first to the last.
    pub(crate) fn failed(&self) -> f64 {
        self.calls.iter().filter(|call| call.after.is_none()).count() as f64 / self.calls.len() as f64
    }

    /// The share of each instance in the picks.
    pub(crate) fn shares(&self, seconds: &Range<f64>) -> Vec<f64> {
        let counts = self.picked.iter().map(|picked| picked.iter().filter(|at| seconds.contains(at)).count() as f64);
        let counts: Vec<_> = counts.collect();
        let all: f64 = counts.iter().sum();
        counts.into_iter().map(|count| count / all).collect()
    }

    /// Calls from this second on until one is on that instance, that one included.
    pub(crate) fn calls_until(&self, instance: usize, second: f64) -> usize {
        let first = self.picked[instance].iter().copied().find(|at| *at >= second).unwrap_or(f64::INFINITY);
        self.picked.iter().flatten().filter(|at| (second..=first).contains(at)).count()
    }
}
