//! Objects of JSON that say more than they have to, where what is none says nothing.

use serde::Deserialize;

/// Reads an object. `None` for anything else: serde alone takes a list for one too, its items for the fields in their order.
pub(crate) fn read_object<'a, T: Deserialize<'a>>(json: &'a [u8]) -> Option<T> {
    json.trim_ascii_start().starts_with(b"{").then(|| serde_json::from_slice(json).ok())?
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Deserialize)]
    struct One {
        a: u8,
    }

    #[test]
    fn a_list_is_no_object_whatever_it_holds() {
        let read = |json: &str| read_object::<One>(json.as_bytes()).map(|one| one.a);
        assert_eq!((read(" {\"a\":1,\"b\":2}"), read("[1]"), read("{}"), read("")), (Some(1), None, None, None));
    }
}
