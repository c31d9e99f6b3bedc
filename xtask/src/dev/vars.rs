//! The Worker's variables and secrets in development, handed over by a file that only the user can read.

use std::fmt;
use std::io::{Read as _, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

use crate::failure::{Failure, file};
use crate::place;

/// Names and values; `Debug` shows names only.
#[derive(Clone, Default)]
pub(super) struct Vars(Vec<(String, String)>);

impl fmt::Debug for Vars {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.0.iter().map(|(name, _)| name)).finish()
    }
}

impl Vars {
    /// Sets a value; the last of a name counts.
    pub(super) fn set(&mut self, name: &str, value: &str) {
        self.0.retain(|(other, _)| other != name);
        self.0.push((name.to_owned(), value.to_owned()));
    }

    /// A value.
    pub(super) fn get(&self, name: &str) -> Option<&str> {
        self.0.iter().find(|(other, _)| other == name).map(|(_, value)| value.as_str())
    }

    /// In the form that wrangler's `--env-file` reads.
    ///
    /// # Errors
    /// When a value cannot be written in that form.
    fn text(&self) -> Result<String, Failure> {
        let mut text = String::new();
        for (name, value) in &self.0 {
            // In single quotes and backticks nothing is unescaped; `$` is expanded everywhere.
            let quote = ['\'', '`'].into_iter().find(|quote| !value.contains(*quote));
            let (Some(quote), false) = (quote, value.contains(['\n', '\r']) || value.contains("\\$")) else {
                return Err(Failure::Usage(format!(
                    "dev: the value of {name} cannot be handed to the Worker: it holds a line break, `\\$` or both ' and `"
                )));
            };
            text.push_str(&format!("{name}={quote}{}{quote}\n", value.replace('$', "\\$")));
        }
        Ok(text)
    }

    /// Writes them to a file that only the user can read.
    pub(super) fn write(&self, path: &Path) -> Result<(), Failure> {
        write_private(path, &self.text()?)
    }

    /// Reads the `NAME=value` lines of a file like `.dev.vars`. A file that is not there holds none.
    pub(super) fn read(path: &Path) -> Result<Self, Failure> {
        match std::fs::read_to_string(path) {
            Ok(text) => Ok(Self::parse(&text)),
            Err(source) if source.kind() == std::io::ErrorKind::NotFound => Ok(Self::default()),
            Err(source) => Err(file("reading", path)(source)),
        }
    }

    fn parse(text: &str) -> Self {
        let mut vars = Self::default();
        for line in text.lines() {
            let line = line.trim();
            let line = line.strip_prefix("export ").unwrap_or(line);
            if line.starts_with('#') {
                continue;
            }
            if let Some((name, value)) = line.split_once('=') {
                let value = value.trim();
                let quoted = ['\'', '"', '`']
                    .into_iter()
                    .find_map(|quote| value.strip_prefix(quote)?.strip_suffix(quote));
                vars.set(name.trim(), quoted.unwrap_or(value));
            }
        }
        vars
    }
}

fn write_private(path: &Path, text: &str) -> Result<(), Failure> {
    // A file of an earlier run may have kept wider permissions.
    let _absent = std::fs::remove_file(path);
    let mut out = std::fs::OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(path)
        .map_err(file("writing", path))?;
    out.write_all(text.as_bytes()).map_err(file("writing", path))
}

/// A folder that only the user can read, for one session.
pub(super) fn private_folder() -> Result<PathBuf, Failure> {
    let path = std::env::temp_dir().join(format!(
        "brevet-dev-{}-{}",
        std::process::id(),
        secret()?.get(..8).unwrap_or("x")
    ));
    std::fs::DirBuilder::new().mode(0o700).create(&path).map_err(file("making the folder", &path))?;
    Ok(path)
}

/// A secret that a session keeps in its state folder: the next session with the same folder can read what this one wrote.
pub(super) fn kept_secret(folder: &Path, name: &str) -> Result<String, Failure> {
    let path = folder.join(name);
    match std::fs::read_to_string(&path) {
        Ok(text) if !text.trim().is_empty() => Ok(text.trim().to_owned()),
        _ => {
            place::make_folder(folder)?;
            let fresh = secret()?;
            write_private(&path, &fresh)?;
            Ok(fresh)
        }
    }
}

/// 32 random bytes in base64url: 43 characters.
pub(super) fn secret() -> Result<String, Failure> {
    let path = Path::new("/dev/urandom");
    let mut bytes = [0_u8; 32];
    std::fs::File::open(path)
        .and_then(|mut source| source.read_exact(&mut bytes))
        .map_err(file("reading", path))?;
    Ok(base64url(&bytes))
}

fn base64url(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    let mut text = String::new();
    for group in bytes.chunks(3) {
        let byte = |at: usize| u32::from(group.get(at).copied().unwrap_or(0));
        let bits = byte(0) << 16 | byte(1) << 8 | byte(2);
        for shift in [18, 12, 6, 0].into_iter().take(group.len() + 1) {
            let digit = usize::try_from(bits >> shift & 63)
                .ok()
                .and_then(|at| DIGITS.get(at))
                .copied()
                .unwrap_or(b'A');
            text.push(char::from(digit));
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    #[test]
    fn only_the_user_can_read_the_file() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("vars");
        std::fs::write(&path, "old").unwrap();
        let mut vars = Vars::default();
        vars.set("A", "1");
        vars.write(&path).unwrap();
        assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        assert_eq!(std::fs::read_to_string(&path).unwrap(), "A='1'\n");
    }

    #[test]
    fn quotes_what_it_can_and_refuses_the_rest_without_showing_it() {
        let text = |value: &str| {
            let mut vars = Vars::default();
            vars.set("A", value);
            vars.text()
        };
        assert_eq!(text("it's $5").unwrap(), "A=`it's \\$5`\n");
        assert_eq!(text("a\"b#c").unwrap(), "A='a\"b#c'\n");
        for wrong in ["hunter\n2", "hunter\\$2", "'hunter`"] {
            let error = text(wrong).unwrap_err().to_string();
            assert!(!error.contains("hunter"), "{error}");
        }
    }

    #[test]
    fn reads_a_vars_file() {
        let vars = Vars::parse("# comment\nA=1\nexport B = \"two\"\n\nnonsense\nA='3'\n");
        assert_eq!((vars.get("A"), vars.get("B"), vars.get("C")), (Some("3"), Some("two"), None));
        assert_eq!(format!("{vars:?}"), "[\"B\", \"A\"]");
    }

    #[test]
    fn a_secret_has_the_shape_that_brevet_asks_for_and_is_never_the_same() {
        assert_eq!(base64url(b"\xfb\xff\xfe"), "-__-");
        assert_eq!(base64url(b"a"), "YQ");
        assert_eq!(base64url(b"ab"), "YWI");
        let (one, two) = (secret().unwrap(), secret().unwrap());
        assert_eq!(one.len(), 43);
        assert_ne!(one, two);
    }

    #[test]
    fn a_state_folder_keeps_its_secret() {
        let folder = tempfile::tempdir().unwrap();
        let first = kept_secret(folder.path(), "pepper").unwrap();
        assert_eq!(kept_secret(folder.path(), "pepper").unwrap(), first);
    }
}
