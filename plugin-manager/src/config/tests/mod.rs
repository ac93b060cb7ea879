//! Tests across the files of this folder.

use std::path::Path;

use super::*;

mod checks;
mod defaults;
mod documented;
mod effects;
mod faults;
mod go;
mod layers;
mod meant;
mod schema;
mod secrets;
mod syntaxes;
mod written;

/// A plugin over HTTP without anything else, for a list of plugins in braces.
const PLAIN: &str = "{name: a, transport: http, endpoint: 'http://127.0.0.1:1/'}";

fn no_env(_: &str) -> Option<String> {
    None
}

fn with_path(name: &str) -> Option<String> {
    (name == "PATH").then(|| "/usr/bin:/bin".to_owned())
}

fn try_read(text: &str) -> Result<Config, Faults> {
    from_text(Path::new("g.yaml"), text, None, &with_path)
}

#[track_caller]
fn config(text: &str) -> Config {
    try_read(text).unwrap_or_else(|faults| panic!("{text}\n{faults}"))
}

/// The faults of a text that must have some, one per line, without the file's name.
#[track_caller]
fn refused(text: &str) -> String {
    match try_read(text) {
        Ok(config) => panic!("{text:?} was accepted as {config:?}"),
        Err(faults) => faults.to_string().replace("g.yaml:", ""),
    }
}

/// Everything that is in a configuration, secrets aside, as text.
fn all_of(config: &Config) -> String {
    let mut text = format!("{config:#?}");
    for plugin in config.plugins() {
        text += &format!("{:?}", plugin.options());
    }
    text
}
