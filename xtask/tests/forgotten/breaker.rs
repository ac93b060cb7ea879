use plugin_breaker::{CircuitBreakerConfig, CircuitBreakerLayer, KeyedBreakerLayer};

fn main() {
    let _ = CircuitBreakerLayer::default().for_http();
    let _ = CircuitBreakerLayer::default().for_grpc();
    let _ = KeyedBreakerLayer::new(CircuitBreakerConfig::default(), |host: &String| Some(host.clone())).for_http();
}
