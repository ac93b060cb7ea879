use plugin_health::HealthGateLayer;
use plugin_lb::{Balance, Endpoint, LbConfig};
use plugin_ratelimit::RateLimitLayer;

fn balance(endpoints: Vec<Endpoint<String>>) {
    let _ = Balance::new(LbConfig::default(), endpoints).unwrap().for_http();
}

fn main() {
    let _ = HealthGateLayer::disabled().for_http();
    let _ = RateLimitLayer::disabled().for_grpc();
}
