//! What a question may hold.

use tonic::Status;

use super::super::proto::{RateLimitDescriptor, RateLimitRequest};

/// Descriptors in one question.
pub(super) const MOST_DESCRIPTORS: usize = 64;

/// Entries in one descriptor.
pub(super) const MOST_ENTRIES: usize = 16;

/// Bytes of a domain, a key or a value.
pub(super) const LONGEST_TEXT: usize = 1024;

/// Refuses what is not a question, or is too much of one, and names what it is.
pub(super) fn check(request: &RateLimitRequest) -> Result<(), Status> {
    named("the domain", &request.domain)?;
    if request.descriptors.is_empty() {
        return Err(Status::invalid_argument("there is no descriptor"));
    }
    at_most("descriptors", request.descriptors.len(), MOST_DESCRIPTORS)?;
    request.descriptors.iter().try_for_each(descriptor)
}

fn descriptor(descriptor: &RateLimitDescriptor) -> Result<(), Status> {
    if descriptor.entries.is_empty() {
        return Err(Status::invalid_argument("a descriptor has no entry"));
    }
    if descriptor.is_negative_hits {
        return Err(Status::invalid_argument("a descriptor has negative hits, and nothing is given back here"));
    }
    at_most("entries of a descriptor", descriptor.entries.len(), MOST_ENTRIES)?;
    for entry in &descriptor.entries {
        named("the key of an entry", &entry.key)?;
        short("the value of an entry", &entry.value)?;
    }
    Ok(())
}

fn named(what: &str, text: &str) -> Result<(), Status> {
    if text.is_empty() {
        return Err(Status::invalid_argument(format!("{what} is empty")));
    }
    short(what, text)
}

fn short(what: &str, text: &str) -> Result<(), Status> {
    let bytes = text.len();
    if bytes > LONGEST_TEXT {
        let problem = format!("{what} has {bytes} bytes, and at most {LONGEST_TEXT} are taken");
        return Err(Status::invalid_argument(problem));
    }
    Ok(())
}

fn at_most(what: &str, count: usize, most: usize) -> Result<(), Status> {
    if count > most {
        return Err(Status::invalid_argument(format!("there are {count} {what}, and at most {most} are taken")));
    }
    Ok(())
}
