//! `${VAR}` in string values.

use super::fault::{Fault, Faults};
use super::limits::{Budget, MAX_TEXT};
use super::node::{Node, Value};
use super::path;

/// How many defaults may stand inside one another in `${A:-${B:-...}}`.
const MAX_NESTING: usize = 8;

/// How many faults of one string are reported.
const MAX_PROBLEMS: usize = 20;

/// Replaces variables in every string value of `node`; keys are left alone.
///
/// | written | becomes |
/// |---|---|
/// | `${VAR}` | the variable; a fault when it is not set. Set but empty is the empty string |
/// | `${VAR:-text}` | the variable, or `text` when it is not set or empty. `text` may hold further variables; it ends at the first `}` that closes none of them |
/// | `$$` | `$` |
/// | any other `$` | itself |
///
/// A value that the environment had a part in is marked [tainted](Node::tainted). One that was wholly `${...}`, in
/// quotes or not, is marked [untyped](Node::untyped): then `${PORT}` may be read as a number, in all three syntaxes alike.
///
/// What a variable holds is never parsed again: it cannot add keys, and a `$` in it is a `$`.
///
/// # Errors
///
/// A fault for each variable that is not set, with the config path; for what is not closed or no name; and when the
/// document grows past [`MAX_TEXT`](super::MAX_TEXT). Values with a fault are left as they were.
pub fn substitute(node: &mut Node, env: &dyn Fn(&str) -> Option<String>) -> Result<(), Faults> {
    let mut walk = SubstituteWalk { env, faults: Faults::new(), budget: Budget::default() };
    walk.node("", node);
    walk.faults.into_result(())
}

struct SubstituteWalk<'e> {
    env: &'e dyn Fn(&str) -> Option<String>,
    faults: Faults,
    budget: Budget,
}

impl SubstituteWalk<'_> {
    fn node(&mut self, at: &str, node: &mut Node) {
        match &mut node.value {
            Value::Str(text) if text.contains('$') => match self.string(text) {
                Ok(new) => {
                    node.tainted |= new.from_env;
                    node.untyped = is_one_variable(text);
                    node.value = Value::Str(new.text);
                }
                Err(problems) => {
                    for problem in problems {
                        self.faults.push(Fault::new(node.span.clone(), at, problem));
                    }
                }
            },
            Value::List(items) => {
                items.iter_mut().enumerate().for_each(|(index, item)| self.node(&path::index(at, index), item));
            }
            Value::Map(entries) => {
                entries.iter_mut().for_each(|entry| self.node(&path::join(at, &entry.key), &mut entry.value));
            }
            _ => {}
        }
    }

    fn string(&mut self, text: &str) -> Result<Substituted, Vec<String>> {
        let mut out = Substituted::default();
        let mut problems = Vec::new();
        self.expand(text, 0, &mut out, &mut problems);
        if let Err(problem) = self.budget.text(out.text.len()) {
            problems.push(problem);
        }
        if problems.is_empty() { Ok(out) } else { Err(problems) }
    }

    fn expand(&self, text: &str, nesting: usize, out: &mut Substituted, problems: &mut Vec<String>) {
        let mut rest = text;
        while let Some(at) = rest.find('$') {
            if problems.len() >= MAX_PROBLEMS || out.text.len() > MAX_TEXT {
                return;
            }
            out.text.push_str(&rest[..at]);
            rest = &rest[at..];
            if let Some(after) = rest.strip_prefix("$$") {
                out.text.push('$');
                rest = after;
            } else if rest.starts_with("${") {
                let Some(end) = closing(rest) else {
                    problems.push("`${` is not closed; write `${NAME}`, or `$$` for a dollar sign".to_owned());
                    return;
                };
                self.variable(&rest[2..end], nesting, out, problems);
                rest = &rest[end + 1..];
            } else {
                out.text.push('$');
                rest = &rest[1..];
            }
        }
        out.text.push_str(rest);
    }

    /// `inside` is what stands between the braces.
    fn variable(&self, inside: &str, nesting: usize, out: &mut Substituted, problems: &mut Vec<String>) {
        let end = inside.bytes().position(|b| !(b.is_ascii_alphanumeric() || b == b'_')).unwrap_or(inside.len());
        let (name, rest) = inside.split_at(end);
        if name.is_empty() || name.starts_with(|c: char| c.is_ascii_digit()) {
            let shown = path::quoted(inside);
            problems.push(format!("{shown} is no name of a variable; write `${{NAME}}` or `${{NAME:-default}}`"));
            return;
        }
        let default = rest.strip_prefix(":-");
        if default.is_none() && !rest.is_empty() {
            let shown = path::quoted(rest);
            problems.push(format!("{shown} cannot follow a variable; write `${{{name}}}` or `${{{name}:-default}}`"));
            return;
        }
        match ((self.env)(name), default) {
            (Some(value), default) if default.is_none() || !value.is_empty() => {
                out.text.push_str(&value);
                out.from_env = true;
            }
            (_, Some(_)) if nesting == MAX_NESTING => {
                problems.push(format!("more than {MAX_NESTING} defaults stand inside one another"));
            }
            (_, Some(default)) => self.expand(default, nesting + 1, out, problems),
            (_, None) => {
                let name = path::quoted(name);
                problems
                    .push(format!("the environment variable {name} is not set; set it, or give `:-` and a default"));
            }
        }
    }
}

#[derive(Default)]
struct Substituted {
    text: String,
    from_env: bool,
}

/// The `}` that closes the `${` which `text` begins with.
fn closing(text: &str) -> Option<usize> {
    let bytes = text.as_bytes();
    let (mut open, mut at) = (0_usize, 0);
    while at < bytes.len() {
        match (bytes[at], bytes.get(at + 1)) {
            (b'$', Some(b'$')) => at += 1,
            (b'$', Some(b'{')) => {
                open += 1;
                at += 1;
            }
            (b'}', _) => {
                open -= 1;
                if open == 0 {
                    return Some(at);
                }
            }
            _ => {}
        }
        at += 1;
    }
    None
}

fn is_one_variable(text: &str) -> bool {
    text.starts_with("${") && closing(text) == Some(text.len() - 1)
}
