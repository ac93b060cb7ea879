//! A picture of a scenario: the figures of its rows as bars, side by side.

use std::fmt::Write;

use crate::{
    scenarios::Scenario,
    seen::{Row, Seen},
};

const ROW: usize = 24;
const TOP: usize = 52;
const NAMES: usize = 170;
const PANEL: usize = 190;
const GAP: usize = 60;

/// One figure of all rows.
struct Panel {
    title: String,
    unit: &'static str,
    of: fn(&Seen) -> f64,
    /// Where a bar has its full length.
    full: f64,
}

fn panels(scenario: &Scenario) -> Vec<Panel> {
    let mut panels = vec![
        Panel { title: "p99 of those answered".into(), unit: "ms", of: |seen| seen.p99, full: 1000.0 },
        Panel { title: "failed".into(), unit: "%", of: |seen| 100.0 * seen.failed, full: 60.0 },
    ];
    panels.push(match scenario.odd {
        Some((_, who)) => {
            Panel { title: format!("picks of {who}"), unit: "%", of: |seen| 100.0 * seen.odd, full: 60.0 }
        }
        None => Panel { title: "picks of the busiest".into(), unit: "%", of: |seen| 100.0 * seen.most, full: 20.0 },
    });
    panels
}

/// A drawing that is readable on light and on dark.
pub(crate) fn svg(scenario: &Scenario, rows: &[Row]) -> String {
    let panels = panels(scenario);
    let (width, height) = (NAMES + panels.len() * (PANEL + GAP), TOP + rows.len() * ROW + 12);
    let mut svg = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {width} {height}\" width=\"{width}\" \
         height=\"{height}\" font-family=\"sans-serif\" font-size=\"12\" role=\"img\">\n<title>{}</title>\n\
         <rect width=\"{width}\" height=\"{height}\" fill=\"#ffffff\"/>\n",
        scenario.name,
    );
    text(&mut svg, 8, 20, "#111111", scenario.name);
    if scenario.fails {
        bar(&mut svg, 8, 34, 12, "#4477aa");
        text(&mut svg, 24, 41, "#444444", "as it is");
        bar(&mut svg, 80, 34, 12, "#ee9944");
        text(&mut svg, 96, 41, "#444444", "with ejection");
    }
    for (row, y) in rows.iter().zip((TOP..).step_by(ROW)) {
        text(&mut svg, 8, y + 14, "#111111", row.strategy.as_str());
    }
    for (panel, x) in panels.iter().zip((NAMES..).step_by(PANEL + GAP)) {
        text(&mut svg, x, 41, "#444444", &panel.title);
        for (row, y) in rows.iter().zip((TOP..).step_by(ROW)) {
            figure(&mut svg, panel, x, y + 2, "#4477aa", (panel.of)(&row.without));
            if let Some(with) = &row.with {
                figure(&mut svg, panel, x, y + 12, "#ee9944", (panel.of)(with));
            }
        }
    }
    svg.push_str("</svg>\n");
    svg
}

/// A bar with its number behind it.
fn figure(svg: &mut String, panel: &Panel, x: usize, y: usize, colour: &str, value: f64) {
    let length = ((value / panel.full).min(1.0) * PANEL as f64).round() as usize;
    bar(svg, x, y, length.max(1), colour);
    let digits = usize::from(panel.unit == "%");
    let label = format!("{value:.digits$} {}", panel.unit);
    let _ =
        writeln!(svg, "<text x=\"{}\" y=\"{}\" font-size=\"9\" fill=\"#444444\">{label}</text>", x + length + 4, y + 8);
}

fn bar(svg: &mut String, x: usize, y: usize, width: usize, colour: &str) {
    let _ = writeln!(svg, "<rect x=\"{x}\" y=\"{y}\" width=\"{width}\" height=\"8\" fill=\"{colour}\"/>");
}

fn text(svg: &mut String, x: usize, y: usize, colour: &str, text: &str) {
    let _ = writeln!(svg, "<text x=\"{x}\" y=\"{y}\" fill=\"{colour}\">{text}</text>");
}
