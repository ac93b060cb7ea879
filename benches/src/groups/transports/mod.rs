//! A call to a plugin that runs elsewhere, over each transport, next to the library beneath it.

mod child;
mod echo;
mod gate;
mod hyper_peer;
mod line_peer;
mod load;
mod memory;
mod ours;
mod rows;
mod site;
mod tonic_peer;

use super::GroupEntry;
pub(super) use child::{CHILDREN, PLUGIN};
pub(super) use echo::echo;
use load::{Load, MOST_CALLERS};
pub(super) use load::{large, small};

pub(super) const ONE_CALLER: GroupEntry = GroupEntry {
    name: "transports",
    about: "An echo of a hundred bytes of JSON, to another thread over loopback or a socket, or to another process, and back: one \
            caller, one call after the other. Each peer is the bare library on both sides, which carries the hundred bytes alone; \
            `to our server` is its client before our server, which shows whose share is whose. The client runs on one \
            thread, the servers on another; allocations are the client's. `manager` is the default stack. The process behind the bare pipe \
            stands still in its read and hears nothing else; a plugin answers several calls at once, and so waits by a runtime, \
            as the one behind `tokio, lines over pipes` does.",
    peers: PEERS,
    rows: |group| {
        rows::add(group, &Load::new(1, load::small()));
        group.note(AIM);
    },
};

/// What is aimed at, and why most of it is not reached.
const AIM: &str = "Aim: alone 1.10x of the library and 1.15x through the manager, the subprocess 1.2x of its pipes. Rows above that miss \
                   it. What is ours reads the JSON of a message on each side, says an id and a time limit with each call (over HTTP in five \
                   headers more, which the other side reads too), keeps the limit by a timer, and counts the call for its pool, its health \
                   and its end. The peers do none of it.";

pub(super) const MANY_CALLERS: GroupEntry = GroupEntry {
    name: "transports-16",
    about: "The same by sixteen callers at once; the time is that in which all of them together make one more call, so that half of \
            it is twice the throughput. With HTTP/1.1 and the lines over a socket each caller has a connection, with HTTP/2 and \
            gRPC all share one. The pipes of the peers are asked one thing at a time: whoever wants more must tell the answers apart, which \
            is what the subprocess does.",
    peers: PEERS,
    rows: |group| rows::add(group, &Load::new(16, load::small())),
};

pub(super) const MOST_AT_ONCE: GroupEntry = GroupEntry {
    name: "transports-64",
    about: "The same by sixty-four callers at once.",
    peers: PEERS,
    rows: |group| rows::add(group, &Load::new(MOST_CALLERS, load::small())),
};

pub(super) const LARGE: GroupEntry = GroupEntry {
    name: "transports-64k",
    about: "The same by one caller with 64 KiB of JSON, an array of records. What is ours reads it on each side, to see that it is \
            JSON and within its limits; the bare libraries do not look at it.",
    peers: PEERS,
    rows: |group| rows::add(group, &Load::new(1, load::large())),
};

pub(super) const MEMORY: GroupEntry = GroupEntry {
    name: "memory",
    about: "Bytes that the client's thread has asked its allocator for and not given back. A connection: with 64 of them, over \
            which a call has gone each, less than before they were there, divided by 64; where calls share a connection it is a \
            client with its own. A call in flight: while 64 stand before a server that does not answer yet, less than before \
            they were made, divided by 64: the future with its task, its timer, and what hyper and its like keep of it. Buffers of the \
            kernel, and what the allocator keeps besides, are not in it. Servers run on another thread and are not counted. The \
            subprocess is left out, since its calls cannot be held from here.",
    peers: PEERS,
    rows: |group| group.measured_by(memory::measure),
};

const PEERS: &[&str] = &["hyper", "tokio", "tokio-rustls", "tonic"];
