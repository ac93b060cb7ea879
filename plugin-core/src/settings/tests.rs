//! Tests across the files of this folder.

use std::time::Duration;

use super::*;

static INNER: Table = Table::new(
    "inner",
    "Inside.",
    &[
        Key::new("enabled", Kind::Bool, "Whether it is on.").default("true"),
        Key::new("share", Kind::positive(1.0), "A share.").required(),
    ],
)
.switched();

/// It would pass for an absent key, and be its default.
#[test]
#[should_panic(expected = "`port` is 70000: its bounds go past the type that it is read as")]
fn a_number_that_its_declaration_allows_and_its_type_does_not_is_no_absent_key() {
    static WIDE: Table = Table::new("wide", "Too wide.", &[Key::new("port", Kind::integer(0, 100_000), "Which.")]);
    let (values, found) = read(&WIDE, &map(&[("port", Value::Int(70_000))]), "");
    assert!(found.is_empty(), "{found:?}");
    let _ = values.integer::<u16>("port");
}

static TABLE: Table = Table::new(
    "outer",
    "Outside.",
    &[
        Key::new("count", Kind::integer(1, 9), "How many."),
        Key::new("year", Kind::time_in(Duration::from_millis(1), Duration::from_secs(365 * 86_400)), "How long."),
        Key::new("size", Kind::size(1, 1 << 20), "How large."),
        Key::new("word", Kind::Word(&["one", "two"]), "Which.").coded(crate::Code::InvalidName),
        Key::new("strategy", Kind::WordOrNumber(&["a", "b"]), "How."),
        Key::new("jitter", Kind::WordOrShare(&["none", "full"]), "How spread."),
        Key::new("names", Kind::Names(capitals), "What."),
        Key::new("token", Kind::Secret, "A secret."),
        Key::new("tokens", Kind::SecretMap, "Secrets by name."),
        Key::new("inner", Kind::Optional(&INNER), "A section."),
        Key::new("list", Kind::List(&INNER), "Sections."),
        Key::new("far", Kind::Bool, "For elsewhere.").only(&["http"]),
    ],
);

fn capitals(name: &str) -> Result<(), String> {
    if name.chars().any(char::is_lowercase) { Err("capitals".to_owned()) } else { Ok(()) }
}

fn map(entries: &[(&str, Value)]) -> Value {
    Value::Map(entries.iter().map(|(key, value)| ((*key).to_owned(), value.clone())).collect())
}

fn str(text: &str) -> Value {
    Value::Str(text.to_owned())
}

fn problems(value: &Value, mode: &str) -> Vec<String> {
    read(&TABLE, value, mode).1.iter().map(|problem| ReadError::from(problem).to_string()).collect()
}

#[test]
fn what_is_right_is_read_and_what_is_at_its_limit_too() {
    let value = map(&[
        ("count", Value::Int(9)),
        ("year", str("365d")),
        ("size", str("1MiB")),
        ("word", str("two")),
        ("strategy", Value::Int(1)),
        ("jitter", Value::Int(1)),
        ("names", Value::List(vec![str("UNAVAILABLE"), Value::Int(503)])),
        ("inner", map(&[("share", Value::Float(1.0))])),
        ("token", str("")),
    ]);
    let (values, found) = read(&TABLE, &value, "");
    assert!(found.is_empty(), "{found:?}");
    assert_eq!((values.integer("count"), values.size("size")), (Some(9_u8), Some(1 << 20)));
    assert_eq!(values.time("year"), Some(Duration::from_secs(365 * 86_400)));
    assert_eq!((values.word("word"), values.word("strategy")), (Some("two"), Some("b")));
    assert_eq!(values.number("jitter"), Some(1.0));
    assert_eq!(values.texts("names").unwrap(), ["UNAVAILABLE", "503"]);
    assert_eq!(values.section("inner").unwrap().number("share"), Some(1.0));
    assert!(!values.has("token"), "an empty text counts as absent");
}

#[test]
fn everything_that_is_wrong_is_said_at_once_with_what_would_be_right() {
    let value = map(&[
        ("count", Value::Int(10)),
        ("year", str("8760h1ns")),
        ("size", Value::Int(0)),
        ("word", str("three")),
        ("strategy", Value::Int(2)),
        ("jitter", Value::Float(1.5)),
        ("names", Value::List(vec![str("A"), str("b")])),
        ("token", Value::Int(12345)),
        ("inner", map(&[("shape", Value::Int(1))])),
        ("list", Value::List(vec![map(&[("share", Value::Int(0))])])),
        ("colour", str("red")),
    ]);
    let keys =
        "`count`, `year`, `size`, `word`, `strategy`, `jitter`, `names`, `token`, `tokens`, `inner`, `list`, `far`";
    assert_eq!(
        problems(&value, ""),
        [
            &format!("unknown field `colour`; there are {keys}"),
            "`count` must be from 1 to 9, and is 10",
            "`year` must be from 1ms to 365d, and is \"8760h1ns\"",
            "`size` must be from 1 to 1048576, and is 0",
            "`word` must be one of one, two, and is \"three\" [PLUGIN_1001]",
            "`strategy` must be one of a, b, or its number from 0 to 1, and is 2",
            "`jitter` must be from 0 to 1, and is 1.5",
            "`names[1]` is \"b\": expected capitals",
            "unknown field `shape` in `inner`; there are `enabled`, `share`",
            "`inner.share` is missing, and is required",
            "`list[0].share` must be above 0 and at most 1, and is 0",
        ]
    );
}

#[test]
fn a_builder_is_told_what_a_reader_is_told() {
    let year = Duration::from_secs(365 * 86_400);
    for (key, written, given) in [
        ("count", Value::Int(10), Given::from(10_u32)),
        ("count", Value::Int(0), Given::from(0_usize)),
        ("year", str("0s"), Given::from(Duration::ZERO)),
        ("year", str("366d"), Given::from(year + Duration::from_secs(86_400))),
        ("size", Value::Int(1_048_577), Given::size(1_048_577)),
        ("jitter", Value::Float(1.5), Given::from(1.5)),
    ] {
        let read = problems(&map(&[(key, written)]), "");
        let built = TABLE.fits(key, given).expect_err(key).to_string();
        assert_eq!(read, [built.replace("is 0s", "is \"0s\"").replace("is 366d", "is \"366d\"")]);
    }
    assert_eq!(TABLE.fits("count", 9_u32), Ok(()));
    assert_eq!(TABLE.fits("count", None::<u32>), Ok(()), "what is not set has its default");
    assert_eq!(TABLE.fits("jitter", f64::NAN).unwrap_err().problem(), "must be from 0 to 1, and is NaN");
    let error = TABLE.fits("inner.share", 0.0).unwrap_err();
    assert_eq!((error.field(), error.problem()), ("inner.share", "must be above 0 and at most 1, and is 0.0"));
    let inner = Values::new(&TABLE).with("inner", Values::new(&INNER).with("share", 2.0));
    assert_eq!(inner.fits().unwrap_err().to_string(), "`inner.share` must be above 0 and at most 1, and is 2.0");
    assert!(!TABLE.fits("token", String::new()).unwrap_err().to_string().contains("hunter2"));
}

#[test]
fn what_is_off_is_not_checked_further() {
    let off = map(&[("inner", map(&[("enabled", Value::Bool(false)), ("share", Value::Int(7)), ("x", Value::Null)]))]);
    let (values, found) = read(&TABLE, &off, "");
    assert!(found.is_empty(), "{found:?}");
    assert_eq!(values.section("inner").unwrap().bool("enabled"), Some(false));
}

#[test]
fn a_key_has_an_effect_in_its_modes_alone() {
    let value = map(&[("far", Value::Bool(true))]);
    assert_eq!(problems(&value, "exec"), ["`far` has no effect with exec; it is for http"]);
    assert!(problems(&value, "http").is_empty() && problems(&value, "").is_empty());
}

#[test]
fn text_without_a_type_is_read_as_what_it_says() {
    let untyped = |text: &str, value| Value::Untyped { text: text.to_owned(), value: Box::new(value) };
    let value = map(&[("count", untyped("5", Value::Int(5))), ("token", untyped("5", Value::Int(5)))]);
    let (values, found) = read(&TABLE, &value, "");
    assert!(found.is_empty(), "{found:?}");
    assert_eq!((values.integer("count"), values.text("token")), (Some(5_u32), Some("5")));
}

#[test]
fn a_word_that_looks_like_a_number_needs_no_quotes() {
    let kind = Kind::Word(&["1.2", "2"]);
    let word = |value| kind.check(&value).0;
    assert_eq!(word(Value::Float(1.2)), Some(Checked::Word("1.2")));
    let written = |text: &str, value| Value::Untyped { text: text.to_owned(), value: Box::new(Value::Float(value)) };
    assert_eq!(word(written("1.20", 1.2)), Some(Checked::Word("1.2")), "however it is written");
    assert_eq!(word(Value::Int(2)), Some(Checked::Word("2")));
    for other in [Value::Float(1.3), Value::Float(2.5), Value::Int(1), Value::Bool(true)] {
        assert_eq!(word(other), None);
    }
}

#[test]
fn a_table_over_another_has_the_keys_of_both() {
    static OVER: Table = Table::new("over", "Both.", &[Key::new("endpoint", Kind::Text, "Where.")]).over(&INNER);
    let names = |table: &'static Table| table.keys().map(Key::name).collect::<Vec<_>>();
    assert_eq!(names(&OVER), ["endpoint", "enabled", "share"]);
    assert!(OVER.is_switched());
    static LESS: Table = Table::new("less", "Fewer.", &[]).over(&INNER).without(&["share"]);
    assert_eq!(names(&LESS), ["enabled"]);
}

#[test]
fn a_section_that_go_never_set_counts_as_absent() {
    static GO: Table = Table::new(
        "go",
        "Go's.",
        &[
            Key::new("enabled", Kind::Bool, "On.").go(),
            Key::new("interval", Kind::time(), "Time.").go(),
            Key::new("ours", Kind::integer(1, 9), "Ours."),
        ],
    )
    .switched();
    let unset = [("enabled", Value::Bool(false)), ("interval", Value::Int(0))];
    assert!(GO.is_unset(&map(&unset)));
    assert!(!GO.is_unset(&map(&unset[..1])), "`enabled: false` alone is that");
    assert!(!GO.is_unset(&map(&[unset[0].clone(), ("interval", str("1s"))])));
    assert!(!GO.is_unset(&map(&[unset[0].clone(), unset[1].clone(), ("ours", Value::Int(1))])));
    let (values, found) = read(&GO, &map(&unset), "");
    assert!(found.is_empty() && !values.has("enabled"), "{values:?} {found:?}");
}

#[test]
fn what_is_written_for_a_log_shows_no_secret() {
    let value = map(&[
        ("count", Value::Int(9)),
        ("names", Value::List(vec![str("SHOWN")])),
        ("token", Value::Untyped { text: "hunter2".to_owned(), value: Box::new(str("hunter2")) }),
        ("tokens", map(&[("name", str("hunter2"))])),
    ]);
    let (values, found) = read(&TABLE, &value, "");
    assert!(found.is_empty(), "{found:?}");
    let token = values.get("token").expect("read");
    let given = Given::from(token.clone());
    let any = Checked::Any(value.clone());
    let section = Checked::List(vec![values.clone()]);
    for shown in [
        format!("{value:?} {value:#?}"),
        format!("{token:?} {:?}", values.get("tokens")),
        format!("{given:?} {any:?} {section:#?}"),
        format!("{values:?} {values:#?}"),
    ] {
        assert!(!shown.contains("hunter2"), "{shown}");
    }
    assert_eq!(format!("{values:?}").matches("SHOWN").count(), 1, "{values:?}");
}
