//! `TEXT name=value,name=value`.

use std::fmt::Write;

use super::report::{Field, LoadReport};

pub(super) fn read(text: &str) -> Option<LoadReport> {
    text.split(',').try_fold(LoadReport::new(), |report, pair| {
        // Envoy took a colon once.
        let (name, value) = pair.split_once(['=', ':'])?;
        match Field::named(name.trim()) {
            Some(field) => report.with(field, value.trim().parse().ok()?),
            // A metric of the backend's own.
            None => Some(report),
        }
    })
}

pub(super) fn write(report: &LoadReport) -> String {
    let mut text = String::from("TEXT ");
    let said =
        Field::ALL.into_iter().map(|field| (field.names()[0], report.get(field))).filter(|(_, value)| *value != 0.0);
    for (index, (name, value)) in said.enumerate() {
        let comma = if index == 0 { "" } else { "," };
        // Writing to a string cannot fail.
        let _ = write!(text, "{comma}{name}={value}");
    }
    text
}
