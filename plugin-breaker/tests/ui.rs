//! What the compiler says of a breaker on a service that it does not fit: the way to one that can open, not the way to one that
//! compiles.
//!
//! `TRYBUILD=overwrite cargo test --all-features --test ui` writes the messages anew; read what changed.
#![cfg(all(feature = "full", not(loom)))]

#[test]
fn a_breaker_that_does_not_fit_is_told_how_it_fits_and_opens() {
    trybuild::TestCases::new().compile_fail("tests/ui/*.rs");
}
