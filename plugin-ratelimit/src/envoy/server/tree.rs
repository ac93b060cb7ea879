//! Which rule a descriptor is under. Pure.

use std::collections::HashMap;

use super::super::proto::rate_limit_descriptor::Entry;

/// Rules by their entries. A path through it is a rule's entries, in their order.
#[derive(Debug)]
pub(super) struct Tree<T> {
    rule: Option<T>,
    exact: HashMap<(String, String), Tree<T>>,
    any: HashMap<String, Tree<T>>,
}

impl<T> Default for Tree<T> {
    fn default() -> Self {
        Self { rule: None, exact: HashMap::new(), any: HashMap::new() }
    }
}

impl<T> Tree<T> {
    /// Puts a rule in its place. Whether that was free.
    pub(super) fn insert(&mut self, entries: &[(String, Option<String>)], rule: T) -> bool {
        let mut at = self;
        for (key, value) in entries {
            at = match value {
                Some(value) => at.exact.entry((key.clone(), value.clone())).or_default(),
                None => at.any.entry(key.clone()).or_default(),
            };
        }
        let is_free = at.rule.is_none();
        at.rule = Some(rule);
        is_free
    }

    /// The rule of a descriptor, and those of its values that the rule leaves open.
    ///
    /// What is found at one entry is not taken back for what is missing at a later one: Envoy's own service does as
    /// much.
    pub(super) fn find<'e>(&self, entries: &'e [Entry]) -> Option<(&T, Vec<&'e str>)> {
        let (mut at, mut open) = (self, Vec::new());
        for entry in entries {
            at = match at.exact.get(&(entry.key.clone(), entry.value.clone())) {
                Some(next) => next,
                None => {
                    open.push(entry.value.as_str());
                    at.any.get(&entry.key)?
                }
            };
        }
        Some((at.rule.as_ref()?, open))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The entries of a rule, and its name.
    type Rule<'a> = (&'a [(&'a str, Option<&'a str>)], &'static str);

    fn tree(rules: &[Rule<'_>]) -> Tree<&'static str> {
        let mut tree = Tree::default();
        for (entries, name) in rules {
            let entries: Vec<_> =
                entries.iter().map(|(key, value)| ((*key).to_owned(), value.map(str::to_owned))).collect();
            assert!(tree.insert(&entries, *name));
        }
        tree
    }

    fn entries(of: &[(&str, &str)]) -> Vec<Entry> {
        of.iter().map(|(key, value)| Entry { key: (*key).to_owned(), value: (*value).to_owned() }).collect()
    }

    #[test]
    fn a_rule_is_found_by_the_full_list_and_one_that_names_the_value_goes_first() {
        let tree = tree(&[
            (&[("path", None)], "any path"),
            (&[("path", Some("/"))], "the root"),
            (&[("path", Some("/")), ("user", None)], "each user of the root"),
            (&[("path", None), ("plan", Some("free"))], "free, each path"),
        ]);
        let find = |of: &[(&str, &str)]| {
            let entries = entries(of);
            tree.find(&entries).map(|(rule, open)| (*rule, open.join(",")))
        };
        assert_eq!(find(&[("path", "/")]), Some(("the root", String::new())));
        assert_eq!(find(&[("path", "/a")]), Some(("any path", "/a".to_owned())));
        assert_eq!(find(&[("path", "/"), ("user", "ann")]), Some(("each user of the root", "ann".to_owned())));
        assert_eq!(find(&[("path", "/a"), ("plan", "free")]), Some(("free, each path", "/a".to_owned())));
        assert_eq!(find(&[("path", "/a"), ("plan", "paid")]), None);
        assert_eq!(find(&[("path", "/"), ("plan", "free")]), None, "the root was found, and has no such rule");
        assert_eq!(find(&[("path", "/"), ("user", "ann"), ("x", "y")]), None, "longer than any rule");
        assert_eq!(find(&[("user", "ann")]), None);
        assert_eq!(find(&[]), None);
    }
}
