//! The Worker.

pub mod upstream;
