//! The manual: one page, with every command and its options.

use std::io::{Result, Write};

use clap::Command;
use clap_mangen::Man;

/// The page of this program and of all of its commands, as `man` reads it.
pub(super) fn page(mut program: Command) -> Result<String> {
    // So that each command knows the words before its own.
    program.build();
    let mut page = Vec::new();
    let man = Man::new(program.clone());
    man.render_title(&mut page)?;
    man.render_name_section(&mut page)?;
    man.render_synopsis_section(&mut page)?;
    man.render_description_section(&mut page)?;
    man.render_options_section(&mut page)?;
    writeln!(page, ".SH COMMANDS")?;
    for command in visible(&program) {
        entry(&mut page, command)?;
    }
    writeln!(page, ".SH \"EXIT CODES\"\n{}", program.get_after_help().map(ToString::to_string).unwrap_or_default())?;
    man.render_version_section(&mut page)?;
    Ok(String::from_utf8_lossy(&page).into_owned())
}

fn visible(command: &Command) -> impl Iterator<Item = &Command> {
    command.get_subcommands().filter(|command| !command.is_hide_set() && command.get_name() != "help")
}

/// What is typed, what it does, and its options; then the same of the commands under it.
fn entry(page: &mut Vec<u8>, command: &Command) -> Result<()> {
    if command.has_subcommands() {
        return visible(command).try_for_each(|command| entry(page, command));
    }
    let man = Man::new(command.clone());
    // The parts of a page of its own, beneath a heading of this one.
    writeln!(page, ".SS \"{}\"", command.get_bin_name().unwrap_or(command.get_name()).replace('-', "\\-"))?;
    let mut parts = Vec::new();
    man.render_synopsis_section(&mut parts)?;
    man.render_description_section(&mut parts)?;
    man.render_options_section(&mut parts)?;
    let parts = String::from_utf8_lossy(&parts);
    for line in parts.lines() {
        match line {
            ".SH SYNOPSIS" => {}
            ".SH DESCRIPTION" | ".SH OPTIONS" => writeln!(page, ".PP")?,
            _ if line.starts_with(".ie ") || line.starts_with(".el ") => {}
            _ => writeln!(page, "{line}")?,
        }
    }
    Ok(())
}
