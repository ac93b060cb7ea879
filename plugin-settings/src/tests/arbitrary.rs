//! Properties that hold for any document, and that no text makes anything panic.

use std::sync::Arc;

use proptest::prelude::*;

use super::*;

/// Text from which documents are made, so that mutations of it come near to every rule.
const SEED: &str = "# c\na: &x {b: [1, 2.5, 'c', \"d\\n\"], <<: *x}\n---\n[t]\nk.l = \"v\" # c\n[[p]]\nn = {a = 1}\n\
                    {\"a\": [1, true, null, -1e3], \"b\": {\"c\": \"\\u00e9\\ud83d\\ude00\"}}\n- |\n  text\n- >-\n  ? !!int 5\n";

fn source() -> Arc<Source> {
    Source::new("p", "")
}

fn node(value: Value) -> Node {
    Node::new(value, Span::new(&source(), 1, 1))
}

/// Any tree of values that all three syntaxes can write.
fn trees() -> impl Strategy<Value = Node> {
    let leaf = prop_oneof![
        any::<bool>().prop_map(Value::Bool),
        any::<i64>().prop_map(|value| Value::Int(value.into())),
        any::<f64>().prop_filter("finite", |value| value.is_finite()).prop_map(Value::Float),
        "[a-z$:#{}\\[\\]*&!|>'\"\\\\ =.0-9é\u{85}\u{2028}\n\t-]{0,8}".prop_map(Value::Str),
        prop::sample::select(vec!["yes", "null", "~", "10", "0x1", "1e3", "<<", "---", "- a", "a: b", "${A}", ".inf"])
            .prop_map(|text| Value::Str(text.to_owned())),
    ]
    .prop_map(node);
    leaf.prop_recursive(4, 24, 4, |inner| {
        prop_oneof![prop::collection::vec(inner.clone(), 0..4).prop_map(|items| node(Value::List(items))), maps(inner),]
    })
}

fn maps(inner: impl Strategy<Value = Node>) -> impl Strategy<Value = Node> {
    prop::collection::btree_map("[a-d]|<<|yes|[ -~é]{0,4}", inner, 0..4).prop_map(|map| {
        let entries = map.into_iter().map(|(key, value)| Entry { key, key_span: value.span.clone(), value });
        node(Value::Map(entries.collect()))
    })
}

fn size(node: &Node) -> usize {
    node.size().0
}

#[test]
fn a_key_of_any_length_is_written_as_what_reads_back() {
    for length in [1022, 1024, 1025, 5000] {
        for letter in ["k", " "] {
            let entry = |value| Entry { key: letter.repeat(length), key_span: Span::new(&source(), 1, 1), value };
            let inner = node(Value::Map(vec![entry(node(Value::Int(1)))]));
            let tree = node(Value::List(vec![node(Value::Map(vec![entry(inner)]))]));
            let written = to_yaml(&tree);
            assert_eq!(
                &parse(Path::new("p"), written.as_bytes(), Some(Syntax::Yaml)).unwrap(),
                &tree,
                "{length} {letter:?}"
            );
        }
    }
}

proptest! {
    #[test]
    fn no_bytes_make_a_parser_panic(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        for syntax in ALL {
            let _outcome = parse(Path::new("p"), &bytes, Some(syntax));
        }
    }

    #[test]
    fn no_mutation_of_a_document_makes_a_parser_panic(
        cuts in prop::collection::vec((0..SEED.len(), 0..40_usize, any::<Option<char>>()), 0..12),
    ) {
        let mut text = String::new();
        for (from, length, extra) in cuts {
            text.extend(SEED.chars().skip(from).take(length).chain(extra));
        }
        for syntax in ALL {
            if let Err(faults) = parse(Path::new("p"), text.as_bytes(), Some(syntax)) {
                prop_assert!(!faults.is_empty());
                for fault in &faults {
                    let _shown = (fault.to_string(), fault.snippet());
                    prop_assert!(fault.span().line() as usize <= text.split('\n').count());
                }
            }
        }
        let _guess = Syntax::sniff(&text);
    }

    #[test]
    fn json_is_what_serde_json_says_it_is(
        pieces in prop::collection::vec(prop::sample::select(vec![
            "{", "}", "[", "]", ",", ":", "\"a\"", "\"\\n\\u00e9\"", "\"\\ud800\"", "1", "-0", "01", "1.5", "1e5", "-", ".", "true",
            "nul", "null", " ", "\n", "\u{a0}", "\"", "é", "\\",
        ]), 0..12),
    ) {
        let text = pieces.concat();
        let ours = parse(Path::new("p"), text.as_bytes(), Some(Syntax::Json));
        match (ours, serde_json::from_str::<serde_json::Value>(&text)) {
            // Minus zero is an integer to us and a float to serde_json; numbers are compared as floats for its sake.
            (Ok(ours), Ok(theirs)) => {
                let plain = |value: &serde_json::Value| value.to_string().replace("-0.0", "0");
                prop_assert_eq!(plain(&ours.to_json()), plain(&theirs));
            }
            (Err(faults), Ok(_)) => prop_assert!(faults.to_string().contains("duplicate key"), "{}: {}", text, faults),
            (Ok(_), Err(error)) => prop_assert!(false, "{}: {}", text, error),
            (Err(_), Err(_)) => {}
        }
    }

    #[test]
    fn what_is_written_as_yaml_or_json_is_read_back(tree in trees()) {
        let as_yaml = to_yaml(&tree);
        prop_assert_eq!(&parse(Path::new("p"), as_yaml.as_bytes(), Some(Syntax::Yaml)).unwrap(), &tree, "{}", as_yaml);
        let as_json = tree.to_json().to_string();
        prop_assert_eq!(&parse(Path::new("p"), as_json.as_bytes(), Some(Syntax::Json)).unwrap(), &tree, "{}", as_json);
        prop_assert_eq!(&parse(Path::new("p"), as_json.as_bytes(), Some(Syntax::Yaml)).unwrap(), &tree, "JSON is YAML: {}", as_json);
    }

    #[test]
    fn merging_with_itself_or_nothing_changes_nothing(a in maps(trees()), b in maps(trees())) {
        let empty = || node(Value::Map(Vec::new()));
        prop_assert_eq!(&merge(a.clone(), a.clone(), &[]), &a);
        prop_assert_eq!(&merge(a.clone(), empty(), &[]), &a);
        prop_assert_eq!(&merge(empty(), a.clone(), &[]), &a);
        let once = merge(a.clone(), b.clone(), &[]);
        prop_assert_eq!(&merge(once.clone(), b.clone(), &[]), &once, "an overlay laid twice is laid once");
        prop_assert!(size(&once) <= size(&a) + size(&b));
    }

    #[test]
    fn a_document_without_a_dollar_is_left_as_it_is(mut tree in trees()) {
        let before = tree.clone();
        let without = !to_yaml(&tree).contains('$');
        let _outcome = substitute(&mut tree, &|_| Some("v".to_owned()));
        prop_assert!(!without || before == tree);
    }

    #[test]
    fn doubled_dollars_protect_any_text(text in "[${}A:\\-]{0,30}", value in "[${}A]{0,5}") {
        let mut tree = node(Value::Str(text.replace('$', "$$")));
        substitute(&mut tree, &|_| Some("wrong".to_owned())).unwrap();
        prop_assert_eq!(tree.as_str(), Some(text.as_str()));
        let mut tree = node(Value::Str("${A}".to_owned()));
        substitute(&mut tree, &|_| Some(value.clone())).unwrap();
        prop_assert_eq!(tree.as_str(), Some(value.as_str()), "a value is not read again");
        let mut tree = node(Value::Str(text));
        let _outcome = substitute(&mut tree, &|_| None);
    }

    #[test]
    fn no_tainted_text_is_printed(tree in trees()) {
        let secret = "hunter2hunter2";
        let text = to_yaml(&tree).replace('a', "${A}");
        if let Ok(mut tree) = parse(Path::new("p"), text.as_bytes(), Some(Syntax::Yaml))
            && substitute(&mut tree, &|_| Some(secret.to_owned())).is_ok()
        {
            prop_assert!(!to_yaml(&redact(&tree, &[])).contains(secret));
        }
    }
}
