//! The command line: `--name value` pairs.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::str::FromStr;

/// What was given.
#[derive(Debug, Default)]
pub(crate) struct Options(BTreeMap<String, String>);

/// All that either task takes.
const KNOWN: [&str; 9] =
    ["port", "lines", "requests", "from", "connections", "status", "capture", "jwks", "issuer"];

impl Options {
    /// Reads them.
    ///
    /// # Errors
    /// A name that nobody takes, or one without a value.
    pub(crate) fn read(mut arguments: impl Iterator<Item = String>) -> Result<Self, String> {
        let mut given = BTreeMap::new();
        while let Some(argument) = arguments.next() {
            let name = argument.strip_prefix("--").filter(|name| KNOWN.contains(name));
            let name = name.ok_or_else(|| format!("unknown argument `{argument}`"))?;
            let value = arguments.next().ok_or_else(|| format!("--{name} needs a value"))?;
            given.insert(name.to_owned(), value);
        }
        Ok(Self(given))
    }

    /// A text.
    pub(crate) fn text(&self, name: &str) -> Option<&str> {
        self.0.get(name).map(String::as_str)
    }

    /// A path.
    pub(crate) fn path(&self, name: &str) -> Option<PathBuf> {
        self.text(name).map(PathBuf::from)
    }

    /// A number.
    ///
    /// # Errors
    /// Where it is none.
    pub(crate) fn number<T: FromStr>(&self, name: &str) -> Result<Option<T>, String> {
        self.text(name)
            .map(|text| text.parse().map_err(|_| format!("--{name} takes a number, not `{text}`")))
            .transpose()
    }

    /// A number that must be there.
    ///
    /// # Errors
    /// Where it is none or is missing.
    pub(crate) fn needed<T: FromStr>(&self, name: &str) -> Result<T, String> {
        self.number(name)?.ok_or_else(|| format!("--{name} is needed"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(words: &[&str]) -> Result<Options, String> {
        Options::read(words.iter().map(|word| (*word).to_owned()))
    }

    #[test]
    fn refuses_an_unknown_name_a_missing_value_and_what_is_no_number() {
        assert!(read(&["--fast", "1"]).is_err());
        assert!(read(&["--port"]).is_err());
        let options = read(&["--port", "x"]).unwrap();
        assert!(options.needed::<u16>("port").is_err());
        assert!(options.needed::<u16>("requests").is_err());
        assert_eq!(options.number::<u16>("from"), Ok(None));
        assert_eq!(read(&["--port", "80"]).unwrap().needed::<u16>("port"), Ok(80));
    }
}
