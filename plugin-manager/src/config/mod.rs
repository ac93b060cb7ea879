//! Configuration: files in three syntaxes, read into one tree and from there into settings.

pub mod document;
