//! The versions that the lock files name.

use crate::failure::{Failure, file};
use crate::place;

/// The version of a crate in a Cargo.lock. `None` when it is not there, or there in several versions.
fn locked_version(lock_file: &str, name: &str) -> Option<String> {
    let mut found = None;
    for package in lock_file.split("[[package]]").skip(1) {
        let field = |key: &str| {
            package.lines().find_map(|line| {
                line.strip_prefix(key)?.trim().strip_prefix('=')?.trim().strip_prefix('"')?.strip_suffix('"')
            })
        };
        if field("name") == Some(name) {
            let version = field("version")?;
            if found.replace(version.to_owned()).is_some() {
                return None;
            }
        }
    }
    found
}

/// The version of wasm-bindgen's program that fits Cargo.lock.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Pins {
    /// wasm-bindgen's: the program and the crate must be the same.
    pub(crate) wasm_bindgen: String,
}

impl Pins {
    /// Reads the checkout's Cargo.lock.
    ///
    /// # Errors
    /// When the file cannot be read or does not name each crate once.
    pub(crate) fn read() -> Result<Self, Failure> {
        let path = place::root().join("Cargo.lock");
        let text = std::fs::read_to_string(&path).map_err(file("reading", &path))?;
        Self::from_lock_file(&text)
    }

    fn from_lock_file(text: &str) -> Result<Self, Failure> {
        let version = |name: &str| {
            locked_version(text, name).ok_or_else(|| Failure::Form {
                what: "Cargo.lock".to_owned(),
                wrong: format!("it must name the crate `{name}` exactly once"),
            })
        };
        Ok(Self { wasm_bindgen: version("wasm-bindgen")? })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LOCK: &str = r#"version = 4

[[package]]
name = "wasm-bindgen"
version = "0.2.130"
dependencies = [
 "wasm-bindgen-macro",
]

[[package]]
name = "wasm-bindgen-macro"
version = "0.2.129"
"#;

    #[test]
    fn reads_the_exact_crate_and_not_one_whose_name_begins_alike() {
        let pins = Pins::from_lock_file(LOCK).unwrap();
        assert_eq!(pins, Pins { wasm_bindgen: "0.2.130".to_owned() });
        assert_eq!(locked_version(LOCK, "wasm-bindgen-macro").as_deref(), Some("0.2.129"));
    }

    #[test]
    fn refuses_an_absent_and_an_ambiguous_crate() {
        let absent = LOCK.replace("name = \"wasm-bindgen\"", "name = \"other\"");
        assert!(matches!(Pins::from_lock_file(&absent), Err(Failure::Form { .. })));
        let twice = format!("{LOCK}\n[[package]]\nname = \"wasm-bindgen\"\nversion = \"0.2.129\"\n");
        assert!(matches!(Pins::from_lock_file(&twice), Err(Failure::Form { .. })));
    }

    proptest::proptest! {
        #[test]
        fn no_text_makes_the_reader_panic(text in "[\\[\\]a-z\"= \n]{0,200}") {
            let _any = locked_version(&text, "a");
        }
    }
}
