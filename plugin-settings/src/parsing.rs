//! What the three parsers share: places, faults and the bounds of `limits`.

use std::collections::HashMap;
use std::sync::Arc;

use super::fault::{Fault, Faults};
use super::limits::{Budget, MAX_DEPTH};
use super::node::{Entry, Node, Value};
use super::path::{self, quoted};
use super::source::{Locator, Source, Span};

/// A fault was noted after which nothing sensible can follow.
#[derive(Debug)]
pub(super) struct Stop;

#[derive(Debug)]
pub(super) struct Parsing {
    locator: Locator,
    budget: Budget,
    faults: Faults,
}

impl Parsing {
    pub(super) fn new(source: &Arc<Source>) -> Self {
        Self { locator: Locator::new(source), budget: Budget::default(), faults: Faults::new() }
    }

    pub(super) fn span(&mut self, offset: usize) -> Span {
        self.locator.span(offset)
    }

    pub(super) fn fault(&mut self, offset: usize, problem: impl Into<String>) {
        let span = self.span(offset);
        self.fault_at(span, problem);
    }

    pub(super) fn fault_at(&mut self, span: Span, problem: impl Into<String>) {
        self.faults.push(Fault::new(span, "", problem));
    }

    /// Notes a fault and gives the reason to return.
    pub(super) fn stop(&mut self, offset: usize, problem: impl Into<String>) -> Stop {
        self.fault(offset, problem);
        Stop
    }

    /// A value of any kind; counts it.
    pub(super) fn node(&mut self, offset: usize, value: Value) -> Result<Node, Stop> {
        let text = if let Value::Str(text) = &value { text.as_str() } else { "" };
        if text.contains('\0') {
            self.fault(offset, "the string holds a NUL character");
        }
        self.charge(offset, 1, text.len())?;
        let span = self.span(offset);
        Ok(Node::new(value, span))
    }

    /// Takes this much from the budget.
    pub(super) fn charge(&mut self, offset: usize, values: usize, text: usize) -> Result<(), Stop> {
        let left = self.budget.values(values).and_then(|()| self.budget.text(text));
        left.map_err(|problem| self.stop(offset, problem))
    }

    /// Refuses the list or map that would be the `depth`th inside one another.
    pub(super) fn depth(&mut self, offset: usize, depth: usize) -> Result<(), Stop> {
        if depth <= MAX_DEPTH { Ok(()) } else { Err(self.too_deep(offset)) }
    }

    pub(super) fn too_deep(&mut self, offset: usize) -> Stop {
        self.stop(offset, format!("lists and maps nest deeper than {MAX_DEPTH} levels"))
    }

    /// The tree, unless there was a fault. What is wrong with a value is said with its path, which no parser knows.
    pub(super) fn finish(mut self, root: Result<Node, Stop>) -> Result<Node, Faults> {
        match root {
            Ok(root) => {
                let mut paths: HashMap<_, _> = self.faults.iter().map(|fault| (place(fault.span()), None)).collect();
                if !paths.is_empty() {
                    find(&root, &mut Vec::new(), &mut paths);
                    self.faults.locate(|span| paths.remove(&place(span)).flatten());
                }
                self.faults.into_result(root)
            }
            Err(Stop) => Err(self.faults),
        }
    }
}

fn place(span: &Span) -> (u32, u32) {
    (span.line(), span.column())
}

/// A step on the way to a value.
#[derive(Clone, Copy)]
enum ParseStep<'a> {
    Key(&'a str),
    Index(usize),
}

/// Finds the path of each value, if it is no list and no map, whose place is asked for.
fn find<'a>(node: &'a Node, way: &mut Vec<ParseStep<'a>>, paths: &mut HashMap<(u32, u32), Option<String>>) {
    let mut into = |step, inner: &'a Node| {
        way.push(step);
        find(inner, way, paths);
        way.pop();
    };
    match &node.value {
        Value::List(items) => items.iter().enumerate().for_each(|(index, item)| into(ParseStep::Index(index), item)),
        Value::Map(entries) => entries.iter().for_each(|entry| into(ParseStep::Key(&entry.key), &entry.value)),
        _ => {
            if let Some(path @ None) = paths.get_mut(&place(&node.span)) {
                *path = Some(way.iter().fold(String::new(), |path, step| match step {
                    ParseStep::Key(key) => path::join(&path, key),
                    ParseStep::Index(index) => path::index(&path, *index),
                }));
            }
        }
    }
}

/// A map while it is read: finds keys that are given twice.
#[derive(Debug, Default)]
pub(super) struct MapBuilder {
    entries: Vec<Entry>,
    seen: HashMap<String, Span>,
}

impl MapBuilder {
    /// Notes a key before its value is read. One that was there before is a fault that names both places.
    pub(super) fn key(&mut self, parsing: &mut Parsing, key: &str, offset: usize) -> Result<Span, Stop> {
        parsing.charge(offset, 0, key.len())?;
        if key.contains('\0') {
            parsing.fault(offset, "the key holds a NUL character");
        }
        let span = parsing.span(offset);
        match self.seen.get(key) {
            Some(first) => parsing.fault_at(span.clone(), duplicate(key, first)),
            None => drop(self.seen.insert(key.to_owned(), span.clone())),
        }
        Ok(span)
    }

    pub(super) fn value(&mut self, key: String, key_span: Span, value: Node) {
        self.entries.push(Entry { key, key_span, value });
    }

    /// Adds an entry that another map gives this one.
    pub(super) fn inherit(&mut self, entry: Entry) {
        self.seen.insert(entry.key.clone(), entry.key_span.clone());
        self.entries.push(entry);
    }

    pub(super) fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    pub(super) fn contains(&self, key: &str) -> bool {
        self.seen.contains_key(key)
    }

    pub(super) fn finish(self) -> Value {
        Value::Map(self.entries)
    }
}

/// What to say of a key that is given twice.
pub(super) fn duplicate(key: &str, first: &Span) -> String {
    format!("duplicate key {}; it is first given at line {}, column {}", quoted(key), first.line(), first.column())
}
