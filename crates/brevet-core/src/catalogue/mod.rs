//! The permission groups of Cloudflare, each with what Brevet thinks of it.
//!
//! The table is compiled in: a policy is judged without asking anybody. Cloudflare adds groups
//! faster than any table follows, so the rules may name more of them; those have no reviewed class
//! and are treated as [`Class::Unclassified`].
//!
//! `data/permission-groups.json` is what people review. `data/catalogue.txt` is the same in the form
//! that is compiled in, one group a line, sorted by id; a test keeps the two equal.

mod spelling;

use std::borrow::Cow;
use std::fmt;

use crate::id::GroupId;
use crate::sorted::{distinct, in_order};

pub use spelling::{MAX_SUGGESTIONS, closest};

/// The compiled-in table.
const TABLE: &str = include_str!("../../data/catalogue.txt");

/// The longest name of a permission group, in bytes. Cloudflare's longest has 60; the bound keeps
/// rules and answers small.
pub const MAX_GROUP_NAME: usize = 120;

/// The kind of resource on which a permission group acts. A group acts on no other kind.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Scope {
    /// An account as a whole.
    Account,
    /// A zone.
    Zone,
    /// The user whom a token acts for.
    User,
    /// An R2 bucket.
    Bucket,
}

impl Scope {
    /// Every scope.
    pub const ALL: [Self; 4] = [Self::Account, Self::Zone, Self::User, Self::Bucket];

    /// As Cloudflare writes it in the `scopes` of a group.
    pub const fn cloudflare(self) -> &'static str {
        match self {
            Self::Account => "com.cloudflare.api.account",
            Self::Zone => "com.cloudflare.api.account.zone",
            Self::User => "com.cloudflare.api.user",
            Self::Bucket => "com.cloudflare.edge.r2.bucket",
        }
    }

    /// As the rules write it.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Account => "account",
            Self::Zone => "zone",
            Self::User => "user",
            Self::Bucket => "bucket",
        }
    }

    /// Reads either spelling.
    pub fn read(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|scope| scope.word() == text || scope.cloudflare() == text)
    }
}

impl fmt::Display for Scope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.word())
    }
}

/// What a permission group can do to Brevet and to the order it keeps.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Class {
    /// It reads, and nothing it reads lets the reader go further.
    Read,
    /// It changes things, but neither who may do what nor what Brevet rests on.
    Write,
    /// It makes tokens or credentials, or changes members, roles, identity providers or the user. A
    /// token with it can make more of its like, which no book of ours records.
    Managing,
    /// On the account that hosts Brevet it can rewrite Brevet, its rules, secrets or logs, or divert
    /// its traffic. Elsewhere it is an ordinary write.
    HostAccount,
    /// On the zone of Brevet's own URL it can divert, replace or overhear Brevet. Elsewhere it is an
    /// ordinary write.
    HostZone,
    /// Named by the rules, reviewed by nobody.
    Unclassified,
}

impl Class {
    /// As the data file and answers write it.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Read => "read",
            Self::Write => "write",
            Self::Managing => "managing",
            Self::HostAccount => "host-account",
            Self::HostZone => "host-zone",
            Self::Unclassified => "unclassified",
        }
    }
}

/// A permission group.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Group {
    id: GroupId,
    name: Cow<'static, str>,
    scope: Scope,
    class: Class,
}

impl Group {
    /// A group that the rules name. Its class is [`Class::Unclassified`]: rules cannot vouch for it.
    ///
    /// # Errors
    /// [`CatalogueError::Name`] where the name is empty, longer than [`MAX_GROUP_NAME`] or holds a
    /// control character.
    pub fn named_by_rules(id: GroupId, name: &str, scope: Scope) -> Result<Self, CatalogueError> {
        if name.is_empty() || name.len() > MAX_GROUP_NAME || name.chars().any(char::is_control) {
            return Err(CatalogueError::Name { id });
        }
        Ok(Self { id, name: Cow::Owned(name.to_owned()), scope, class: Class::Unclassified })
    }

    /// Its id, which never changes.
    pub fn id(&self) -> GroupId {
        self.id
    }

    /// Its name, as the API writes it (the dashboard says "Edit" where the API says "Write").
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The kind of resource it acts on.
    pub fn scope(&self) -> Scope {
        self.scope
    }

    /// What it can do to Brevet.
    pub fn class(&self) -> Class {
        self.class
    }

    /// One line of the table: 32 digits of id, a letter of scope, a letter of class, the name.
    fn from_line(line: &'static str) -> Option<Self> {
        let (id, rest) = line.split_at_checked(crate::id::CLOUDFLARE_ID_LENGTH)?;
        let (letters, name) = rest.split_at_checked(2)?;
        let (scope, class) = letters.split_at_checked(1)?;
        let scope = match scope {
            "a" => Scope::Account,
            "z" => Scope::Zone,
            "u" => Scope::User,
            "b" => Scope::Bucket,
            _ => return None,
        };
        let class = match class {
            "r" => Class::Read,
            "w" => Class::Write,
            "m" => Class::Managing,
            "h" => Class::HostAccount,
            "d" => Class::HostZone,
            _ => return None,
        };
        Some(Self { id: id.parse().ok()?, name: Cow::Borrowed(name), scope, class })
    }
}

/// Why a group cannot join the catalogue.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CatalogueError {
    /// Its name is empty, longer than [`MAX_GROUP_NAME`] bytes or holds a control character.
    Name {
        /// The group's id.
        id: GroupId,
    },
    /// The table, or an earlier entry of the rules, has this id already. Were it taken, rules could
    /// give a dangerous group a harmless class.
    KnownId {
        /// The id.
        id: GroupId,
        /// The name under which it is known.
        name: String,
    },
    /// Another group has this name in this scope.
    KnownName {
        /// The name.
        name: String,
        /// The scope.
        scope: Scope,
        /// The other group's id.
        id: GroupId,
    },
}

impl fmt::Display for CatalogueError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Name { id } => write!(
                f,
                "the name of permission group {id} must have 1 to {MAX_GROUP_NAME} printable characters"
            ),
            Self::KnownId { id, name } => {
                write!(f, "permission group {id} is known already, as \"{name}\"; leave this entry out")
            }
            Self::KnownName { name, scope, id } => {
                write!(f, "\"{name}\" ({scope}) is already the name of permission group {id}")
            }
        }
    }
}

impl std::error::Error for CatalogueError {}

/// Why a name does not lead to one group.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum NameError {
    /// No group has this name (in the scope asked for).
    Unknown {
        /// Names that are close, with their scopes; best first, at most [`MAX_SUGGESTIONS`].
        suggestions: Vec<(String, Scope)>,
    },
    /// Groups of several scopes have this name: say which scope is meant.
    Ambiguous {
        /// The scopes in which the name exists.
        scopes: Vec<Scope>,
    },
}

impl fmt::Display for NameError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unknown { suggestions } => {
                f.write_str("no permission group has this name")?;
                for (at, (name, scope)) in suggestions.iter().enumerate() {
                    write!(f, "{}\"{name}\" ({scope})", if at == 0 { "; did you mean " } else { " or " })?;
                }
                Ok(())
            }
            Self::Ambiguous { scopes } => {
                f.write_str("several permission groups have this name; give its scope:")?;
                for (at, scope) in scopes.iter().enumerate() {
                    write!(f, "{} \"{scope}\"", if at == 0 { "" } else { " or" })?;
                }
                Ok(())
            }
        }
    }
}

impl std::error::Error for NameError {}

/// Every permission group that Brevet knows.
#[derive(Clone, Debug)]
pub struct Catalogue {
    /// Sorted by id; no id and no (name, scope) twice.
    groups: Vec<Group>,
}

impl Catalogue {
    /// The groups of the compiled-in table.
    pub fn built_in() -> Self {
        // A line that cannot be read is left out, and so refused as unknown; a test reads them all.
        Self { groups: TABLE.lines().filter_map(Group::from_line).collect() }
    }

    /// The same with the groups that the rules name.
    ///
    /// # Errors
    /// [`CatalogueError`] for the first group that collides with one that is there.
    pub fn with(mut self, extra: impl IntoIterator<Item = Group>) -> Result<Self, CatalogueError> {
        for group in extra {
            let namesake = self.find(&group.name, group.scope).filter(|known| known.id != group.id);
            if let Some(known) = namesake {
                let (name, id) = (group.name.into_owned(), known.id);
                return Err(CatalogueError::KnownName { name, scope: group.scope, id });
            }
            match self.position(group.id) {
                Ok(_) => {
                    let name = self.get(group.id).map(|known| known.name.to_string()).unwrap_or_default();
                    return Err(CatalogueError::KnownId { id: group.id, name });
                }
                Err(at) => self.groups.insert(at, group),
            }
        }
        Ok(self)
    }

    fn position(&self, id: GroupId) -> Result<usize, usize> {
        self.groups.binary_search_by(|group| group.id.cmp(&id))
    }

    /// The group with this id.
    pub fn get(&self, id: GroupId) -> Option<&Group> {
        self.position(id).ok().and_then(|at| self.groups.get(at))
    }

    /// The group with this name in this scope. Names are exact.
    pub fn find(&self, name: &str, scope: Scope) -> Option<&Group> {
        self.groups.iter().find(|group| group.scope == scope && group.name == name)
    }

    /// The group with this name, where only one has it. Seven names exist in two scopes.
    ///
    /// # Errors
    /// [`NameError`].
    pub fn find_by_name(&self, name: &str) -> Result<&Group, NameError> {
        let mut found = self.groups.iter().filter(|group| group.name == name);
        match (found.next(), found.next()) {
            (None, _) => Err(NameError::Unknown { suggestions: self.suggestions(name, None) }),
            (Some(group), None) => Ok(group),
            (Some(first), Some(second)) => {
                let scopes = [first, second].into_iter().chain(found).map(|group| group.scope).collect();
                Err(NameError::Ambiguous { scopes: in_order(scopes, |one, other| one < other) })
            }
        }
    }

    /// The group that a name and perhaps a scope mean.
    ///
    /// # Errors
    /// [`NameError`], with suggestions.
    pub fn resolve(&self, name: &str, scope: Option<Scope>) -> Result<&Group, NameError> {
        match scope {
            None => self.find_by_name(name),
            Some(scope) => self
                .find(name, scope)
                .ok_or_else(|| NameError::Unknown { suggestions: self.suggestions(name, Some(scope)) }),
        }
    }

    /// Every group, by id.
    pub fn iter(&self) -> impl Iterator<Item = &Group> {
        self.groups.iter()
    }

    /// How many groups there are.
    pub fn len(&self) -> usize {
        self.groups.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.groups.is_empty()
    }

    fn suggestions(&self, name: &str, scope: Option<Scope>) -> Vec<(String, Scope)> {
        // The right name in another scope is the likeliest mistake.
        let elsewhere = self.groups.iter().filter(|group| group.name == name && Some(group.scope) != scope);
        let mut suggestions = distinct(elsewhere.map(|group| (name.to_owned(), group.scope)).collect());
        if suggestions.is_empty() {
            let current = spelling::current_name(name);
            let in_scope = |group: &&Group| scope.is_none_or(|scope| group.scope == scope);
            let names: Vec<_> = self.groups.iter().filter(in_scope).collect();
            for close in closest(&current, names.iter().map(|group| group.name())) {
                let same = names.iter().filter(|group| group.name == close);
                suggestions.extend(distinct(same.map(|group| (close.to_owned(), group.scope)).collect()));
            }
        }
        suggestions.truncate(MAX_SUGGESTIONS);
        suggestions
    }
}

#[cfg(test)]
mod tests;
