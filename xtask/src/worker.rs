//! `xtask build`: the Worker's release wasm and its JavaScript in `build/`.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use crate::command;
use crate::failure::{Failure, file};
use crate::guard;
use crate::place;
use crate::say;
use crate::setup::{WasmTool, Workshop};
use crate::size;

/// What is uploaded is compressed, and that is what counts: `-Oz` makes fewer bytes than `-O1` and more gzipped ones (1.2 %), and functions
/// in the order of their names, so that those of one module and the instances of one generic stand together, save another half per cent.
///
/// Features that rustc and wasm-bindgen use, named one by one: with `--all-features` a newer wasm-opt may write encodings that workerd
/// does not read yet. The names section and the producers section are for debuggers and cost an upload 30 kB.
const SHRINK: [&str; 11] = [
    "--reorder-functions-by-name",
    "-O1",
    "--enable-mutable-globals",
    "--enable-sign-ext",
    "--enable-nontrapping-float-to-int",
    "--enable-bulk-memory",
    "--enable-multivalue",
    "--enable-reference-types",
    "--enable-exception-handling",
    "--strip-debug",
    "--strip-producers",
];

/// Far more than the slowest machine needs.
const BUILD_LIMIT: Duration = Duration::from_secs(45 * 60);

/// Set to `skip` for a wrangler whose caller has built already.
pub(crate) const BUILD_VARIABLE: &str = "BREVET_BUILD";

/// True when the caller of this build command has built already.
pub(crate) fn is_built_by_caller() -> bool {
    std::env::var_os(BUILD_VARIABLE).is_some_and(|value| value == "skip")
}

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
    let program = folder.join("cargo");
    place::write_program(&program, CARGO)?;
    Ok(folder)
}

/// The absolute path of the real one: by name it would find the script before it.
fn real_cargo() -> Result<PathBuf, Failure> {
    let by_name = || command::find("cargo");
    std::env::var_os("CARGO")
        .map(PathBuf::from)
        .filter(|path| path.is_absolute())
        .or_else(by_name)
        .ok_or_else(|| Failure::Missing {
            what: "cargo is not on the PATH".to_owned(),
            next: "install Rust with rustup".to_owned(),
        })
}

/// Builds the Worker.
///
/// # Errors
/// When the build fails.
pub(crate) fn build(workshop: &Workshop) -> Result<(), Failure> {
    build_in(workshop, &place::root(), "brevet")
}

/// Builds a Worker whose crate is in this folder, in the same way.
///
/// # Errors
/// When the build fails.
pub(crate) fn build_in(workshop: &Workshop, folder: &Path, package: &str) -> Result<(), Failure> {
    // Wrangler runs this as its build command and reads nothing from it: progress goes to standard error.
    let mut build = workshop.wasm_command(WasmTool::WorkerBuild, cargo_for_cdylib(workshop)?);
    build.current_dir(folder).env("BREVET_CARGO", real_cargo()?);
    // Without the package's name cargo would build the workspace's native members for wasm32 as well.
    build.args(["--release", "--no-opt", "--", "--package", package]);
    guard::run_quietly(&build, BUILD_LIMIT)?;
    shrink(workshop, package, &folder.join("build/index_bg.wasm"))
}

/// Runs wasm-opt, or takes its result from last time when the input is the same: it takes 10 seconds.
fn shrink(workshop: &Workshop, package: &str, wasm: &Path) -> Result<(), Failure> {
    let kept = workshop.wasm_target().join(format!("shrunk-{package}"));
    place::make_folder(&kept)?;
    let (before, after) = (kept.join("before.wasm"), kept.join("after.wasm"));
    let settings = kept.join("settings");
    let wanted = SHRINK.join(" ");
    let read = |path: &Path| std::fs::read(path).map_err(file("reading", path));
    let input = read(wasm)?;
    let same = std::fs::read(&before).is_ok_and(|old| old == input)
        && std::fs::read_to_string(&settings).is_ok_and(|old| old == wanted)
        && after.is_file();
    if !same {
        // Absent until the result is there: a run that is cut off leaves nothing to trust.
        let _absent = std::fs::remove_file(&settings);
        std::fs::write(&before, &input).map_err(file("writing", &before))?;
        let mut opt: Command = workshop.command("wasm-opt");
        opt.arg(&before).arg("-o").arg(&after).args(SHRINK);
        guard::run(&opt)?;
        std::fs::write(&settings, wanted).map_err(file("writing", &settings))?;
    }
    let fresh = wasm.with_extension("shrunk");
    std::fs::copy(&after, &fresh).map_err(file("writing", &fresh))?;
    std::fs::rename(&fresh, wasm).map_err(file("writing", wasm))
}

/// The `build` task.
///
/// # Errors
/// When the build fails.
pub(crate) fn task() -> Result<(), Failure> {
    if is_built_by_caller() {
        return Ok(());
    }
    let workshop = Workshop::open()?;
    build(&workshop)?;
    // As wrangler's build command: measuring would run wrangler inside wrangler.
    if std::env::var_os("WRANGLER_COMMAND").is_none() {
        let upload = size::measure(&workshop)?;
        for text in upload.table() {
            say::line(&text);
        }
    }
    Ok(())
}
