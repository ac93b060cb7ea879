//! `cargo xtask tidy`: how far the files and the public items are from being alike. A step in which nothing is lacking is one
//! of `test` too.

use crate::runner::Step;
use crate::steps;

pub(crate) fn steps() -> Vec<Step> {
    vec![steps::CIRCLES, steps::REPEATS, steps::PROTO, steps::WORDS, steps::EXAMPLES]
}
