//! The header `grpc-timeout` of a request that is served: core reads it, and what it cannot read is told here.

use std::time::Duration;

use plugin_core::deadline::parse_grpc_timeout;

use crate::wire::bounded::quoted;

/// The error is the second half of a sentence.
pub(super) fn parse(text: &str) -> Result<Duration, String> {
    parse_grpc_timeout(text).ok_or_else(|| {
        format!("is {}, and not up to eight digits with a unit behind them: H, M, S, m, u or n", quoted(text))
    })
}
