//! The standing switches: where Cloudflare's behaviour is undocumented or depends on the day.

use std::collections::BTreeMap;
use std::net::IpAddr;

use serde::{Deserialize, Serialize};

use crate::groups::Group;

/// How verify answers about a token that exists but does not work.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum InactiveVerify {
    /// 200 with the token's status.
    Status,
    /// 401/1000, as for an unknown token.
    Unauthorized,
}

/// When the "common permission check" holds the parent to what it has itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CommonCheck {
    /// Never: the parent may grant what it lacks.
    Off,
    /// When an account-owned parent names a single zone by its flat id.
    SingleZone,
    /// Always.
    Always,
}

/// How the `name` filter of permission groups compares.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum NameFilter {
    /// Equal.
    Exact,
    /// Contained, whatever the case.
    Substring,
}

/// All standing switches. Times are seconds.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Settings {
    /// Added to the clock. Changing it is a jump.
    pub clock_offset_s: i64,
    /// Most tokens of the user (50).
    pub quota_user: u32,
    /// Most tokens of an account (500).
    pub quota_account: u32,
    /// Status of a create beyond the quota (400).
    pub quota_status: u16,
    /// Code of a create beyond the quota (1005).
    pub quota_code: i64,
    /// Calls in a window per user or account token (1200); 0 = no limit.
    pub rate_limit: u32,
    /// Length of the window (300).
    pub rate_window_s: i64,
    /// How long everything is refused once over the limit (300).
    pub rate_block_s: i64,
    /// Calls in one second per address (Cloudflare: 200); 0 = no limit, the default, since in
    /// tests everything comes from one address.
    pub ip_rate_limit: u32,
    /// A new or rolled value, and what an update adds, is unknown for so long (0).
    pub propagation_create_s: i64,
    /// What a token that is not known yet gets: 401 or 403, code 10000 (401). verify: 401/1000.
    pub propagation_status: u16,
    /// A deleted token works on for so long (0).
    pub propagation_delete_s: i64,
    /// A rolled-away value works on for so long (0).
    pub propagation_roll_s: i64,
    /// A new token is missing in lists for so long (0).
    pub list_lag_s: i64,
    /// verify of a disabled or expired token.
    pub inactive_verify: InactiveVerify,
    /// verify of a token whose `not_before` is to come: 401/1000, or 200 and `active`.
    pub not_yet_valid_verify: InactiveVerify,
    /// A successful verify carries the message with the code 10000 (true).
    pub verify_message: bool,
    /// A roll must carry a JSON object, as the schema says (true). The official SDKs send no body.
    pub roll_needs_body: bool,
    /// Absent members are `null` instead of left out.
    pub nulls: bool,
    /// Take times with fractions of a second, and cut them.
    pub accept_milliseconds: bool,
    /// The "common permission check".
    pub common_check: CommonCheck,
    /// `GET /accounts` refuses account tokens with 400/1001, as it once did.
    pub accounts_refuse_account_tokens: bool,
    /// The `name` filter of permission groups.
    pub group_name_filter: NameFilter,
    /// How long an expired token is kept (7 days). After that it is gone.
    pub expired_kept_s: i64,
    /// Every caller's address, whatever it is.
    pub client_ip: Option<IpAddr>,
    /// Groups that are there besides the 312.
    pub extra_groups: Vec<Group>,
    /// Ids of groups that are not there.
    pub hidden_groups: Vec<String>,
    /// New names of groups, by id.
    pub renamed_groups: BTreeMap<String, String>,
    /// Strings that must never arrive, besides Brevet's secrets and JWTs.
    pub forbidden: Vec<String>,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            clock_offset_s: 0,
            quota_user: 50,
            quota_account: 500,
            quota_status: 400,
            quota_code: 1005,
            rate_limit: 1200,
            rate_window_s: 300,
            rate_block_s: 300,
            ip_rate_limit: 0,
            propagation_create_s: 0,
            propagation_status: 401,
            propagation_delete_s: 0,
            propagation_roll_s: 0,
            list_lag_s: 0,
            inactive_verify: InactiveVerify::Status,
            not_yet_valid_verify: InactiveVerify::Unauthorized,
            verify_message: true,
            roll_needs_body: true,
            nulls: false,
            accept_milliseconds: false,
            common_check: CommonCheck::Off,
            accounts_refuse_account_tokens: false,
            group_name_filter: NameFilter::Exact,
            expired_kept_s: 7 * 86_400,
            client_ip: None,
            extra_groups: Vec::new(),
            hidden_groups: Vec::new(),
            renamed_groups: BTreeMap::new(),
            forbidden: Vec::new(),
        }
    }
}
