//! No two files of a crate name each other, not by a way round either: each can be read with those beneath it alone.

mod arrows;
mod components;
mod modules;

use arrows::Arrows;

use crate::source::Crate;

/// How many names of an arrow are told.
const NAMES: usize = 8;

/// The circles, each with the names that make it.
pub(crate) fn faults(crates: &[Crate]) -> Vec<String> {
    crates.iter().flat_map(|one| told(&arrows::arrows(&modules::read(one)))).collect()
}

fn told(arrows: &Arrows) -> Vec<String> {
    let circles = components::circles(arrows.keys().map(|(from, to)| (from.as_str(), to.as_str())));
    let told = circles.iter().map(|circle| {
        let files: Vec<&str> = circle.iter().copied().collect();
        let mut lines = vec![format!("a circle of {} files: {}", files.len(), files.join(", "))];
        for ((from, to), names) in arrows {
            if circle.contains(from.as_str()) && circle.contains(to.as_str()) {
                let names: Vec<_> = names.iter().take(NAMES).map(|(name, line)| format!("{name}:{line}")).collect();
                lines.push(format!("  {from} -> {to}: {}", names.join(", ")));
            }
        }
        lines.join("\n")
    });
    told.collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::source::File;

    /// A crate of files, each a path of modules (`a::b`, nothing for the root) and its code.
    fn found(files: &[(&str, &str)]) -> Vec<String> {
        let file = |(module, code): &(&str, &str)| File {
            path: format!("{}.rs", if module.is_empty() { "lib" } else { module }),
            module: module.split("::").filter(|name| !name.is_empty()).map(str::to_owned).collect(),
            tokens: code.parse().unwrap(),
        };
        faults(&[Crate { files: files.iter().map(file).collect() }])
    }

    #[test]
    fn two_files_that_name_each_other_are_a_circle_and_the_names_are_told() {
        let faults = found(&[
            ("", "mod a; mod b;"),
            ("a", "use crate::b::B;\npub struct A(B);"),
            ("b", "pub struct B;\nimpl B { fn a() -> super::a::A {} }"),
        ]);
        assert_eq!(faults, ["a circle of 2 files: a.rs, b.rs\n  a.rs -> b.rs: B:1\n  b.rs -> a.rs: A:2"]);
    }

    #[test]
    fn a_way_round_is_a_circle_too() {
        let faults = found(&[
            ("", "mod a; mod b; mod c;"),
            ("a", "use crate::b::B; pub struct A(B);"),
            ("b", "use crate::c::C; pub struct B(C);"),
            ("c", "use crate::a::A; pub struct C(A);"),
        ]);
        assert!(faults[0].starts_with("a circle of 3 files: a.rs, b.rs, c.rs"), "{faults:?}");
    }

    #[test]
    fn a_module_and_its_child_that_name_each_other_are_a_circle() {
        let files =
            [("", "mod a;"), ("a", "mod b; pub struct A; fn f() { b::g() }"), ("a::b", "use super::A; pub fn g() {}")];
        assert!(found(&files)[0].starts_with("a circle of 2 files: a.rs, a::b.rs"));
    }

    #[test]
    fn a_name_that_is_handed_on_leads_to_the_file_that_has_it() {
        let handing = "mod b; mod c; pub(crate) use b::B; pub(crate) use c::C;";
        let down = [("", "mod a;"), ("a", handing), ("a::b", "use super::C; pub struct B;"), ("a::c", "pub struct C;")];
        assert_eq!(found(&down), [""; 0]);
        let circle = [down[0], down[1], down[2], ("a::c", "use crate::a::B; pub struct C(B);")];
        assert!(found(&circle)[0].starts_with("a circle of 2 files: a::b.rs, a::c.rs"));
    }

    #[test]
    fn a_name_that_is_handed_on_and_used_as_well_is_an_arrow() {
        let uses = "mod b; pub use b::B; pub struct A(B);";
        let files = [("", "mod a;"), ("a", uses), ("a::b", "use super::A; pub struct B;")];
        assert_eq!(found(&files).len(), 1);
    }

    #[test]
    fn names_behind_a_star_are_followed() {
        let files = [
            ("", "mod a; mod b;"),
            ("a", "use super::b::*; pub struct A(B);"),
            ("b", "use crate::a::A; pub struct B;"),
        ];
        assert_eq!(found(&files).len(), 1);
        let idle = [files[0], ("a", "use super::b::*; pub struct A;"), files[2]];
        assert_eq!(found(&idle), [""; 0]);
    }

    #[test]
    fn what_a_macro_makes_stands_where_it_is_called() {
        let files =
            [("", "mod a; mod b;"), ("a", "codes! { crate::b::B }"), ("b", "use crate::a::Code; pub struct B;")];
        assert_eq!(found(&files)[0].lines().last(), Some("  b.rs -> a.rs: codes:1"));
        let elsewhere = [files[0], ("a", "codes! { crate::b::B } pub use other::Code;"), files[2]];
        assert_eq!(found(&elsewhere), [""; 0]);
    }

    #[test]
    fn two_modules_of_one_file_are_no_circle() {
        assert_eq!(found(&[("", "struct A(b::B); mod b { use super::A; pub struct B; }")]), [""; 0]);
    }

    #[test]
    fn what_another_crate_has_is_no_arrow() {
        let files =
            [("", "mod a; mod b;"), ("a", "use other::b::B; struct A(B);"), ("b", "use crate::a::A; struct B;")];
        assert_eq!(found(&files), [""; 0]);
    }
}
