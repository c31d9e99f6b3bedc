//! What a run sends, and the program that sends it.

use std::path::{Path, PathBuf};
use std::process::Command;

use crate::failure::Failure;
use crate::guard;
use crate::place;
use crate::setup::Workshop;

/// Writes rules, keys and requests into a folder.
pub(super) fn write(workshop: &Workshop, folder: &Path, options: &[(&str, u32)]) -> Result<(), Failure> {
    place::remove_folder(folder)?;
    let mut node: Command = workshop.command("node");
    node.arg("bench/inputs.js").arg(folder);
    for (name, value) in options {
        node.arg(format!("--{name}")).arg(value.to_string());
    }
    guard::run(&node)
}

/// Builds the program that sends and stands in.
pub(super) fn driver() -> Result<PathBuf, Failure> {
    let mut cargo = Command::new("cargo");
    cargo.current_dir(place::root()).args(["build", "--quiet", "--release", "--package", "brevet-bench"]);
    guard::run(&cargo)?;
    Ok(place::target().join("release/brevet-bench"))
}
