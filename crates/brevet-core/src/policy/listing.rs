//! What a caller may be told of itself.

use serde_json::{Value, json};

use super::reach::{Line, ZoneBounds};
use super::{Caller, GrantEntry, Policy};

impl Policy {
    /// The caller, and what its grants allow it: its own grants alone.
    pub fn whoami(&self, caller: &Caller) -> Value {
        match caller {
            Caller::Operator { name, powers } => json!({
                "kind": "operator",
                "name": name,
                "owner": caller.owner(),
                "powers": powers.words().collect::<Vec<_>>(),
            }),
            Caller::Client { name } => json!({
                "kind": "client",
                "name": name,
                "owner": caller.owner(),
                "grants": self.grants_of_client(name).map(|grant| self.tell_grant(grant)).collect::<Vec<_>>(),
            }),
        }
    }

    fn tell_grant(&self, grant: &GrantEntry) -> Value {
        json!({
            "name": grant.name,
            "enabled": grant.enabled,
            "mode": if grant.audit { "audit" } else { "enforce" },
            "allow": grant.lines.iter().map(|line| self.tell_line(line)).collect::<Vec<_>>(),
            "operations": grant.operations.words().collect::<Vec<_>>(),
            "ttl": grant.ttl.map(crate::time::Seconds::get),
            "max_ttl": grant.max_ttl.map(crate::time::Seconds::get),
            "default_ttl": grant.default_ttl,
            "condition": grant.condition.to_json(),
        })
    }

    fn tell_line(&self, line: &Line) -> Value {
        let accounts = line.bounds.accounts.iter().filter_map(|at| self.accounts.get(*at));
        let zone = match &line.bounds.zones {
            ZoneBounds::None | ZoneBounds::Free => Value::Null,
            ZoneBounds::All => "*".into(),
            ZoneBounds::From(zones) => zones.iter().map(|zone| zone.name.as_str()).collect(),
        };
        json!({
            "template": line.template,
            "account": accounts.map(|account| account.name()).collect::<Vec<_>>(),
            "zone": zone,
            "raw": line.raw,
        })
    }
}
