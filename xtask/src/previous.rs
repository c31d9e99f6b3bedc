//! The build before this one, for the test that both work with each other: Worker and objects are rolled out
//! minutes apart.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use crate::failure::{Failure, file};
use crate::guard;
use crate::place;
use crate::say;

/// The commit whose build is taken: the last one that speaks fewer operations to a ledger than this one. Set
/// anew when messages change after a release.
const COMMIT: &str = "7e16337";

/// A whole build from nothing.
const BUILD_LIMIT: Duration = Duration::from_secs(30 * 60);

/// Its `build` folder, made once and kept in the cache; none where this checkout has no such commit.
///
/// # Errors
/// When it cannot be built.
pub(crate) fn build() -> Result<Option<PathBuf>, Failure> {
    let folder = place::cache()?.join(format!("previous-{COMMIT}"));
    let kept = folder.join("build");
    if kept.join("index.js").is_file() {
        return Ok(Some(kept));
    }
    let has = Command::new("git")
        .current_dir(place::root())
        .args(["cat-file", "-e", &format!("{COMMIT}^{{commit}}")])
        .stderr(Stdio::null())
        .status();
    if !has.is_ok_and(|status| status.success()) {
        return Ok(None);
    }
    say::progress("building the Worker of the commit before, once (about 4 min)");
    let source = folder.join("source");
    place::make_folder(&source)?;
    let archive = folder.join("source.tar");
    let mut git = Command::new("git");
    git.current_dir(place::root()).args(["archive", "--format=tar", "-o"]).arg(&archive).arg(COMMIT);
    guard::run(&git)?;
    let mut tar = Command::new("tar");
    tar.arg("-xf").arg(&archive).arg("-C").arg(&source);
    guard::run(&tar)?;
    let mut cargo = Command::new("cargo");
    cargo.current_dir(&source).args(["xtask", "build"]).env("CARGO_TARGET_DIR", folder.join("target"));
    guard::run_quietly(&cargo, BUILD_LIMIT)?;
    let fresh = folder.join("fresh");
    copy(&source.join("build"), &fresh)?;
    std::fs::rename(&fresh, &kept).map_err(file("writing", &kept))?;
    for rest in [&source, &folder.join("target")] {
        std::fs::remove_dir_all(rest).map_err(file("removing", rest))?;
    }
    std::fs::remove_file(&archive).map_err(file("removing", &archive))?;
    Ok(Some(kept))
}

fn copy(from: &Path, to: &Path) -> Result<(), Failure> {
    place::make_folder(to)?;
    for entry in std::fs::read_dir(from).map_err(file("reading", from))? {
        let path = entry.map_err(file("reading", from))?.path();
        let into = to.join(path.file_name().unwrap_or_default());
        if path.is_dir() {
            copy(&path, &into)?;
        } else {
            std::fs::copy(&path, &into).map_err(file("writing", &into))?;
        }
    }
    Ok(())
}
