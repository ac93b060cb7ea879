//! What holds only where several crates meet, seen from within one process: the stack that a configuration builds, the
//! gateway on real sockets, and each way in which a call can end on each transport.
//!
//! What a program prints and leaves behind is proved in `../program`.

mod builder;
mod counted;
mod default_stack;
mod discovery;
mod edge;
mod gateway;
mod judgement;
mod limits;
mod metrics;
mod one_plugin;
mod outlier;
mod readiness;
mod sections;
mod statuses;
mod tiers;
mod transports;
