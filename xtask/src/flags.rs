//! Reading command lines.

use std::ffi::OsString;

use crate::failure::Failure;

/// The arguments after a task's name.
#[derive(Debug)]
pub(crate) struct Flags {
    task: &'static str,
    rest: std::vec::IntoIter<OsString>,
    value: Option<String>,
}

impl Flags {
    /// Starts reading.
    pub(crate) fn new(task: &'static str, rest: std::vec::IntoIter<OsString>) -> Self {
        Self { task, rest, value: None }
    }

    /// The next flag; `--flag=value` keeps its value for [`Flags::value`].
    pub(crate) fn next(&mut self) -> Result<Option<String>, Failure> {
        if let Some(value) = self.value.take() {
            return Err(Failure::Usage(format!(
                "{}: this flag takes no value, but `{value}` was given",
                self.task
            )));
        }
        let Some(argument) = self.rest.next() else { return Ok(None) };
        let text = self.text(argument)?;
        if !text.starts_with("--") {
            return Err(self.unknown(&text));
        }
        Ok(Some(match text.split_once('=') {
            Some((flag, value)) => {
                self.value = Some(value.to_owned());
                flag.to_owned()
            }
            None => text,
        }))
    }

    /// The value of the flag just read.
    pub(crate) fn value(&mut self, flag: &str) -> Result<String, Failure> {
        if let Some(value) = self.value.take() {
            return Ok(value);
        }
        match self.rest.next() {
            Some(value) => self.text(value),
            None => Err(Failure::Usage(format!("{}: {flag} needs a value", self.task))),
        }
    }

    /// The value of the flag just read, as a port.
    pub(crate) fn port(&mut self, flag: &str) -> Result<u16, Failure> {
        let value = self.value(flag)?;
        value.parse().map_err(|_| {
            Failure::Usage(format!("{}: {flag} takes a port (0 to 65535), not `{value}`", self.task))
        })
    }

    /// The error for a flag that the task does not know.
    pub(crate) fn unknown(&self, flag: &str) -> Failure {
        Failure::Usage(format!("{}: unknown argument `{flag}`", self.task))
    }

    fn text(&self, argument: OsString) -> Result<String, Failure> {
        argument.into_string().map_err(|_| Failure::Usage(format!("{}: an argument is not UTF-8", self.task)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn flags(arguments: &[&str]) -> Flags {
        Flags::new("task", arguments.iter().map(OsString::from).collect::<Vec<_>>().into_iter())
    }

    #[test]
    fn reads_values_in_both_forms() {
        let mut both = flags(&["--port", "80", "--var=A=b=c", "--quiet"]);
        assert_eq!(both.next().unwrap().as_deref(), Some("--port"));
        assert_eq!(both.port("--port").unwrap(), 80);
        assert_eq!(both.next().unwrap().as_deref(), Some("--var"));
        assert_eq!(both.value("--var").unwrap(), "A=b=c");
        assert_eq!(both.next().unwrap().as_deref(), Some("--quiet"));
        assert_eq!(both.next().unwrap(), None);
    }

    #[test]
    fn refuses_a_missing_value_a_wrong_port_and_a_word() {
        let mut missing = flags(&["--port"]);
        missing.next().unwrap();
        assert!(missing.port("--port").unwrap_err().to_string().contains("needs a value"));
        for wrong in ["65536", "-1", "http", ""] {
            let mut port = flags(&["--port", wrong]);
            port.next().unwrap();
            assert!(matches!(port.port("--port"), Err(Failure::Usage(_))), "{wrong}");
        }
        assert!(matches!(flags(&["word"]).next(), Err(Failure::Usage(_))));
    }

    #[test]
    fn refuses_a_value_for_a_flag_that_takes_none() {
        let mut extra = flags(&["--quiet=yes"]);
        extra.next().unwrap();
        assert!(matches!(extra.next(), Err(Failure::Usage(_))));
    }
}
