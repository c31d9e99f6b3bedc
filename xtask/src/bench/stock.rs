//! The broker with the `worker` crate as it comes: a crate of its own, built with worker-build as its documentation says.

use std::path::PathBuf;

use crate::command;
use crate::failure::{Failure, file};
use crate::guard;
use crate::place;
use crate::setup::Workshop;
use crate::tools::Tool;
use crate::worker::{BUILD_LIMIT, shrink};

/// worker-build, of the `worker` crate's own version.
const WORKER_BUILD: Tool<'static> = Tool {
    krate: "worker-build",
    program: "worker-build",
    version: "0.8.7",
    locked: false,
    takes: "about 2 min",
};

/// worker-build says `cargo build`, which makes every crate type of the package. With an rlib among them cargo leaves link-time
/// optimisation out, silently, and the wasm is more than half as big again; `cargo rustc` can be told to make the cdylib alone.
const CARGO: &str = r#"#!/bin/sh
if [ "$1" = build ]; then
  shift
  exec "$BREVET_CARGO" rustc "$@" --crate-type cdylib
fi
exec "$BREVET_CARGO" "$@"
"#;

/// Writes that `cargo` and gives its folder.
fn cargo_for_cdylib(workshop: &Workshop) -> Result<PathBuf, Failure> {
    let folder = workshop.wasm_target().join("programs");
    place::make_folder(&folder)?;
    place::write_program(&folder.join("cargo"), CARGO)?;
    Ok(folder)
}

/// The absolute path of the real one: by name it would find the script before it.
fn real_cargo() -> Result<PathBuf, Failure> {
    let named = std::env::var_os("CARGO").map(PathBuf::from).filter(|path| path.is_absolute());
    named.or_else(|| command::find("cargo")).ok_or_else(|| Failure::Missing {
        what: "cargo is not on the PATH".to_owned(),
        next: "install Rust with rustup".to_owned(),
    })
}

/// Builds it and gives the folder of its modules.
pub(super) fn build(workshop: &Workshop) -> Result<PathBuf, Failure> {
    let source = place::root().join("bench/peers/stock");
    let first = cargo_for_cdylib(workshop)?;
    let mut build = workshop.wasm_command_with(workshop.tool(&WORKER_BUILD)?, Some(first));
    build.current_dir(&source).env("BREVET_CARGO", real_cargo()?);
    for (name, program) in workshop.worker_builds_programs() {
        build.env(name, program);
    }
    build.args(["--release", "--no-opt", "--", "--package", "stock-broker"]);
    guard::run_quietly(&build, BUILD_LIMIT)?;
    // worker-build writes beside the sources; the shim that it writes for older releases is not needed.
    let built = source.join("build");
    shrink(workshop, "stock-broker", &built.join("index_bg.wasm"))?;
    let folder = super::sides::workplace().join("stock-build");
    place::remove_folder(&folder)?;
    place::make_folder(&folder)?;
    for name in ["index.js", "index_bg.wasm"] {
        let (from, to) = (built.join(name), folder.join(name));
        std::fs::copy(&from, &to).map_err(file("copying", &from))?;
    }
    Ok(folder)
}
