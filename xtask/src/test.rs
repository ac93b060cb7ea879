//! `cargo xtask test`: everything that must hold before a change goes in.

use crate::runner::Step;
use crate::steps;

/// Cheap and likely to fail first; what shares artefacts stands together.
pub(crate) fn steps() -> Vec<Step> {
    vec![
        steps::PREREQUISITES,
        steps::FMT,
        steps::CIRCLES,
        steps::REPEATS,
        steps::PROTO,
        steps::CLIPPY,
        steps::FEATURES,
        steps::TEST,
        steps::DOCTEST,
        steps::SNIPPETS,
        steps::DOCS,
        steps::API,
        steps::WORDS,
        steps::EXAMPLES,
        steps::LOOM,
        steps::SHUTTLE,
        steps::DENY,
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_two_steps_have_the_same_name() {
        let mut names: Vec<&str> = steps().iter().map(|step| step.name).collect();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), steps().len());
    }

    #[test]
    fn what_the_steps_need_is_seen_to_before_any_of_them_runs() {
        assert_eq!(steps()[0].name, "prerequisites");
    }
}
