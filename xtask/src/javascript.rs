//! The JavaScript tools of package.json: Node, wrangler with workerd, esbuild, wasm-opt.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use crate::command;
use crate::failure::{Failure, file};
use crate::guard;
use crate::place;
use crate::say;

/// Names of what the installed packages came from; equal to the lock file when nothing has to be done.
const STAMP: &str = ".brevet-lock";
/// 640 MB over a slow line.
const INSTALL_LIMIT: Duration = Duration::from_secs(20 * 60);
/// The programs that the tasks use.
const PROGRAMS: [&str; 4] = ["node", "wrangler", "esbuild", "wasm-opt"];

/// The folder of the installed programs; first on the PATH, every Node program runs on the pinned Node.
pub(crate) fn programs() -> PathBuf {
    place::root().join("node_modules/.bin")
}

/// True when `node_modules` holds exactly what the lock file names.
pub(crate) fn is_ready() -> bool {
    let root = place::root();
    let read = |path: &Path| std::fs::read(path).ok();
    let locked = read(&root.join("package-lock.json"));
    locked.is_some() && locked == read(&root.join("node_modules").join(STAMP))
}

/// Installs the packages of the lock file.
///
/// # Errors
/// When npm is absent or fails, or the Node that it brings does not run here.
pub(crate) fn install() -> Result<(), Failure> {
    if is_ready() {
        return Ok(());
    }
    if !command::on_path("npm") {
        return Err(Failure::Missing {
            what: "npm is not on the PATH".to_owned(),
            next: "install Node 22.12 or later with npm (any package manager has it), then run this again"
                .to_owned(),
        });
    }
    say::progress(
        "npm ci: Node, wrangler, workerd, esbuild and wasm-opt as package-lock.json names them (about 1 min, 640 MB)",
    );
    let root = place::root();
    let mut npm = Command::new("npm");
    npm.current_dir(&root).args(["ci", "--no-audit", "--no-fund", "--loglevel", "error"]);
    guard::run_within(&npm, INSTALL_LIMIT)?;
    for program in PROGRAMS {
        if !programs().join(program).exists() {
            return Err(Failure::Missing {
                what: format!("npm ci brought no `{program}`"),
                next: "look whether npm's settings leave out devDependencies or install scripts (`npm config list`)".to_owned(),
            });
        }
    }
    if command::answer(Command::new(programs().join("node")).arg("--version")).is_none() {
        return Err(Failure::Missing {
            what: "the Node that npm brought does not run".to_owned(),
            next: "see that npm may run install scripts (`npm config get ignore-scripts`), then remove node_modules and run this again"
                .to_owned(),
        });
    }
    let stamp = root.join("node_modules").join(STAMP);
    let lock = root.join("package-lock.json");
    std::fs::copy(&lock, &stamp).map(drop).map_err(file("writing", &stamp))
}
