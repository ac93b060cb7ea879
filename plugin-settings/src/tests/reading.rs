//! The types that a field may be read as.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::ops::Bound;
use std::time::Duration;

use super::*;

/// Reads the key `k` of a YAML text; on a fault, its text without the place.
#[track_caller]
fn one<T>(text: &str, of: impl FnOnce(Field<'_>) -> Option<T>) -> Result<Option<T>, String> {
    one_of(&yaml(text), of)
}

fn one_of<T>(root: &Node, of: impl FnOnce(Field<'_>) -> Option<T>) -> Result<Option<T>, String> {
    read(root, |m| of(m.get("k"))).map_err(|faults| {
        let lines = faults.iter().map(|fault| fault.to_string().split_once(": ").unwrap().1.to_owned());
        lines.collect::<Vec<_>>().join("\n")
    })
}

/// The same, for a value that was written as `${V}`.
fn from_env<T>(value: &str, of: impl FnOnce(Field<'_>) -> Option<T>) -> Result<Option<T>, String> {
    let mut root = yaml("k: ${V}");
    substitute(&mut root, &|_| Some(value.to_owned())).unwrap();
    one_of(&root, of)
}

#[test]
fn an_absent_or_null_key_is_none_and_no_fault() {
    assert_eq!(one("a: 1", |k| k.bool()).unwrap_err(), "a: unknown key");
    for text in ["{}", "k:", "k: null", "k: ~"] {
        assert_eq!(one(text, |k| k.bool()), Ok(None), "{text}");
        assert_eq!(one(text, |k| k.strings()), Ok(None), "{text}");
        assert_eq!(one(text, |k| k.section(|_| ())), Ok(None), "{text}");
    }
    let missing = read(&yaml("a: {k: ~}"), |m| m.get("a").section(|m| m.require("k").string())).unwrap_err();
    assert_eq!(missing.to_string(), "g.yaml:1:5: a.k: required key is missing");
}

#[test]
fn a_null_item_of_a_list_is_a_fault() {
    assert_eq!(one("k: [a, ~]", |k| k.strings()), Err("k[1]: found nothing; expected a string".to_owned()));
}

#[test]
fn the_top_must_be_a_map() {
    assert_eq!(read(&yaml("[1]"), |_| ()).unwrap_err().to_string(), "g.yaml:1:1: found a list; expected a map");
    assert_eq!(read(&yaml("x"), |_| ()).unwrap_err().to_string(), "g.yaml:1:1: found a string; expected a map");
}

#[test]
fn integers_keep_to_their_range() {
    assert_eq!(one("k: 255", |k| k.integer::<u8>()), Ok(Some(255)));
    assert_eq!(one("k: 18446744073709551615", |k| k.integer::<u64>()), Ok(Some(u64::MAX)));
    for (text, range, fault) in [
        ("k: 0", 1..=9, "k: found 0; expected a whole number from 1 to 9 [CONFIG_1802]"),
        ("k: -1", 1..=9, "k: found -1; expected a whole number from 1 to 9 [CONFIG_1802]"),
        ("k: 1.0", 1..=9, "k: found 1.0; expected a whole number from 1 to 9"),
        ("k: '5'", 1..=9, "k: found the string \"5\"; expected a whole number from 1 to 9, without quotes"),
        ("k: true", 1..=9, "k: found true; expected a whole number from 1 to 9"),
    ] {
        assert_eq!(one::<u32>(text, |k| k.integer_in(range)).unwrap_err(), fault);
    }
    let at_least = one::<i64>("k: 0", |k| k.integer_in(1..)).unwrap_err();
    assert_eq!(at_least, "k: found 0; expected a whole number of at least 1 [CONFIG_1802]");
}

#[test]
fn floats_take_integers_too() {
    assert_eq!(one("k: 1", |k| k.float_in(0.0..=1.0)), Ok(Some(1.0)));
    assert_eq!(one("k: 0.25", |k| k.float_in(..)), Ok(Some(0.25)));
    let above = |k: Field<'_>| k.float_in((Bound::Excluded(0.0), Bound::Included(1.0)));
    assert_eq!(one("k: 0", above).unwrap_err(), "k: found 0; expected a number above 0 and at most 1 [CONFIG_1802]");
}

#[test]
fn durations_are_text_or_nanoseconds() {
    for (text, nanos) in
        [("1m30s", 90_000_000_000_u64), ("30000000000", 30_000_000_000), ("0", 0), ("1d", 86_400_000_000_000)]
    {
        assert_eq!(one(&format!("k: {text}"), |k| k.duration()), Ok(Some(Duration::from_nanos(nanos))), "{text}");
    }
    for (text, fault) in [
        ("30", "found 30; 30 means 30 ns; write \"30s\" for seconds"),
        ("\"30\"", "found the string \"30\"; a duration needs a unit: write \"30s\" for seconds"),
        ("-5", "found -5; a duration cannot be negative"),
        ("-5s", "found the string \"-5s\"; a duration cannot be negative"),
        ("1.5", "found 1.5; expected a duration such as \"30s\", \"1m30s\" or \"500ms\""),
        ("soon", "found the string \"soon\"; expected a duration such as \"30s\", \"1m30s\" or \"500ms\""),
        ("9999999h", "found the string \"9999999h\"; a duration is at most 2562047h (292 years)"),
        ("18446744073709551615", "found 18446744073709551615; a duration is at most 2562047h (292 years)"),
    ] {
        assert_eq!(one(&format!("k: {text}"), |k| k.duration()).unwrap_err(), format!("k: {fault}"));
    }
    let bounded = |k: Field<'_>| k.duration_in(Duration::from_millis(1)..=Duration::from_secs(90));
    assert_eq!(
        one("k: 2m", bounded).unwrap_err(),
        "k: found the string \"2m\"; expected a duration from 1ms to 1m30s [CONFIG_1802]"
    );
}

#[test]
fn sizes_are_text_or_bytes() {
    assert_eq!(one("k: 10MiB", |k| k.byte_size()), Ok(Some(10 << 20)));
    assert_eq!(one("k: 512", |k| k.byte_size()), Ok(Some(512)));
    assert_eq!(one("k: -1", |k| k.byte_size()).unwrap_err(), "k: found -1; a size cannot be negative");
    let bounded = one("k: 1KiB", |k| k.byte_size_in(1..=1_000)).unwrap_err();
    assert_eq!(bounded, "k: found the string \"1KiB\"; expected a size in bytes from 1 to 1000 [CONFIG_1802]");
}

#[test]
fn an_enumeration_takes_its_names_and_the_numbers_of_go_plugins() {
    let names = [("closed", 'c'), ("open", 'o')];
    let numbers = [(0, 'c'), (1, 'o')];
    assert_eq!(one("k: open", |k| k.enumeration(&names)), Ok(Some('o')));
    assert_eq!(one("k: 1", |k| k.enumeration_or_number(&names, &numbers)), Ok(Some('o')));
    assert_eq!(one("k: 1", |k| k.enumeration(&names)).unwrap_err(), "k: found 1; expected one of \"closed\", \"open\"");
    assert_eq!(
        one("k: OPEN", |k| k.enumeration(&names)).unwrap_err(),
        "k: found the string \"OPEN\"; did you mean \"open\"?"
    );
    assert_eq!(
        one("k: ajar", |k| k.enumeration_or_number(&names, &numbers)).unwrap_err(),
        "k: found the string \"ajar\"; expected one of \"closed\", \"open\", 0, 1"
    );
}

#[test]
fn a_number_is_text_as_it_was_written_where_text_is_meant() {
    assert_eq!(one("k: '10'", |k| k.string()), Ok(Some("10".to_owned())));
    for (text, read) in [("1.10", "1.10"), ("True", "True"), ("0x10", "0x10"), ("7", "7")] {
        assert_eq!(one(&format!("k: {text}"), |k| k.string()), Ok(Some(read.to_owned())));
    }
    assert_eq!(one("k: [a]", |k| k.string()).unwrap_err(), "k: found a list; expected a string");
    assert_eq!(one("k: ''", |k| k.non_empty_string()).unwrap_err(), "k: the string is empty");
    assert_eq!(
        one("k: '127.0.0.1:80'", |k| k.parsed::<SocketAddr>("an address")),
        Ok(Some(([127, 0, 0, 1], 80).into()))
    );
    assert_eq!(
        one("k: here", |k| k.parsed::<SocketAddr>("an address such as 127.0.0.1:80")).unwrap_err(),
        "k: found the string \"here\": invalid socket address syntax; expected an address such as 127.0.0.1:80"
    );
    let short = |text: &str| {
        if text.len() < 4 { Ok(text.len()) } else { Err("at most three letters") }
    };
    assert_eq!(one("k: abc", |k| k.string_with(short)), Ok(Some(3)));
    assert_eq!(
        one("k: abcd", |k| k.string_with(short)).unwrap_err(),
        "k: found the string \"abcd\"; at most three letters"
    );
}

#[test]
fn a_string_map_is_a_map_or_a_list() {
    let expected = BTreeMap::from([("A".to_owned(), "1=2".to_owned()), ("B".to_owned(), String::new())]);
    assert_eq!(one("k: {B: '', A: '1=2'}", |k| k.string_map()), Ok(Some(expected.clone())));
    assert_eq!(one("k: [A=1=2, B=]", |k| k.string_map()), Ok(Some(expected)));
    assert_eq!(
        one("k: [hunter2, =x, A=1, A=2, [3]]", |k| k.string_map()).unwrap_err(),
        "k[0]: a string without a name; expected \"NAME=value\"\n\
         k[1]: a string without a name; expected \"NAME=value\"\n\
         k[3]: \"A\" is given twice\n\
         k[4]: found a list; expected a string"
    );
    let numbers = BTreeMap::from([("A".to_owned(), "1.10".to_owned())]);
    assert_eq!(one("k: {A: 1.10}", |k| k.string_map()), Ok(Some(numbers)));
    assert_eq!(one("k: x", |k| k.string_map()).unwrap_err(), "k: found a string; expected a map");
}

#[test]
fn entries_have_names_of_the_users_choice() {
    let levels = |k: Field<'_>| k.entries(|name, field| Some((name.len(), field.integer::<u8>()?)));
    let expected = vec![("ab".to_owned(), (2, 1)), ("c.d".to_owned(), (3, 2))];
    assert_eq!(one("k: {ab: 1, c.d: 2, e: ~}", levels), Ok(Some(expected)));
    assert_eq!(
        one("k: {c.d: x}", levels).unwrap_err(),
        "k[\"c.d\"]: found the string \"x\"; expected a whole number from 0 to 255"
    );
}

#[test]
fn any_value_is_read_as_json() {
    let json = serde_json::json!({"a": [1, 2.5, null, true, "x"], "b": {}});
    assert_eq!(one("k: {a: [1, 2.5, ~, true, x], b: {}}", |k| k.json()), Ok(Some(json)));
}

#[test]
fn what_was_written_as_a_variable_has_the_type_of_its_text() {
    assert_eq!(from_env("10", |k| k.integer::<u8>()), Ok(Some(10)));
    assert_eq!(from_env("10", |k| k.string()), Ok(Some("10".to_owned())));
    assert_eq!(from_env("true", |k| k.bool()), Ok(Some(true)));
    assert_eq!(from_env("0.5", |k| k.float_in(..)), Ok(Some(0.5)));
    assert_eq!(from_env("1m", |k| k.duration()), Ok(Some(Duration::from_secs(60))));
    assert_eq!(from_env("1000000000", |k| k.duration()), Ok(Some(Duration::from_secs(1))));
    assert_eq!(from_env("1KiB", |k| k.byte_size()), Ok(Some(1024)));
    assert_eq!(from_env("1", |k| k.enumeration_or_number(&[("a", 0)], &[(1, 0)])), Ok(Some(0)));
    assert_eq!(from_env("7", |k| Some(k.is_integer())), Ok(Some(true)));
    assert_eq!(one("k: '7'", |k| Some(k.is_integer())), Ok(Some(false)));
}

#[test]
fn what_came_from_the_environment_is_in_no_fault() {
    let hidden = "k: found a value from the environment; expected true or false";
    assert_eq!(from_env("hunter2", |k| k.bool()).unwrap_err(), hidden);
    let names = |k: Field<'_>| k.enumeration(&[("hunter", 0), ("gatherer", 1)]);
    assert!(!from_env("hunter2", names).unwrap_err().contains("hunter2"));
    let address = |k: Field<'_>| k.string_with(|text| text.parse::<u8>().map_err(|_| "expected a number"));
    assert!(!from_env("hunter2", address).unwrap_err().contains("hunter2"));
    let under_a_secret = read(&yaml("api_key: 12345"), |m| m.get("api_key").bool());
    let fault = under_a_secret.unwrap_err().to_string();
    assert_eq!(fault, "g.yaml:1:10: api_key: found a value that is no string; expected true or false");
}

#[test]
fn rules_between_keys_and_settings_that_check_themselves_are_faults_in_place() {
    let root = yaml("retry: {min: 5, max: 3}\nother: {x: 1}");
    let faults = read(&root, |m| {
        m.get("retry").section(|m| {
            let (min, max) = (m.get("min").integer::<u8>(), m.get("max").integer::<u8>());
            if min > max {
                m.fault("max", "max is less than min");
            }
            m.fault("jitter", "jitter is needed here");
        });
        m.get("other").section(|m| {
            m.allow_unknown();
            m.check(Err::<(), _>("threshold must be at least 1"))
        })
    });
    assert_eq!(
        faults.unwrap_err().to_string(),
        "g.yaml:1:8: retry.jitter: jitter is needed here\n\
         g.yaml:1:22: retry.max: max is less than min\n\
         g.yaml:2:8: other: threshold must be at least 1"
    );
}
