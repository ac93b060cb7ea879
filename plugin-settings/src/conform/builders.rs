//! What a builder says of a value that no reader has looked at. A program sets it by hand, and is to hear what a file would.

use std::ops::Bound;
use std::time::Duration;

use plugin_core::settings::{self, Bounds, Checked, Kind, Settings, Values};
use serde::Deserialize;
use serde_json::Value;

/// What no field of its width can hold is never given to a builder.
const WIDTHS: [i128; 4] = [1 << 8, 1 << 16, 1 << 32, 1 << 64];

/// Values of the right type that are past the bounds of a kind.
pub(super) fn outside(kind: &Kind) -> Vec<Checked> {
    match kind {
        Kind::Integer(bounds) => integers(bounds),
        Kind::Number(bounds) => numbers(bounds),
        Kind::Time(bounds) => times(bounds),
        Kind::CountOrTime(count, time) => [integers(count), times(time)].concat(),
        Kind::Size(bounds) => {
            let less = included(&bounds.low).and_then(|low| low.checked_sub(1));
            let more = included(&bounds.high).and_then(|high| high.checked_add(1));
            less.into_iter().chain(more).map(Checked::Size).collect()
        }
        _ => Vec::new(),
    }
}

fn integers(bounds: &Bounds<i128>) -> Vec<Checked> {
    let less = included(&bounds.low).map(|low| low - 1).filter(|less| *less >= 0);
    let more = included(&bounds.high).map(|high| high + 1).filter(|more| !WIDTHS.contains(more));
    less.into_iter().chain(more).map(Checked::Integer).collect()
}

fn numbers(bounds: &Bounds<f64>) -> Vec<Checked> {
    const STEP: f64 = 1e-4;
    let less = match bounds.low {
        Bound::Included(low) => Some(low - STEP),
        Bound::Excluded(low) => Some(low),
        Bound::Unbounded => None,
    };
    let more = included(&bounds.high).map(|high| high + STEP);
    less.into_iter().chain(more).chain([f64::NAN]).map(Checked::Number).collect()
}

fn times(bounds: &Bounds<Duration>) -> Vec<Checked> {
    const STEP: Duration = Duration::from_nanos(1);
    let less = included(&bounds.low).and_then(|low| low.checked_sub(STEP));
    let more = included(&bounds.high).and_then(|high| high.checked_add(STEP));
    less.into_iter().chain(more).map(Checked::Time).collect()
}

fn included<N: Copy>(bound: &Bound<N>) -> Option<N> {
    match bound {
        Bound::Included(value) => Some(*value),
        _ => None,
    }
}

/// The values of a document, with this one at the end of the path.
pub(super) fn values<T: Settings>(document: &Value, path: &[&str], value: Checked) -> Values {
    let document = settings::Value::deserialize(document).expect("JSON is a value");
    with(&settings::read(T::TABLE, &document, "").0, path, value)
}

fn with(values: &Values, path: &[&str], value: Checked) -> Values {
    let (key, inner) = path.split_first().expect("a key");
    let others = values.iter().filter(|(other, _)| other != key);
    let others = others.fold(Values::new(values.table()), |all, (other, value)| all.with(other, value.clone()));
    let value = if inner.is_empty() {
        value
    } else {
        let table = values.table().key(key).and_then(|key| key.kind().table()).expect("a path of `sections`");
        let section = values.section(key).cloned().unwrap_or_else(|| Values::new(table));
        Checked::Section(with(&section, inner, value))
    };
    others.with(key, value)
}
