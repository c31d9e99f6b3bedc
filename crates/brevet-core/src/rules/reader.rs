//! A cursor over the rules' JSON that knows where it is, and collects what is wrong.

use serde_json::{Map, Value};

use super::finding::{Finding, Kind, Problem, Severity};
use crate::catalogue::closest;
use crate::sorted::in_order;
use crate::time::{Seconds, Timestamp};

/// The findings so far.
#[derive(Debug, Default)]
pub(super) struct Findings(Vec<Finding>);

impl Findings {
    pub(super) fn error(&mut self, pointer: impl Into<String>, problem: Problem) {
        self.0.push(Finding { severity: Severity::Error, pointer: pointer.into(), problem });
    }

    pub(super) fn warning(&mut self, pointer: impl Into<String>, problem: Problem) {
        self.0.push(Finding { severity: Severity::Warning, pointer: pointer.into(), problem });
    }

    /// The errors and warnings, errors first, else in the order in which they were found.
    pub(super) fn sorted(self) -> Vec<Finding> {
        in_order(self.0, |one, other| one.severity < other.severity)
    }

    pub(super) fn count(&self) -> usize {
        self.0.len()
    }

    pub(super) fn has_errors(&self) -> bool {
        self.0.iter().any(|finding| finding.severity == Severity::Error)
    }
}

/// The one candidate that a word was most likely meant to be.
pub(super) fn nearest<'a>(word: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<String> {
    closest(word, candidates).first().map(|name| (*name).to_owned())
}

/// The pointer to a member: RFC 6901 escapes `~` and `/`.
pub(super) fn below(pointer: &str, member: &str) -> String {
    if member.contains(['~', '/']) {
        format!("{pointer}/{}", member.replace('~', "~0").replace('/', "~1"))
    } else {
        format!("{pointer}/{member}")
    }
}

/// A value and the place where it stands.
pub(super) struct Field<'a> {
    pub(super) pointer: String,
    pub(super) value: &'a Value,
}

/// A table whose fields are known beforehand.
pub(super) struct Table<'a> {
    pub(super) pointer: String,
    members: &'a Map<String, Value>,
}

impl<'a> Field<'a> {
    pub(super) fn new(pointer: String, value: &'a Value) -> Self {
        Self { pointer, value }
    }

    fn wrong<T>(&self, expected: Kind, findings: &mut Findings) -> Option<T> {
        findings.error(&*self.pointer, Problem::WrongKind { expected, found: Kind::of(self.value) });
        None
    }

    pub(super) fn text(&self, findings: &mut Findings) -> Option<&'a str> {
        self.value.as_str().or_else(|| self.wrong(Kind::Text, findings))
    }

    pub(super) fn flag(&self, findings: &mut Findings) -> Option<bool> {
        self.value.as_bool().or_else(|| self.wrong(Kind::Flag, findings))
    }

    pub(super) fn whole_number(&self, findings: &mut Findings) -> Option<i64> {
        self.value.as_i64().or_else(|| self.wrong(Kind::WholeNumber, findings))
    }

    pub(super) fn moment(&self, findings: &mut Findings) -> Option<Timestamp> {
        let text = self.text(findings)?;
        self.checked(Timestamp::parse(text).map_err(Problem::Time), findings)
    }

    pub(super) fn span(&self, most: Seconds, findings: &mut Findings) -> Option<Seconds> {
        if !matches!(self.value, Value::String(_) | Value::Number(_)) {
            return self.wrong(Kind::Span, findings);
        }
        let span = Seconds::from_json(self.value).map_err(Problem::Time);
        let bounded =
            span.and_then(|span| if span > most { Err(Problem::TooLongSpan { most }) } else { Ok(span) });
        self.checked(bounded, findings)
    }

    /// One of these words; the answer is its place among them.
    pub(super) fn word(&self, choices: &'static [&'static str], findings: &mut Findings) -> Option<usize> {
        let text = self.text(findings)?;
        let place = choices.iter().position(|choice| *choice == text);
        let suggestion = || nearest(text, choices.iter().copied());
        self.checked(place.ok_or_else(|| Problem::NotOneOf { choices, suggestion: suggestion() }), findings)
    }

    /// A list of one to `most` values.
    pub(super) fn list(&self, most: usize, findings: &mut Findings) -> Option<Vec<Field<'a>>> {
        let Some(values) = self.value.as_array() else { return self.wrong(Kind::List, findings) };
        if values.is_empty() {
            findings.error(&*self.pointer, Problem::Empty);
            return None;
        }
        if values.len() > most {
            findings.error(&*self.pointer, Problem::TooMany { found: values.len(), most });
            return None;
        }
        let field = |(index, value)| Field::new(below(&self.pointer, &format!("{index}")), value);
        Some(values.iter().enumerate().map(field).collect())
    }

    /// A list of one to `most` values, each read by `read`, none of them twice.
    pub(super) fn distinct<T: PartialEq>(
        &self,
        most: usize,
        findings: &mut Findings,
        mut read: impl FnMut(&Field<'a>, &mut Findings) -> Option<T>,
    ) -> Option<Vec<T>> {
        let fields = self.list(most, findings)?;
        let count = fields.len();
        let mut values: Vec<T> = Vec::with_capacity(count);
        for field in fields {
            if let Some(value) = read(&field, findings) {
                match values.iter().position(|known| *known == value) {
                    Some(first) => findings.error(
                        field.pointer,
                        Problem::Duplicate { first: below(&self.pointer, &format!("{first}")) },
                    ),
                    None => values.push(value),
                }
            }
        }
        (values.len() == count).then_some(values)
    }

    /// A table with these fields. Those of `reserved` are for a later version.
    pub(super) fn table(
        &self,
        known: &[&'static str],
        reserved: &[&'static str],
        findings: &mut Findings,
    ) -> Option<Table<'a>> {
        let members = self.members(findings)?;
        for name in members.keys() {
            let pointer = || below(&self.pointer, name);
            if reserved.contains(&name.as_str()) {
                findings.error(pointer(), Problem::Reserved { name: name.clone() });
            } else if !known.contains(&name.as_str()) {
                let suggestion = nearest(name, known.iter().copied());
                findings.error(pointer(), Problem::UnknownField { name: name.clone(), suggestion });
            }
        }
        Some(Table { pointer: self.pointer.clone(), members })
    }

    /// The members of a table whose keys are names, at most `most` of them.
    pub(super) fn entries(&self, most: usize, findings: &mut Findings) -> Vec<(&'a str, Field<'a>)> {
        let Some(members) = self.members(findings) else { return Vec::new() };
        if members.len() > most {
            findings.error(&*self.pointer, Problem::TooMany { found: members.len(), most });
            return Vec::new();
        }
        let entry =
            |(name, value): (&'a String, _)| (name.as_str(), Field::new(below(&self.pointer, name), value));
        members.iter().map(entry).collect()
    }

    fn members(&self, findings: &mut Findings) -> Option<&'a Map<String, Value>> {
        self.value.as_object().or_else(|| self.wrong(Kind::Table, findings))
    }

    /// The value, or a finding at this place.
    pub(super) fn checked<T>(&self, result: Result<T, Problem>, findings: &mut Findings) -> Option<T> {
        result.map_err(|problem| findings.error(&*self.pointer, problem)).ok()
    }
}

impl<'a> Table<'a> {
    pub(super) fn get(&self, name: &str) -> Option<Field<'a>> {
        self.members.get(name).map(|value| Field::new(below(&self.pointer, name), value))
    }

    pub(super) fn need(&self, name: &'static str, findings: &mut Findings) -> Option<Field<'a>> {
        let field = self.get(name);
        if field.is_none() {
            findings.error(&*self.pointer, Problem::Missing { name });
        }
        field
    }

    pub(super) fn at(&self, name: &str) -> String {
        below(&self.pointer, name)
    }
}
