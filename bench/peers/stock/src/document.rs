//! The rules file, as it is written.

use std::collections::{BTreeMap, HashMap};

use serde::Deserialize;

#[derive(Clone, Debug, Deserialize)]
#[serde(untagged)]
pub(crate) enum Several {
    One(String),
    Many(Vec<String>),
}

impl Several {
    pub(crate) fn list(self) -> Vec<String> {
        match self {
            Self::One(one) => vec![one],
            Self::Many(many) => many,
        }
    }
}

#[derive(Clone, Debug, Deserialize)]
pub(crate) struct Document {
    pub(crate) brevet: Head,
    pub(crate) account: BTreeMap<String, Account>,
    pub(crate) zone: HashMap<String, Zone>,
    pub(crate) template: HashMap<String, TemplateText>,
    pub(crate) issuer: HashMap<String, IssuerText>,
    pub(crate) client: HashMap<String, Client>,
    pub(crate) grant: BTreeMap<String, GrantText>,
    pub(crate) hook: HashMap<String, Hook>,
}

#[derive(Clone, Debug, Deserialize)]
pub(crate) struct Head {
    pub(crate) install: String,
}

#[derive(Clone, Debug, Deserialize)]
pub(crate) struct Account {
    #[serde(default)]
    pub(crate) name: String,
    pub(crate) id: String,
    pub(crate) family: String,
    pub(crate) parent: String,
    #[serde(default = "yes")]
    pub(crate) hosts_brevet: bool,
}

pub(crate) fn yes() -> bool {
    true
}

#[derive(Clone, Debug, Deserialize)]
pub(crate) struct Zone {
    pub(crate) id: String,
    pub(crate) account: String,
}

#[derive(Clone, Debug, Deserialize)]
pub(crate) struct Permission {
    pub(crate) name: String,
}

#[derive(Clone, Debug, Deserialize)]
pub(crate) struct TemplateText {
    pub(crate) permissions: Vec<Permission>,
    pub(crate) ttl: String,
    pub(crate) max_ttl: String,
}

#[derive(Clone, Debug, Deserialize)]
pub(crate) struct IssuerText {
    pub(crate) url: String,
    pub(crate) audience: Several,
    pub(crate) algorithms: Vec<String>,
    pub(crate) jwks_uri: String,
    #[serde(default)]
    pub(crate) pin: HashMap<String, String>,
}

#[derive(Clone, Debug, Deserialize)]
pub(crate) struct Client {
    pub(crate) secret_sha256: Vec<String>,
}

#[derive(Clone, Debug, Deserialize)]
pub(crate) struct From {
    pub(crate) client: Option<String>,
    pub(crate) issuer: Option<String>,
}

#[derive(Clone, Debug, Deserialize)]
pub(crate) struct LineText {
    pub(crate) template: String,
    pub(crate) account: Option<Several>,
    pub(crate) zone: Option<Several>,
}

#[derive(Clone, Debug, Deserialize)]
pub(crate) struct GrantText {
    pub(crate) from: From,
    #[serde(default)]
    pub(crate) when: Vec<HashMap<String, String>>,
    pub(crate) allow: Vec<LineText>,
    #[serde(default = "operations")]
    pub(crate) operations: Vec<String>,
    pub(crate) ttl: String,
    pub(crate) max_ttl: Option<String>,
}

pub(crate) fn operations() -> Vec<String> {
    vec!["create".to_owned(), "revoke".to_owned()]
}

#[derive(Clone, Debug, Deserialize)]
pub(crate) struct Hook {
    pub(crate) secrets: Vec<String>,
    pub(crate) when: Vec<BTreeMap<String, String>>,
}
