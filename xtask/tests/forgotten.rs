//! What the compiler says to who has forgotten a feature. Here and not in the crates, whose own tests are built with all of
//! their features: this package names them with none, and what stands in `forgotten/` is built with what it names.
//!
//! `TRYBUILD=overwrite cargo test -p xtask --test forgotten` writes the messages anew; read what changed.

#[test]
fn a_method_whose_feature_is_not_on_names_the_feature() {
    trybuild::TestCases::new().compile_fail("tests/forgotten/*.rs");
}
