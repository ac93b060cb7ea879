//! The rows whose instructions are counted: those of a call that goes well, and what every caller pays.

/// Rows of one group.
#[derive(Debug)]
pub struct CountedRows {
    /// The group's name.
    pub group: &'static str,
    /// The rows' names.
    pub rows: &'static [&'static str],
}

/// What `cargo xtask bench --check` counts. Rows of peers are not ours to hold.
pub const COUNTED: &[CountedRows] = &[
    CountedRows {
        group: "breaker",
        rows: &[
            "bare service",
            "Breaker::try_acquire",
            "CircuitBreakerLayer",
            "CircuitBreakerLayer, 100 calls",
            "CircuitBreakerLayer, timed",
            "CircuitBreakerLayer, disabled",
            "CircuitBreakerLayer, open",
        ],
    },
    CountedRows {
        group: "retry",
        rows: &["bare service", "RetryLayer without a budget", "RetryLayer", "RetryLayer, disabled", "HedgeLayer"],
    },
    CountedRows {
        group: "ratelimit",
        rows: &["TokenBucket::try_acquire", "RateLimitLayer", "RateLimitLayer, disabled", "RateLimitLayer, refused"],
    },
    CountedRows {
        group: "concurrency",
        rows: &[
            "ConcurrencyLimit::try_acquire",
            "ConcurrencyLimitLayer",
            "ConcurrencyLimitLayer, adaptive",
            "ConcurrencyLimitLayer, disabled",
            "ConcurrencyLimitLayer, refused",
            "AdaptiveThrottleLayer",
        ],
    },
    CountedRows { group: "health", rows: &["HealthGateLayer, healthy", "HealthGateLayer, offline"] },
    CountedRows {
        group: "balance",
        rows: &["one instance", "round-robin, 10", "random, 10", "least-connections, 10", "consistent-hash, 10"],
    },
    CountedRows { group: "layers", rows: &["bare service", "TelemetryLayer", "DeadlineLayer", "AttemptTimeoutLayer"] },
    CountedRows {
        group: "stack",
        rows: &[
            "bare service",
            "three layers",
            "five layers",
            "five layers, heap payload",
            "five layers, pending once",
        ],
    },
    CountedRows {
        group: "manager",
        rows: &[
            "bare service",
            "manager, bare service",
            "manager, all that can be off is off",
            "manager, default stack",
            "manager, default stack, heap payload",
            "bare service, pending once",
            "manager, default stack, pending once",
        ],
    },
    CountedRows { group: "plugin-side", rows: &["runtime alone", "http, 100 bytes", "http, 64 KiB"] },
];
