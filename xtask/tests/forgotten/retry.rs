use plugin_retry::{HedgeConfig, HedgeLayer, RetryConfig, RetryLayer};

fn hedge(config: HedgeConfig) {
    let _ = HedgeLayer::http(config);
}

fn main() {
    let _ = RetryLayer::http(RetryConfig::default());
    let _ = RetryLayer::grpc(RetryConfig::default());
}
