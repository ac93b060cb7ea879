//! What a user holds has an example on its page: each public layer, handle, configuration and service.

use crate::libraries::{Libraries, Type};

/// The types that lack one, a line each.
pub(crate) fn faults(libraries: &Libraries) -> Vec<String> {
    let met = libraries.types().filter(|one| !one.is_hidden && !one.is_trait && !one.is_handed_on());
    let lacking = met.filter_map(|one| Some((one, kind(one, libraries)?))).filter(|(one, _)| !has_example(&one.docs));
    lacking.map(|(one, kind)| format!("{}: a {kind} without an example on its page", one.path)).collect()
}

/// What is asked for an example; a builder, figures and a future refer to what they belong to.
fn kind(one: &Type, libraries: &Libraries) -> Option<&'static str> {
    let by_name = ["Layer", "Handle", "Config"].into_iter().find(|end| one.name().ends_with(end));
    match by_name {
        Some("Layer") => Some("layer"),
        Some("Handle") => Some("handle"),
        Some(_) => Some("configuration"),
        None if libraries.implements(one, "tower_layer::Layer") => Some("layer"),
        None if libraries.implements(one, "tower_service::Service") => Some("service"),
        None => None,
    }
}

/// Whether there is a block of Rust that is compiled.
fn has_example(docs: &str) -> bool {
    let fences = docs.lines().filter_map(|line| line.trim_start().strip_prefix("```"));
    fences.step_by(2).any(|info| {
        let mut words = info.split([',', ' ']).map(str::trim).filter(|word| !word.is_empty());
        words.all(|word| matches!(word, "rust" | "no_run" | "should_panic") || word.starts_with("edition"))
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::libraries::library;

    fn found(path: &str, docs: &str, implements: &str) -> Vec<String> {
        let mut library = library("plugin-it", &[&format!("struct {path}")]);
        library.types[0] = library.types[0].clone().implementing(implements);
        docs.clone_into(&mut library.types[0].docs);
        faults(&Libraries(vec![library]))
    }

    #[test]
    fn a_layer_a_handle_a_configuration_and_a_service_need_an_example() {
        assert_eq!(found("it::XLayer", "A page.", ""), ["it::XLayer: a layer without an example on its page"]);
        assert_eq!(found("it::XHandle", "A page.", "")[0], "it::XHandle: a handle without an example on its page");
        assert_eq!(
            found("it::XConfig", "A page.", "")[0],
            "it::XConfig: a configuration without an example on its page"
        );
        let service = found("it::X", "A page.", "tower_service::Service");
        assert_eq!(service, ["it::X: a service without an example on its page"]);
        assert_eq!(found("it::X", "A page.", "tower_layer::Layer"), ["it::X: a layer without an example on its page"]);
    }

    #[test]
    fn what_belongs_to_one_of_them_needs_none() {
        for path in ["it::XConfigBuilder", "it::XStats", "it::XFuture"] {
            assert_eq!(found(path, "A page.", "core::clone::Clone"), [""; 0]);
        }
    }

    #[test]
    fn a_trait_is_none_of_them_whatever_its_name() {
        assert_eq!(faults(&Libraries(vec![library("plugin-it", &["trait it::HasHandle"])])), [""; 0]);
    }

    #[test]
    fn a_block_of_rust_that_is_compiled_is_an_example() {
        for fence in ["```", "```rust", "```no_run", "```rust,no_run", "```edition2024"] {
            let docs = format!("A page.\n\n{fence}\nlet x = 1;\n```\n");
            assert!(has_example(&docs), "{docs}");
        }
    }

    #[test]
    fn a_block_that_nobody_compiles_is_none() {
        for fence in ["```text", "```toml", "```ignore", "```compile_fail", "```json"] {
            assert!(!has_example(&format!("{fence}\nlet x = 1;\n```\n")), "{fence}");
        }
        assert!(!has_example("```text\nthe end of this fence is no example:\n```\n"));
        assert!(has_example("```text\na\n```\n```\nlet x = 1;\n```\n"));
    }
}
