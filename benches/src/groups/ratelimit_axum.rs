//! A request through a router of axum, with and without a limit around it.

use std::{
    hint::black_box,
    net::{IpAddr, Ipv4Addr, SocketAddr},
    num::NonZeroU32,
    sync::Arc,
};

use axum::{
    Router,
    body::Body,
    extract::ConnectInfo,
    middleware::{self, Next},
    response::IntoResponse,
    routing::get,
};
use governor::{DefaultKeyedRateLimiter, Quota, RateLimiter};
use http::{Request, StatusCode};
use plugin_ratelimit::{ClientIp, ClientIpConfig, KeyedRateLimitLayer, RateLimitConfig, RateLimitLayer};

use super::GroupEntry;
use crate::harness::{Case, Group, call_now};

pub(super) const GROUP: GroupEntry = GroupEntry {
    name: "ratelimit-axum",
    about: "A GET through a router of axum with one route, as its server would hand it in: made, routed, answered and dropped, without \
            a connection. The limits are never reached. By address each is that of the one client that asks. \
            governor stands in a function that axum makes a middleware of.",
    peers: &["axum", "governor"],
    rows,
};

const CLIENT: IpAddr = IpAddr::V4(Ipv4Addr::new(203, 0, 113, 7));

/// Tokens that the client owes already: eleven days of them. Whoever owes nothing is forgotten, and learned again.
const OWED: u32 = 1_000_000_000;

fn plenty() -> RateLimitConfig {
    RateLimitConfig::builder()
        .with_requests_per_second(1_000.0)
        .with_burst_size(u32::MAX)
        .build()
        .expect("within the bounds")
}

fn app() -> Router {
    Router::new().route("/", get(|| async { "hello" }))
}

fn app_with_governor() -> Router {
    let quota = Quota::per_second(NonZeroU32::MAX).allow_burst(NonZeroU32::MAX);
    let governor: Arc<DefaultKeyedRateLimiter<IpAddr>> = Arc::new(RateLimiter::keyed(quota));
    app().layer(middleware::from_fn(move |request: Request<Body>, next: Next| {
        let client = request.extensions().get::<ConnectInfo<SocketAddr>>().map(|info| info.0.ip());
        let passes = client.is_some_and(|client| governor.check_key(&client).is_ok());
        async move { if passes { next.run(request).await } else { StatusCode::TOO_MANY_REQUESTS.into_response() } }
    }))
}

/// With the address of its connection, as `into_make_service_with_connect_info` leaves it.
fn request() -> Request<Body> {
    let mut request = Request::new(Body::empty());
    request.extensions_mut().insert(ConnectInfo(SocketAddr::new(CLIENT, 50_000)));
    request
}

fn rows(group: &mut Group) {
    row(group, "router", app());
    // The router boxes each layer with what is in it: this one does nothing else.
    row(group, "a layer that does nothing", app().layer(tower::layer::util::Identity::new()));
    row(group, "RateLimitLayer", app().layer(RateLimitLayer::new(plenty()).for_http()));
    let peer = "governor in a middleware, by address";
    row(group, peer, app_with_governor());
    let client = ClientIp::new(ClientIpConfig::default(), |extensions| {
        extensions.get::<ConnectInfo<SocketAddr>>().map(|info| info.0.ip())
    });
    let by_address = KeyedRateLimitLayer::by_client_ip(plenty(), client).for_http();
    assert!(by_address.handle().bucket().try_acquire(&CLIENT, OWED).is_ok());
    row(group, "KeyedRateLimitLayer, by address", app().layer(by_address)).against(peer);
}

/// A row each of whose requests must be answered with 200.
fn row<'a>(group: &'a mut Group, name: &'static str, app: Router) -> &'a mut Case {
    group.case(name, move || {
        let mut app = app.clone();
        move || {
            let response = match call_now(&mut app, black_box(request())) {
                Ok(response) => response,
                Err(never) => match never {},
            };
            assert_eq!(response.status(), StatusCode::OK, "row `{name}`");
            response
        }
    })
}
