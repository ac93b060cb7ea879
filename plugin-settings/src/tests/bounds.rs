//! Every bound is reached, and its fault says which it is.

use std::io::Write as _;

use super::*;

fn nested(syntax: Syntax, depth: usize) -> String {
    let (open, close) = ("[".repeat(depth - 1), "]".repeat(depth - 1));
    match syntax {
        Syntax::Yaml => format!("a: {open}1{close}"),
        Syntax::Json => format!("{{\"a\": {open}1{close}}}"),
        Syntax::Toml => format!("a = {open}1{close}"),
    }
}

#[test]
fn depth_is_bounded_alike_in_every_syntax() {
    for syntax in ALL {
        tree(syntax, &nested(syntax, MAX_DEPTH));
        for depth in [MAX_DEPTH + 1, 100, 1_000_000] {
            let fault = refused(syntax, &nested(syntax, depth));
            assert!(fault.contains("lists and maps nest deeper than 64 levels"), "{syntax} {depth}: {fault}");
        }
    }
}

#[test]
fn maps_count_as_depth_too() {
    let block: String = (0..MAX_DEPTH).map(|level| format!("{}a:\n", " ".repeat(level))).collect();
    yaml(&block);
    let deeper = format!("{block}{}a: 1\n", " ".repeat(MAX_DEPTH));
    assert_eq!(refused(Syntax::Yaml, &deeper), "65:65: lists and maps nest deeper than 64 levels");
    let json = format!("{}1{}", "{\"a\":".repeat(MAX_DEPTH + 1), "}".repeat(MAX_DEPTH + 1));
    assert_eq!(refused(Syntax::Json, &json), "1:321: lists and maps nest deeper than 64 levels");
}

#[test]
fn dotted_keys_of_toml_cannot_nest_without_bound() {
    let part = |count: usize| vec!["a"; count].join(".");
    tree(Syntax::Toml, &format!("{} = 1", part(MAX_DEPTH)));
    tree(Syntax::Toml, &format!("[{}]", part(MAX_DEPTH - 1)));
    let inline = |levels: usize, parts: usize| {
        let open = format!("{{{} = [1, ", part(parts)).repeat(levels);
        format!("x = {open}1{}", "]}".repeat(levels))
    };
    tree(Syntax::Toml, &inline(3, 10));
    for text in [
        format!("{} = 1", part(MAX_DEPTH + 1)),
        format!("{} = 1", part(1_000_000)),
        format!("[{}]", part(1_000_000)),
        format!("[{0}]\n{0} = 1", part(40)),
        inline(40, 40),
        inline(20_000, 60),
    ] {
        let fault = refused(Syntax::Toml, &text);
        assert!(fault.contains("lists and maps nest deeper than 64 levels"), "{fault}");
    }
}

#[test]
fn the_number_of_values_is_bounded() {
    let items = |count: usize| vec!["0"; count].join(",");
    for (syntax, open, close) in
        [(Syntax::Yaml, "a: [", "]"), (Syntax::Json, "{\"a\": [", "]}"), (Syntax::Toml, "a = [", "]")]
    {
        // The map and the list are two more.
        tree(syntax, &format!("{open}{}{close}", items(MAX_VALUES - 2)));
        for count in [MAX_VALUES - 1, 3 * MAX_VALUES] {
            let fault = refused(syntax, &format!("{open}{}{close}", items(count)));
            assert!(fault.contains("the document has more than 200000 values"), "{syntax}: {fault}");
        }
    }
    let blanks = "a b ".repeat(MAX_VALUES * 6);
    assert!(
        refused(Syntax::Toml, &blanks).contains("more than 200000 values"),
        "tokens are bounded before they are kept"
    );
}

#[test]
fn aliases_cannot_multiply_values_or_text() {
    let mut bomb = String::from("a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n");
    for level in 1..20 {
        let aliases = vec![format!("*a{}", level - 1); 10].join(", ");
        bomb.push_str(&format!("a{level}: &a{level} [{aliases}]\n"));
    }
    assert!(refused(Syntax::Yaml, &bomb).contains("the document has more than 200000 values"));

    let text = format!("a: &a {}\nb: [{}]\n", "x".repeat(1 << 20), vec!["*a"; 20].join(", "));
    assert!(refused(Syntax::Yaml, &text).contains("the document has more than 16 MiB of text"));

    let deep = format!("a: &a {}1{}\nb: {}*a{}\n", "[".repeat(40), "]".repeat(40), "[".repeat(40), "]".repeat(40));
    assert!(refused(Syntax::Yaml, &deep).contains("nest deeper than 64 levels"));

    let nested_anchors: String = (0..60).map(|level| format!("&a{level} [")).collect();
    let many = format!("{nested_anchors}{}{}", vec!["1"; 20_000].join(","), "]".repeat(60));
    assert!(refused(Syntax::Yaml, &many).contains("the document has more than 200000 values"));
}

#[test]
fn the_size_of_a_file_is_bounded() {
    let exact = format!("# {}", "x".repeat(MAX_BYTES - 2));
    yaml(&exact);
    let larger = format!("{exact}x");
    assert_eq!(try_parse(Syntax::Yaml, &larger).unwrap_err().to_string(), "g.yaml: the file is larger than 8 MiB");

    let mut file = tempfile::NamedTempFile::with_suffix(".yaml").unwrap();
    file.write_all(larger.as_bytes()).unwrap();
    assert!(load(file.path()).unwrap_err().to_string().ends_with(": the file is larger than 8 MiB"));
}

#[test]
fn a_file_that_is_no_text_is_refused_with_the_place() {
    let refused = |bytes: &[u8]| parse(Path::new("g.yaml"), bytes, None).unwrap_err().to_string();
    assert_eq!(refused(b"a: 1\nb: \xff"), "g.yaml:2:4: the byte 0xff is not UTF-8; save the file as UTF-8");
    assert_eq!(refused(b"\xef\xbb\xbfa\xc3"), "g.yaml:1:2: the byte 0xc3 is not UTF-8; save the file as UTF-8");
    assert_eq!(refused(b"\xff\xfea\0:\0"), "g.yaml: the file is UTF-16; save it as UTF-8");
    assert_eq!(refused(b"a: 1\nb\0: 2"), "g.yaml:2:2: the file holds a NUL character; a configuration is text");
}

#[test]
fn a_file_that_cannot_be_read_says_why() {
    let folder = tempfile::tempdir().unwrap();
    let missing = folder.path().join("none.yaml");
    let fault = load(&missing).unwrap_err().to_string();
    assert!(fault.starts_with(&format!("{}: cannot be opened: ", missing.display())), "{fault}");
    let fault = load(folder.path()).unwrap_err().to_string();
    assert_eq!(fault, format!("{}: is a directory; give the file", folder.path().display()));
    let endless = load(Path::new("/dev/zero")).unwrap_err().to_string();
    assert_eq!(endless, "/dev/zero: the file is larger than 8 MiB");
}

/// Shapes that made parsers of these syntaxes slow or deep. The bound on time is the test runner's.
#[test]
fn hostile_texts_end() {
    let size = 128 << 10;
    for pattern in [
        "[", "{", "- ", "? ", "&a ", "!a ", "a: ", "a:\n ", "\"", "'", "|\n", "%a\n", "\r", "\t", ",", "a.", "[[a]]\n",
        "=", "=\n", "{a=", "\\", "#\n", "<<: ", "*a ", "{\"a\":", "a=1\n", "[a]\n", "a.b=1\n",
    ] {
        let text = pattern.repeat(size / pattern.len());
        for syntax in ALL {
            let outcome = try_parse(syntax, &text);
            assert!(outcome.is_ok() || !outcome.unwrap_err().is_empty());
        }
    }
}
