//! The twins of the fuzz targets: what cargo-fuzz runs on nightly for as long as one likes, a test runs on stable for a
//! few hundred inputs.
//!
//! A target is one function of a crate, `fn name(bytes: &[u8])`, which panics where its property does not hold. The file
//! that has it names it in [`twins!`], which makes a test of the same name of it.

use std::fmt;
use std::fs;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;

use proptest::prelude::*;
use proptest::sample::{Index, select};
use proptest::test_runner::{Config, TestRunner};

/// Makes a module `twins` with a test for each of these functions, which stand beside it.
#[macro_export]
macro_rules! twins {
    ($($target:ident),+ $(,)?) => {
        mod twins {
            $(
                #[test]
                fn $target() {
                    $crate::run(stringify!($target), super::$target);
                }
            )+
        }
    };
}

/// Runs a property on each seed of its target, and on what edits make of them.
///
/// # Panics
///
/// Where the property does not hold, with the smallest input that was found.
pub fn run(target: &str, property: fn(&[u8])) {
    let seeds = seeds(target);
    for (name, seed) in &seeds {
        if catch_unwind(AssertUnwindSafe(|| property(seed))).is_err() {
            panic!("the seed {name} of {target} does not hold: {}", shown(seed));
        }
    }
    let config = Config { failure_persistence: None, ..Config::default() };
    let inputs = inputs(seeds.into_iter().map(|(_, seed)| seed).collect()).prop_map(Input);
    let found = TestRunner::new(config).run(&inputs, |Input(bytes)| {
        property(&bytes);
        Ok(())
    });
    if let Err(found) = found {
        panic!("{target}: {found}");
    }
}

fn shown(bytes: &[u8]) -> String {
    format!("b\"{}\"", bytes.escape_ascii())
}

/// An input that is shown as it would be written in a test.
struct Input(Vec<u8>);

impl fmt::Debug for Input {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&shown(&self.0))
    }
}

/// The files of `fuzz/seeds/TARGET`, in order of their names.
fn seeds(target: &str) -> Vec<(String, Vec<u8>)> {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("../seeds").join(target);
    let read =
        |entry: fs::DirEntry| Some((entry.file_name().to_string_lossy().into_owned(), fs::read(entry.path()).ok()?));
    let mut seeds: Vec<_> = fs::read_dir(directory).into_iter().flatten().flatten().filter_map(read).collect();
    seeds.sort();
    seeds
}

/// One change to an input.
#[derive(Clone, Debug)]
enum Edit {
    Remove(Index, usize),
    Insert(Index, Vec<u8>),
    Set(Index, u8),
    /// A piece of the input once more, elsewhere.
    Copy(Index, usize, Index),
    /// A piece over and over.
    Repeat(Index, usize, usize),
}

/// What most formats here are made of.
const TOKENS: [&str; 32] = [
    "\"",
    "\\",
    "{",
    "}",
    "[",
    "]",
    ",",
    ":",
    "\n",
    "\r\n",
    " ",
    "null",
    "true",
    "0",
    "-1",
    "1e999",
    "18446744073709551616",
    "\\u0000",
    "\\ud800",
    "é",
    "\u{feff}",
    "\0",
    "\u{1b}",
    "\"id\":",
    "\"data\":",
    "\"error\":",
    "%",
    "=",
    ";",
    "-",
    ".",
    "\u{2028}",
];

fn edit() -> impl Strategy<Value = Edit> {
    let at = any::<Index>;
    prop_oneof![
        (at(), 1..24_usize).prop_map(|(at, length)| Edit::Remove(at, length)),
        (at(), select(&TOKENS[..])).prop_map(|(at, token)| Edit::Insert(at, token.into())),
        (at(), prop::collection::vec(any::<u8>(), 1..6)).prop_map(|(at, bytes)| Edit::Insert(at, bytes)),
        (at(), any::<u8>()).prop_map(|(at, byte)| Edit::Set(at, byte)),
        (at(), 1..40_usize, at()).prop_map(|(from, length, to)| Edit::Copy(from, length, to)),
        (at(), 1..6_usize, 2..200_usize).prop_map(|(at, length, times)| Edit::Repeat(at, length, times)),
    ]
}

fn apply(mut bytes: Vec<u8>, edits: Vec<Edit>) -> Vec<u8> {
    for edit in edits {
        let place = |at: Index| at.index(bytes.len() + 1);
        let piece = |at: Index, length: usize| {
            let from = place(at);
            from..(from + length).min(bytes.len())
        };
        match edit {
            Edit::Remove(at, length) => drop(bytes.drain(piece(at, length))),
            Edit::Insert(at, new) => {
                let at = place(at);
                drop(bytes.splice(at..at, new));
            }
            Edit::Set(at, byte) => {
                let at = place(at);
                if let Some(old) = bytes.get_mut(at) {
                    *old = byte;
                }
            }
            Edit::Copy(from, length, to) => {
                let (piece, to) = (bytes[piece(from, length)].to_vec(), place(to));
                drop(bytes.splice(to..to, piece));
            }
            Edit::Repeat(at, length, times) => {
                let range = piece(at, length);
                let repeated = bytes[range.clone()].repeat(times);
                drop(bytes.splice(range, repeated));
            }
        }
    }
    bytes
}

/// Seeds with edits, two of them joined, and bytes out of nothing.
fn inputs(seeds: Vec<Vec<u8>>) -> impl Strategy<Value = Vec<u8>> {
    let any_bytes = prop::collection::vec(any::<u8>(), 0..200);
    let seeds = if seeds.is_empty() { vec![Vec::new()] } else { seeds };
    let edited =
        (select(seeds.clone()), prop::collection::vec(edit(), 0..6)).prop_map(|(seed, edits)| apply(seed, edits));
    let joined =
        (select(seeds.clone()), select(seeds), any::<Index>(), any::<Index>()).prop_map(|(a, b, end, begin)| {
            let (end, begin) = (end.index(a.len() + 1), begin.index(b.len() + 1));
            [&a[..end], &b[begin..]].concat()
        });
    prop_oneof![8 => edited, 3 => joined, 1 => any_bytes]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_property_that_does_not_hold_is_found() {
        let none = |bytes: &[u8]| assert!(bytes.len() < 150, "it is long");
        let found = catch_unwind(|| run("no-such-target", none)).expect_err("inputs are longer than that");
        let said = found.downcast_ref::<String>().expect("a text");
        assert!(said.starts_with("no-such-target: ") && said.contains("it is long"), "{said}");
    }

    #[test]
    fn edits_stay_within_their_bytes() {
        let strategy = prop::collection::vec(edit(), 0..8);
        let mut runner = TestRunner::new(Config { failure_persistence: None, ..Config::default() });
        let held = runner.run(&strategy, |edits| {
            for begin in [&b""[..], b"a", b"some bytes of a seed"] {
                let _ = apply(begin.to_vec(), edits.clone());
            }
            Ok(())
        });
        held.expect("no edit panics");
    }
}
