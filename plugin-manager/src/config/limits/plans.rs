//! `plans`: limits of single keys.

use std::collections::HashMap;

use plugin_core::{
    Code,
    settings::{Checked, Key, Kind, Settings, Table},
};
use plugin_ratelimit::RateLimitConfig;
use plugin_settings::Keys;

use crate::stack::Plans;

static PLAN: Table = Table::new(
    "rate_limit.plan",
    "The limit of some keys, each of which has it for itself. What is left out of it has the default of a limit, not what is said for \
     all keys.",
    &[Key::new("for", Kind::Texts, "Who has this limit: names of clients in `server.client_rate_limit`; else what the key is, so that they are names of clients, \
         addresses, or values of the header.")
        .required()],
)
.over(RateLimitConfig::TABLE);

pub(super) const PLANS_KEY: Key =
    Key::new("plans", Kind::List(&PLAN), "Limits of single keys, for which they hold in place of this one.");

/// The plans of this section, and where each key is in it.
pub(super) fn plans(keys: &mut Keys<'_>) -> (Plans, Vec<(String, String)>) {
    let mut found: HashMap<String, usize> = HashMap::new();
    let mut places = Vec::new();
    let mut plans = Plans::new();
    let read = keys.sections("plans", |keys, index| {
        let names = keys.texts("for");
        let limit: Option<RateLimitConfig> = keys.make();
        if names.is_empty() && matches!(keys.checked("for"), Some(Checked::Texts(_))) {
            keys.fault("for", Code::ConfigValue, "names nobody; say who has this limit, or take the plan out");
        }
        for (at, name) in names.iter().enumerate() {
            if let Some(first) = found.insert(name.clone(), index) {
                let problem = format!("{name:?} is in `plans[{first}]` already; each has one limit");
                keys.fault(&format!("for.{at}"), Code::ConfigValue, problem);
            }
            places.push((format!("plans.{index}.for.{at}"), name.clone()));
        }
        Some((names, limit?))
    });
    for (names, limit) in read.into_iter().flatten() {
        plans = names.iter().fold(plans, |plans, name| plans.with(name, limit));
    }
    (plans, places)
}
