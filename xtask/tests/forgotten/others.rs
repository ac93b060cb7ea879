use plugin_health::HealthGateLayer;
use plugin_lb::{Balance, Endpoint, BalanceConfig};
use plugin_ratelimit::RateLimitLayer;

fn balance(endpoints: Vec<Endpoint<String>>) {
    let _ = Balance::new(BalanceConfig::default(), endpoints).unwrap().for_http();
}

fn main() {
    let _ = HealthGateLayer::disabled().for_http();
    let _ = RateLimitLayer::disabled().for_grpc();
}
