//! What connections and calls hold of memory on the client's side.

use std::{sync::Arc, time::Duration};

use bytes::Bytes;
use plugin_core::{Plugin, PluginInstance};
use plugin_transports::http::HttpVersion;
use tokio::task::JoinHandle;

use super::{
    echo::held,
    gate::Gate,
    hyper_peer::{self, Version},
    line_peer,
    load::{self, Load, MOST_CALLERS},
    ours::{self, Alone, Managed},
    site::{Over, Site},
    tonic_peer,
};
use crate::harness::{Caller, OwnTable, Plan, Sizes, live_bytes, sizes_table};

/// What a call in flight over HTTP or gRPC is to hold at most.
const AIM: u64 = 4096;

/// As many as call at once: a connection of HTTP/2 takes them all.
const CALLS: usize = MOST_CALLERS;

/// Those of a row whose idle connections another one counts.
type NoClients = fn(&Load) -> std::future::Pending<Vec<Managed>>;

/// So long nothing may happen before bytes are read.
const QUIET: Duration = Duration::from_millis(20);

/// Measures, and tells which of ours are above their aim.
pub(super) fn measure(_: &Plan) -> Result<OwnTable, String> {
    let Rows { sizes, bounded, .. } = rows();
    let missed: Vec<String> =
        bounded.into_iter().filter(|(_, held)| *held > AIM).map(|(name, _)| format!("`{name}`")).collect();
    let aim = format!("A call of ours in flight over HTTP or gRPC is to hold {AIM} bytes at most");
    let note = if missed.is_empty() {
        format!("{aim}, and does.")
    } else {
        format!("{aim}. More have: {}. Rows of the bare libraries show how much of it is theirs.", missed.join(", "))
    };
    Ok(OwnTable { markdown: sizes_table(&sizes), notes: vec![note] })
}

fn rows() -> Rows {
    let load = Load::new(CALLS, load::small());
    let mut rows = Rows { site: Arc::new(Site::new()), load, sizes: Vec::new(), bounded: Vec::new() };
    rows.lines();
    rows.http("hyper, HTTP/1.1", "http", Version::One, Over::Tcp, HttpVersion::Auto);
    rows.http("hyper, HTTP/1.1 over TLS", "https with HTTP/1.1", Version::One, Over::Tls, HttpVersion::Http1);
    rows.http("hyper, h2", "http with h2", Version::Two, Over::Tcp, HttpVersion::Http2);
    rows.http("hyper, h2 over TLS", "https", Version::Two, Over::Tls, HttpVersion::Auto);
    rows.grpc("tonic", "grpc", Over::Tcp);
    rows.grpc("tonic over TLS", "grpc-tls", Over::Tls);
    rows
}

struct Rows {
    site: Arc<Site>,
    load: Load,
    sizes: Vec<Sizes>,
    /// Clients of ours that [`AIM`] is for, and what a call of theirs holds.
    bounded: Vec<(String, u64)>,
}

impl Rows {
    fn lines(&mut self) {
        let gate = Gate::new();
        let path = line_peer::serve(&self.site, Some(gate.clone()));
        let connect = async |load: &Load| line_peer::callers(path.clone(), load).await;
        self.row("tokio, lines over Unix", &gate, Some(connect), connect);
        let gate = Gate::new();
        let path = ours::serve_lines(&self.site, held(&gate));
        self.ours("unix", &gate, true, || ours::connect_lines(ours::lines_config(&path)));
    }

    fn http(&mut self, peer: &str, name: &str, version: Version, over: Over, asked: HttpVersion) {
        let (site, gate) = (Arc::clone(&self.site), Gate::new());
        let at = hyper_peer::serve(&site, version, over, Some(gate.clone()));
        let connect =
            async |load: &Load| hyper_peer::callers(&site, at.clone(), version, over == Over::Tls, load).await;
        let one_each = async |load: &Load| match version {
            Version::One => connect(load).await,
            Version::Two => {
                let mut callers = Vec::with_capacity(load.callers);
                for _ in 0..load.callers {
                    callers.extend(connect(&load.of_one()).await);
                }
                callers
            }
        };
        self.row(peer, &gate, Some(one_each), connect);
        let gate = Gate::new();
        let at = ours::serve_http(&site, over, held(&gate));
        let connect = || ours::connect_http(ours::http_config(&site, &at, over, asked));
        let held = self.ours(name, &gate, version == Version::One, connect);
        self.bounded.extend(held);
    }

    fn grpc(&mut self, peer: &str, name: &str, over: Over) {
        let (site, gate) = (Arc::clone(&self.site), Gate::new());
        let at = tonic_peer::serve_held(&site, over, gate.clone());
        let connect = async |load: &Load| tonic_peer::callers(&site, at.clone(), over == Over::Tls, load).await;
        let one_each = async |load: &Load| {
            let mut callers = Vec::with_capacity(load.callers);
            for _ in 0..load.callers {
                callers.extend(connect(&load.of_one()).await);
            }
            callers
        };
        self.row(peer, &gate, Some(one_each), connect);
        let gate = Gate::new();
        let at = ours::serve_grpc(&site, over, held(&gate));
        let held = self.ours(name, &gate, false, || ours::connect_grpc(ours::grpc_config(&site, &at, over)));
        self.bounded.extend(held);
    }

    /// The two rows of a transport. Where calls `pool` connections, a client has one for each call at once; otherwise a client has
    /// one, and is counted with it.
    ///
    /// Returns the bytes of a call in flight, alone and through the manager.
    fn ours<S: Plugin<Bytes, Bytes>>(
        &mut self,
        name: &str,
        gate: &Gate,
        pool: bool,
        connect: impl Fn() -> PluginInstance<S>,
    ) -> [(String, u64); 2] {
        let one_each = async |load: &Load| {
            let clients = if pool { 1 } else { load.callers };
            let share = if pool { load.clone() } else { load.of_one() };
            let instances = (0..clients).map(|_| connect());
            instances.flat_map(|instance| Kept::callers(Alone::callers(&instance, &share), &instance)).collect()
        };
        let shared = async |load: &Load| {
            let instance = connect();
            Kept::callers(Alone::callers(&instance, load), &instance)
        };
        let held_alone = self.row(name, gate, Some(one_each), shared);
        let through = format!("{name}, manager");
        let managed = async |load: &Load| Managed::callers(&connect(), load);
        let none: Option<NoClients> = None;
        let held_through = self.row(&through, gate, none, managed);
        [(name.to_owned(), held_alone), (through, held_through)]
    }

    /// Adds a row, and returns the bytes of a call in flight.
    fn row<C, D>(
        &mut self,
        name: &str,
        gate: &Gate,
        one_each: Option<impl AsyncFn(&Load) -> Vec<C>>,
        shared: impl AsyncFn(&Load) -> Vec<D>,
    ) -> u64
    where
        C: Caller,
        D: Caller,
    {
        let (site, load) = (Arc::clone(&self.site), self.load.clone());
        let sizes = site.connect(async {
            // What is made once for all clients is made by the first ones, which are not counted.
            let mut idle_connection = None;
            if let Some(connect) = one_each {
                drop(idle(gate, connect(&load).await).await);
                let before = settled().await;
                let callers = idle(gate, connect(&load).await).await;
                idle_connection = Some(each(settled().await - before));
                drop(callers);
            }
            let callers = idle(gate, shared(&load).await).await;
            let call_in_flight = in_flight(gate, callers).await;
            Sizes { name: name.to_owned(), idle_connection, call_in_flight }
        });
        let call_in_flight = sizes.call_in_flight;
        self.sizes.push(sizes);
        call_in_flight
    }
}

/// Has each caller make a call, all at once, so that each connection is there that they need, and lets them end.
async fn idle<C: Caller>(gate: &Gate, callers: Vec<C>) -> Vec<C> {
    gate.close();
    let calls = begin(callers);
    gate.until_waiting(CALLS).await;
    gate.open();
    end(calls).await
}

/// The bytes of a call while all of them wait for their answers.
async fn in_flight<C: Caller>(gate: &Gate, callers: Vec<C>) -> u64 {
    gate.close();
    let before = settled().await;
    let calls = begin(callers);
    gate.until_waiting(CALLS).await;
    let held = settled().await - before;
    gate.open();
    end(calls).await;
    each(held)
}

/// The bytes that this thread holds, once its tasks have nothing more to do: those of a connection end after their caller.
async fn settled() -> i64 {
    let mut held = live_bytes();
    loop {
        tokio::time::sleep(QUIET).await;
        let now = live_bytes();
        if now == held {
            return held;
        }
        held = now;
    }
}

fn begin<C: Caller>(callers: Vec<C>) -> Vec<JoinHandle<C>> {
    let call = |mut caller: C| {
        tokio::spawn(async move {
            caller.call().await;
            caller
        })
    };
    callers.into_iter().map(call).collect()
}

async fn end<C>(calls: Vec<JoinHandle<C>>) -> Vec<C> {
    let mut callers = Vec::with_capacity(calls.len());
    for call in calls {
        callers.push(call.await.expect("a call that ends well"));
    }
    callers
}

fn each(bytes: i64) -> u64 {
    u64::try_from(bytes).unwrap_or(0) / CALLS as u64
}

/// A caller, and the instance whose end would close its connections.
struct Kept<C, I> {
    caller: C,
    _instance: I,
}

impl<C, S: Clone> Kept<C, PluginInstance<S>> {
    fn callers(callers: Vec<C>, instance: &PluginInstance<S>) -> Vec<Self> {
        callers.into_iter().map(|caller| Self { caller, _instance: instance.clone() }).collect()
    }
}

impl<C: Caller, I: Send + 'static> Caller for Kept<C, I> {
    async fn call(&mut self) {
        self.caller.call().await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_call_in_flight_holds_memory_and_so_does_a_connection_where_a_client_has_its_own() {
        let Rows { sizes, bounded, .. } = rows();
        assert_eq!(bounded.len(), 12, "six clients of HTTP and gRPC, each alone and through the manager");
        for row in sizes {
            // Its task alone is more.
            assert!(row.call_in_flight > 64, "{row:?}");
            // What a manager calls has the connections of the row before.
            assert_eq!(row.idle_connection.is_none(), row.name.ends_with(", manager"), "{row:?}");
            assert!(row.idle_connection.is_none_or(|bytes| bytes > 64), "{row:?}");
        }
    }
}
