//! The keys that configuration files have for a retry layer, and for a hedge layer.

use plugin_core::{
    Backoff, ConfigError, Jitter,
    settings::{Checked, Given, Key, Kind, Settings, Table, Values},
};

use super::{RetryConfig, Spending};
use crate::{
    BudgetConfig, Condition, ThrottleConfig,
    budget::{
        settings::{budget, budget_values},
        tables::{BUDGET, THROTTLE},
    },
};

static TABLE: Table = Table::new("retry", "When a call that failed is tried again.", &[
    Key::new(
        "max_retries",
        Kind::integer(0, 100),
        "Attempts after the first: 3 retries are 4 attempts. 0 is none, and the caller may lower it.",
    )
    .default("3")
    .go(),
    Key::new("initial_interval", Kind::time(), "The wait before the first retry.").default("100ms").go(),
    Key::new("max_interval", Kind::time(), "The longest wait, jitter included; at least `initial_interval`.")
        .default("5s")
        .go(),
    Key::new("multiplier", Backoff::MULTIPLIER, "The factor from one wait to the next.").default("2.0").go(),
    Key::new(
        "random_jitter",
        Kind::Bool,
        "Whether waits are spread, so that clients do not retry in step. `false` is `jitter: none`.",
    )
    .derived_default("true")
    .alias()
    .go(),
    Key::new(
        "jitter",
        Kind::WordOrShare(&["proportional", "full", "decorrelated", "none"]),
        "How waits are spread: a tenth up or down, or another share; anything from zero to the wait (`full`); anything \
         from the first wait to three times the last one (`decorrelated`); not at all.",
    )
    .derived_default("proportional"),
    Key::new("budget", Kind::Optional(&BUDGET), "What the retries of all calls together may cost.")
        .derived_default("on"),
    Key::new("throttle", Kind::Optional(&THROTTLE), "Stops retries as gRFC A6 does, instead of a budget."),
    Key::new(
        "on",
        Kind::Names(Condition::check),
        "Retries on these failures and no others: codes (`PLUGIN_1205`) or their ranges (`TRANSPORT`), HTTP statuses \
         (`503`, `5xx`), gRPC statuses (`UNAVAILABLE`). Without it, the classifier decides.",
    ),
    Key::new(
        "idempotent",
        Kind::Bool,
        "Whether a call that does not say so itself may be repeated although the service may have seen it.",
    )
    .default("false"),
    Key::new(
        "unsent",
        Kind::Bool,
        "Whether other HTTP requests than gRPC calls are kept too that may only be repeated when nothing of them was sent.",
    )
    .default("false"),
    Key::new("max_retry_after", Kind::time_or_zero(), "The longest wait that a service may ask for.").default("30s"),
    Key::new("max_body", MAX_BODY, "The largest body of an HTTP request that is kept to be sent again.")
        .default("64KiB"),
]);

pub(crate) const MAX_BODY: Kind = Kind::size(0, u32::MAX as u64);

fn jitter(values: &Values) -> Result<Jitter, ConfigError> {
    let random = values.bool("random_jitter");
    let proportional = Backoff::default().jitter();
    let jitter = match values.get("jitter") {
        Some(Checked::Number(share)) => Jitter::Proportional(*share),
        Some(Checked::Word("none")) => Jitter::None,
        Some(Checked::Word("full")) => Jitter::Full,
        Some(Checked::Word("decorrelated")) => Jitter::Decorrelated,
        Some(_) => proportional,
        None if random == Some(false) => Jitter::None,
        None => proportional,
    };
    if random == Some(false) && jitter != Jitter::None {
        let problem = "has no effect beside `random_jitter: false`; take one of them out";
        return Err(ConfigError::new("jitter", problem).with_others(&["random_jitter"]));
    }
    if random == Some(true) && jitter == Jitter::None {
        let problem = "says the opposite of `jitter: none`; take one of them out";
        return Err(ConfigError::new("random_jitter", problem).with_others(&["jitter"]));
    }
    Ok(jitter)
}

impl Settings for RetryConfig {
    const TABLE: &'static Table = &TABLE;

    fn from_values(values: &Values) -> Result<Self, ConfigError> {
        let (default, backoff) = (Self::default(), Backoff::default());
        let on: Vec<Condition> =
            values.texts("on").unwrap_or_default().iter().map(|name| name.parse()).collect::<Result<_, _>>()?;
        let max_body = values.size("max_body").map_or(default.max_body(), |bytes| bytes as usize);
        let builder = Self::builder()
            .with_max_retries(values.integer("max_retries").unwrap_or(default.max_retries.into()))
            .with_initial_interval(values.time("initial_interval").unwrap_or(backoff.initial()))
            .with_max_interval(values.time("max_interval").unwrap_or(backoff.max()))
            .with_multiplier(values.number("multiplier").unwrap_or(backoff.multiplier()))
            .with_jitter(jitter(values)?)
            .with_retry_on(on)
            .with_idempotent(values.bool("idempotent").unwrap_or(default.idempotent))
            .with_unsent(values.bool("unsent").unwrap_or(default.unsent))
            .with_max_retry_after(values.time("max_retry_after").unwrap_or(default.max_retry_after))
            .with_max_body(max_body);
        match (values.section("budget"), values.section("throttle")) {
            (Some(_), Some(_)) => {
                Err(ConfigError::new("throttle", "excludes a budget: give one of the two").with_others(&["budget"]))
            }
            (None, Some(throttle)) => {
                let default = ThrottleConfig::default();
                let throttle = ThrottleConfig::new(
                    throttle.integer("max_tokens").unwrap_or(default.max_tokens()),
                    throttle.number("token_ratio").unwrap_or(default.token_ratio()),
                );
                builder.with_throttle(throttle.map_err(|error| error.within("throttle"))?).build()
            }
            (Some(values), None) => match budget(values, BudgetConfig::default())? {
                Some(budget) => builder.with_budget(budget).build(),
                None => builder.without_budget().build(),
            },
            (None, None) => builder.build(),
        }
    }

    /// A closure that gives the waits is not written.
    fn to_values(&self) -> Values {
        let backoff = self.backoff().unwrap_or_default();
        let jitter = match backoff.jitter() {
            Jitter::None => Given::word("none"),
            Jitter::Full => Given::word("full"),
            Jitter::Decorrelated => Given::word("decorrelated"),
            same if same == Backoff::default().jitter() => Given::from(None::<bool>),
            Jitter::Proportional(share) => share.into(),
            _ => Given::from(None::<bool>),
        };
        let budget = match self.spending {
            Spending::Budget(budget) if budget == BudgetConfig::default() => None,
            Spending::Budget(budget) => Some(budget_values(&BUDGET, Some(budget))),
            Spending::Free => Some(budget_values(&BUDGET, None)),
            Spending::Throttle(_) => None,
        };
        let throttle = self.throttle().map(|throttle| {
            let values = Values::new(&THROTTLE).with("max_tokens", throttle.max_tokens());
            values.with("token_ratio", throttle.token_ratio())
        });
        Values::new(&TABLE)
            .with("max_retries", self.max_retries)
            .with("initial_interval", backoff.initial())
            .with("max_interval", backoff.max())
            .with("multiplier", backoff.multiplier())
            .with("jitter", jitter)
            .with("budget", budget)
            .with("throttle", throttle)
            .with("on", self.on.iter().map(ToString::to_string).collect::<Vec<_>>())
            .with("idempotent", self.idempotent)
            .with("unsent", self.unsent)
            .with("max_retry_after", self.max_retry_after)
            .with("max_body", Given::size(self.max_body()))
    }
}

plugin_core::serde_by_settings!(RetryConfig);

#[cfg(all(test, not(loom), feature = "serde"))]
mod tests {
    use super::*;

    fn read(json: &str) -> Result<RetryConfig, String> {
        serde_json::from_str(json).map_err(|error| error.to_string())
    }

    #[test]
    fn every_key_has_an_effect_and_an_empty_section_is_the_default() {
        assert_eq!(read("{}"), Ok(RetryConfig::default()));
        for json in [
            r#"{"max_retries":5}"#,
            r#"{"initial_interval":"50ms"}"#,
            r#"{"initial_interval":50000000}"#,
            r#"{"max_interval":"9s"}"#,
            r#"{"multiplier":3.0}"#,
            r#"{"random_jitter":false}"#,
            r#"{"jitter":"full"}"#,
            r#"{"jitter":"decorrelated"}"#,
            r#"{"jitter":0.25}"#,
            r#"{"budget":{"ratio":0.5}}"#,
            r#"{"budget":{"min_per_second":1}}"#,
            r#"{"budget":{"window":"30s"}}"#,
            r#"{"budget":{"enabled":false}}"#,
            r#"{"throttle":{"max_tokens":20}}"#,
            r#"{"throttle":{"token_ratio":0.5}}"#,
            r#"{"on":["PLUGIN_1205",503,"UNAVAILABLE"]}"#,
            r#"{"idempotent":true}"#,
            r#"{"unsent":true}"#,
            r#"{"max_retry_after":"1m"}"#,
            r#"{"max_body":1024}"#,
        ] {
            let config = read(json).expect(json);
            assert_ne!(config, RetryConfig::default(), "{json}");
            let written = serde_json::to_string(&config).expect("plain");
            assert_eq!(read(&written), Ok(config), "{written}");
        }
        assert_eq!(read(r#"{"initial_interval":50000000}"#), read(r#"{"initial_interval":"50ms"}"#));
        assert_eq!(read(r#"{"jitter":"proportional","random_jitter":true}"#), Ok(RetryConfig::default()));
    }

    #[test]
    fn a_fault_names_the_key_and_what_would_be_right() {
        for (json, says) in [
            (r#"{"max_retrys":3}"#, "unknown field `max_retrys`"),
            (r#"{"max_retries":101}"#, "`max_retries` must be from 0 to 100, and is 101"),
            (r#"{"initial_interval":"0s"}"#, "`initial_interval` must be longer than zero"),
            (r#"{"max_interval":"1ms"}"#, "`max_interval` must be at least"),
            (r#"{"multiplier":0.5}"#, "`multiplier` must be from 1 to 100, and is 0.5"),
            (r#"{"jitter":"some"}"#, "`jitter` must be one of proportional, full, decorrelated, none, or a share"),
            (r#"{"jitter":1.5}"#, "`jitter` must be from 0 to 1, and is 1.5"),
            (r#"{"jitter":"full","random_jitter":false}"#, "`jitter` has no effect beside `random_jitter: false`"),
            (r#"{"budget":{"ratio":-1.0}}"#, "`budget.ratio` must be from 0 to 10, and is -1.0"),
            (r#"{"budget":{"window":"90s"}}"#, "`budget.window` must be from 1s to 1m, and is \"90s\""),
            (r#"{"budget":{"window":"1500ms"}}"#, "`budget.window` must be whole seconds, and is 1.5s"),
            (r#"{"budget":{"share":1}}"#, "unknown field `share`"),
            (r#"{"throttle":{"max_tokens":0}}"#, "`throttle.max_tokens` must be from 1"),
            (r#"{"throttle":{},"budget":{}}"#, "`throttle` excludes a budget"),
            (r#"{"on":["NEVER"]}"#, "`on[0]` is \"NEVER\": expected a code such as"),
        ] {
            let error = read(json).expect_err(json);
            assert!(error.contains(says), "{json}: {error}");
        }
    }
}
