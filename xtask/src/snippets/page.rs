//! Finds the snippets of a page, and what each needs.

/// A piece of Rust on a page.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Snippet {
    /// The page, from the root of the repository.
    pub(crate) page: String,
    /// The line of its first line of code, from 1.
    pub(crate) line: usize,
    /// What follows `[dependencies]` in the block that holds for it.
    pub(crate) dependencies: String,
    /// A whole program.
    pub(crate) code: String,
}

/// What a block is, by the words after its fence.
#[derive(Debug, PartialEq, Eq)]
enum Language {
    Rust,
    Toml,
    /// Other languages, and Rust that is meant not to compile.
    Other,
}

/// The snippets of the page `page`, in their order.
///
/// # Errors
///
/// A snippet with no dependencies above it, and one that hides from its reader what it brings into scope.
pub(crate) fn snippets(page: &str, text: &str) -> Result<Vec<Snippet>, String> {
    let mut found = Vec::new();
    let mut dependencies: Option<String> = None;
    let mut lines = text.lines().enumerate();
    while let Some((_, line)) = lines.next() {
        let Some(words) = line.strip_prefix("```") else { continue };
        let mut block: Vec<(usize, &str)> = Vec::new();
        for (at, line) in lines.by_ref() {
            if line.starts_with("```") {
                break;
            }
            block.push((at + 1, line));
        }
        match language(words) {
            Language::Toml if block.first().is_some_and(|(_, first)| *first == "[dependencies]") => {
                let lines: Vec<&str> = block[1..].iter().map(|(_, line)| *line).collect();
                dependencies = Some(lines.join("\n"));
            }
            Language::Rust => {
                let line = block.first().map_or(0, |(at, _)| *at);
                let Some(dependencies) = dependencies.clone() else {
                    return Err(format!(
                        "{page}:{line}: nothing says what this snippet needs; a TOML block that starts with \
                         [dependencies] belongs above it"
                    ));
                };
                found.push(Snippet { page: page.to_owned(), line, dependencies, code: program(page, &block)? });
            }
            Language::Toml | Language::Other => {}
        }
    }
    Ok(found)
}

/// As rustdoc reads the words: a block is Rust when it says nothing else.
fn language(words: &str) -> Language {
    let mut words = words.split([',', ' ']).map(str::trim).filter(|word| !word.is_empty()).peekable();
    if words.peek().is_some_and(|word| *word == "toml") {
        return Language::Toml;
    }
    let of_rust = ["rust", "no_run", "should_panic"];
    if words.all(|word| of_rust.contains(&word)) { Language::Rust } else { Language::Other }
}

/// The code of a block as a program. What is hidden (`# `) is there, since it makes statements out of what a reader puts
/// into a function of his own; but it brings nothing into scope.
fn program(page: &str, block: &[(usize, &str)]) -> Result<String, String> {
    let mut code = Vec::new();
    for &(at, line) in block {
        let indented = line.trim_start();
        match indented.strip_prefix('#') {
            Some("") => {}
            Some(hidden) if hidden.starts_with(' ') => {
                let hidden = hidden.trim_start();
                if hidden.starts_with("use ") {
                    return Err(format!("{page}:{at}: the reader does not see `{hidden}`, and needs it"));
                }
                // A paused clock is for the doc test. It needs a feature of tokio that no reader does.
                code.push(hidden.replace(", start_paused = true", ""));
            }
            _ => code.push(line.to_owned()),
        }
    }
    let code = code.join("\n");
    if code.contains("fn main(") {
        return Ok(code);
    }
    let last = code.lines().rev().find(|line| !line.trim().is_empty()).unwrap_or_default();
    if last.trim_start().starts_with("Ok::<(") && !last.ends_with(';') {
        return Ok(format!(
            "fn main() {{\n    fn snippet() -> Result<(), impl std::fmt::Debug> {{\n{code}\n    }}\n    drop(snippet());\n}}\n"
        ));
    }
    Ok(format!("fn main() {{\n{code}\n}}\n"))
}

#[cfg(test)]
mod tests {
    use super::*;

    const DEPENDENCIES: &str = "```toml\n[dependencies]\naxum = \"0.8\"\n```\n";

    fn of(page: &str) -> Result<Vec<Snippet>, String> {
        snippets("page.md", page)
    }

    #[test]
    fn a_snippet_has_the_last_dependencies_above_it() {
        let other = "```toml\n[dependencies]\ntonic = \"0.14\"\n```\n";
        let page = format!("{DEPENDENCIES}\n```rust\nf();\n```\n```\ng();\n```\n{other}```rust,no_run\nh();\n```\n");
        let found = of(&page).unwrap();
        let found: Vec<_> = found.iter().map(|snippet| (snippet.line, snippet.dependencies.as_str())).collect();
        assert_eq!(found, [(7, "axum = \"0.8\""), (10, "axum = \"0.8\""), (17, "tonic = \"0.14\"")]);
    }

    #[test]
    fn other_languages_and_what_must_not_compile_are_none() {
        let page =
            "```python\nf()\n```\n```text\na > b\n```\n```toml\n[package]\n```\n```rust,compile_fail\nf();\n```\n";
        assert_eq!(of(page), Ok(Vec::new()));
    }

    #[test]
    fn a_snippet_without_dependencies_is_a_fault_with_its_place() {
        let fault = of("Words.\n\n```rust\nf();\n```\n").unwrap_err();
        assert!(fault.starts_with("page.md:4: nothing says what this snippet needs"), "{fault}");
    }

    #[test]
    fn what_is_hidden_is_built_but_brings_nothing_into_scope() {
        let page = format!("{DEPENDENCIES}```rust\n# fn main() {{\nf();\n# }}\n#\n#[derive(Debug)]\n```\n");
        assert_eq!(of(&page).unwrap()[0].code, "fn main() {\nf();\n}\n#[derive(Debug)]");
        let page = format!("{DEPENDENCIES}```rust\nf();\n    # use a::f;\n```\n");
        assert_eq!(of(&page).unwrap_err(), "page.md:7: the reader does not see `use a::f;`, and needs it");
    }

    #[test]
    fn statements_become_a_program() {
        let code = |code: &str| of(&format!("{DEPENDENCIES}```rust\n{code}\n```\n")).unwrap().remove(0).code;
        assert_eq!(code("f();"), "fn main() {\nf();\n}\n");
        assert_eq!(code("fn main() {}"), "fn main() {}");
        assert!(code("f()?;\n# Ok::<(), E>(())").contains("fn snippet() -> Result<(), impl std::fmt::Debug> {\nf()?;"));
        assert_eq!(
            code("# #[tokio::main(flavor = \"x\", start_paused = true)]\nfn main() {}").lines().next(),
            Some("#[tokio::main(flavor = \"x\")]")
        );
    }
}
