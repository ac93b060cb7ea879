//! Rate limit services that keep their buckets in Redis.

use plugin_core::ConfigError;
use plugin_ratelimit::{
    RedisStore,
    envoy::{EnvoyDescriptor, EnvoyRateLimitConfig, EnvoyRateLimitLayer, EnvoyRateLimitServer, EnvoyRule},
};
use tower::{BoxError, Layer, ServiceExt, service_fn};

use super::{LONG, patient, server::Server, shared, within, without_refill};

fn server(store: &RedisStore, client_limits: bool) -> Result<EnvoyRateLimitServer, ConfigError> {
    // What stands in a rule may hold what has a meaning in the keys of Redis.
    let rule = EnvoyRule::new("{shop}", without_refill(7)).with_entry("path", "/a:b").with_any("user");
    let builder = EnvoyRateLimitServer::builder().with_rule(rule);
    builder.with_store(store).with_client_limits(client_limits).build()
}

#[tokio::test]
async fn two_rate_limit_services_over_one_redis_are_one() {
    let redis = Server::start().await;
    let stores = [shared(patient(redis.url())).await, shared(patient(redis.url())).await];
    let services = stores.each_ref().map(|store| {
        let config = EnvoyRateLimitConfig::builder("{shop}").with_timeout(LONG).build().expect("valid");
        let by_user = |user: &String| Some(EnvoyDescriptor::new([("path", "/a:b"), ("user", user.as_str())]));
        EnvoyRateLimitLayer::new(config, server(store, false).expect("a rule"), by_user)
            .layer(service_fn(|_: String| async { Ok::<_, BoxError>(()) }))
    });
    for user in ["ann", "bob", "{ann}"] {
        let mut passed = 0;
        for turn in 0..12 {
            let asked = services[turn % 2].clone().oneshot(user.to_owned());
            passed += u32::from(within(asked).await.is_ok());
        }
        assert_eq!(passed, 7, "{user}");
    }
    let fault = server(&stores[0], true).expect_err("each would keep them alone");
    assert_eq!(fault.field(), "client_limits");
}
