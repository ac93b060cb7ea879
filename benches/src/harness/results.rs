//! `RESULTS.md`: one section per group, each replaced in place when its group is measured again.

use super::aims::{Floors, paragraph};
use super::group::{Group, OwnTable};
use super::machine::Machine;
use super::measured::Measurement;
use super::plan::Plan;
use super::table::markdown;

/// What a section begins with.
const HEADING: &str = "## ";

/// Two threads that share nothing reach this where nothing else runs.
const IDLE_SCALING: f64 = 1.8;

/// The results of one group, as Markdown.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Section {
    name: String,
    text: String,
}

impl Section {
    /// Writes down what was measured, where, and against which versions.
    #[must_use]
    pub fn new(
        group: &Group,
        measured: &Measurement,
        floors: &Floors,
        plan: &Plan,
        machine: &Machine,
        peers: &[String],
    ) -> Self {
        let mut text = written(group, &markdown(&measured.rows), group.notes());
        text += &paragraph(group.aims(), &measured.rows, floors).map(|aims| format!("\n{aims}")).unwrap_or_default();
        text += &format!("\nCommit {}, {} rounds, {}.", machine.commit(), plan.rounds(), machine.hardware());
        text += &against(peers);
        text += &control_line(measured.unshared_scaling);
        Self { name: group.name().to_owned(), text }
    }

    /// Writes down the table of a group that has measured by itself.
    #[must_use]
    pub fn of_table(group: &Group, table: &OwnTable, machine: &Machine, peers: &[String]) -> Self {
        let mut text = written(group, &table.markdown, &table.notes);
        text += &format!("\nCommit {}, {}.", machine.commit(), machine.hardware());
        text += &against(peers);
        Self { name: group.name().to_owned(), text }
    }

    /// The whole section, heading included.
    #[must_use]
    pub fn text(&self) -> &str {
        &self.text
    }
}

/// The heading, what it is about, the table, and what is noted.
fn written(group: &Group, table: &str, notes: &[String]) -> String {
    let mut text = format!("{HEADING}{}\n\n{}\n\n{table}", group.name(), group.about());
    notes.iter().for_each(|note| text += &format!("\n{note}\n"));
    text
}

/// The versions of the peers, and the end of the line.
fn against(peers: &[String]) -> String {
    if peers.is_empty() { "\n".to_owned() } else { format!(" Peers: {}.\n", peers.join(", ")) }
}

/// Says how much of the machine the two-thread runs had to themselves.
fn control_line(unshared_scaling: Option<f64>) -> String {
    match unshared_scaling {
        None => "One core: nothing was run on two threads.\n".to_owned(),
        Some(scaling) if scaling < IDLE_SCALING => format!(
            "**The machine was busy**: two threads that share nothing reached {scaling:.2}x, so no row can show more.\n"
        ),
        Some(scaling) => format!("Two threads that share nothing reached {scaling:.2}x.\n"),
    }
}

/// What stands above the sections.
#[must_use]
pub fn results_header(machine: &Machine) -> String {
    format!(
        "# Results\n\n\
         Written by `cargo xtask bench [FILTER] --write`, which replaces the sections of the groups that it measured.\n\
         `README.md` says how the columns are meant. Ratios hold where nanoseconds do not: compare rows, not machines.\n\n\
         Last run: {machine}.\n"
    )
}

/// Puts `new` sections in the place of the old ones of the same name and keeps the others. Sections stand in `order`; what
/// is not in `order`, a group that is gone, is dropped. The old header makes way for `header`.
#[must_use]
pub fn merge_results(existing: &str, header: &str, new: &[Section], order: &[&str]) -> String {
    let old = split(existing);
    let mut merged = header.to_owned();
    for name in order {
        let section = new.iter().chain(&old).find(|section| section.name == *name);
        if let Some(section) = section {
            merged += &format!("\n{}\n", section.text.trim_end());
        }
    }
    merged
}

fn split(text: &str) -> Vec<Section> {
    let mut sections: Vec<Section> = Vec::new();
    for line in text.lines() {
        if let Some(name) = line.strip_prefix(HEADING) {
            sections.push(Section { name: name.trim().to_owned(), text: String::new() });
        }
        // Lines above the first heading are the old header.
        if let Some(section) = sections.last_mut() {
            section.text += line;
            section.text.push('\n');
        }
    }
    sections
}

#[cfg(test)]
mod tests {
    use super::*;

    fn section(name: &str, body: &str) -> Section {
        Section { name: name.to_owned(), text: format!("## {name}\n\n{body}\n") }
    }

    #[test]
    fn a_section_is_replaced_in_place_and_the_others_stay() {
        let existing = "# Old\n\n## a\n\nold a\n\n## b\n\nold b\n";
        let merged = merge_results(existing, "# New\n", &[section("b", "new b")], &["a", "b"]);
        assert_eq!(merged, "# New\n\n## a\n\nold a\n\n## b\n\nnew b\n");
    }

    #[test]
    fn a_new_section_stands_where_its_group_is_listed_and_a_gone_group_is_dropped() {
        let existing = "# Old\n\n## gone\n\nx\n\n## c\n\nold c\n";
        let merged = merge_results(existing, "# New\n", &[section("b", "new b")], &["a", "b", "c"]);
        assert_eq!(merged, "# New\n\n## b\n\nnew b\n\n## c\n\nold c\n");
    }

    #[test]
    fn a_busy_machine_is_named_beneath_the_table() {
        assert_eq!(control_line(Some(1.98)), "Two threads that share nothing reached 1.98x.\n");
        assert!(control_line(Some(1.17)).contains("was busy**: two threads that share nothing reached 1.17x"));
        assert!(control_line(None).contains("One core"));
    }

    #[test]
    fn merging_twice_changes_nothing_more() {
        let once = merge_results("", "# New\n", &[section("a", "one"), section("b", "two")], &["a", "b"]);
        assert_eq!(merge_results(&once, "# New\n", &[], &["a", "b"]), once);
    }
}
