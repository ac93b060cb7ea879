//! What is a type, and not a method, the compiler itself knows to be behind a feature.

use plugin_breaker::plugin_core::AsHttpResponse;

fn main() {
    let _ = AsHttpResponse;
}
