//! Between a budget and the section of a configuration that it stands in.

use std::time::Duration;

use plugin_core::{
    ConfigError,
    settings::{Table, Values},
};

use super::{BudgetConfig, tables};

/// The budget of a section, when it is not switched off. `default` is what holds where it says nothing.
pub(crate) fn budget(values: &Values, default: BudgetConfig) -> Result<Option<BudgetConfig>, ConfigError> {
    if values.bool("enabled") == Some(false) {
        return Ok(None);
    }
    let window = values.time("window").unwrap_or(Duration::from_secs(default.window().into()));
    tables::fits("window", "budget.window", window)?;
    if window.subsec_nanos() != 0 {
        let problem = format!("must be whole seconds, and is {window:?}");
        return Err(ConfigError::new("budget.window", problem));
    }
    let budget = BudgetConfig::new(
        values.number("ratio").unwrap_or(default.ratio()),
        values.integer("min_per_second").unwrap_or(default.min_per_second()),
        u32::try_from(window.as_secs()).unwrap_or(u32::MAX),
    )?;
    Ok(Some(budget))
}

/// A budget as it is written, or that there is none.
pub(crate) fn budget_values(table: &'static Table, budget: Option<BudgetConfig>) -> Values {
    let values = Values::new(table).with("enabled", budget.is_some());
    let Some(budget) = budget else { return values };
    values
        .with("ratio", budget.ratio())
        .with("min_per_second", budget.min_per_second())
        .with("window", Duration::from_secs(budget.window().into()))
}
