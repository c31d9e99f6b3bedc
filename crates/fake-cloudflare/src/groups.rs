//! The permission groups: which there are, and which types of resource each acts on.

use std::collections::BTreeMap;
use std::sync::LazyLock;

use serde::{Deserialize, Serialize};

/// The 312 groups whose ids are public, a line each.
const CATALOGUE: &str = include_str!("../data/permission-groups.json");

/// A type of resource, as a group's scope names it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Scope {
    /// An account.
    #[serde(rename = "com.cloudflare.api.account")]
    Account,
    /// A zone.
    #[serde(rename = "com.cloudflare.api.account.zone")]
    Zone,
    /// A user. Account-owned tokens hold no group of this scope.
    #[serde(rename = "com.cloudflare.api.user")]
    User,
    /// An R2 bucket.
    #[serde(rename = "com.cloudflare.edge.r2.bucket")]
    Bucket,
}

impl Scope {
    /// The scope's name in the API.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Account => "com.cloudflare.api.account",
            Self::Zone => "com.cloudflare.api.account.zone",
            Self::User => "com.cloudflare.api.user",
            Self::Bucket => "com.cloudflare.edge.r2.bucket",
        }
    }
}

/// One permission group.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Group {
    /// 32 lower-case hex; stays when the name drifts.
    pub id: String,
    /// The API's name ("DNS Write"). Seven names exist twice, with different scopes.
    pub name: String,
    /// The types of resource it acts on.
    pub scopes: Vec<Scope>,
    /// The product category, where it is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub category: Option<String>,
}

/// All groups, by id.
#[derive(Clone, Debug)]
pub struct Groups(BTreeMap<String, Group>);

impl Groups {
    /// The groups of the data file. It is part of the program and a test reads it; were it
    /// broken, there would be no groups and every create would be refused.
    #[must_use]
    pub fn catalogue() -> Self {
        static READ: LazyLock<Groups> = LazyLock::new(|| {
            let list: Vec<Group> = serde_json::from_str(CATALOGUE).unwrap_or_default();
            Groups(list.into_iter().map(|group| (group.id.clone(), group)).collect())
        });
        READ.clone()
    }

    /// Adds a group, or replaces the one with its id.
    pub fn put(&mut self, group: Group) {
        self.0.insert(group.id.clone(), group);
    }

    /// Takes a group out.
    pub fn hide(&mut self, id: &str) {
        self.0.remove(id);
    }

    /// Gives a group another name, as Cloudflare does when a product is renamed.
    pub fn rename(&mut self, id: &str, name: &str) {
        if let Some(group) = self.0.get_mut(id) {
            name.clone_into(&mut group.name);
        }
    }

    /// The group with this id.
    #[must_use]
    pub fn by_id(&self, id: &str) -> Option<&Group> {
        self.0.get(id)
    }

    /// The group with this name and scope.
    #[must_use]
    pub fn named(&self, name: &str, scope: Scope) -> Option<&Group> {
        self.0.values().find(|group| group.name == name && group.scopes.contains(&scope))
    }

    /// All groups that a family of tokens may hold, by name.
    #[must_use]
    pub fn listed(&self, user_scoped: bool) -> Vec<&Group> {
        let mut list: Vec<&Group> =
            self.0.values().filter(|group| user_scoped || !group.scopes.contains(&Scope::User)).collect();
        list.sort_by(|a, b| (&a.name, &a.scopes).cmp(&(&b.name, &b.scopes)));
        list
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::value::is_id;

    #[test]
    fn holds_all_312_groups_with_sound_ids() {
        let groups = Groups::catalogue();
        assert_eq!(groups.listed(true).len(), 312);
        assert!(groups.listed(true).iter().all(|group| is_id(&group.id) && group.scopes.len() == 1));
    }

    #[test]
    fn the_user_list_is_the_account_list_and_six_more() {
        let groups = Groups::catalogue();
        assert_eq!(groups.listed(false).len(), 306);
    }

    #[test]
    fn seven_names_exist_twice_with_different_scopes() {
        let groups = Groups::catalogue();
        let mut seen: BTreeMap<&str, Vec<Scope>> = BTreeMap::new();
        for group in groups.listed(true) {
            seen.entry(&group.name).or_default().extend(&group.scopes);
        }
        let twice: Vec<_> = seen.values().filter(|scopes| scopes.len() > 1).collect();
        assert_eq!(twice.len(), 7);
        assert!(twice.iter().all(|scopes| scopes.as_slice() == [Scope::Account, Scope::Zone]));
    }

    #[test]
    fn a_renamed_group_keeps_its_id() {
        let mut groups = Groups::catalogue();
        let id = "4755a26eedb94da69e1066d98aa820be";
        groups.rename(id, "DNS Records Write");
        assert!(groups.named("DNS Write", Scope::Zone).is_none());
        assert_eq!(groups.by_id(id).map(|group| group.name.as_str()), Some("DNS Records Write"));
    }
}
