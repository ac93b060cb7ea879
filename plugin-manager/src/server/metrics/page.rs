//! Prometheus' text format, version 0.0.4.

use std::{fmt::Write, time::Duration};

use plugin_telemetry::{TelemetryStats, bucket_bounds};

use super::families::{DURATION, DURATION_HELP, FAMILIES, FamilyKind, Reading};

/// The layers' buckets are finer than a page needs: it shows those that end at 1, 2.5 and 5 of each power of ten, from this
/// one on. Every bucket of theirs lies in one of these, so nothing is guessed.
const FIRST_SHOWN: Duration = Duration::from_micros(10);

/// Everything of these plugins, family by family and in the order of the plugins.
pub(super) fn render(plugins: &[Reading<'_>]) -> String {
    let mut page = String::new();
    for family in &FAMILIES {
        let kind = match family.kind {
            FamilyKind::Counter => "counter",
            FamilyKind::Gauge => "gauge",
        };
        let start = heading(&mut page, family.name, family.help, kind);
        let samples = page.len();
        for plugin in plugins {
            (family.tell)(plugin, &mut |label, value| {
                series(&mut page, family.name, "", plugin.plugin, label);
                put(&mut page, format_args!("{value}\n"));
            });
        }
        // No plugin has it.
        if page.len() == samples {
            page.truncate(start);
        }
    }
    let start = heading(&mut page, DURATION, DURATION_HELP, "histogram");
    let samples = page.len();
    // As text, once for all plugins.
    let bounds: Vec<_> = bucket_bounds().map(|bound| is_shown(bound).then(|| seconds(bound))).collect();
    for plugin in plugins {
        if let Some(calls) = &plugin.calls {
            histogram(&mut page, plugin.plugin, calls, &bounds);
        }
    }
    if page.len() == samples {
        page.truncate(start);
    }
    page
}

/// Writes what a family is, and says where that begins.
fn heading(page: &mut String, name: &str, help: &str, kind: &str) -> usize {
    let start = page.len();
    put(page, format_args!("# HELP {name} {help}\n# TYPE {name} {kind}\n"));
    start
}

fn histogram(page: &mut String, plugin: &str, calls: &TelemetryStats, bounds: &[Option<String>]) {
    let (mut count, mut sum) = (0_u64, Duration::ZERO);
    // The last bucket has no bound.
    for (bucket, bound) in calls.buckets().iter().zip(bounds.iter().chain([&None])) {
        count += bucket.count;
        sum += bucket.sum;
        if let Some(bound) = bound {
            series(page, DURATION, "_bucket", plugin, Some(("le", bound)));
            put(page, format_args!("{count}\n"));
        }
    }
    series(page, DURATION, "_bucket", plugin, Some(("le", "+Inf")));
    put(page, format_args!("{count}\n"));
    series(page, DURATION, "_sum", plugin, None);
    put(page, format_args!("{}\n", seconds(sum)));
    series(page, DURATION, "_count", plugin, None);
    put(page, format_args!("{count}\n"));
}

fn is_shown(bound: Duration) -> bool {
    let mut digits = bound.as_nanos();
    while digits > 0 && digits.is_multiple_of(10) {
        digits /= 10;
    }
    bound >= FIRST_SHOWN && matches!(digits, 1 | 25 | 5)
}

/// The name of a series and its labels, with the blank before its value.
fn series(page: &mut String, name: &str, part: &str, plugin: &str, label: Option<(&str, &str)>) {
    put(page, format_args!("{name}{part}{{plugin=\""));
    for character in plugin.chars() {
        match character {
            '\\' => page.push_str("\\\\"),
            '"' => page.push_str("\\\""),
            '\n' => page.push_str("\\n"),
            other => page.push(other),
        }
    }
    page.push('"');
    if let Some((name, value)) = label {
        put(page, format_args!(",{name}=\"{value}\""));
    }
    page.push_str("} ");
}

/// Exact, and without an exponent.
fn seconds(duration: Duration) -> String {
    let text = format!("{}.{:09}", duration.as_secs(), duration.subsec_nanos());
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}

fn put(page: &mut String, text: std::fmt::Arguments<'_>) {
    // Writing to a `String` does not fail.
    let _ = page.write_fmt(text);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_bounds_that_are_shown_are_the_round_ones() {
        let shown: Vec<_> = bucket_bounds().filter(|bound| is_shown(*bound)).map(seconds).collect();
        assert_eq!(
            shown,
            [
                "0.00001", "0.000025", "0.00005", "0.0001", "0.00025", "0.0005", "0.001", "0.0025", "0.005", "0.01",
                "0.025", "0.05", "0.1", "0.25", "0.5", "1", "2.5", "5", "10", "25", "50", "100"
            ]
        );
    }

    #[test]
    fn a_label_cannot_end_its_quotes() {
        let mut page = String::new();
        series(&mut page, "n", "_sum", "a\"b\\c\nd", Some(("le", "1")));
        assert_eq!(page, "n_sum{plugin=\"a\\\"b\\\\c\\nd\",le=\"1\"} ");
    }
}
