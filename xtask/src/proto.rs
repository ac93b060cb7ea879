//! The code for gRPC, which is written out of the `.proto` files and committed: who builds the libraries needs no generator.
//!
//! `protox` reads the files, and no `protoc` of the system.

use std::fmt::Display;
use std::fs;
use std::path::{Path, PathBuf};

use prost::Message;

use crate::process::{Failure, root};

/// A `.proto` file, and what is made of it.
struct Source {
    /// The directory that the names of files are relative to.
    under: &'static str,
    file: &'static str,
    /// Where what is made of it stands.
    generated: &'static str,
    /// The name of the code, as prost makes it of the package.
    code: &'static str,
    /// The name of what reflection serves, where something does.
    descriptors: Option<&'static str>,
}

const SOURCES: &[Source] = &[
    Source {
        under: "plugin-transports/proto",
        file: "plugin/v1/plugin.proto",
        generated: "plugin-transports/src/grpc/generated",
        code: "plugin.v1.rs",
        descriptors: Some("plugin.v1.bin"),
    },
    Source {
        under: "plugin-ratelimit/proto",
        file: "envoy/service/ratelimit/v3/rls.proto",
        generated: "plugin-ratelimit/src/envoy/generated",
        code: "envoy.service.ratelimit.v3.rs",
        descriptors: None,
    },
];

/// What is not as the sources say, a line each. Writes it instead if `update`.
pub(crate) fn faults(update: bool) -> Result<Vec<String>, Failure> {
    let mut faults = Vec::new();
    for source in SOURCES {
        for (name, made) in source.generate()? {
            let directory = root().join(source.generated);
            let path = directory.join(name);
            if update {
                fs::create_dir_all(&directory).map_err(|error| failed(&path, &error))?;
                fs::write(&path, made).map_err(|error| failed(&path, &error))?;
            } else if fs::read(&path).unwrap_or_default() != made {
                let file = source.file;
                faults.push(format!("{}: is not what `{file}` says; `UPDATE_PAGES=1` writes it", path.display()));
            }
        }
    }
    Ok(faults)
}

impl Source {
    /// The name of each file and what is in it.
    fn generate(&self) -> Result<Vec<(&'static str, Vec<u8>)>, Failure> {
        let under = root().join(self.under);
        let source = under.join(self.file);
        let mut compiler = protox::Compiler::new([under]).map_err(|error| failed(&source, &error))?;
        // With the comments, for the code; reflection has no use for them.
        compiler.include_source_info(true).open_file(self.file).map_err(|error| failed(&source, &error))?;
        let mut set = compiler.file_descriptor_set();

        let out = scratch(&source)?;
        let mut config = prost_build::Config::new();
        // A payload is a part of what was read, and not a copy.
        config.bytes(["."]).btree_map(["."]).out_dir(&out);
        config.compile_fds(set.clone()).map_err(|error| failed(&source, &error))?;
        let code = fs::read(out.join(self.code)).map_err(|error| failed(&out, &error))?;
        let mut made = vec![(self.code, code)];
        if let Some(name) = self.descriptors {
            set.file.iter_mut().for_each(|file| file.source_code_info = None);
            made.push((name, set.encode_to_vec()));
        }
        Ok(made)
    }
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
