//! Every node knows where it was written.

use super::*;

#[test]
fn what_is_written_of_a_tree_for_a_log_shows_keys_and_places_and_no_value() {
    for (syntax, text) in [
        (Syntax::Yaml, "name: hunter2\nlist: [hunter2, 271828, 2.71828, 2.718280]\nmap: {token: hunter2}\n"),
        (Syntax::Json, r#"{"name": "hunter2", "list": ["hunter2", 271828, 2.71828], "map": {"token": "hunter2"}}"#),
        (Syntax::Toml, "name = 'hunter2'\nlist = ['hunter2', 271828, 2.718280]\nmap = {token = 'hunter2'}\n"),
    ] {
        let node = tree(syntax, text);
        let Value::Map(entries) = &node.value else { panic!("a map") };
        for shown in [
            format!("{node:?} {node:#?}"),
            format!("{:?} {:#?}", node.value, node.value),
            format!("{entries:?} {:#?}", entries[0]),
        ] {
            assert!(!shown.contains("hunter2") && !shown.contains("2718") && !shown.contains("2.71"), "{shown}");
            assert!(shown.contains("name") && shown.contains("1:"), "{shown}");
        }
    }
}

/// The places of all keys and values, by config path.
fn places(node: &Node) -> Vec<(String, u32, u32)> {
    fn walk(node: &Node, path: &str, out: &mut Vec<(String, u32, u32)>) {
        out.push((path.to_owned(), node.span.line(), node.span.column()));
        match &node.value {
            Value::List(items) => {
                items.iter().enumerate().for_each(|(index, item)| walk(item, &format!("{path}[{index}]"), out));
            }
            Value::Map(entries) => {
                for entry in entries {
                    let path = format!("{path}.{}", entry.key);
                    out.push((format!("{path} key"), entry.key_span.line(), entry.key_span.column()));
                    walk(&entry.value, &path, out);
                }
            }
            _ => {}
        }
    }
    let mut out = Vec::new();
    walk(node, "", &mut out);
    out
}

#[track_caller]
fn assert_places(syntax: Syntax, text: &str, expected: &[(&str, u32, u32)]) {
    let found = places(&tree(syntax, text));
    let found: Vec<_> = found.iter().map(|(path, line, column)| (path.as_str(), *line, *column)).collect();
    assert_eq!(found, expected);
}

#[test]
fn places_in_yaml() {
    assert_places(
        Syntax::Yaml,
        "é: {x: 1}\nlist:\n  - a\n  - b: true\nnone:\nlast: |\n  text\n",
        &[
            ("", 1, 1),
            (".é key", 1, 1),
            (".é", 1, 4),
            (".é.x key", 1, 5),
            (".é.x", 1, 8),
            (".list key", 2, 1),
            (".list", 3, 3),
            (".list[0]", 3, 5),
            (".list[1]", 4, 5),
            (".list[1].b key", 4, 5),
            (".list[1].b", 4, 8),
            (".none key", 5, 1),
            (".none", 5, 5),
            (".last key", 6, 1),
            (".last", 7, 3),
        ],
    );
}

#[test]
fn places_in_json() {
    assert_places(
        Syntax::Json,
        "{\"é\": {\"x\": 1},\r\n  \"list\" : [ \"a\",\n {\"b\":true}]}",
        &[
            ("", 1, 1),
            (".é key", 1, 2),
            (".é", 1, 7),
            (".é.x key", 1, 8),
            (".é.x", 1, 13),
            (".list key", 2, 3),
            (".list", 2, 12),
            (".list[0]", 2, 14),
            (".list[1]", 3, 2),
            (".list[1].b key", 3, 3),
            (".list[1].b", 3, 7),
        ],
    );
}

#[test]
fn places_in_toml_are_in_the_order_of_the_file() {
    assert_places(
        Syntax::Toml,
        "z = {x = 1}\n[server]\nlisten = \"é\" # c\nb.c = true\n[[list]]\na = 1\n[[list]]\n",
        &[
            ("", 1, 1),
            (".z key", 1, 1),
            (".z", 1, 5),
            (".z.x key", 1, 6),
            (".z.x", 1, 10),
            (".server key", 2, 2),
            (".server", 2, 1),
            (".server.listen key", 3, 1),
            (".server.listen", 3, 10),
            (".server.b key", 4, 1),
            (".server.b", 4, 1),
            (".server.b.c key", 4, 3),
            (".server.b.c", 4, 7),
            (".list key", 5, 3),
            (".list", 5, 1),
            (".list[0]", 5, 1),
            (".list[0].a key", 6, 1),
            (".list[0].a", 6, 5),
            (".list[1]", 7, 1),
        ],
    );
}

#[test]
fn what_an_alias_repeats_is_where_it_was_written_first() {
    let node = yaml("a: &x\n  b: 1\nc: *x\n");
    assert_eq!(node.get("c").unwrap().get("b").unwrap().span.line(), 2);
}
