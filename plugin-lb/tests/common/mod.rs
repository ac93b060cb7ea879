//! Services for the tests of a balancer.

#![allow(dead_code, reason = "not every test file uses all of it")]

use std::{
    future::Future,
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    task::{Context, Poll},
    time::Duration,
};

use plugin_core::{BoxFuture, Call, Code, InstanceId, PluginError, Reply, Sent};
use plugin_lb::{Balance, BalanceConfig, Endpoint, Strategy};
use tower_service::Service;

/// What a test instance does with its next call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Does {
    Answer,
    AnswerAfter(Duration),
    Fail,
    RefuseConnection,
    RefuseCredentials,
    Panic,
    Hang,
}

/// An instance whose readiness and answers a test decides. All clones share the decisions.
#[derive(Clone, Debug)]
pub(crate) struct Instance {
    pub(crate) name: &'static str,
    does: Does,
    pub(crate) ready: Arc<Ready>,
    pub(crate) calls: Arc<AtomicUsize>,
}

#[derive(Debug, Default)]
pub(crate) struct Ready {
    pub(crate) fails: AtomicBool,
    pub(crate) waits: AtomicBool,
    pub(crate) polls: AtomicUsize,
}

impl Instance {
    pub(crate) fn new(name: &'static str, does: Does) -> Self {
        Self { name, does, ready: Arc::default(), calls: Arc::default() }
    }

    pub(crate) fn endpoint(&self) -> Endpoint<Self> {
        Endpoint::new(self.name, self.clone())
    }

    pub(crate) fn never_ready(self) -> Self {
        self.ready.waits.store(true, Ordering::SeqCst);
        self
    }

    pub(crate) fn failing_readiness(self) -> Self {
        self.ready.fails.store(true, Ordering::SeqCst);
        self
    }

    pub(crate) fn calls(&self) -> usize {
        self.calls.load(Ordering::SeqCst)
    }

    pub(crate) fn polls(&self) -> usize {
        self.ready.polls.load(Ordering::SeqCst)
    }
}

impl Service<Call<u8>> for Instance {
    type Response = Reply<&'static str>;
    type Error = PluginError;
    type Future = BoxFuture<Result<Reply<&'static str>, PluginError>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), PluginError>> {
        self.ready.polls.fetch_add(1, Ordering::SeqCst);
        if self.ready.fails.load(Ordering::SeqCst) {
            return Poll::Ready(Err(PluginError::connection("the readiness failed", Sent::Nothing)));
        }
        if self.ready.waits.load(Ordering::SeqCst) { Poll::Pending } else { Poll::Ready(Ok(())) }
    }

    fn call(&mut self, _: Call<u8>) -> Self::Future {
        self.calls.fetch_add(1, Ordering::SeqCst);
        let (does, name) = (self.does, self.name);
        Box::pin(async move {
            match does {
                Does::Answer => Ok(Reply::new(name)),
                Does::AnswerAfter(time) => {
                    tokio::time::sleep(time).await;
                    Ok(Reply::new(name))
                }
                Does::Fail => Err(PluginError::execution("as asked")),
                Does::RefuseConnection => Err(PluginError::connection("connection refused", Sent::Nothing)),
                Does::RefuseCredentials => {
                    Err(PluginError::new(Code::HttpTransport, "who is that?").with_http_status(401))
                }
                Does::Panic => panic!("as asked"),
                Does::Hang => std::future::pending().await,
            }
        })
    }
}

pub(crate) type Calls = Balance<
    Instance,
    plugin_core::ByErrorType,
    plugin_core::AsErrorValue,
    plugin_core::AtHead,
    plugin_lb::CallEnvelope,
>;

pub(crate) fn balance<'i>(strategy: Strategy, instances: impl IntoIterator<Item = &'i Instance>) -> Calls {
    balance_with(BalanceConfig::new(strategy), instances)
}

pub(crate) fn balance_with<'i>(config: BalanceConfig, instances: impl IntoIterator<Item = &'i Instance>) -> Calls {
    Balance::new(config, instances.into_iter().map(Instance::endpoint)).expect("distinct names").for_calls()
}

pub(crate) fn call(balance: &mut Calls) -> <Calls as Service<Call<u8>>>::Future {
    balance.call(Call::new(1))
}

pub(crate) fn id_of(balance: &Calls, name: &str) -> InstanceId {
    balance.handle().get(name).expect("an instance of this name").id
}

pub(crate) fn active(balance: &Calls) -> u64 {
    balance.handle().stats().iter().map(|stats| stats.active).sum()
}

/// Polls a future so many times and drops it if it is still pending then. True when it was ready.
pub(crate) async fn poll_at_most<F: Future>(future: F, polls: usize) -> bool {
    let mut future = Some(Box::pin(future));
    for _ in 0..polls {
        let Some(polled) = future.as_mut() else { break };
        let ready = std::future::poll_fn(|cx| Poll::Ready(Pin::new(&mut *polled).poll(cx).is_ready())).await;
        if ready {
            return true;
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    future.take();
    false
}
