//! TOML 1.1, through the `toml` crate's tree with spans.

use std::sync::Arc;

use toml::Spanned;
use toml::de::{DeTable, DeValue, Error};
use toml_parser::lexer::TokenKind;

use super::fault::Faults;
use super::limits::MAX_VALUES;
use super::node::{Node, Value};
use super::parsing::{MapBuilder, Parsing, Stop, duplicate};
use super::scalar;
use super::source::Source;

/// Tokens in one file. A value takes some eight with its key, blanks and comma, so a file of [`MAX_VALUES`] fits.
const MAX_TOKENS: usize = 10 * MAX_VALUES;

/// Past this size only the first fault of syntax is reported: collecting them all costs memory for each.
const RECOVER_BYTES: usize = 256 << 10;

/// Only so many duplicate keys name their first place: each takes one more parse.
const NAMED_DUPLICATES: usize = 20;

pub(super) fn parse(source: &Arc<Source>) -> Result<Node, Faults> {
    let mut parsing = Parsing::new(source);
    let root = document(&mut parsing, source.text());
    parsing.finish(root)
}

fn document(parsing: &mut Parsing, text: &str) -> Result<Node, Stop> {
    bounds(parsing, text)?;
    let error = match DeTable::parse(text) {
        Ok(root) => return table(parsing, 0, 1, root.into_inner()),
        Err(error) => error,
    };
    let errors = if text.len() <= RECOVER_BYTES { DeTable::parse_recoverable(text).1 } else { vec![error] };
    let mut duplicates = 0;
    for error in errors {
        let span = error.span().unwrap_or(0..0);
        let key = text.get(span.clone()).unwrap_or_default();
        if error.message() == "duplicate key" && duplicates < NAMED_DUPLICATES {
            duplicates += 1;
            if let Some((key, first)) = first_given(text, span.clone()) {
                let first = parsing.span(first);
                parsing.fault(span.start, duplicate(&key, &first));
                continue;
            }
        }
        parsing.fault(span.start, describe(&error, key));
    }
    Err(Stop)
}

/// Refuses what the `toml` crate itself does not bound: tokens, which it collects before it parses, and the parts of
/// dotted keys, each of which is a table inside the last.
fn bounds(parsing: &mut Parsing, text: &str) -> Result<(), Stop> {
    // How many tables the key in hand makes, here and at each bracket that is open around it.
    let mut dots = 0;
    let mut around = Vec::new();
    let mut around_sum = 0;
    for (count, token) in toml_parser::Source::new(text).lex().enumerate() {
        let at = token.span().start();
        if count >= MAX_TOKENS {
            return Err(parsing.stop(at, format!("the document has more than {MAX_VALUES} values")));
        }
        match token.kind() {
            TokenKind::Dot => dots += 1,
            TokenKind::LeftSquareBracket | TokenKind::LeftCurlyBracket => {
                around.push(dots);
                around_sum += dots;
                dots = 0;
            }
            TokenKind::RightSquareBracket | TokenKind::RightCurlyBracket => {
                around_sum -= around.pop().unwrap_or(0);
                dots = 0;
            }
            TokenKind::Comma => dots = 0,
            TokenKind::Newline if around.is_empty() => dots = 0,
            _ => {}
        }
        parsing.depth(at, around.len() + around_sum + dots)?;
    }
    Ok(())
}

fn table(parsing: &mut Parsing, offset: usize, depth: usize, table: DeTable<'_>) -> Result<Node, Stop> {
    parsing.depth(offset, depth)?;
    let mut entries: Vec<_> = table.into_iter().collect();
    // The crate sorts by name; a tree is in the order of its file.
    entries.sort_by_key(|(key, _)| key.span().start);
    let mut map = MapBuilder::default();
    for (key, item) in entries {
        let offset = key.span().start;
        let key = key.into_inner().into_owned();
        let span = map.key(parsing, &key, offset)?;
        let item = value(parsing, depth, item)?;
        map.value(key, span, item);
    }
    parsing.node(offset, map.finish())
}

fn value(parsing: &mut Parsing, depth: usize, item: Spanned<DeValue<'_>>) -> Result<Node, Stop> {
    let offset = item.span().start;
    let mut written = None;
    let value = match item.into_inner() {
        DeValue::Table(inner) => return table(parsing, offset, depth + 1, inner),
        DeValue::Array(items) => {
            parsing.depth(offset, depth + 1)?;
            let items = items.into_iter().map(|item| value(parsing, depth + 1, item));
            Ok(Value::List(items.collect::<Result<_, _>>()?))
        }
        DeValue::String(text) => Ok(Value::Str(text.into_owned())),
        DeValue::Boolean(value) => Ok(Value::Bool(value)),
        DeValue::Integer(number) => scalar::integer(&number.to_string(), number.as_str(), number.radix()),
        DeValue::Float(number) if number.as_str().contains(['i', 'n']) => Err(scalar::not_finite(number.as_str())),
        DeValue::Float(number) => {
            written = Some(number.as_str().to_owned());
            scalar::float(number.as_str())
        }
        // The other two syntaxes have no dates: they write them as text.
        DeValue::Datetime(date) => Ok(Value::Str(date.to_string())),
    };
    let value = value.unwrap_or_else(|problem| {
        parsing.fault(offset, problem);
        Value::Null
    });
    let node = parsing.node(offset, value)?;
    Ok(match written {
        Some(written) => node.with_written(&written),
        None => node,
    })
}

/// Where the key was given first that is given again at `span`.
///
/// The parser knows but does not tell. So the second key is given a name of its own, and the first is then found beside
/// it.
fn first_given(text: &str, span: std::ops::Range<usize>) -> Option<(String, usize)> {
    const MARK: &str = "given again";
    let at = span.start;
    let end = text[span.end..].find('\n').map_or(text.len(), |at| span.end + at);
    let marked = format!("{}\"{MARK}\"{}\n", &text[..span.start], &text[span.end..end]);
    let (root, _) = DeTable::parse_recoverable(&marked);
    let table = holder(root.get_ref(), MARK, at)?;
    // In quotes or not: what the key says is for the parser to tell.
    let alone = format!("{}=0", &text[span]);
    let key = DeTable::parse(&alone).ok()?.get_ref().keys().next()?.get_ref().to_string();
    let first = table.get_key_value(key.as_str())?.0.span().start;
    Some((key, first))
}

/// The table that has `key` at `offset`.
fn holder<'t, 'i>(table: &'t DeTable<'i>, key: &str, offset: usize) -> Option<&'t DeTable<'i>> {
    if table.get_key_value(key).is_some_and(|(found, _)| found.span().start == offset) {
        return Some(table);
    }
    table.values().find_map(|item| holder_in(item.get_ref(), key, offset))
}

fn holder_in<'t, 'i>(item: &'t DeValue<'i>, key: &str, offset: usize) -> Option<&'t DeTable<'i>> {
    match item {
        DeValue::Table(inner) => holder(inner, key, offset),
        DeValue::Array(items) => items.iter().find_map(|item| holder_in(item.get_ref(), key, offset)),
        _ => None,
    }
}

fn describe(error: &Error, key: &str) -> String {
    match error.message() {
        "duplicate key" => format!("duplicate key {}", super::path::quoted(key)),
        message => format!("TOML syntax: {message}"),
    }
}
