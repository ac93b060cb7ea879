//! YAML 1.2, from the events of `granit-parser`.
//!
//! Anchors, aliases and the merge key `<<` work; what an alias repeats counts against the bounds each time. One document
//! to a file, and no tags but the core ones (`!!str`, `!!int`, ...).

use std::borrow::Cow;
use std::collections::HashMap;
use std::sync::Arc;

use granit_parser::{ErrorKind, Event, Parser, ScalarStyle, Tag};

use super::fault::Faults;
use super::limits::MAX_DEPTH;
use super::node::{Node, Value};
use super::parsing::{MapBuilder, Parsing, Stop};
use super::path::quoted;
use super::scalar;
use super::source::{Source, Span};

pub(super) fn parse(source: &Arc<Source>) -> Result<Node, Faults> {
    let mut builder =
        Builder { parsing: Parsing::new(source), open: Vec::new(), anchors: HashMap::new(), root: None, documents: 0 };
    let options = granit_parser::options! {
        emit_comments: false,
        flow_nesting_limit: MAX_DEPTH,
        block_nesting_limit: MAX_DEPTH,
    };
    let mut outcome = Ok(());
    for event in Parser::new_from_str_with_options(source.text(), options) {
        outcome = match event {
            Ok((event, span)) => builder.event(event, span),
            Err(error) => {
                let at = error.marker().byte_offset().unwrap_or(0);
                Err(match error.kind() {
                    // Its scanner runs ahead of the events.
                    ErrorKind::RecursionLimitExceeded => builder.parsing.too_deep(at),
                    _ => builder.parsing.stop(at, format!("YAML syntax: {}", error.info())),
                })
            }
        };
        if outcome.is_err() {
            break;
        }
    }
    let Builder { mut parsing, root, .. } = builder;
    let root = outcome.and_then(|()| match root {
        Some(root) => Ok(root),
        // A file that is empty, or all comments.
        None => parsing.node(0, Value::Null),
    });
    parsing.finish(root)
}

struct Builder {
    parsing: Parsing,
    open: Vec<Open>,
    anchors: HashMap<usize, Node>,
    root: Option<Node>,
    documents: usize,
}

/// A list or map that has not ended yet.
struct Open {
    offset: usize,
    anchor: usize,
    kind: ContainerKind,
}

enum ContainerKind {
    List(Vec<Node>),
    Map { map: MapBuilder, key: Option<Key>, merged: Vec<Node> },
}

/// A key that waits for its value.
enum Key {
    Named(String, Span),
    /// `<<`: the value's entries are to be merged into the map.
    Merge,
}

impl Builder {
    fn event(&mut self, event: Event<'_>, span: granit_parser::Span) -> Result<(), Stop> {
        let offset = span.start.byte_offset().unwrap_or(0);
        match event {
            Event::DocumentStart(..) => {
                self.documents += 1;
                if self.documents > 1 {
                    return Err(self.parsing.stop(offset, "a second document begins here; a file holds one"));
                }
                Ok(())
            }
            Event::Scalar(text, style, anchor, tag) => {
                // The parser writes `~` where nothing stands.
                let bare = span.end.byte_offset().unwrap_or(0) <= offset;
                self.scalar(offset, if bare { "" } else { &text }, style, anchor, tag)
            }
            Event::SequenceStart(_, anchor, tag) => {
                self.open(offset, anchor, tag.as_deref(), "seq", ContainerKind::List(Vec::new()))
            }
            Event::MappingStart(_, anchor, tag) => {
                let kind = ContainerKind::Map { map: MapBuilder::default(), key: None, merged: Vec::new() };
                self.open(offset, anchor, tag.as_deref(), "map", kind)
            }
            Event::SequenceEnd | Event::MappingEnd => self.close(),
            Event::Alias(id) => self.alias(offset, id),
            _ => Ok(()),
        }
    }

    fn scalar(
        &mut self,
        offset: usize,
        text: &str,
        style: ScalarStyle,
        anchor: usize,
        tag: Option<Cow<'_, Tag>>,
    ) -> Result<(), Stop> {
        if self.key_is_next() && anchor == 0 && tag.is_none() {
            let merge = text == "<<" && style == ScalarStyle::Plain;
            return if merge { self.merge_key(offset) } else { self.named_key(offset, text) };
        }
        let plain = style == ScalarStyle::Plain;
        let value = match tag {
            Some(tag) => tagged(&tag, text),
            None if plain => scalar::resolve(text),
            None => Ok(Value::Str(text.to_owned())),
        };
        let value = value.unwrap_or_else(|problem| {
            self.parsing.fault(offset, problem);
            Value::Null
        });
        let node = self.parsing.node(offset, value)?.with_written(text);
        self.finished(offset, anchor, node)
    }

    fn open(
        &mut self,
        offset: usize,
        anchor: usize,
        tag: Option<&Tag>,
        core: &str,
        kind: ContainerKind,
    ) -> Result<(), Stop> {
        if let Some(tag) = tag
            && !tag.is_yaml_core_schema_tag(core)
        {
            self.parsing.fault(offset, unsupported(tag));
        }
        if self.key_is_next() {
            return Err(self.parsing.stop(offset, "a list or map cannot be a key"));
        }
        self.parsing.depth(offset, self.open.len() + 1)?;
        self.open.push(Open { offset, anchor, kind });
        Ok(())
    }

    fn close(&mut self) -> Result<(), Stop> {
        let Some(Open { offset, anchor, kind }) = self.open.pop() else {
            return Ok(());
        };
        let value = match kind {
            ContainerKind::List(items) => Value::List(items),
            ContainerKind::Map { mut map, merged, .. } => {
                merged.into_iter().for_each(|from| merge(&mut map, from));
                map.finish()
            }
        };
        let node = self.parsing.node(offset, value)?;
        self.finished(offset, anchor, node)
    }

    fn alias(&mut self, offset: usize, id: usize) -> Result<(), Stop> {
        let Some(node) = self.anchors.get(&id) else {
            return Err(self.parsing.stop(offset, "the alias stands inside the value that it names"));
        };
        let (values, text) = node.size();
        self.parsing.charge(offset, values, text)?;
        self.parsing.depth(offset, self.open.len() + node.depth())?;
        let node = node.clone();
        if !self.key_is_next() {
            return self.place(offset, node);
        }
        match node.as_str() {
            Some(text) => self.named_key(offset, text),
            None => Err(self.parsing.stop(offset, "the alias stands for a key, so it must name a string")),
        }
    }

    /// A value is complete: keeps it for its aliases and puts it where it belongs.
    fn finished(&mut self, offset: usize, anchor: usize, node: Node) -> Result<(), Stop> {
        if anchor != 0 {
            // The copy is paid for too: anchors inside one another would else cost depth times size.
            let (values, text) = node.size();
            self.parsing.charge(offset, values, text)?;
            self.anchors.insert(anchor, node.clone());
        }
        if self.key_is_next() {
            let Some(key) = node.as_str() else {
                return Err(self.parsing.stop(offset, "a key with an anchor or a tag must be a string"));
            };
            return self.named_key(offset, key);
        }
        self.place(offset, node)
    }

    fn place(&mut self, offset: usize, node: Node) -> Result<(), Stop> {
        match self.open.last_mut().map(|open| &mut open.kind) {
            None => self.root = Some(node),
            Some(ContainerKind::List(items)) => items.push(node),
            Some(ContainerKind::Map { map, key, merged }) => match key.take() {
                Some(Key::Named(key, span)) => map.value(key, span, node),
                Some(Key::Merge) => match node.value {
                    Value::Map(_) => merged.push(node),
                    Value::List(items) if items.iter().all(|item| matches!(item.value, Value::Map(_))) => {
                        merged.extend(items);
                    }
                    _ => self.parsing.fault(offset, "`<<` merges a map or a list of maps; quote it to use it as a key"),
                },
                None => {}
            },
        }
        Ok(())
    }

    /// Whether the innermost open value is a map that waits for a key.
    fn key_is_next(&self) -> bool {
        matches!(self.open.last(), Some(Open { kind: ContainerKind::Map { key: None, .. }, .. }))
    }

    fn named_key(&mut self, offset: usize, text: &str) -> Result<(), Stop> {
        if let Some(Open { kind: ContainerKind::Map { map, key, .. }, .. }) = self.open.last_mut() {
            let span = map.key(&mut self.parsing, text, offset)?;
            *key = Some(Key::Named(text.to_owned(), span));
        }
        Ok(())
    }

    fn merge_key(&mut self, offset: usize) -> Result<(), Stop> {
        if let Some(Open { kind: ContainerKind::Map { key, merged, .. }, .. }) = self.open.last_mut() {
            if !merged.is_empty() {
                return Err(self.parsing.stop(offset, "`<<` is given twice; write `<<: [*a, *b]`"));
            }
            *key = Some(Key::Merge);
        }
        Ok(())
    }
}

/// Adds the entries of `from` whose keys the map does not have: its own win, and an earlier merge over a later.
fn merge(map: &mut MapBuilder, from: Node) {
    let Value::Map(entries) = from.value else {
        return;
    };
    for entry in entries {
        if !map.contains(&entry.key) {
            map.inherit(entry);
        }
    }
}

/// The value of a scalar with a tag.
fn tagged(tag: &Tag, text: &str) -> Result<Value, String> {
    let core = tag.core_suffix();
    let value = match core {
        Some("str") => return Ok(Value::Str(text.to_owned())),
        Some("null" | "bool" | "int" | "float") => scalar::resolve(text)?,
        // The lone `!` says: not plain.
        None if tag.to_string() == "!" => return Ok(Value::Str(text.to_owned())),
        _ => return Err(unsupported(tag)),
    };
    match (core, value) {
        (Some("float"), Value::Int(value)) => Ok(Value::Float(value as f64)),
        (Some("null"), Value::Null) => Ok(Value::Null),
        (Some("bool"), value @ Value::Bool(_))
        | (Some("int"), value @ Value::Int(_))
        | (Some("float"), value @ Value::Float(_)) => Ok(value),
        _ => Err(format!("{} is no {}, as its tag says", quoted(text), core.unwrap_or_default())),
    }
}

fn unsupported(tag: &Tag) -> String {
    format!("the tag {} is not supported here", quoted(&tag.to_string()))
}
