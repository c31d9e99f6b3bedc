//! The rules as they were written: every field read and checked alone and every name resolved, and
//! nothing worked out yet.

use crate::sorted::SortedMap;

use ipnet::IpNet;

use crate::catalogue::{Group, Scope};
use crate::cloudflare::TokenOwner;
use crate::condition::Condition;
use crate::hook::Hook;
use crate::id::{AccountId, ZoneId};
use crate::oidc::Algorithm;
use crate::secret::SecretDigest;
use crate::template::Parameter;
use crate::time::{Seconds, Timestamp};

/// The one version of the format so far. Every later version of Brevet reads the earlier ones.
pub const VERSION: i64 = 1;

/// The largest file, in bytes. It is kept in a KV value and in a row of every ledger, parsed by each
/// isolate, and read by a person.
pub const MAX_RULES_BYTES: usize = 256 * 1024;

/// The most grants.
pub const MAX_GRANTS: usize = 1_000;

/// The most templates besides the built-in ones.
pub const MAX_TEMPLATES: usize = 1_000;

/// The most clients. Their digests are searched by every request that carries a client's secret.
pub const MAX_CLIENTS: usize = 1_000;

/// The most accounts. Every push of the rules is sent to the ledger of each.
pub const MAX_ACCOUNTS: usize = 50;

/// The most named zones.
pub const MAX_ZONES: usize = 2_000;

/// The most operators besides `root`.
pub const MAX_OPERATORS: usize = 100;

/// The most issuers.
pub const MAX_ISSUERS: usize = 50;

/// The most hooks.
pub const MAX_HOOKS: usize = 100;

/// The most endpoints: every entry of the journal is looked at for each of them.
pub const MAX_ENDPOINTS: usize = 20;

/// The most names of a kind in an endpoint's filter.
pub const MAX_FILTER: usize = 100;

/// The most keys of an endpoint: the old one, the new one, and one to spare while rotating.
pub const MAX_SIGNING: usize = 3;

/// The most permission groups that the rules add to the built-in table.
pub const MAX_GROUPS: usize = 200;

/// The most entries of a map by a claim: each is a line of its own when the rules are worked out.
pub const MAX_MAPPED: usize = 100;

/// The most `allow` lines of a grant: they are tried one after the other.
pub const MAX_LINES: usize = 50;

/// The most values of one parameter of an `allow` line.
pub const MAX_VALUES: usize = 500;

/// The most sets of claims in `when`, and the most claims in one of them.
pub const MAX_CLAIMS: usize = 20;

/// The most digests of a client or operator: the old secret, the new one, and one to spare while
/// rotating. More would be secrets that nobody remembers to take out.
pub const MAX_DIGESTS: usize = 3;

/// The longest name of an account, client, grant and the like, in bytes.
pub const MAX_NAME_BYTES: usize = 64;

/// The longest `[brevet] install`: it is part of the name of every token.
pub const MAX_INSTALL_BYTES: usize = 16;

/// The longest `accept_takeover`, in bytes: it is journalled with every token.
pub const MAX_REASON_BYTES: usize = 400;

/// The longest lifetime that rules may allow. A token that must live longer than a year is not what
/// Brevet is for.
pub const MAX_LIFETIME: Seconds = Seconds::of(366 * 24 * 3600);

/// The usual lifetime of a template that sets no `ttl`, like that of the built-in ones.
pub const DEFAULT_TEMPLATE_TTL: Seconds = Seconds::of(15 * 60);

/// The longest lifetime of a template that sets no `max_ttl`, like that of the built-in ones.
pub const DEFAULT_TEMPLATE_MAX_TTL: Seconds = Seconds::of(24 * 3600);

/// The longest lifetime where neither a template, nor a grant, nor the account sets one.
pub const DEFAULT_ACCOUNT_MAX_TTL: Seconds = Seconds::of(30 * 24 * 3600);

/// A whole rules file.
#[derive(Clone, Debug)]
pub struct Document {
    /// `[brevet]`.
    pub brevet: Installation,
    /// `[account.NAME]`.
    pub accounts: SortedMap<String, AccountRule>,
    /// `[zone]`.
    pub zones: SortedMap<String, ZoneRule>,
    /// `[group.NAME]`: permission groups that the built-in table does not have.
    pub groups: SortedMap<String, Group>,
    /// `[template.NAME]`.
    pub templates: SortedMap<String, TemplateRule>,
    /// `[operator.NAME]`.
    pub operators: SortedMap<String, OperatorRule>,
    /// `[client.NAME]`.
    pub clients: SortedMap<String, ClientRule>,
    /// `[issuer.NAME]`.
    pub issuers: SortedMap<String, IssuerRule>,
    /// `[hook.NAME]`.
    pub hooks: SortedMap<String, Hook>,
    /// `[grant.NAME]`.
    pub grants: SortedMap<String, GrantRule>,
    /// `[endpoint.NAME]`, by name.
    pub endpoints: Vec<EndpointRule>,
}

/// `[brevet]`: this installation.
#[derive(Clone, Debug)]
pub struct Installation {
    /// Where it is reached: an origin. Absent in development mode only.
    pub url: Option<Origin>,
    /// Its name, part of every token's name.
    pub install: String,
    /// Whether the drop-in verify answers for tokens that are in no book.
    pub open_verify: bool,
}

/// Scheme, host and port of a URL.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Origin {
    /// The URL, without a slash at its end.
    pub text: String,
    /// The host, in lower case.
    pub host: String,
    /// Whether it is plain http, which is taken on loopback and in development mode only.
    pub plain: bool,
}

/// `[account.NAME]`.
#[derive(Clone, Debug)]
pub struct AccountRule {
    /// The account or user whose tokens these are.
    pub owner: TokenOwner,
    /// The Worker secret that holds the parent token.
    pub parent: String,
    /// The one that takes over when the first is dead.
    pub parent_next: Option<String>,
    /// Whether Brevet may run in it. Always false for a user.
    pub hosts_brevet: bool,
    /// The longest lifetime of any of its tokens.
    pub max_ttl: Option<Seconds>,
}

/// An entry of `[zone]`.
#[derive(Clone, Debug)]
pub struct ZoneRule {
    /// Its id.
    pub id: ZoneId,
    /// The name of its account.
    pub account: String,
    /// That account's id.
    pub account_id: AccountId,
}

/// `[template.NAME]`.
#[derive(Clone, Debug)]
pub struct TemplateRule {
    /// The permission groups, by name, and by scope where the name is used twice.
    pub permissions: Vec<(String, Option<Scope>)>,
    /// The parameters that its `resources` name, where it has them.
    pub declared: Option<Vec<Parameter>>,
    /// The lifetime where none is asked.
    pub ttl: Option<Seconds>,
    /// The longest lifetime.
    pub max_ttl: Option<Seconds>,
}

/// What an operator may do.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Powers {
    /// See every lease, the journal and the rules.
    pub read: bool,
    /// Revoke every lease and freeze.
    pub revoke: bool,
    /// Make tokens without a grant.
    pub mint: bool,
    /// Change the rules.
    pub config: bool,
}

impl Powers {
    /// What `root` may do.
    pub const ALL: Self = Self { read: true, revoke: true, mint: true, config: true };

    /// The words of `may`.
    pub const WORDS: &'static [&'static str] = &["read", "revoke", "mint", "config"];

    /// The words that are true of these powers.
    pub fn words(self) -> impl Iterator<Item = &'static str> {
        let held = [self.read, self.revoke, self.mint, self.config];
        Self::WORDS.iter().copied().zip(held).filter(|(_, held)| *held).map(|(word, _)| word)
    }
}

/// `[operator.NAME]`.
#[derive(Clone, Debug)]
pub struct OperatorRule {
    /// The digests of its secrets.
    pub secrets: Vec<SecretDigest>,
    /// What it may do.
    pub may: Powers,
}

/// `[client.NAME]`.
#[derive(Clone, Debug)]
pub struct ClientRule {
    /// The digests of its secrets.
    pub secrets: Vec<SecretDigest>,
    /// From when its secrets are refused.
    pub not_after: Option<Timestamp>,
    /// The addresses it may come from; any, where there are none.
    pub from_ip: Vec<IpNet>,
}

/// `[issuer.NAME]`: who signs the identities of workloads.
#[derive(Clone, Debug)]
pub struct IssuerRule {
    /// The issuer's URL, exactly as the `iss` claim has it.
    pub url: String,
    /// Whether that URL is plain http, which is taken on loopback and in development mode only.
    pub plain: bool,
    /// The claims that every identity of this issuer must have.
    pub pin: SortedMap<String, Pattern>,
    /// What the `aud` claim must be: one of these, or this installation's URL where there are none.
    pub audiences: Vec<String>,
    /// How its identities may be signed.
    pub algorithms: Vec<Algorithm>,
    /// Where its keys are; by discovery where that is not said.
    pub jwks_uri: Option<String>,
    /// What the header's `typ` must be.
    pub typ: Option<String>,
    /// How long its identities may live.
    pub max_lifetime: Seconds,
}

/// What a claim is compared with, as text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Pattern {
    /// Equal to this.
    Exactly(String),
    /// Begins with this; what follows holds neither `/` nor `:`.
    Prefix(String),
}

impl Pattern {
    /// As the rules write it.
    pub fn shown(&self) -> String {
        match self {
            Self::Exactly(text) => text.clone(),
            Self::Prefix(prefix) => format!("{prefix}*"),
        }
    }

    /// Whether a claim's text is taken.
    pub fn takes(&self, claim: &str) -> bool {
        match self {
            Self::Exactly(text) => claim == text,
            Self::Prefix(prefix) => {
                claim.strip_prefix(prefix.as_str()).is_some_and(|rest| !rest.contains(['/', ':']))
            }
        }
    }
}

/// Whom a grant is for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Source {
    /// A client of the rules.
    Client(String),
    /// Workloads whose identity an issuer of the rules signs.
    Issuer(String),
    /// A hook of the rules, whose sender signs.
    Hook(String),
}

/// What may be done with a lease. Reading one's own is always allowed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Operations {
    /// Make one.
    pub create: bool,
    /// Change its policies, condition or name, or move its end to an earlier moment.
    pub update: bool,
    /// Move its end to a later moment.
    pub renew: bool,
    /// Exchange its value.
    pub roll: bool,
    /// End it.
    pub revoke: bool,
}

impl Operations {
    /// The words of `operations`.
    pub const WORDS: &'static [&'static str] = &["create", "update", "renew", "roll", "revoke"];

    /// What a grant allows that does not say: make tokens and end them.
    pub const DEFAULT: Self = Self { create: true, update: false, renew: false, roll: false, revoke: true };

    /// The words that are true of these operations.
    pub fn words(self) -> impl Iterator<Item = &'static str> {
        let listed = [self.create, self.update, self.renew, self.roll, self.revoke];
        Self::WORDS.iter().copied().zip(listed).filter(|(_, listed)| *listed).map(|(word, _)| word)
    }
}

/// `[grant.NAME]`.
#[derive(Clone, Debug)]
pub struct GrantRule {
    /// Whom it is for.
    pub from: Source,
    /// Sets of claims: any of the sets, all of a set.
    pub when: Vec<SortedMap<String, Pattern>>,
    /// What it allows: any of the lines, never a mixture.
    pub allow: Vec<LineRule>,
    /// The lifetime where none is asked.
    pub ttl: Option<Seconds>,
    /// The longest lifetime.
    pub max_ttl: Option<Seconds>,
    /// Whether a drop-in create may leave its end to the rules.
    pub default_ttl: bool,
    /// What it allows to do.
    pub operations: Operations,
    /// Whether it only records what it would have allowed.
    pub audit: bool,
    /// Whether it is in force.
    pub enabled: bool,
    /// The condition that every token of it gets.
    pub condition: Condition,
    /// Why tokens of it may rewrite Brevet. Journalled with each.
    pub accept_takeover: Option<String>,
}

/// `[endpoint.NAME]`: who is told of what becomes of leases.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EndpointRule {
    /// Its name.
    pub name: String,
    /// Where events are sent.
    pub url: String,
    /// Whether that is plain http, which is taken on loopback and in development mode only.
    pub plain: bool,
    /// The names of the Worker secrets that sign; each signs every event.
    pub secrets: Vec<String>,
    /// The types of events that are sent; all where there are none. The same for the lists that follow.
    pub events: Vec<String>,
    /// The grants whose leases are told of. What is about no lease of a grant is not sent where this says
    /// something.
    pub grants: Vec<String>,
    /// The templates, likewise.
    pub templates: Vec<String>,
    /// The accounts whose journals are told, by name.
    pub accounts: Vec<String>,
    /// Whether it is in force.
    pub enabled: bool,
}

/// One line of `allow`.
#[derive(Clone, Debug)]
pub struct LineRule {
    /// The template's name, the rules' own or a built-in one.
    pub template: String,
    /// Which accounts.
    pub account: Choice,
    /// Which zones.
    pub zone: ZoneChoice,
    /// Whether policies are taken that lie in what the template can render.
    pub raw: bool,
}

/// The values of a parameter, each a name of the rules.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Choice {
    /// Nothing was said.
    Unsaid,
    /// This one.
    Fixed(String),
    /// The caller's choice from these.
    From(Vec<String>),
    /// What the caller's own claim says.
    ByClaim(ClaimMap),
}

/// Values by a claim: what the claim says is looked up and never written into anything.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClaimMap {
    /// The claim.
    pub claim: String,
    /// What it may say, compared exactly, and the name of the rules that this stands for.
    pub map: SortedMap<String, String>,
}

/// The values of `zone`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ZoneChoice {
    /// All zones of the account.
    All,
    /// These, by name.
    Named(Choice),
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_prefix_does_not_reach_over_a_slash_or_a_colon() {
        let pattern = Pattern::Prefix("refs/heads/release-".to_owned());
        for refused in
            ["refs/heads/release-1/x", "refs/heads/release-1:x", "refs/heads/main", "refs/heads/release"]
        {
            assert!(!pattern.takes(refused), "{refused}");
        }
        assert!(pattern.takes("refs/heads/release-1"));
        assert!(pattern.takes("refs/heads/release-"));
    }

    #[test]
    fn an_exact_pattern_takes_one_text_only() {
        let pattern = Pattern::Exactly("repo:org/x".to_owned());
        for refused in ["repo:org/xy", "repo:org/", "repo:org-evil/x", "REPO:org/x", ""] {
            assert!(!pattern.takes(refused), "{refused}");
        }
        assert!(pattern.takes("repo:org/x"));
    }

    #[test]
    fn powers_and_operations_tell_their_words() {
        let words = |powers: Powers| powers.words().collect::<Vec<_>>();
        assert_eq!(words(Powers::default()), Vec::<&str>::new());
        assert_eq!(words(Powers::ALL), Powers::WORDS);
        assert_eq!(words(Powers { revoke: true, ..Powers::default() }), ["revoke"]);
        assert_eq!(words(Powers { config: true, ..Powers::default() }), ["config"]);
        assert_eq!(Operations::DEFAULT.words().collect::<Vec<_>>(), ["create", "revoke"]);
        let others = Operations { update: true, renew: true, roll: true, ..Operations::default() };
        assert_eq!(others.words().collect::<Vec<_>>(), ["update", "renew", "roll"]);
    }
}
