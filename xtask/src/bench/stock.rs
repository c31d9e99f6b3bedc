//! The broker with the `worker` crate as it comes: a crate of its own, built with the tools that build Brevet.

use std::path::PathBuf;

use crate::failure::{Failure, file};
use crate::place;
use crate::setup::Workshop;
use crate::worker;

/// Builds it and gives the folder of its modules.
pub(super) fn build(workshop: &Workshop) -> Result<PathBuf, Failure> {
    let source = place::root().join("bench/peers/stock");
    worker::build_in(workshop, &source, "stock-broker")?;
    // worker-build writes beside the sources; the shim that it writes for older releases is not needed.
    let built = source.join("build");
    let folder = super::sides::workplace().join("stock-build");
    place::remove_folder(&folder)?;
    place::make_folder(&folder)?;
    for name in ["index.js", "index_bg.wasm"] {
        let (from, to) = (built.join(name), folder.join(name));
        std::fs::copy(&from, &to).map_err(file("copying", &from))?;
    }
    Ok(folder)
}
