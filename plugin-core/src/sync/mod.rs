//! What layers are built from: for authors of layers, and not for who uses them.
//!
//! [`Striped`] and [`Lease`] share a state without two threads writing one cache line; [`StripedCounter`] counts so, and on
//! a [`Lane`] that nobody else writes.
//! [`Slots`] calls a stack that many threads share without cloning it for every call. [`KeyedTable`] holds state per key,
//! bounded.

mod keyed_table;
mod lane;
mod slots;
mod striped;

pub use keyed_table::KeyedTable;
pub use lane::{LANES, Lane, LaneCount, lane, stripe, stripe_count};
pub use slots::{NotCalled, ReadySlot, SlotCall, Slots};
#[cfg(test)]
pub(crate) use striped::on_another_stripe;
pub use striped::{Lease, Pad, Striped, StripedCounter};
