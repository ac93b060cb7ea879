//! One word for one thing: the ideas that the concerns share, the word for each, and where a concern has another word or
//! none, with the reason. The page is written from this, and the public items are held to it.

/// Something that every concern has, and its words.
#[derive(Debug, Clone, Copy)]
pub(super) struct Idea {
    pub(super) about: &'static str,
    /// A part of a concern (`Layer`), or a function of a part (`Layer::handle`).
    pub(super) words: &'static [&'static str],
}

/// Where a concern has another word, or none.
#[derive(Debug, Clone, Copy)]
pub(super) struct Difference {
    pub(super) concerns: &'static [&'static str],
    pub(super) words: &'static [&'static str],
    /// The word that they have in the place of that one.
    pub(super) instead: Option<&'static str>,
    pub(super) why: &'static str,
}

/// A word that says what has another word here.
#[derive(Debug, Clone, Copy)]
pub(super) struct Unwanted {
    pub(super) word: &'static str,
    /// How the names of the types end that may not have it.
    pub(super) of: &'static str,
    pub(super) right: &'static str,
}

/// Where there is no such word.
const fn none(words: &'static [&'static str], concerns: &'static [&'static str], why: &'static str) -> Difference {
    Difference { concerns, words, instead: None, why }
}

/// Where there is another word.
const fn other(
    word: &'static [&'static str; 1],
    instead: &'static str,
    concerns: &'static [&'static str],
    why: &'static str,
) -> Difference {
    Difference { concerns, words: word, instead: Some(instead), why }
}

pub(super) const IDEAS: &[Idea] = &[
    Idea { about: "settings, and their builder", words: &["Config", "Config::builder"] },
    Idea {
        about: "layer, service, future, operator's side, figures",
        words: &["Layer", "Service", "Future", "Handle", "Stats"],
    },
    Idea { about: "begin", words: &["Layer::new"] },
    Idea { about: "from a layer or a service to the operator's side", words: &["Layer::handle", "Service::handle"] },
    Idea { about: "judge outcomes", words: &["Layer::classify"] },
    Idea { about: "answer refusals: a ready-made value or a closure", words: &["Layer::reject_with"] },
    Idea {
        about: "presets: judge, refusal and end of stream in one",
        words: &["Layer::for_http", "Layer::for_grpc", "Layer::for_calls"],
    },
    Idea { about: "share one state among layers", words: &["Layer::sharing"] },
    Idea { about: "change and read the settings", words: &["Handle::reconfigure", "Handle::config"] },
    Idea { about: "read the figures", words: &["Handle::stats"] },
    Idea { about: "hear of changes", words: &["Handle::events"] },
    Idea { about: "switch", words: &["Handle::enable", "Handle::disable", "Handle::is_enabled"] },
];

/// The name of each in those of its types: the service itself.
pub(super) const CONCERNS: &[&str] = &[
    "CircuitBreaker",
    "KeyedBreaker",
    "Retry",
    "Hedge",
    "RateLimit",
    "KeyedRateLimit",
    "SharedRateLimit",
    "WaitingRateLimit",
    "EnvoyRateLimit",
    "ConcurrencyLimit",
    "KeyedConcurrencyLimit",
    "AdaptiveThrottle",
    "HealthGate",
    "PassiveHealth",
    "Balance",
    "TrafficSplit",
    "Mirror",
    "Deadline",
    "AttemptTimeout",
    "Telemetry",
    "Fallback",
    "Cache",
    "Coalesce",
    "Verify",
    "Process",
    "Http",
    "Grpc",
    "Unix",
];

pub(super) const DIFFERENCES: &[Difference] = &[
    other(&["Config"], "CircuitBreakerConfig", &["KeyedBreaker"], "each key has a circuit breaker"),
    none(&["Config"], &["Deadline", "AttemptTimeout"], "one duration is all it has of settings"),
    none(
        &["Config", "Handle::reconfigure", "Handle::config"],
        &["Telemetry", "Fallback"],
        "it has no settings: what it is made of is types",
    ),
    none(
        &["Config", "Handle::reconfigure", "Handle::config"],
        &["Coalesce"],
        "one number is all it has of settings, and the layer takes it: `with_max_in_flight`",
    ),
    none(&["Config"], &["Verify"], "`AuthConfig` and `ClientConfig` are what its verifier is made of"),
    other(&["Layer"], "Balance", &["Balance"], "it stands over many services and not around one"),
    other(&["Layer"], "TrafficSplit", &["TrafficSplit"], "it stands over many services and not around one"),
    none(&["Layer"], &["Process", "Http", "Grpc", "Unix"], "a transport, under all layers"),
    other(
        &["Service"],
        "ConcurrencyLimited",
        &["ConcurrencyLimit"],
        "`ConcurrencyLimit` is the limit itself, which is used without tower too",
    ),
    other(
        &["Service"],
        "KeyedConcurrencyLimited",
        &["KeyedConcurrencyLimit"],
        "`KeyedConcurrencyLimit` is the limit itself, which is used without tower too",
    ),
    other(&["Service"], "ProcessService", &["Process"], "`Process` would be the process"),
    other(&["Service"], "HttpClient", &["Http"], "one end of two"),
    other(&["Service"], "GrpcClient", &["Grpc"], "one end of two"),
    other(&["Service"], "UnixClient", &["Unix"], "one end of two"),
    other(&["Future"], "CallFuture", &["Http", "Grpc", "Unix"], "clients of all networks have the same future"),
    other(&["Future"], "ResponseFuture", &["CircuitBreaker", "KeyedBreaker"], "both have the same future"),
    other(&["Future"], "ResponseFuture", &["RateLimit", "KeyedRateLimit"], "both have the same future"),
    other(&["Future"], "ResponseFuture", &["Balance"], "it was there before the others of its crate"),
    none(&["Future"], &["Mirror"], "the future of a call is that of the inner service"),
    other(&["Config"], "RateLimitConfig", &["SharedRateLimit"], "the limit is the same, and kept elsewhere"),
    other(
        &["Layer::new"],
        "sharing",
        &["SharedRateLimit", "PassiveHealth"],
        "there is nothing that it could have for itself",
    ),
    other(
        &["Future"],
        "HeldResponseFuture",
        &["SharedRateLimit", "WaitingRateLimit", "EnvoyRateLimit"],
        "all may hold a call, and have the same future",
    ),
    other(&["Config"], "RateLimitConfig", &["WaitingRateLimit"], "the limit is the same; its calls wait"),
    other(&["Handle"], "RateLimitHandle", &["WaitingRateLimit"], "the limit is the same; its calls wait"),
    other(&["Stats"], "RateLimitStats", &["WaitingRateLimit"], "the limit is the same; its calls wait"),
    none(&["Layer::new", "Layer::sharing"], &["WaitingRateLimit"], "`RateLimitLayer::waiting` makes it"),
    other(
        &["Handle"],
        "SharedBucket",
        &["SharedRateLimit"],
        "the bucket is what instances share, and its operator's side",
    ),
    none(&["Handle::events"], &["SharedRateLimit"], "the connection has them: `RedisStore::events`"),
    none(&["Handle", "Stats", "Layer::handle", "Service::handle"], &["Verify"], "has no state"),
    none(&["Handle", "Stats", "Service::handle"], &["Http", "Grpc", "Unix"], "who operates it is at the other end"),
    other(&["Stats"], "InstanceStats", &["Balance"], "each instance has its own"),
    other(&["Stats"], "BranchStats", &["TrafficSplit"], "each branch has its own"),
    none(&["Stats", "Handle::stats"], &["Deadline", "AttemptTimeout"], "telemetry counts what it cuts"),
    none(
        &["Layer::classify"],
        &[
            "RateLimit",
            "KeyedRateLimit",
            "SharedRateLimit",
            "WaitingRateLimit",
            "EnvoyRateLimit",
            "KeyedConcurrencyLimit",
            "HealthGate",
            "Deadline",
            "AttemptTimeout",
            "Coalesce",
            "Verify",
        ],
        "judges no outcome",
    ),
    none(
        &["Layer::reject_with"],
        &["Retry", "Hedge", "Mirror", "PassiveHealth", "Telemetry", "Fallback", "Cache"],
        "refuses nothing itself",
    ),
    none(
        &["Layer::reject_with", "Layer::for_http", "Layer::for_grpc", "Layer::for_calls"],
        &["Verify"],
        "stands at the door of a server and answers in HTTP",
    ),
    none(&["Layer::for_grpc"], &["Cache"], "a status comes behind the body, when it is too late to keep the answer"),
    none(&["Layer::sharing"], &["Hedge"], "its budget is its own: hedges of one service are no measure for another's"),
    none(
        &["Layer::sharing"],
        &[
            "TrafficSplit",
            "Mirror",
            "KeyedBreaker",
            "Balance",
            "Deadline",
            "AttemptTimeout",
            "Telemetry",
            "Fallback",
            "Cache",
            "Coalesce",
            "Verify",
        ],
        "it has no state that others could use alone; clones of the layer share it",
    ),
    none(&["Handle::reconfigure"], &["Cache"], "its store is made with its settings, once"),
    none(&["Handle::reconfigure", "Handle::config"], &["Process"], "a process keeps what it was started with"),
    none(
        &["Handle::events"],
        &[
            "Retry",
            "Hedge",
            "RateLimit",
            "KeyedRateLimit",
            "WaitingRateLimit",
            "EnvoyRateLimit",
            "ConcurrencyLimit",
            "KeyedConcurrencyLimit",
            "AdaptiveThrottle",
            "TrafficSplit",
            "Mirror",
            "Deadline",
            "AttemptTimeout",
            "Telemetry",
            "Fallback",
            "Cache",
            "Coalesce",
        ],
        "what it does is counted, and no state of it changes",
    ),
    none(
        &["Handle::events"],
        &["HealthGate", "PassiveHealth"],
        "the check that it reads, or asks for, has them: `HealthCheck::events`",
    ),
    none(
        &["Handle::events", "Handle::enable", "Handle::disable", "Handle::is_enabled"],
        &["KeyedBreaker"],
        "the handle of a key, `get(key)`, has them",
    ),
    other(&["Handle::enable"], "enable_instance", &["Balance"], "what is switched is an instance"),
    other(&["Handle::disable"], "disable_instance", &["Balance"], "what is switched is an instance"),
    none(&["Handle::is_enabled"], &["Balance"], "the figures of an instance say it"),
    none(
        &["Handle::enable", "Handle::disable", "Handle::is_enabled"],
        &["TrafficSplit"],
        "a branch without a weight gets no call",
    ),
    none(
        &["Handle::enable", "Handle::disable", "Handle::is_enabled"],
        &["Deadline", "AttemptTimeout"],
        "no duration is off: `reconfigure(None)`",
    ),
    none(
        &["Handle::enable", "Handle::disable", "Handle::is_enabled"],
        &["Telemetry", "Fallback", "Cache", "Coalesce"],
        "on for as long as it stands there; a fallback that is never to answer is made by `disabled()`",
    ),
    other(&["Handle::enable"], "start", &["Process"], "a process is started"),
    none(&["Handle::disable"], &["Process"], "it ends when nobody holds it any more"),
    other(&["Handle::is_enabled"], "state", &["Process"], "a process has more than two"),
];

const fn of_all(word: &'static str, right: &'static str) -> Unwanted {
    Unwanted { word, of: "", right }
}

const fn of(of: &'static str, word: &'static str, right: &'static str) -> Unwanted {
    Unwanted { word, of, right }
}

/// Functions that have another word here.
pub(super) const UNWANTED_FUNCTIONS: &[Unwanted] = &[
    of_all("classify_with", "classify"),
    of_all("set_config", "reconfigure"),
    of_all("set_timeout", "reconfigure"),
    of_all("set_limit", "reconfigure"),
    of_all("set_enabled", "enable"),
    of_all("with_breaker", "sharing"),
    of_all("with_bucket", "sharing"),
    of_all("snapshot", "stats"),
    of_all("changes", "events"),
    of_all("subscribe", "events"),
    of("Handle", "list", "stats"),
    of("Layer", "http", "for_http"),
    of("Layer", "grpc", "for_grpc"),
];

/// Parts of the names of types: abbreviations that are no words of the field.
pub(super) const UNWANTED_IN_NAMES: &[Unwanted] = &[
    of_all("Lb", "Balance"),
    of_all("Cfg", "Config"),
    of_all("Conf", "Config"),
    of_all("Ctx", "Context"),
    of_all("Mgr", "Manager"),
    of_all("Msg", "Message"),
    of_all("Req", "Request"),
    of_all("Res", "Response"),
    of_all("Resp", "Response"),
    of_all("Svc", "Service"),
];

/// What is named in one of these ways all the same: the path, and why.
pub(super) const EXCEPTIONS: &[(&str, &str)] = &[
    ("plugin_core::BoxError", "the name that tower gives to its boxed error; an alias"),
    (
        "plugin_transports::http::HttpConfigBuilder",
        "it reads credentials and certificates too: a `PluginError` with the code of what is wrong, and a `ConfigError` from \
         `check`",
    ),
    (
        "plugin_transports::grpc::GrpcConfigBuilder",
        "it reads credentials and certificates too: a `PluginError` with the code of what is wrong, and a `ConfigError` from \
         `check`",
    ),
    (
        "plugin_transports::unix::UnixConfigBuilder",
        "it reads credentials too: a `PluginError` with the code of what is wrong, and a `ConfigError` from `check`",
    ),
    ("plugin_breaker::KeyedBreakerHandle::list", "the keys and the handle of each, which are no figures"),
    ("plugin_manager::config::Config", "it is read from a configuration, and made in no other way"),
    ("plugin_manager::config::InstanceConfig", "it is read from a configuration, and made in no other way"),
    ("plugin_manager::config::LoggingConfig", "it is read from a configuration, and made in no other way"),
    ("plugin_manager::config::PluginConfig", "it is read from a configuration, and made in no other way"),
    ("plugin_manager::config::ServerConfig", "it is read from a configuration, and made in no other way"),
    ("plugin_manager::config::TransportConfig", "it is read from a configuration, and made in no other way"),
    ("plugin_manager::config::AdminConfig", "it is read from a configuration, and made in no other way"),
    ("plugin_ratelimit::concurrency::AdaptiveConfig", "a word and two numbers, which belong to another configuration"),
    ("plugin_retry::BudgetConfig", "three numbers, in the order of their keys"),
    ("plugin_retry::ThrottleConfig", "two numbers, in the order of their keys"),
    ("plugin_transports::process::RestartConfig", "three times and a number, in the order of their keys"),
    ("plugin_transports::process::StderrConfig", "two numbers, in the order of their keys"),
    ("plugin_transports::auth::AuthConfig", "one kind of credentials, each with a function of its name"),
    ("plugin_transports::auth::ClientConfig", "a name, and the credentials that it is known by"),
    ("plugin_transports::tls::ClientTlsConfig", "is a builder itself: `build()` reads the files"),
    ("plugin_transports::tls::ServerTlsConfig", "is a builder itself: `build()` reads the files"),
];
