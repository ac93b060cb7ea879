//! What the compiler says of a stack that does not fit. The messages are ours (`#[diagnostic::on_unimplemented]`), and
//! they are worth nothing in a position where the compiler shows others.
//!
//! `TRYBUILD=overwrite cargo test --all-features --test ui` writes them anew; read what changed.
#![cfg(feature = "full")]

#[test]
fn a_stack_that_does_not_fit_is_told_what_to_write() {
    trybuild::TestCases::new().compile_fail("tests/ui/*.rs");
}
