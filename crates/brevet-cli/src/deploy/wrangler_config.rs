//! What a deployment needs to know of `wrangler.toml`.

use std::fmt;
use std::path::{Path, PathBuf};

use toml_edit::{DocumentMut, Item, Table, TableLike, Value};

use crate::failure::Failure;
use crate::file;

/// The largest configuration, in bytes. Ours has two thousand.
const MOST_BYTES: usize = 256 * 1024;

/// The KV binding that Brevet needs.
pub(super) const STATE: &str = "STATE";

/// Variables that a deployment must not have: with the first it answers every request with 503, with
/// the second it will not talk to Cloudflare.
pub(super) const FOR_DEVELOPMENT: [&str; 2] = ["BREVET_DEV", "CLOUDFLARE_API_BASE"];

/// Why the configuration cannot be deployed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum ConfigError {
    /// It is JSON.
    Json(PathBuf),
    /// It is no TOML.
    Toml(PathBuf, String),
    /// It has no name for the Worker.
    NoName(PathBuf),
    /// It has no namespace bound as [`STATE`].
    NoState(PathBuf),
    /// It sets a variable that is for development only.
    ForDevelopment(PathBuf, String),
    /// It sets a secret as a variable, in the open.
    SecretInTheOpen(PathBuf, String),
    /// Nothing leads to the Worker.
    NoRoute(PathBuf, String),
}

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Json(path) => write!(
                f,
                "{} is JSON, and brevet deploy reads wrangler.toml. Name that with --config.",
                path.display()
            ),
            Self::Toml(path, message) => {
                write!(f, "{} is no TOML: {message}. Mend it and run brevet deploy again.", path.display())
            }
            Self::NoName(path) => {
                write!(f, "{} has no name for the Worker. Add name = \"brevet\".", path.display())
            }
            Self::NoState(path) => write!(
                f,
                "{} binds no KV namespace as {STATE}. Add [[kv_namespaces]] with binding = \"{STATE}\".",
                path.display()
            ),
            Self::ForDevelopment(path, name) => write!(
                f,
                "{} sets {name}, which is for development only: deployed, Brevet would refuse every request. Take it out.",
                path.display()
            ),
            Self::SecretInTheOpen(path, name) => write!(
                f,
                "{} sets {name} as a variable, where everybody who sees the file or the dashboard can read it. Take it out, exchange its value, and put it into the environment of brevet deploy.",
                path.display()
            ),
            Self::NoRoute(path, host) => write!(
                f,
                "nothing would lead to the Worker: {} has workers_dev = false and no route. Add, above its first [section]: routes = [{{ pattern = \"{host}\", custom_domain = true }}]",
                path.display()
            ),
        }
    }
}

impl std::error::Error for ConfigError {}

/// Wrangler's configuration.
#[derive(Clone, Debug)]
pub(super) struct WranglerConfig {
    /// Where it is.
    pub(super) path: PathBuf,
    /// Its text.
    pub(super) text: String,
    /// The Worker's name.
    pub(super) name: String,
    /// The account that it names.
    pub(super) account: Option<String>,
    /// The id of the namespace bound as [`STATE`].
    pub(super) namespace: Option<String>,
    routed: bool,
    /// The names of all variables, of every environment.
    variables: Vec<String>,
}

impl WranglerConfig {
    /// Reads it.
    ///
    /// # Errors
    /// Where it cannot be read, or Brevet cannot be deployed with it.
    pub(super) fn read(path: &Path) -> Result<Result<Self, ConfigError>, Failure> {
        let text = file::read(path, MOST_BYTES)?;
        let path = path.to_owned();
        if path.extension().is_some_and(|extension| extension == "json" || extension == "jsonc") {
            return Ok(Err(ConfigError::Json(path)));
        }
        Ok(Self::parse(path, text))
    }

    fn parse(path: PathBuf, text: String) -> Result<Self, ConfigError> {
        let document: DocumentMut = text.parse().map_err(|error: toml_edit::TomlError| {
            ConfigError::Toml(path.clone(), error.message().to_owned())
        })?;
        let word = |name: &str| document.get(name).and_then(Item::as_str).map(str::to_owned);
        let name =
            word("name").filter(|name| !name.is_empty()).ok_or_else(|| ConfigError::NoName(path.clone()))?;
        let account = word("account_id");
        let namespace =
            namespace(document.get("kv_namespaces")).ok_or_else(|| ConfigError::NoState(path.clone()))?;
        let routes = document.get("routes").and_then(Item::as_array).is_some_and(|routes| !routes.is_empty())
            || document
                .get("routes")
                .and_then(Item::as_array_of_tables)
                .is_some_and(|routes| !routes.is_empty())
            || document.get("route").is_some();
        // Without routes wrangler serves on workers.dev unless it is told not to.
        let workers_dev = document.get("workers_dev").and_then(Item::as_bool).unwrap_or(!routes);
        let mut variables = names(document.get("vars"));
        if let Some(environments) = document.get("env").and_then(Item::as_table_like) {
            for (_, environment) in environments.iter() {
                variables.extend(names(environment.as_table_like().and_then(|table| table.get("vars"))));
            }
        }
        Ok(Self { path, name, account, namespace, routed: routes || workers_dev, variables, text })
    }

    /// Refuses what must not be deployed. `secrets` are the names of the Worker's secrets, `host` is
    /// where Brevet is to be reached.
    ///
    /// # Errors
    /// [`ConfigError`].
    pub(super) fn check<'a>(
        &self,
        secrets: impl Iterator<Item = &'a str>,
        host: &str,
    ) -> Result<(), ConfigError> {
        let sets = |name: &str| self.variables.iter().any(|variable| variable == name);
        if let Some(name) = FOR_DEVELOPMENT.iter().find(|name| sets(name)) {
            return Err(ConfigError::ForDevelopment(self.path.clone(), (*name).to_owned()));
        }
        for name in secrets {
            if sets(name) {
                return Err(ConfigError::SecretInTheOpen(self.path.clone(), name.to_owned()));
            }
        }
        if self.routed { Ok(()) } else { Err(ConfigError::NoRoute(self.path.clone(), host.to_owned())) }
    }

    /// The text of the configuration with the id of the namespace bound as [`STATE`]; comments and layout
    /// stay. `None` where nothing is bound so.
    pub(super) fn with_namespace(&self, id: &str) -> Option<String> {
        let mut document: DocumentMut = self.text.parse().ok()?;
        let bound = |table: &dyn TableLike| table.get("binding").and_then(Item::as_str) == Some(STATE);
        let item = document.get_mut("kv_namespaces")?;
        if item.is_array_of_tables() {
            let table =
                item.as_array_of_tables_mut()?.iter_mut().find(|table: &&mut Table| bound(&**table))?;
            table.insert("id", toml_edit::value(id));
        } else {
            let mut tables = item.as_array_mut()?.iter_mut().filter_map(Value::as_inline_table_mut);
            let table = tables.find(|table| bound(*table))?;
            table.insert("id", id.into());
            // The space before the closing brace was that of the last value before.
            table.fmt();
        }
        Some(document.to_string())
    }

    /// What the namespace is called at Cloudflare; the name that wrangler itself would give it.
    pub(super) fn namespace_title(&self) -> String {
        format!("{}-state", self.name)
    }
}

fn names(table: Option<&Item>) -> Vec<String> {
    let table = table.and_then(Item::as_table_like);
    table.map(|table| table.iter().map(|(name, _)| name.to_owned()).collect()).unwrap_or_default()
}

/// `None` where nothing is bound as [`STATE`], else the id that is given there.
fn namespace(item: Option<&Item>) -> Option<Option<String>> {
    let of = |table: &dyn TableLike| {
        let bound = table.get("binding").and_then(Item::as_str) == Some(STATE);
        bound.then(|| table.get("id").and_then(Item::as_str).filter(|id| !id.is_empty()).map(str::to_owned))
    };
    let item = item?;
    if let Some(tables) = item.as_array_of_tables() {
        return tables.iter().find_map(|table| of(table));
    }
    item.as_array()?.iter().filter_map(Value::as_inline_table).find_map(|table| of(table))
}

#[cfg(test)]
mod tests {
    use super::*;

    const GOOD: &str = "name = \"brevet\"\nroutes = [\"a.b/*\"]\n[[kv_namespaces]]\nbinding = \"STATE\"\n";

    fn read(text: &str) -> Result<WranglerConfig, ConfigError> {
        WranglerConfig::parse(PathBuf::from("w.toml"), text.to_owned())
    }

    fn checked(text: &str) -> Result<(), ConfigError> {
        read(text)?.check(["BREVET_PEPPER", "CLOUDFLARE_API_TOKEN"].into_iter(), "brevet.example.org")
    }

    #[test]
    fn refuses_development_mode_in_every_environment() {
        let refused = |name: &str| Err(ConfigError::ForDevelopment(PathBuf::from("w.toml"), name.to_owned()));
        for more in [
            "[vars]\nBREVET_DEV = \"1\"\n",
            "vars = { BREVET_DEV = 0 }\n",
            "[env.x.vars]\nBREVET_DEV = \"1\"\n",
            "[env.x]\nvars.BREVET_DEV = \"\"\n",
        ] {
            let text =
                if more.starts_with("vars") { format!("{more}{GOOD}") } else { format!("{GOOD}{more}") };
            assert_eq!(checked(&text), refused("BREVET_DEV"), "{text}");
        }
        assert_eq!(
            checked(&format!("{GOOD}[vars]\nCLOUDFLARE_API_BASE = \"x\"\n")),
            refused("CLOUDFLARE_API_BASE")
        );
    }

    #[test]
    fn refuses_secrets_in_the_open() {
        for name in ["BREVET_PEPPER", "CLOUDFLARE_API_TOKEN"] {
            let refused = Err(ConfigError::SecretInTheOpen(PathBuf::from("w.toml"), name.to_owned()));
            assert_eq!(checked(&format!("{GOOD}[vars]\n{name} = \"x\"\n")), refused);
        }
        assert_eq!(checked(&format!("{GOOD}[vars]\nOTHER = \"x\"\n")), Ok(()));
    }

    #[test]
    fn refuses_a_worker_that_nothing_leads_to() {
        let refused = Err(ConfigError::NoRoute(PathBuf::from("w.toml"), "brevet.example.org".to_owned()));
        let without = GOOD.replace("routes = [\"a.b/*\"]\n", "workers_dev = false\n");
        assert_eq!(checked(&without), refused);
        assert_eq!(checked(&without.replace("false", "true")), Ok(()));
        assert_eq!(
            checked(&without.replace("workers_dev = false", "workers_dev = false\nroutes = []")),
            refused
        );
        for route in ["route = \"a.b\"", "routes = [{ pattern = \"a.b\", custom_domain = true }]"] {
            assert_eq!(
                checked(&without.replace("workers_dev = false", &format!("workers_dev = false\n{route}"))),
                Ok(())
            );
        }
        assert_eq!(checked(&without.replace("workers_dev = false\n", "")), Ok(()));
    }

    #[test]
    fn refuses_what_is_no_configuration_of_brevet() {
        let path = || PathBuf::from("w.toml");
        assert_eq!(read("").err(), Some(ConfigError::NoName(path())));
        assert_eq!(read("name = \"x\"").err(), Some(ConfigError::NoState(path())));
        assert_eq!(
            read("name = \"x\"\nkv_namespaces = [{ binding = \"OTHER\" }]").err(),
            Some(ConfigError::NoState(path()))
        );
        assert!(matches!(read("name = "), Err(ConfigError::Toml(..))));
    }

    #[test]
    fn finds_the_namespace_in_both_forms() {
        assert_eq!(read(GOOD).unwrap().namespace, None);
        assert_eq!(read(&format!("{GOOD}id = \"abc\"\n")).unwrap().namespace.as_deref(), Some("abc"));
        let inline = "name = \"x\"\nkv_namespaces = [{ binding = \"A\", id = \"a\" }, { binding = \"STATE\", id = \"b\" }]";
        assert_eq!(read(inline).unwrap().namespace.as_deref(), Some("b"));
        assert_eq!(read(inline).unwrap().namespace_title(), "x-state");
    }

    #[test]
    fn the_namespace_gets_its_id_and_no_other_one_does() {
        let with = |text: &str| read(text).unwrap().with_namespace("abc");
        let before = "# x\nname = \"b\"\n[[kv_namespaces]]\nbinding = \"OTHER\"\n[[kv_namespaces]]\nbinding = \"STATE\" # ours\n\n[vars]\nA = 1\n";
        assert_eq!(with(before), Some(before.replace("# ours\n", "# ours\nid = \"abc\"\n")));
        let inline = "name = \"b\"\nkv_namespaces = [{ binding = \"STATE\" }]\n";
        assert_eq!(with(inline), Some(inline.replace("\"STATE\"", "\"STATE\", id = \"abc\"")));
    }
}
