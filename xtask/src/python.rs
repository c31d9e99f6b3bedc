//! The Python packages that the black-box tests run: `requests` and Cloudflare's own client.
//!
//! Python itself is the machine's. Where it, or the packages, cannot be had, those tests are not run and
//! the run says so.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use crate::command;
use crate::failure::{Failure, file};
use crate::guard;
use crate::place::{self, SetUpLock, Unfinished};
use crate::say;

/// Names of what the packages came from; equal to the requirements when nothing has to be done.
const STAMP: &str = ".brevet-requirements";
/// 15 MB over a slow line.
const INSTALL_LIMIT: Duration = Duration::from_secs(10 * 60);
/// Packages with compiled parts are for one Python on one platform. An older one than the packages take has no answer.
const ASK: &str = "import sys, sysconfig; assert sys.version_info >= (3, 10); \
                   print(sys.implementation.cache_tag + '-' + sysconfig.get_platform())";

/// The folder with the packages, set up when they are missing.
///
/// # Errors
/// When there is no Python, or the packages cannot be had, with what the user can do.
pub(crate) fn packages() -> Result<PathBuf, Failure> {
    let cache = place::cache()?;
    let wanted = place::root().join("tests/worker/python/requirements.txt");
    let label =
        command::answer(Command::new("python3").args(["-c", ASK])).ok_or_else(|| Failure::Missing {
            what: "no Python 3.10 or later".to_owned(),
            next: "install python3, then run this again".to_owned(),
        })?;
    let folder = cache.join("tools").join(format!("python-{}", label.trim()));
    if is_ready(&folder, &wanted) {
        return Ok(folder);
    }
    let _lock = SetUpLock::take(&cache)?;
    if is_ready(&folder, &wanted) {
        return Ok(folder);
    }
    say::progress("installing requests and Cloudflare's client for Python once (about 20 s, 125 MB)");
    let unfinished = Unfinished::begin(&folder)?;
    let scratch = cache.join("scratch-python");
    let installed = pip(&scratch)
        .and_then(|python| guard::run_within(&install(&python, &unfinished, &wanted), INSTALL_LIMIT));
    place::remove_folder(&scratch)?;
    installed?;
    let stamp = unfinished.path.join(STAMP);
    std::fs::copy(&wanted, &stamp).map_err(file("writing", &stamp))?;
    unfinished.finish()?;
    Ok(folder)
}

fn is_ready(folder: &Path, wanted: &Path) -> bool {
    let read = |path: &Path| std::fs::read(path).ok();
    let wanted = read(wanted);
    wanted.is_some() && wanted == read(&folder.join(STAMP))
}

/// A Python with pip: the machine's, else one of a virtual environment. Some distributions have only one of the two.
fn pip(scratch: &Path) -> Result<PathBuf, Failure> {
    let works =
        |python: &Path| command::answer(Command::new(python).args(["-m", "pip", "--version"])).is_some();
    let own = PathBuf::from("python3");
    if works(&own) {
        return Ok(own);
    }
    place::remove_folder(scratch)?;
    let _made = command::answer(Command::new("python3").args(["-m", "venv"]).arg(scratch));
    let other = scratch.join("bin/python3");
    if works(&other) {
        return Ok(other);
    }
    Err(Failure::Missing {
        what: "python3 has neither pip nor venv".to_owned(),
        next: "install python3-pip or python3-venv, then run this again".to_owned(),
    })
}

fn install(python: &Path, into: &Unfinished, wanted: &Path) -> Command {
    let mut pip = Command::new(python);
    pip.args(["-m", "pip", "--disable-pip-version-check", "--no-input", "install", "--quiet"]);
    // Nothing is compiled and no package's set-up code is run here; all that is needed is named.
    pip.args(["--only-binary", ":all:", "--no-deps"]);
    pip.env("PIP_ROOT_USER_ACTION", "ignore");
    pip.arg("--target").arg(&into.path).arg("--requirement").arg(wanted);
    pip
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn packages_of_other_requirements_are_not_taken() {
        let folder = tempfile::tempdir().unwrap();
        let wanted = folder.path().join("requirements.txt");
        std::fs::write(&wanted, "requests==1\n").unwrap();
        assert!(!is_ready(folder.path(), &wanted));
        std::fs::write(folder.path().join(STAMP), "requests==1\n").unwrap();
        assert!(is_ready(folder.path(), &wanted));
        std::fs::write(&wanted, "requests==2\n").unwrap();
        assert!(!is_ready(folder.path(), &wanted));
        assert!(!is_ready(folder.path(), &folder.path().join("absent")));
    }

    #[test]
    fn every_package_is_pinned() {
        let path = place::root().join("tests/worker/python/requirements.txt");
        let text = std::fs::read_to_string(path).unwrap();
        let named: Vec<&str> = text.lines().filter(|line| !line.starts_with('#')).collect();
        assert!(named.len() > 10);
        assert!(named.iter().all(|line| line.contains("==")), "{named:?}");
    }
}
