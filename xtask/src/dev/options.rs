//! The flags of `xtask dev`.

use std::path::PathBuf;

use crate::failure::Failure;
use crate::flags::Flags;

/// Where the Worker listens unless told otherwise; wrangler's own default.
const PORT: u16 = 8787;

/// What the user asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Options {
    /// The Worker's port; 0 = any free one.
    pub(super) port: u16,
    /// The API base to use in the stand-in's place, without a slash at its end.
    pub(super) upstream: Option<String>,
    /// Variables and secrets of the Worker, the last of a name counts.
    pub(super) vars: Vec<(String, String)>,
    /// Where the Worker's state is kept.
    pub(super) state: Option<PathBuf>,
    /// Whether to walk through the main job.
    pub(super) walkthrough: bool,
    /// Use the real API.
    pub(super) real: bool,
}

impl Options {
    /// Reads the flags.
    ///
    /// # Errors
    /// With the flag that is wrong and what it takes.
    pub(super) fn read(mut flags: Flags) -> Result<Self, Failure> {
        let mut options = Self {
            port: PORT,
            upstream: None,
            vars: Vec::new(),
            state: None,
            walkthrough: true,
            real: false,
        };
        while let Some(flag) = flags.next()? {
            match flag.as_str() {
                "--port" => options.port = flags.port("--port")?,
                "--upstream" => options.upstream = Some(upstream(&flags.value("--upstream")?)?),
                "--var" => options.vars.push(variable(&flags.value("--var")?)?),
                "--state" => options.state = Some(PathBuf::from(flags.value("--state")?)),
                "--no-walkthrough" => options.walkthrough = false,
                "--real" => options.real = true,
                other => return Err(flags.unknown(other)),
            }
        }
        if options.real && options.upstream.is_some() {
            return Err(Failure::Usage("dev: --real and --upstream exclude each other".to_owned()));
        }
        Ok(options)
    }

    /// The value that `--var` gave a name.
    pub(super) fn var(&self, name: &str) -> Option<&str> {
        self.vars.iter().rev().find(|(key, _)| key == name).map(|(_, value)| value.as_str())
    }
}

fn upstream(text: &str) -> Result<String, Failure> {
    let host = text.strip_prefix("http://").or_else(|| text.strip_prefix("https://")).unwrap_or_default();
    if host.is_empty() || host.starts_with('/') || text.contains(['?', '#', ' ']) {
        return Err(Failure::Usage(format!(
            "dev: --upstream takes the base of an API, like http://127.0.0.1:9000/client/v4, not `{text}`"
        )));
    }
    Ok(text.trim_end_matches('/').to_owned())
}

/// Names only in an error: the value may be a secret.
fn variable(text: &str) -> Result<(String, String), Failure> {
    let (name, value) = text
        .split_once('=')
        .ok_or_else(|| Failure::Usage("dev: --var takes KEY=VALUE, and this one has no `=`".to_owned()))?;
    let mut characters = name.chars();
    let good = characters.next().is_some_and(|first| first.is_ascii_alphabetic() || first == '_')
        && characters.all(|c| c.is_ascii_alphanumeric() || c == '_');
    if !good {
        return Err(Failure::Usage("dev: the KEY of --var is made of letters, digits and _".to_owned()));
    }
    Ok((name.to_owned(), value.to_owned()))
}

#[cfg(test)]
mod tests {
    use std::ffi::OsString;

    use super::*;

    fn read(arguments: &[&str]) -> Result<Options, Failure> {
        Options::read(Flags::new("dev", arguments.iter().map(OsString::from).collect::<Vec<_>>().into_iter()))
    }

    #[test]
    fn reads_every_flag() {
        let options = read(&[
            "--port",
            "0",
            "--upstream",
            "http://127.0.0.1:9000/client/v4/",
            "--var",
            "A=b=c",
            "--var=A=",
            "--state",
            "/s",
            "--no-walkthrough",
        ])
        .unwrap();
        assert_eq!(options.port, 0);
        assert_eq!(options.upstream.as_deref(), Some("http://127.0.0.1:9000/client/v4"));
        assert_eq!(options.var("A"), Some(""));
        assert_eq!(options.state, Some(PathBuf::from("/s")));
        assert!(!options.walkthrough && !options.real);
        let plain = read(&[]).unwrap();
        assert_eq!((plain.port, plain.walkthrough), (8787, true));
    }

    #[test]
    fn refuses_what_it_does_not_know() {
        for wrong in [
            &["--ports", "1"][..],
            &["8787"],
            &["--port", "99999"],
            &["--upstream", "127.0.0.1:9000"],
            &["--upstream", "http://"],
            &["--upstream", "http://h/?q"],
            &["--var", "NOVALUE"],
            &["--var", "=x"],
            &["--var", "1A=x"],
            &["--real", "--upstream", "http://h"],
        ] {
            assert!(matches!(read(wrong), Err(Failure::Usage(_))), "{wrong:?}");
        }
    }

    #[test]
    fn an_error_does_not_repeat_a_secret() {
        let text = read(&["--var", "MY-KEY=hunter2"]).unwrap_err().to_string();
        assert!(!text.contains("hunter2"), "{text}");
        let text = read(&["--var", "hunter2"]).unwrap_err().to_string();
        assert!(!text.contains("hunter2"), "{text}");
    }
}
