//! The code for gRPC, which is written out of the `.proto` files and committed: who builds the libraries needs no generator.
//!
//! `protox` reads the files, and no `protoc` of the system.

use std::fmt::Display;
use std::fs;
use std::path::{Path, PathBuf};

use prost::Message;

use crate::process::{Failure, root};

/// Where the sources are, and the file among them.
const SOURCES: &str = "plugin-transports/proto";
const FILE: &str = "plugin/v1/plugin.proto";

/// Where what is made of it stands.
const GENERATED: &str = "plugin-transports/src/grpc/generated";

/// The name of the code, as prost makes it of the package, and of what reflection serves.
const CODE: &str = "plugin.v1.rs";
const DESCRIPTORS: &str = "plugin.v1.bin";

/// What is not as the sources say, a line each. Writes it instead if `update`.
pub(crate) fn faults(update: bool) -> Result<Vec<String>, Failure> {
    let mut faults = Vec::new();
    for (name, made) in generate()? {
        let path = root().join(GENERATED).join(name);
        if update {
            fs::create_dir_all(root().join(GENERATED)).map_err(|error| failed(&path, &error))?;
            fs::write(&path, made).map_err(|error| failed(&path, &error))?;
        } else if fs::read(&path).unwrap_or_default() != made {
            faults.push(format!("{}: is not what `{FILE}` says; `UPDATE_PAGES=1` writes it", path.display()));
        }
    }
    Ok(faults)
}

/// The name of each file and what is in it.
fn generate() -> Result<[(&'static str, Vec<u8>); 2], Failure> {
    let source = root().join(SOURCES).join(FILE);
    let mut compiler = protox::Compiler::new([root().join(SOURCES)]).map_err(|error| failed(&source, &error))?;
    // With the comments, for the code; reflection has no use for them.
    compiler.include_source_info(true).open_file(FILE).map_err(|error| failed(&source, &error))?;
    let mut set = compiler.file_descriptor_set();

    let out = scratch(&source)?;
    let mut config = prost_build::Config::new();
    // A payload is a part of what was read, and not a copy.
    config.bytes(["."]).btree_map(["."]).out_dir(&out);
    config.compile_fds(set.clone()).map_err(|error| failed(&source, &error))?;
    let code = fs::read(out.join(CODE)).map_err(|error| failed(&out, &error))?;
    set.file.iter_mut().for_each(|file| file.source_code_info = None);
    Ok([(CODE, code), (DESCRIPTORS, set.encode_to_vec())])
}

/// A directory for what is compared.
fn scratch(source: &Path) -> Result<PathBuf, Failure> {
    let out = crate::metadata::target_directory()?.join("xtask-proto");
    fs::create_dir_all(&out).map_err(|error| failed(source, &error))?;
    Ok(out)
}

fn failed(path: &Path, what: &dyn Display) -> Failure {
    Failure::new(format!("{}: {what}", path.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_made_of_the_sources_is_what_is_committed() {
        assert_eq!(faults(false).unwrap(), Vec::<String>::new());
    }
}
