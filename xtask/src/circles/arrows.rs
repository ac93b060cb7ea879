//! Which file names something that stands in which other.

use std::collections::BTreeMap;
use std::slice::from_ref;

use super::modules::{Import, Module, Modules};

/// From a file to another: the items that it names there, each with a line.
pub(super) type Arrows = BTreeMap<(String, String), BTreeMap<String, usize>>;

/// A chain of `use` that hands a name on is not longer than this; two that hand it to each other would have no end.
const LONGEST: usize = 16;

/// All arrows of a crate. `mod x;` is none, and neither is a name that is only handed on; a name that was handed on
/// leads to the file that has it.
pub(super) fn arrows(modules: &Modules) -> Arrows {
    let mut arrows = Arrows::new();
    for (path, module) in modules {
        let names = Names { modules, module };
        for (named, line) in names.named() {
            let Some((file, item)) = names.find(path, &named, 0) else { continue };
            if *file != module.file {
                let arrow = (module.file.clone(), file.clone());
                arrows.entry(arrow).or_default().entry(item.clone()).or_insert(line);
            }
        }
    }
    arrows
}

/// A module among those of its crate.
#[derive(Debug, Clone, Copy)]
struct Names<'a> {
    modules: &'a Modules,
    module: &'a Module,
}

impl<'a> Names<'a> {
    /// All that the code of the module names.
    fn named(&self) -> Vec<(Vec<String>, usize)> {
        let Module { imports, paths, words, .. } = self.module;
        let own = imports.iter().filter(|import| !import.is_handed_on && import.name != "*");
        let mut named: Vec<_> = own.map(|import| (import.path.clone(), import.line)).collect();
        named.extend(paths.iter().cloned());
        // What is handed on and used as well, and what a `*` brings.
        let is_brought =
            |word: &str| imports.iter().any(|one| one.name == "*" || (one.is_handed_on && one.name == word));
        let brought = words.iter().filter(|(word, _)| is_brought(word));
        named.extend(brought.map(|(word, line)| (vec![word.clone()], *line)));
        named
    }

    /// The file where the item stands that a path names in a module, and the item, if it is one of this crate.
    fn find(&self, from: &[String], path: &[String], depth: usize) -> Option<(&'a String, &'a String)> {
        let (first, rest) = path.split_first()?;
        match first.as_str() {
            _ if depth > LONGEST => None,
            "crate" => self.find_or_made(&[], rest, depth),
            "self" => self.find_or_made(from, rest, depth),
            "super" => {
                let parent = &from[..from.len().checked_sub(1)?];
                let goes_on = rest.first().is_some_and(|next| next == "super");
                if goes_on { self.find(parent, rest, depth) } else { self.find_or_made(parent, rest, depth) }
            }
            _ => self.find_in(from, path, depth),
        }
    }

    /// The same for a path in a module that is itself named: what it neither defines nor imports, a macro of its own makes.
    fn find_or_made(&self, of: &[String], path: &[String], depth: usize) -> Option<(&'a String, &'a String)> {
        let is_made = |module: &&Module| module.made.is_some() && module.imports.iter().all(|one| path[0] != one.name);
        let made = || {
            let module = self.modules.get(of).filter(|module| !path.is_empty() && is_made(module))?;
            Some((&module.file, module.made.as_ref()?))
        };
        self.find_in(of, path, depth).or_else(made)
    }

    /// The same for a path that begins in that module.
    fn find_in(&self, of: &[String], path: &[String], depth: usize) -> Option<(&'a String, &'a String)> {
        let module = self.modules.get(of)?;
        let (name, rest) = path.split_first()?;
        if !rest.is_empty() && module.children.contains(name) {
            return self.find_or_made(&[of, from_ref(name)].concat(), rest, depth);
        }
        if let Some(item) = module.defined.get(name) {
            return Some((&module.file, item));
        }
        let by_name = module.imports.iter().filter(|import| import.name == *name);
        let by_name = by_name.map(|import| [import.path.as_slice(), rest].concat());
        // Of this crate: all of another one is nothing here.
        let is_own =
            |first: &String| ["crate", "self", "super"].contains(&first.as_str()) || module.children.contains(first);
        let of_all =
            module.imports.iter().filter(|import| import.name == "*" && import.path.first().is_some_and(is_own));
        let of_all = of_all.map(|Import { path: from, .. }| [from.as_slice(), path].concat());
        by_name.chain(of_all).find_map(|path| self.find(of, &path, depth + 1))
    }
}
