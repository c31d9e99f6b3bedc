//! Where things are: the checkout, its build output, and the cache outside it.

use std::ffi::OsString;
use std::fs::{File, TryLockError};
use std::path::{Path, PathBuf};

use crate::failure::{Failure, file};
use crate::say;

/// The checkout's root.
pub(crate) fn root() -> PathBuf {
    let here = std::env::var_os("CARGO_MANIFEST_DIR")
        .map_or_else(|| PathBuf::from(env!("CARGO_MANIFEST_DIR")), PathBuf::from);
    // Cargo sets the variable to this crate's folder; a nested cargo may have left another's.
    let here = if here.ends_with("xtask") { here } else { PathBuf::from(env!("CARGO_MANIFEST_DIR")) };
    here.parent().map_or_else(|| here.clone(), Path::to_path_buf)
}

/// Cargo's output folder.
pub(crate) fn target() -> PathBuf {
    // An empty one would be the checkout itself.
    match std::env::var_os("CARGO_TARGET_DIR").filter(|folder| !folder.is_empty()) {
        Some(folder) => root().join(folder),
        None => root().join("target"),
    }
}

/// The cache folder: `BREVET_CACHE`, else `XDG_CACHE_HOME/brevet`, else `~/.cache/brevet`.
///
/// # Errors
/// When none of the three is set.
pub(crate) fn cache() -> Result<PathBuf, Failure> {
    cache_of(|name| std::env::var_os(name).filter(|value| !value.is_empty())).ok_or_else(|| {
        Failure::Missing {
            what: "no cache folder".to_owned(),
            next: "set BREVET_CACHE to a folder with 2 GB of space".to_owned(),
        }
    })
}

fn cache_of(variable: impl Fn(&str) -> Option<OsString>) -> Option<PathBuf> {
    let absolute = |path: PathBuf| std::path::absolute(&path).unwrap_or(path);
    if let Some(folder) = variable("BREVET_CACHE") {
        return Some(absolute(folder.into()));
    }
    if let Some(folder) = variable("XDG_CACHE_HOME") {
        return Some(absolute(PathBuf::from(folder).join("brevet")));
    }
    variable("HOME").map(|home| PathBuf::from(home).join(".cache/brevet"))
}

/// Makes a folder and those above it.
pub(crate) fn make_folder(path: &Path) -> Result<(), Failure> {
    std::fs::create_dir_all(path).map_err(file("making the folder", path))
}

/// Writes a script that can be run; one that is there with this text is left alone.
pub(crate) fn write_program(path: &Path, text: &str) -> Result<(), Failure> {
    if std::fs::read_to_string(path).is_ok_and(|old| old == text) {
        return Ok(());
    }
    // Beside it first: another run may be reading it.
    let mut fresh = path.as_os_str().to_owned();
    fresh.push(".new");
    let fresh = PathBuf::from(fresh);
    std::fs::write(&fresh, text).map_err(file("writing", &fresh))?;
    let executable = std::os::unix::fs::PermissionsExt::from_mode(0o755);
    std::fs::set_permissions(&fresh, executable).map_err(file("making executable", &fresh))?;
    std::fs::rename(&fresh, path).map_err(file("writing", path))
}

/// One set-up at a time; the lock ends with the value, or with the process.
#[derive(Debug)]
pub(crate) struct SetUpLock {
    _file: File,
}

impl SetUpLock {
    /// Waits for its turn and says so when it has to.
    pub(crate) fn take(cache: &Path) -> Result<Self, Failure> {
        make_folder(cache)?;
        let path = cache.join("set-up.lock");
        let lock = File::create(&path).map_err(file("opening", &path))?;
        match lock.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                say::progress("waiting for another set-up to end");
                lock.lock().map_err(file("locking", &path))?;
            }
            Err(TryLockError::Error(source)) => return Err(file("locking", &path)(source)),
        }
        Ok(Self { _file: lock })
    }
}

/// A folder that is being filled beside its final place, and is moved there in one step when it is whole.
#[derive(Debug)]
pub(crate) struct Unfinished {
    /// Where to put things.
    pub(crate) path: PathBuf,
    wanted: PathBuf,
}

impl Unfinished {
    /// Starts anew, whatever an earlier run left.
    pub(crate) fn begin(wanted: &Path) -> Result<Self, Failure> {
        let mut name = wanted.as_os_str().to_owned();
        name.push(".unfinished");
        let path = PathBuf::from(name);
        remove_folder(&path)?;
        make_folder(&path)?;
        Ok(Self { path, wanted: wanted.to_path_buf() })
    }

    /// Moves the folder to its place.
    pub(crate) fn finish(self) -> Result<(), Failure> {
        remove_folder(&self.wanted)?;
        std::fs::rename(&self.path, &self.wanted).map_err(file("moving a finished folder to", &self.wanted))
    }
}

/// Removes a folder that may be absent.
pub(crate) fn remove_folder(path: &Path) -> Result<(), Failure> {
    match std::fs::remove_dir_all(path) {
        Err(source) if source.kind() != std::io::ErrorKind::NotFound => Err(file("removing", path)(source)),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_cache_folder_follows_the_variables_in_order() {
        let with = |set: &'static [(&str, &str)]| {
            cache_of(|name| set.iter().find(|(key, _)| *key == name).map(|(_, value)| OsString::from(value)))
        };
        assert_eq!(
            with(&[("HOME", "/h"), ("XDG_CACHE_HOME", "/x"), ("BREVET_CACHE", "/b")]),
            Some("/b".into())
        );
        assert_eq!(with(&[("HOME", "/h"), ("XDG_CACHE_HOME", "/x")]), Some("/x/brevet".into()));
        assert_eq!(with(&[("HOME", "/h")]), Some("/h/.cache/brevet".into()));
        assert_eq!(with(&[]), None);
    }

    #[test]
    fn an_unfinished_folder_is_never_seen_in_its_place() {
        let folder = tempfile::tempdir().unwrap();
        let wanted = folder.path().join("tool");
        let first = Unfinished::begin(&wanted).unwrap();
        std::fs::write(first.path.join("half"), "x").unwrap();
        drop(first);
        assert!(!wanted.exists());
        let second = Unfinished::begin(&wanted).unwrap();
        assert!(!second.path.join("half").exists());
        std::fs::write(second.path.join("whole"), "x").unwrap();
        second.finish().unwrap();
        assert!(wanted.join("whole").exists());
    }

    #[test]
    fn a_second_set_up_waits_for_the_first() {
        let folder = tempfile::tempdir().unwrap();
        let first = SetUpLock::take(folder.path()).unwrap();
        let path = folder.path().to_path_buf();
        let (sender, taken) = std::sync::mpsc::channel();
        let second = std::thread::spawn(move || {
            let lock = SetUpLock::take(&path);
            sender.send(lock.is_ok()).unwrap();
        });
        assert!(taken.recv_timeout(std::time::Duration::from_millis(200)).is_err());
        drop(first);
        assert_eq!(taken.recv_timeout(std::time::Duration::from_secs(5)), Ok(true));
        second.join().unwrap();
    }
}
