//! Policies as Cloudflare takes them.

use serde_json::{Map, Value};

use crate::json::object;

use super::{Access, AccessPolicy, Bucket, Resource};
use crate::id::{AccountId, UserId, ZoneId};

pub(super) const ACCOUNT: &str = "com.cloudflare.api.account.";
pub(super) const ZONE: &str = "com.cloudflare.api.account.zone.";
pub(super) const USER: &str = "com.cloudflare.api.user.";
pub(super) const BUCKET: &str = "com.cloudflare.edge.r2.bucket.";

impl Access {
    /// The policies as Cloudflare is sent them: one scope each, zones nested under their account.
    /// Both families take this form (an account-owned token refuses a flat `zone.*`). The order of
    /// policies and groups is that of the request or the template; resource keys are sorted.
    pub fn to_json(&self) -> Value {
        Value::Array(self.policies.iter().map(policy).collect())
    }
}

fn policy(policy: &AccessPolicy) -> Value {
    let groups: Vec<Value> =
        policy.groups.iter().map(|group| object([("id", group.as_str().into())])).collect();
    object([
        ("effect", "allow".into()),
        ("resources", resources(&policy.resources)),
        ("permission_groups", Value::Array(groups)),
    ])
}

fn resources(resources: &[Resource]) -> Value {
    let mut members = Map::new();
    let everything = || Value::from("*");
    let mut nest = |account: &AccountId, key: String| {
        let zones = members.entry(account_key(account)).or_insert_with(|| Value::Object(Map::new()));
        if let Value::Object(zones) = zones {
            zones.insert(key, everything());
        }
    };
    for resource in resources {
        match resource {
            Resource::AllZones(account) => nest(account, format!("{ZONE}*")),
            Resource::Zone { zone, account } => nest(account, zone_key(zone)),
            Resource::Account(_) | Resource::User(_) | Resource::Bucket(_) => {}
        }
    }
    for resource in resources {
        let key = match resource {
            Resource::Account(account) => account_key(account),
            Resource::User(user) => user_key(user),
            Resource::Bucket(bucket) => bucket_key(bucket),
            Resource::AllZones(_) | Resource::Zone { .. } => continue,
        };
        members.insert(key, everything());
    }
    Value::Object(members)
}

fn account_key(account: &AccountId) -> String {
    format!("{ACCOUNT}{account}")
}

fn zone_key(zone: &ZoneId) -> String {
    format!("{ZONE}{zone}")
}

fn user_key(user: &UserId) -> String {
    format!("{USER}{user}")
}

fn bucket_key(Bucket { account, jurisdiction, name }: &Bucket) -> String {
    format!("{BUCKET}{account}_{jurisdiction}_{name}")
}
