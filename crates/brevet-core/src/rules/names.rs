//! The names that rules refer to, taken before the entries behind them are read: a mistake in one
//! entry is one finding, not one for each rule that names it.

use crate::sorted::SortedMap;

use serde_json::{Map, Value};

use super::finding::{Problem, Section};
use super::reader::{Field, Findings, nearest};
use crate::template;

/// The names of the rules, by section.
pub(super) struct Names<'a> {
    root: Option<&'a Map<String, Value>>,
    /// Zone id → the name of that zone.
    zone_ids: SortedMap<&'a str, &'a str>,
    /// Account or user id → the name of that account.
    account_ids: SortedMap<&'a str, &'a str>,
}

fn key(section: Section) -> &'static str {
    match section {
        Section::Account => "account",
        Section::Zone => "zone",
        Section::Template => "template",
        Section::Client => "client",
        Section::Issuer => "issuer",
        Section::Operator => "operator",
        Section::Hook => "hook",
        Section::Grant => "grant",
    }
}

impl<'a> Names<'a> {
    pub(super) fn of(root: &'a Value) -> Self {
        let ids = |section: &str| {
            let entries = root.get(section).and_then(Value::as_object).into_iter().flatten();
            let id = |(name, entry): (&'a String, &'a Value)| {
                entry.get("id").and_then(Value::as_str).map(|id| (id, name.as_str()))
            };
            entries.filter_map(id).collect()
        };
        Self { root: root.as_object(), zone_ids: ids("zone"), account_ids: ids("account") }
    }

    pub(super) fn is_built_in(name: &str) -> bool {
        template::BUILT_IN_NAMES.contains(&name)
    }

    fn entries(&self, section: Section) -> Option<&'a Map<String, Value>> {
        self.root.and_then(|root| root.get(key(section))).and_then(Value::as_object)
    }

    /// The name that a text stands for: the name itself, or an account's or zone's id.
    fn named<'b>(&self, section: Section, text: &'b str) -> Option<&'b str>
    where
        'a: 'b,
    {
        let by_id = match section {
            Section::Account => self.account_ids.get(text),
            Section::Zone => self.zone_ids.get(text),
            _ => None,
        };
        let known = self.entries(section).is_some_and(|entries| entries.contains_key(text))
            || (section == Section::Template && Self::is_built_in(text));
        if known { Some(text) } else { by_id.copied() }
    }

    /// The name that this field refers to.
    pub(super) fn resolve<'b>(
        &self,
        section: Section,
        field: &Field<'b>,
        out: &mut Findings,
    ) -> Option<&'b str>
    where
        'a: 'b,
    {
        let text = field.text(out)?;
        let name = self.named(section, text);
        if name.is_none() {
            let ours = self.entries(section).into_iter().flatten().map(|(name, _)| name.as_str());
            let built_in = template::BUILT_IN_NAMES.into_iter();
            let built_in = built_in.filter(|_| section == Section::Template);
            let suggestion = nearest(text, ours.chain(built_in));
            out.error(&*field.pointer, Problem::Dangling { section, name: text.to_owned(), suggestion });
        }
        name
    }
}
