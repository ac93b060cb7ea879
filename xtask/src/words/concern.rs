//! What a concern has of each word, against what the table says.

use super::table::Difference;
use crate::libraries::{Libraries, Library, Type};

/// What every concern has, and in what they differ.
#[derive(Debug, Clone, Copy)]
pub(super) struct Table {
    pub(super) concerns: &'static [&'static str],
    pub(super) differences: &'static [Difference],
}

impl Table {
    /// What is wrong with a concern, and with the table itself, a line each.
    pub(super) fn faults(&self, words: &[&str], libraries: &Libraries) -> Vec<String> {
        let mut faults = Vec::new();
        for concern in self.concerns {
            let Some(library) = self.library(concern, libraries) else {
                let service = self.service(concern);
                faults.push(format!("{concern}: no library has a type `{service}`, its service"));
                continue;
            };
            let is_there = |other: &&&str| library.types.iter().any(|one| one.name() == self.service(other));
            let is_alone = self.concerns.iter().filter(is_there).count() < 2;
            let place = Place { table: *self, concern, libraries, library, is_alone };
            faults.extend(words.iter().filter_map(|word| place.fault(word)));
        }
        faults.extend(self.differences.iter().flat_map(|difference| self.idle(difference, words)));
        faults
    }

    /// What a line names that there is not.
    fn idle(&self, difference: &Difference, words: &[&str]) -> Vec<String> {
        let concerns = difference.concerns.iter().filter(|concern| !self.concerns.contains(concern));
        let words = difference.words.iter().filter(|word| !words.contains(word));
        concerns.chain(words).map(|what| format!("a line of the table on `{what}`, which is not in it")).collect()
    }

    fn difference(&self, concern: &str, word: &str) -> Option<&'static Difference> {
        self.differences.iter().find(|one| one.concerns.contains(&concern) && one.words.contains(&word))
    }

    fn service(&self, concern: &str) -> String {
        let other = self.difference(concern, "Service").and_then(|difference| difference.instead);
        other.unwrap_or(concern).to_owned()
    }

    fn library<'a>(&self, concern: &str, libraries: &'a Libraries) -> Option<&'a Library> {
        let service = self.service(concern);
        libraries.0.iter().find(|library| library.types.iter().any(|one| one.name() == service))
    }
}

/// A concern where it stands.
#[derive(Debug, Clone, Copy)]
struct Place<'a> {
    table: Table,
    concern: &'a str,
    libraries: &'a Libraries,
    library: &'a Library,
    /// No other concern stands in that library.
    is_alone: bool,
}

impl<'a> Place<'a> {
    fn find(&self, name: &str) -> Option<&'a Type> {
        self.library.types.iter().find(|one| one.name() == name)
    }

    fn fault(&self, word: &str) -> Option<String> {
        match word.split_once("::") {
            Some((part, function)) => self.fault_of_function(word, part, function),
            None => self.fault_of_type(word),
        }
    }

    fn difference(&self, word: &str) -> Option<&'static Difference> {
        self.table.difference(self.concern, word)
    }

    /// The name of the type that is this part, where nothing differs.
    fn plain_name(&self, part: &str) -> String {
        match part {
            "Service" => self.concern.to_owned(),
            "Future" if self.is_alone => "ResponseFuture".to_owned(),
            part => format!("{}{part}", self.concern),
        }
    }

    fn fault_of_type(&self, part: &str) -> Option<String> {
        let plain = self.plain_name(part);
        let has = |name: &str| self.find(name).is_some();
        let fault = match self.difference(part).map(|difference| difference.instead) {
            None if has(&plain) => return None,
            None => format!("no type `{plain}`; right would be one, or a line in the table with the reason"),
            Some(None) if !has(&plain) => return None,
            Some(None) => format!("`{plain}` is there: the line on it has to go"),
            Some(Some(other)) if has(other) => return None,
            Some(Some(other)) => format!("no type `{other}`, which the table names in the place of `{plain}`"),
        };
        Some(format!("{}, {}: {fault}", self.library.name, self.concern))
    }

    fn fault_of_function(&self, word: &str, part: &str, function: &str) -> Option<String> {
        let difference = self.difference(word);
        let name = match self.difference(part) {
            None => self.plain_name(part),
            Some(Difference { instead: Some(other), .. }) => (*other).to_owned(),
            // What has no layer has no function of a layer, which needs no line.
            Some(_) => return None,
        };
        // That a type is missing is said once.
        let owner = self.find(&name)?;
        let has = |function: &str| self.libraries.has(owner, function);
        let fault = match difference.map(|difference| difference.instead) {
            None if has(function) => return None,
            None => {
                format!("no `{function}`; right would be `{name}::{function}`, or a line in the table with the reason")
            }
            Some(_) if has(function) => format!("`{function}` is there: the line on it has to go"),
            Some(None) => return None,
            Some(Some(other)) if has(other) => return None,
            Some(Some(other)) => format!("no `{other}`, which the table names in the place of `{function}`"),
        };
        Some(format!("{}: {fault}", owner.path))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::libraries::library;

    const WORDS: &[&str] = &["Layer", "Service", "Future", "Handle", "Layer::handle", "Handle::stats"];

    const ALIKE: Table = Table { concerns: &["Gate"], differences: &[] };

    const LISTED: &[&str] = &[
        "struct it::Gate",
        "struct it::GateLayer",
        "struct it::GateHandle",
        "struct it::ResponseFuture",
        "fn it::GateLayer::handle",
        "fn it::GateHandle::stats",
    ];

    fn found(table: Table, lines: &[&str]) -> Vec<String> {
        table.faults(WORDS, &Libraries(vec![library("plugin-it", lines)]))
    }

    /// All that is listed but one line, and one more.
    fn with(table: Table, gone: &str, new: &str) -> Vec<String> {
        let lines: Vec<_> = LISTED.iter().copied().filter(|line| *line != gone).chain([new]).collect();
        found(table, &lines)
    }

    #[test]
    fn a_concern_that_has_every_word_has_no_fault() {
        assert_eq!(found(ALIKE, LISTED), [""; 0]);
    }

    #[test]
    fn a_type_that_is_missing_is_named_with_what_would_be_right() {
        let faults = with(ALIKE, "struct it::GateHandle", "struct it::GateControl");
        let expected = "no type `GateHandle`; right would be one, or a line in the table with the reason";
        assert_eq!(faults, [format!("plugin-it, Gate: {expected}")]);
    }

    #[test]
    fn a_function_that_is_missing_is_named_with_its_type() {
        let faults = with(ALIKE, "fn it::GateHandle::stats", "fn it::GateHandle::figures");
        let expected = "no `stats`; right would be `GateHandle::stats`, or a line in the table with the reason";
        assert_eq!(faults, [format!("it::GateHandle: {expected}")]);
    }

    #[test]
    fn a_concern_that_is_nowhere_is_a_fault() {
        assert_eq!(found(ALIKE, &[]), ["Gate: no library has a type `Gate`, its service"]);
    }

    #[test]
    fn a_line_on_a_word_excuses_it_and_no_longer_than_it_is_missing() {
        const NO_STATS: Difference =
            Difference { concerns: &["Gate"], words: &["Handle::stats"], instead: None, why: "counts nothing" };
        const TABLE: Table = Table { differences: &[NO_STATS], ..ALIKE };
        assert_eq!(with(TABLE, "fn it::GateHandle::stats", ""), [""; 0]);
        assert_eq!(found(TABLE, LISTED), ["it::GateHandle: `stats` is there: the line on it has to go"]);
    }

    #[test]
    fn another_word_has_to_be_there_and_the_usual_one_not() {
        const FIGURES: Difference =
            Difference { concerns: &["Gate"], words: &["Handle::stats"], instead: Some("figures"), why: "they are" };
        const TABLE: Table = Table { differences: &[FIGURES], ..ALIKE };
        assert_eq!(with(TABLE, "fn it::GateHandle::stats", "fn it::GateHandle::figures"), [""; 0]);
        let expected = "it::GateHandle: no `figures`, which the table names in the place of `stats`";
        assert_eq!(with(TABLE, "fn it::GateHandle::stats", ""), [expected]);
        let both = with(TABLE, "", "fn it::GateHandle::figures");
        assert_eq!(both, ["it::GateHandle: `stats` is there: the line on it has to go"]);
    }

    #[test]
    fn another_type_has_to_be_there() {
        const CONTROL: Difference =
            Difference { concerns: &["Gate"], words: &["Handle"], instead: Some("GateControl"), why: "it is one" };
        const TABLE: Table = Table { differences: &[CONTROL], ..ALIKE };
        let expected = "plugin-it, Gate: no type `GateControl`, which the table names in the place of `GateHandle`";
        assert_eq!(found(TABLE, LISTED), [expected]);
    }

    #[test]
    fn a_part_that_is_there_needs_no_excuse() {
        const NO_HANDLE: Difference =
            Difference { concerns: &["Gate"], words: &["Handle"], instead: None, why: "no state" };
        const TABLE: Table = Table { differences: &[NO_HANDLE], ..ALIKE };
        assert_eq!(found(TABLE, LISTED), ["plugin-it, Gate: `GateHandle` is there: the line on it has to go"]);
    }

    #[test]
    fn what_has_no_handle_needs_no_line_on_its_functions() {
        const NO_HANDLE: Difference =
            Difference { concerns: &["Gate"], words: &["Handle"], instead: None, why: "no state" };
        const TABLE: Table = Table { differences: &[NO_HANDLE], ..ALIKE };
        assert_eq!(with(TABLE, "struct it::GateHandle", ""), [""; 0]);
    }

    #[test]
    fn a_line_on_what_is_not_in_the_table_is_a_fault() {
        const LINE: Difference =
            Difference { concerns: &["Door"], words: &["Layer::close"], instead: None, why: "no state" };
        let faults = found(Table { differences: &[LINE], ..ALIKE }, LISTED);
        let line = |what: &str| format!("a line of the table on `{what}`, which is not in it");
        assert_eq!(faults, [line("Door"), line("Layer::close")]);
    }

    #[test]
    fn two_concerns_of_a_library_have_a_future_each() {
        let lines: Vec<_> = LISTED.iter().copied().chain(["struct it::Door"]).collect();
        let table = Table { concerns: &["Gate", "Door"], ..ALIKE };
        let faults = table.faults(&["Future"], &Libraries(vec![library("plugin-it", &lines)]));
        assert!(faults[0].contains("no type `GateFuture`") && faults[1].contains("no type `DoorFuture`"), "{faults:?}");
    }
}
