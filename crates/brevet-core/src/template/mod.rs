//! Templates: named lists of permission groups that a caller asks for by one word.
//!
//! A template never holds text that is filled in. It holds groups, resolved to ids when it is made,
//! and is rendered by pairing them with resources that are typed values already: there is nothing
//! into which a parameter could be smuggled.

mod built_in;
mod error;
mod render;

use crate::sorted::SortedSet;

use crate::access::Family;
use crate::catalogue::{Catalogue, Group, Scope};
use crate::id::GroupId;
use crate::json::{List, Object};
use crate::time::Seconds;

pub use built_in::{BUILT_IN_NAMES, built_in, built_ins};
pub use error::{RenderError, TemplateError};
pub use render::{Holder, Note, Rendered, Target, Zones};

/// The most permission groups of a template of the rules. The largest built-in one has about 150.
pub const MAX_ROWS: usize = 200;

/// One permission group of a template.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Row {
    id: GroupId,
    name: Box<str>,
    scope: Scope,
    /// The only family of tokens for which this row counts; both where it is absent.
    family: Option<Family>,
}

impl Row {
    fn of(group: &Group, family: Option<Family>) -> Self {
        Self { id: group.id(), name: group.name().into(), scope: group.scope(), family }
    }

    /// The group's id.
    pub fn id(&self) -> GroupId {
        self.id
    }

    /// The group's name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The kind of resource it acts on.
    pub fn scope(&self) -> Scope {
        self.scope
    }

    /// Whether the row counts in tokens of this family. User-scoped groups fit in user tokens only.
    pub fn counts_for(&self, family: Family) -> bool {
        self.family.is_none_or(|only| only == family) && (self.scope != Scope::User || family == Family::User)
    }
}

/// What a template asks to be told.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Parameter {
    /// The account; every template has it. It may be left out where the zones tell it, or where the
    /// rules have one account.
    Account,
    /// The zones: one, several, or `*` for all of the account.
    Zone,
}

impl Parameter {
    /// As rules and calls write it.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Account => "account",
            Self::Zone => "zone",
        }
    }

    /// Reads [`Parameter::word`].
    pub fn read(text: &str) -> Option<Self> {
        [Self::Account, Self::Zone].into_iter().find(|parameter| parameter.word() == text)
    }
}

/// A permission group as a template of the rules names it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Permission<'a> {
    /// The group's name.
    pub name: &'a str,
    /// Its scope; needed for the seven names that exist in two.
    pub scope: Option<Scope>,
}

/// A named list of permission groups with the times that tokens of it may live.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Template {
    name: Box<str>,
    title: Box<str>,
    rows: Vec<Row>,
    ttl: Seconds,
    max_ttl: Seconds,
    operator_only: bool,
    built_in: bool,
}

impl Template {
    /// A template of the rules. `declared` is what its `resources` name, where it has them; whatever
    /// the groups need must then be there, and nothing else but the account.
    ///
    /// # Errors
    /// Every [`TemplateError`] there is, so that a linter shows them all at once.
    pub fn new(
        name: &str,
        permissions: &[Permission<'_>],
        declared: Option<&[Parameter]>,
        ttl: Seconds,
        max_ttl: Seconds,
        catalogue: &Catalogue,
    ) -> Result<Self, Vec<TemplateError>> {
        let mut errors = Vec::new();
        if permissions.is_empty() {
            errors.push(TemplateError::NoPermissions);
        }
        if permissions.len() > MAX_ROWS {
            return Err(vec![TemplateError::TooManyPermissions(permissions.len())]);
        }
        let mut rows: Vec<Row> = Vec::with_capacity(permissions.len());
        for (index, permission) in permissions.iter().enumerate() {
            match catalogue.resolve(permission.name, permission.scope) {
                Err(error) => errors.push(TemplateError::Permission { index, error }),
                Ok(group) if group.scope() == Scope::Bucket => {
                    errors.push(TemplateError::BucketScope { index, name: group.name().to_owned() });
                }
                Ok(group) => match rows.iter().position(|row| row.id == group.id()) {
                    Some(_) => errors.push(TemplateError::Twice { index, name: group.name().to_owned() }),
                    None => rows.push(Row::of(group, None)),
                },
            }
        }
        // With a group missing, what the template needs is not known.
        if let (Some(declared), true) = (declared, errors.is_empty()) {
            let has_zone = rows.iter().any(|row| row.scope == Scope::Zone);
            match (has_zone, declared.contains(&Parameter::Zone)) {
                (true, false) => errors.push(TemplateError::ZoneNotDeclared),
                (false, true) => errors.push(TemplateError::ZoneUnused),
                _ => {}
            }
        }
        if ttl > max_ttl {
            errors.push(TemplateError::TtlOverMaximum { ttl, max_ttl });
        }
        if !errors.is_empty() {
            return Err(errors);
        }
        Ok(Self {
            name: name.into(),
            title: "".into(),
            rows,
            ttl,
            max_ttl,
            operator_only: false,
            built_in: false,
        })
    }

    /// Its name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// What the dashboard calls it; empty for a template of the rules.
    pub fn title(&self) -> &str {
        &self.title
    }

    /// Its permission groups.
    pub fn rows(&self) -> &[Row] {
        &self.rows
    }

    /// How long a token lives where neither the caller nor a grant says.
    pub fn ttl(&self) -> Seconds {
        self.ttl
    }

    /// The longest that a token of it may live, renewals included.
    pub fn max_ttl(&self) -> Seconds {
        self.max_ttl
    }

    /// Whether only an operator may mint it, whatever a grant says.
    pub fn operator_only(&self) -> bool {
        self.operator_only
    }

    /// Whether it comes with Brevet.
    pub fn is_built_in(&self) -> bool {
        self.built_in
    }

    /// What it asks to be told: the account, and zones where a group acts on zones.
    pub fn parameters(&self) -> &'static [Parameter] {
        if self.has(Scope::Zone) { &[Parameter::Account, Parameter::Zone] } else { &[Parameter::Account] }
    }

    /// Whether it renders nothing without zones. Where other groups remain, zones may be left out.
    pub fn needs_zone(&self) -> bool {
        self.rows.iter().all(|row| row.scope == Scope::Zone)
    }

    /// Whether a group of it acts on this kind of resource.
    pub fn has(&self, scope: Scope) -> bool {
        self.rows.iter().any(|row| row.scope == scope)
    }

    /// The families of tokens in which it renders something.
    pub fn families(&self) -> SortedSet<Family> {
        let counts = |family: &Family| self.rows.iter().any(|row| row.counts_for(*family));
        [Family::Account, Family::User].into_iter().filter(counts).collect()
    }

    /// The template as `GET /v1/templates` shows it.
    pub fn summary(&self) -> Object {
        let mut parameters = List::new();
        for parameter in self.parameters() {
            let (name, required, several) = match parameter {
                Parameter::Account => ("account", false, false),
                Parameter::Zone => ("zone", self.needs_zone(), true),
            };
            let mut told = Object::saying("name", name);
            told.put("required", &required).put("several", &several);
            parameters.push(&told);
        }
        let mut groups = List::new();
        for row in &self.rows {
            let mut group = Object::new();
            group.put("id", &row.id).text("name", &row.name).text("scope", row.scope.word());
            if let Some(family) = row.family {
                group.text("family", family.word());
            }
            groups.push(&group);
        }
        let mut families = List::new();
        self.families().into_iter().for_each(|family| families.push(family.word()));
        let mut summary = Object::saying("name", &self.name);
        summary
            .put("built_in", &self.built_in)
            .put("operator_only", &self.operator_only)
            .put("families", &families)
            .put("parameters", &parameters)
            .put("permission_groups", &groups)
            .put("ttl", &self.ttl.get())
            .put("max_ttl", &self.max_ttl.get());
        if !self.title.is_empty() {
            summary.text("title", &self.title);
        }
        summary
    }
}

#[cfg(test)]
mod custom_tests;
#[cfg(test)]
mod tests;
