//! The libraries that users depend on, and what they offer, as rustdoc sees it.

mod library;
mod listing;
mod rustdoc;

#[cfg(test)]
pub(crate) use library::library;
pub(crate) use library::{Libraries, Library, Type};
pub(crate) use rustdoc::as_rustdoc;

use crate::metadata;
use crate::process::Failure;

/// All of them.
pub(crate) fn load() -> Result<Libraries, Failure> {
    let program = rustdoc::copy_of_this()?;
    let members = metadata::load()?;
    let names = members.iter().filter(|member| member.is_plugin_library()).map(|member| member.name.as_str());
    let libraries = names.map(|name| {
        let json = rustdoc::json(name, &program)?;
        Library::read(name, &json).map_err(|what| Failure::new(format!("what rustdoc says of {name}: {what}")))
    });
    Ok(Libraries(libraries.collect::<Result<_, _>>()?))
}
