//! Values to try a key with.

use std::ops::Bound;
use std::time::Duration;

use plugin_core::go_duration;
use plugin_core::settings::{self, Bounds, Key, Kind};
use serde_json::{Number, Value, json};

/// A value, and whether the key takes it.
#[derive(Debug)]
pub(super) struct Probe {
    pub(super) value: Value,
    pub(super) fits: bool,
    /// Whether the schema can tell: it knows no bounds of durations, and no names.
    pub(super) in_schema: bool,
}

pub(super) fn probes(key: &Key) -> Vec<Probe> {
    let mut list = List(Vec::new());
    match key.kind() {
        Kind::Bool => {
            list.fit([json!(true), json!(false)]);
            list.misfit([json!("yes"), json!(1)]);
        }
        Kind::Integer(bounds) => list.integers(bounds),
        Kind::Number(bounds) => list.numbers(bounds),
        Kind::Time(bounds) => {
            list.times(bounds);
            list.misfit([json!(30), json!(5_000)]);
        }
        Kind::CountOrTime(count, time) => {
            list.integers(count);
            list.times(time);
        }
        Kind::Size(bounds) => {
            list.fit(edges(bounds, 1).0.into_iter().map(|value| json!(value)));
            list.misfit(edges(bounds, 1).1.into_iter().map(|value| json!(value)));
            list.fit([json!("1KiB")]);
            list.misfit([json!("lots"), json!(true)]);
        }
        Kind::Word(words) => {
            list.words(words);
            list.fit(words.iter().filter_map(|word| word.parse().ok()).map(Value::Number));
        }
        Kind::AnyCase(words) => {
            list.words(words);
            list.fit(words.iter().map(|word| json!(word.to_ascii_uppercase())));
        }
        Kind::Path => {
            list.fit([json!("/some/file")]);
            list.misfit([json!(["a"])]);
        }
        Kind::WordOrNumber(words) => {
            list.words(words);
            list.fit((0..words.len()).map(|number| json!(number)));
            list.misfit([json!(words.len()), json!(-1)]);
        }
        Kind::WordOrShare(words) => {
            list.words(words);
            list.fit([json!(0.0), json!(1.0), json!(0.25)]);
            list.misfit([json!(-0.01), json!(1.01)]);
        }
        Kind::Texts => {
            list.fit([json!([]), json!(["a", "b"]), json!([1, true, "c"])]);
            list.misfit([json!("a"), json!([["a"]])]);
        }
        Kind::Names(fits) => {
            let some = ["PLUGIN_1205", "a"].into_iter().find(|name| fits(name).is_ok());
            list.fit([json!([]), json!(some.into_iter().collect::<Vec<_>>())]);
            list.fit(Some(json!([503])).filter(|_| fits("503").is_ok()));
            list.unseen([json!(["no such name"]), json!([1.5])]);
            list.misfit([json!("PLUGIN_1205")]);
        }
        Kind::TextMap | Kind::SecretMap => {
            list.fit([json!({ "x-a": "b" })]);
            list.fit([json!({ "x-a": 1 }), json!(["x-a=b", "x-b=c=d"])]);
            list.misfit([json!({ "x-a": [1] }), json!("a")]);
        }
        Kind::Object => {
            list.fit([json!({ "a": 1 })]);
            list.misfit([json!([1])]);
        }
        _ => {
            list.fit([json!("some text"), json!(1), json!(1.5), json!(true)]);
            list.misfit([json!(["a"]), json!({ "a": 1 })]);
        }
    }
    list.0
}

struct List(Vec<Probe>);

impl List {
    fn add(&mut self, values: impl IntoIterator<Item = Value>, fits: bool, in_schema: bool) {
        self.0.extend(values.into_iter().map(|value| Probe { value, fits, in_schema }));
    }

    fn fit(&mut self, values: impl IntoIterator<Item = Value>) {
        self.add(values, true, true);
    }

    fn misfit(&mut self, values: impl IntoIterator<Item = Value>) {
        self.add(values, false, true);
    }

    /// Values that only the readers refuse.
    fn unseen(&mut self, values: impl IntoIterator<Item = Value>) {
        self.add(values, false, false);
    }

    fn words(&mut self, words: &[&str]) {
        self.fit(words.iter().map(|word| json!(word)));
        self.misfit([json!("no-such-word"), json!(true)]);
    }

    fn integers(&mut self, bounds: &Bounds<i128>) {
        let (inside, outside) = edges(bounds, 1);
        let value = |value: i128| Number::from_i128(value).map(Value::Number);
        self.fit(inside.into_iter().filter_map(value));
        self.misfit(outside.into_iter().filter_map(value));
        self.misfit([json!(1.5)]);
    }

    fn numbers(&mut self, bounds: &Bounds<f64>) {
        const STEP: f64 = 1e-4;
        match bounds.low {
            Bound::Included(low) => {
                self.fit([json!(low)]);
                self.misfit([json!(low - STEP)]);
            }
            Bound::Excluded(low) => {
                self.fit([json!(low + STEP)]);
                self.misfit([json!(low)]);
            }
            Bound::Unbounded => {}
        }
        if let Bound::Included(high) = bounds.high {
            self.fit([json!(high)]);
            self.misfit([json!(high + STEP)]);
        }
        self.misfit([json!(true), json!("1.0")]);
    }

    fn times(&mut self, bounds: &Bounds<Duration>) {
        const STEP: Duration = Duration::from_nanos(1);
        let text = |time: Duration| json!(go_duration::format(time));
        let low = if let Bound::Included(low) = bounds.low { low } else { Duration::ZERO };
        let high = if let Bound::Included(high) = bounds.high { high } else { go_duration::MAX };
        self.fit([text(low), text(high), json!("1s")]);
        if let Some(days) = Some(high.as_secs()).filter(|seconds| high.subsec_nanos() == 0 && seconds % 86_400 == 0) {
            self.fit([json!(format!("{}d", days / 86_400))]);
        }
        self.unseen(low.checked_sub(STEP).map(text));
        self.unseen(high.checked_add(STEP).filter(|time| *time <= go_duration::MAX).map(text));
        self.misfit([json!("soon"), json!(true)]);
    }
}

/// The least and the greatest value, and those next to them outside.
fn edges<N>(bounds: &Bounds<N>, step: N) -> (Vec<N>, Vec<N>)
where
    N: Copy + Ord + num::Neighbour,
{
    let (mut inside, mut outside) = (Vec::new(), Vec::new());
    if let Bound::Included(low) = bounds.low {
        inside.push(low);
        outside.extend(low.less(step));
    }
    if let Bound::Included(high) = bounds.high {
        inside.push(high);
        outside.extend(high.more(step));
    }
    (inside, outside)
}

mod num {
    /// The next number up or down, where there is one.
    pub(super) trait Neighbour: Sized {
        fn less(self, step: Self) -> Option<Self>;
        fn more(self, step: Self) -> Option<Self>;
    }

    macro_rules! step {
        ($($type:ty)*) => {$(
            impl Neighbour for $type {
                fn less(self, step: Self) -> Option<Self> {
                    self.checked_sub(step)
                }

                fn more(self, step: Self) -> Option<Self> {
                    self.checked_add(step)
                }
            }
        )*};
    }

    step!(i128 u64);
}

/// A scalar as JSON.
pub(super) fn json(value: &settings::Value) -> Value {
    match value {
        settings::Value::Bool(value) => json!(value),
        settings::Value::Int(value) => Number::from_i128(*value).map_or(Value::Null, Value::Number),
        settings::Value::Float(value) => json!(value),
        settings::Value::Str(text) => json!(text),
        _ => Value::Null,
    }
}
