//! What a caller may be told of itself.

use super::reach::{Line, ZoneBounds};
use super::{Caller, GrantEntry, Policy};
use crate::json::{List, Object};

impl Policy {
    /// The caller, and what its grants allow it: its own grants alone.
    pub fn whoami(&self, caller: &Caller) -> Object {
        let mut told = Object::new();
        match caller {
            Caller::Operator { name, powers } => {
                told.text("kind", "operator").text("name", name).text("owner", &caller.owner());
                let mut words = List::new();
                powers.words().for_each(|word| words.push(word));
                told.put("powers", &words);
            }
            Caller::Client { name } | Caller::Hook { name } => {
                let kind = if matches!(caller, Caller::Hook { .. }) { "hook" } else { "client" };
                told.text("kind", kind).text("name", name).text("owner", &caller.owner());
                let mut grants = List::new();
                self.grants_named(caller, name)
                    .into_iter()
                    .for_each(|grant| grants.push(&self.tell_grant(grant, caller)));
                told.put("grants", &grants);
            }
            Caller::Workload(workload) => {
                let identity = workload.identity();
                told.text("kind", "workload")
                    .text("issuer", identity.issuer())
                    .text("name", identity.subject())
                    .text("owner", workload.owner());
                let mut grants = List::new();
                self.grants_of_workload(workload)
                    .for_each(|grant| grants.push(&self.tell_grant(grant, caller)));
                told.put("grants", &grants);
            }
        }
        told
    }

    pub(super) fn tell_grant(&self, grant: &GrantEntry, caller: &Caller) -> Object {
        let mut told = Object::new();
        let mut lines = List::new();
        let own = grant.lines.iter().filter(|line| line.is_for(caller));
        own.for_each(|line| lines.push(&self.tell_line(line)));
        let mut operations = List::new();
        grant.operations.words().for_each(|word| operations.push(word));
        told.text("name", &grant.name)
            .put("enabled", &grant.enabled)
            .text("mode", if grant.audit { "audit" } else { "enforce" })
            .put("allow", &lines)
            .put("operations", &operations)
            .put("ttl", &grant.ttl.map(crate::time::Seconds::get))
            .put("max_ttl", &grant.max_ttl.map(crate::time::Seconds::get))
            .put("default_ttl", &grant.default_ttl)
            .put("condition", &grant.condition.to_json());
        told
    }

    fn tell_line(&self, line: &Line) -> Object {
        let mut told = Object::new();
        let mut accounts = List::new();
        for account in line.bounds.accounts.iter().filter_map(|at| self.accounts.get(*at)) {
            accounts.push(account.name());
        }
        told.put("template", &line.template).put("account", &accounts);
        match &line.bounds.zones {
            ZoneBounds::None | ZoneBounds::Free => told.put("zone", &None::<String>),
            ZoneBounds::All => told.text("zone", "*"),
            ZoneBounds::From(zones) => {
                let mut names = List::new();
                zones.iter().for_each(|zone| names.push(&zone.name));
                told.put("zone", &names)
            }
        };
        told.put("raw", &line.raw);
        told
    }
}
