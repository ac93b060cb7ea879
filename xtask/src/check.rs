//! `cargo xtask check`: the quick half of `test`, which reads the code and executes none of it.

use crate::runner::Step;
use crate::steps;

pub(crate) fn steps() -> Vec<Step> {
    vec![steps::PREREQUISITES, steps::FMT, steps::CIRCLES, steps::REPEATS, steps::PROTO, steps::CLIPPY, steps::FEATURES]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::test;

    #[test]
    fn every_step_of_check_is_a_step_of_test_in_the_same_order() {
        let names: Vec<&str> = steps().iter().map(|step| step.name).collect();
        let of_test: Vec<&str> =
            test::steps().iter().map(|step| step.name).filter(|name| names.contains(name)).collect();
        assert_eq!(names, of_test);
    }
}
