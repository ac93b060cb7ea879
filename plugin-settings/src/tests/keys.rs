//! A program that makes something of each key itself has the reader that every other has.

use plugin_core::settings::{Key, Kind, Settings, Table, Values};
use plugin_core::{Code, ConfigError};

use super::*;

#[derive(Debug, PartialEq)]
struct Limits {
    threshold: u32,
}

static LIMITS: Table = Table::new(
    "limits",
    "Limits.",
    &[
        Key::new("enabled", Kind::Bool, "Whether there are any.").default("true").go(),
        Key::new("threshold", Kind::integer(1, 9), "How many.").default("5").go(),
    ],
);

impl Settings for Limits {
    const TABLE: &'static Table = &LIMITS;

    fn from_values(values: &Values) -> Result<Self, ConfigError> {
        match values.integer("threshold").unwrap_or(5) {
            7 => Err(ConfigError::new("threshold", "must not be 7")),
            threshold => Ok(Self { threshold }),
        }
    }

    fn to_values(&self) -> Values {
        Values::new(&LIMITS).with("threshold", self.threshold)
    }
}

static PLACE: Table = Table::new(
    "place",
    "A place.",
    &[
        Key::new("port", Kind::integer(1, 100_000), "Where.").required(),
        Key::new("limits", Kind::Section(&LIMITS), "Limits."),
    ],
);

static PROGRAM: Table = Table::new(
    "program",
    "A program.",
    &[
        Key::new("how", Kind::Word(&["near", "far"]), "How.")
            .coded(Code::InvalidTransport)
            .later(&["orbit"], Code::UnsupportedTransport),
        Key::new("limits", Kind::Section(&LIMITS), "Limits."),
        Key::new("more", Kind::Optional(&LIMITS), "More limits."),
        Key::new("places", Kind::List(&PLACE), "Places."),
        Key::new("reach", Kind::Text, "Of what is far.").only(&["far"]),
    ],
)
.moded_by("how");

type Program = (Option<Limits>, Option<Limits>, Vec<(usize, Option<u16>, Option<Limits>)>);

fn made(text: &str) -> Result<(Program, String), String> {
    let context = Context { dir: "/".into(), env: &|_| None, unavailable: &[("program", &["later"])] };
    let program = settle(
        yaml(text),
        &context,
        &PROGRAM,
        |_| Faults::new(),
        |keys| {
            let _ = (keys.checked("how"), keys.text("reach"));
            let places =
                keys.sections("places", |keys, index| Some((index, keys.integer("port"), keys.settings("limits"))));
            Some((keys.settings("limits"), keys.settings("more"), places.unwrap_or_default()))
        },
    );
    match program {
        Ok((program, tree)) => Ok((program, shown(&tree, &PROGRAM))),
        Err(faults) => Err(faults.to_string().replace("g.yaml:", "")),
    }
}

const UNSET: &str = "{enabled: false, threshold: 0}";

#[test]
fn a_section_that_go_never_set_is_absent_for_a_program_too() {
    let text = format!("limits: {UNSET}\nmore: {UNSET}\nplaces: [{{port: 1, limits: {UNSET}}}]");
    let (program, shown) = made(&text).unwrap();
    let default = || Some(Limits { threshold: 5 });
    assert_eq!(program, (default(), None, vec![(0, Some(1), default())]));
    let again = made(&shown).unwrap_or_else(|faults| panic!("{shown}\n{faults}"));
    assert_eq!(again, (program, shown.clone()), "what is shown says the same");
    assert!(!shown.contains("threshold: 0") && !shown.contains("more"), "{shown}");
    assert_eq!(
        made("limits: {threshold: 0}").unwrap_err(),
        "1:21: limits.threshold: found 0; expected a whole number from 1 to 9 [CONFIG_1802]"
    );
}

#[test]
fn an_integer_that_its_type_does_not_hold_is_a_fault_and_no_default() {
    assert_eq!(made("places: [{port: 65535}]").unwrap().0.2[0].1, Some(65_535));
    assert_eq!(
        made("places: [{port: 65536}]").unwrap_err(),
        "1:17: places[0].port: found 65536; expected a whole number from 0 to 65535 [CONFIG_1802]"
    );
}

#[test]
fn everything_is_said_once_at_its_place_whoever_finds_it() {
    let text = "\
how: orbit
later: {a: 1}
limits: {threshold: 7}
more: {threshold: 10, threshhold: 7}
places:
  - 5
  - {limits: {threshold: 7}}
  - {port: 70000, limits: [1]}
";
    let expected = [
        "1:6: how: \"orbit\" is not available in this version; expected one of near, far [PLUGIN_1008]",
        "2:8: later: `later` is not available in this version [CONFIG_1801]",
        "3:21: limits.threshold: must not be 7 [CONFIG_1802]",
        "4:19: more.threshold: found 10; expected a whole number from 1 to 9 [CONFIG_1802]",
        "4:23: more.threshhold: unknown key; did you mean \"threshold\"? [CONFIG_1801]",
        "6:5: places[0]: found 5; expected a map [CONFIG_1801]",
        "7:5: places[1].port: required key is missing [CONFIG_1801]",
        "7:26: places[1].limits.threshold: must not be 7 [CONFIG_1802]",
        "8:12: places[2].port: found 70000; expected a whole number from 0 to 65535 [CONFIG_1802]",
        "8:27: places[2].limits: found a list; expected a map [CONFIG_1801]",
    ];
    let found = made(text).unwrap_err();
    assert_eq!(found.lines().collect::<Vec<_>>(), expected, "{found}");
}

#[test]
fn a_mode_that_is_wrong_is_no_mode_and_a_slip_may_be_meant_for_a_later_one() {
    assert_eq!(
        made("{how: near, reach: x}").unwrap_err(),
        "1:20: reach: `reach` has no effect with near; it is for far [CONFIG_1801]"
    );
    assert_eq!(
        made("{how: neer, reach: x}").unwrap_err(),
        "1:7: how: found the string \"neer\"; did you mean \"near\"? [PLUGIN_1002]"
    );
    assert_eq!(
        made("{how: orbti, reach: x}").unwrap_err(),
        "1:7: how: found the string \"orbti\"; did you mean \"orbit\"? [PLUGIN_1002]"
    );
}

/// A file with a slip in each of its sections must not cost more for each of them, the more there are.
#[test]
fn what_is_wrong_in_a_section_is_not_looked_at_for_every_other_section() {
    let looks = |places: usize| {
        let text: String = (0..places).map(|_| "  - {port: 1, limits: {threshhold: 7}, prot: 2}\n").collect();
        let before = section_problems::looked::times();
        let faults = made(&format!("places:\n{text}")).unwrap_err();
        assert!(faults.ends_with(&format!("and {} more", 2 * places - Faults::MAX)), "{faults}");
        section_problems::looked::times() - before
    };
    let (few, many) = (looks(200), looks(800));
    assert!(many <= 5 * few, "{few} for 200 places, and {many} for 800");
}
