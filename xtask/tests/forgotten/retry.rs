use plugin_retry::{HedgeConfig, HedgeLayer, RetryConfig, RetryLayer};

fn hedge(config: HedgeConfig) {
    let _ = HedgeLayer::new(config).for_http();
}

fn main() {
    let _ = RetryLayer::new(RetryConfig::default()).for_http();
    let _ = RetryLayer::new(RetryConfig::default()).for_grpc();
}
