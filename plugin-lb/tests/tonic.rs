//! Over tonic's channels, which are ready also where nobody listens: beside tonic's own `Channel::balance_list`, on
//! real servers.
#![cfg(feature = "channel")]

#[path = "../../plugin-core/tests/servers/grpc.rs"]
#[allow(dead_code, reason = "what the balancer's tests do not ask of it, others do")]
mod grpc;

use std::{future::Future, net::SocketAddr, time::Duration};

use bytes::Bytes;
use grpc::{EchoClient, channel, serve};
use http::Request;
use http_body_util::{BodyExt, Full};
use plugin_core::{BoxError, BoxErrorLayer};
use plugin_lb::{Balance, BalanceConfig, BalanceHandle, Endpoint, OutlierConfig, Strategy};
use tokio::{net::TcpStream, runtime::Runtime};
use tonic::{body::Body, client::GrpcService, transport::Channel};
use tower::{Layer, ServiceBuilder, ServiceExt, layer::util::Identity};

const LIMIT: Duration = Duration::from_secs(30);

/// Calls before one of the servers is killed, and after that.
const HALF: usize = 300;

async fn bounded<F: Future>(test: F) -> F::Output {
    tokio::time::timeout(LIMIT, test).await.expect("in time")
}

/// A server that can be killed with all of its connections: it has a runtime of its own.
struct Killable {
    runtime: Runtime,
    address: SocketAddr,
}

impl Killable {
    async fn start() -> Self {
        let builder = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build();
        let runtime = builder.expect("a runtime");
        let address = runtime.spawn(serve(Identity::new())).await.expect("a server").address;
        Self { runtime, address }
    }

    /// Ends it, and waits until nobody listens there and its connections are closed: what it was given is lost, whoever
    /// balances.
    async fn kill(self) {
        let runtime = self.runtime;
        tokio::task::spawn_blocking(move || runtime.shutdown_timeout(LIMIT)).await.expect("no panic");
        bounded(async { while TcpStream::connect(self.address).await.is_ok() {} }).await;
    }
}

/// A port at which nobody listens.
async fn dead() -> SocketAddr {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port");
    listener.local_addr().expect("bound")
}

/// The stack of the page, with this way to pick.
fn balanced(
    config: BalanceConfig,
    addresses: [SocketAddr; 3],
) -> (impl GrpcService<Body, ResponseBody = Body, Error = BoxError> + Clone, BalanceHandle<impl Clone>) {
    let instance = |address: SocketAddr| {
        let channel = BoxErrorLayer.layer(channel(address));
        Endpoint::new(address.to_string(), channel.map_request(|request: Request<Full<Bytes>>| request.map(Body::new)))
    };
    let balance = Balance::new(config, addresses.map(instance))
        .expect("three names")
        .for_grpc()
        .retain_with(|request: &Request<Full<Bytes>>| Some(request.clone()));
    let handle = balance.handle();
    let whole = |request: Request<Body>| async {
        let (parts, body) = request.into_parts();
        Ok::<_, BoxError>(Request::from_parts(parts, Full::new(body.collect().await?.to_bytes())))
    };
    (ServiceBuilder::new().filter_async(whole).service(balance), handle)
}

/// How many of so many calls fail.
async fn failures<T>(client: &mut EchoClient<T>, calls: usize) -> usize
where
    T: GrpcService<Body, ResponseBody = Body>,
    T::Error: Into<BoxError>,
{
    let mut failed = 0;
    for _ in 0..calls {
        failed += usize::from(bounded(client.unary("ok 1")).await.is_err());
    }
    failed
}

/// The page says how many of them tonic loses.
#[tokio::test]
async fn a_dead_port_costs_no_call_and_is_left_alone_where_tonics_own_balancer_goes_back_to_it() {
    for strategy in [Strategy::RoundRobin, Strategy::P2c, Strategy::PeakEwma] {
        let (lives, dies) = (Killable::start().await, Killable::start().await);
        let addresses = [dead().await, lives.address, dies.address];
        let outlier = OutlierConfig::builder().with_max_ejected_percent(70).build().expect("valid");
        let config = BalanceConfig::builder().with_strategy(strategy).with_outlier(outlier).build().expect("valid");
        let (ours, handle) = balanced(config, addresses);
        let endpoint = |address: SocketAddr| tonic::transport::Endpoint::from_shared(format!("http://{address}"));
        let endpoints = addresses.map(|address| endpoint(address).expect("a URL"));
        let (mut ours, mut theirs) =
            (EchoClient::new(ours), EchoClient::new(Channel::balance_list(endpoints.into_iter())));

        let before = [failures(&mut ours, HALF).await, failures(&mut theirs, HALF).await];
        dies.kill().await;
        let after = [failures(&mut ours, HALF).await, failures(&mut theirs, HALF).await];
        let failed: Vec<_> = handle.stats().into_iter().map(|stats| stats.failed).collect();
        println!(
            "{strategy}: {before:?} before and {after:?} after, of ours and of tonic's; ours failed on {failed:?}"
        );
        assert_eq!((before[0], after[0]), (0, 0), "{strategy}");
        // A third of its picks are of the dead one, and then two thirds of two.
        assert!((180..=300).contains(&(before[1] + after[1])), "tonic lost {before:?} and {after:?}");
        // It is dialled again and again until it is ejected, which it is for longer than this test takes.
        assert!(failed[0] <= 5 && failed[1] == 0 && failed[2] <= 5, "{strategy}: {failed:?}");
        lives.kill().await;
    }
}
