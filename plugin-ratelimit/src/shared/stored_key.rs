//! Keys as they are written in Redis.
//!
//! What is in braces says which node of a cluster has it. No two buckets, and no bucket and the instances, have the same key, whatever
//! prefixes, names and keys are: a prefix has no brace, and a name neither that nor a colon, so both end where they seem to.

/// The longest key of a bucket that is written as it is; of a longer one, its SHA-1.
const LONGEST: usize = 128;

/// The keys of the buckets of one name: what they begin with.
#[derive(Debug)]
pub(super) struct BucketKeys(String);

impl BucketKeys {
    pub(super) fn new(prefix: &str, name: &str) -> Self {
        let mut start = format!("{prefix}:");
        for character in name.chars() {
            match character {
                '%' => start.push_str("%25"),
                ':' => start.push_str("%3A"),
                '{' => start.push_str("%7B"),
                '}' => start.push_str("%7D"),
                '#' => start.push_str("%23"),
                _ => start.push(character),
            }
        }
        Self(start)
    }

    /// That of one of them.
    pub(super) fn of(&self, key: &str) -> String {
        if key.len() > LONGEST {
            // The digest that the client of Redis makes of a script, of any text.
            return format!("{}#{{{}}}", self.0, redis::Script::new(key).get_hash());
        }
        format!("{}:{{{key}}}", self.0)
    }
}

/// The key of the instances that are counted together. No name is a `%` by itself.
pub(super) fn of_instances(prefix: &str) -> String {
    format!("{prefix}:%:{{instances}}")
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use super::*;

    #[test]
    fn no_two_buckets_have_one_key() {
        let mut seen: HashMap<String, (String, String, String)> = HashMap::new();
        let long = "x".repeat(LONGEST + 1);
        let prefixes = ["a", "a:b", "a:", ":a", "a:%", "a:b:c", "a#", "a:b#"];
        let names = ["", "b", "c", "b:c", "b:", ":b", "%", "%3A", "b#", "{b}", "/clients"];
        let keys = ["", "instances", "k", "}:{k", "k}", "{k}", ":", "%", "b:{k", long.as_str()];
        for prefix in prefixes {
            for name in names {
                for key in keys {
                    let of = (prefix.to_owned(), name.to_owned(), key.to_owned());
                    let other = seen.insert(BucketKeys::new(prefix, name).of(key), of.clone());
                    assert!(other.is_none(), "{of:?} {other:?}");
                }
            }
        }
        for prefix in prefixes {
            let of = (prefix.to_owned(), "all".to_owned(), String::new());
            let other = seen.insert(of_instances(prefix), of.clone());
            assert!(other.is_none(), "{of:?} {other:?}");
        }
    }

    #[test]
    fn the_usual_key_is_what_it_looks_like() {
        assert_eq!(BucketKeys::new("shop:limits", "search").of("acme"), "shop:limits:search:{acme}");
        assert_eq!(of_instances("ratelimit"), "ratelimit:%:{instances}");
    }
}
