//! Paging and direction of lists.

use std::ops::RangeInclusive;

use serde_json::{Value, json};

use super::Ask;
use crate::refusal::Refusal;

/// Entries on a page where none are asked.
const PER_PAGE: usize = 20;
/// Fewest entries on a page.
const PER_PAGE_MIN: usize = 5;
/// Most entries on a page.
const PER_PAGE_MAX: usize = 50;

/// Which page of a list is asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Page {
    number: usize,
    per_page: usize,
}

impl Page {
    /// Reads `page` and `per_page` with the bounds that most lists have.
    pub(super) fn of(ask: &Ask<'_>) -> Result<Self, Refusal> {
        Self::within(ask, PER_PAGE, PER_PAGE_MIN..=PER_PAGE_MAX)
    }

    /// Reads `page` and `per_page` with a list's own bounds.
    pub(super) fn within(
        ask: &Ask<'_>,
        per_page: usize,
        bounds: RangeInclusive<usize>,
    ) -> Result<Self, Refusal> {
        let number = |name: &str, default: usize| match ask.parameter(name) {
            None => Ok(default),
            Some(text) => text.parse().map_err(|_| Refusal::query(format!("{name} must be a whole number"))),
        };
        let page = Self { number: number("page", 1)?, per_page: number("per_page", per_page)? };
        if page.number < 1 {
            return Err(Refusal::query("page must be at least 1"));
        }
        if !bounds.contains(&page.per_page) {
            return Err(Refusal::query(format!("per_page must be {} to {}", bounds.start(), bounds.end())));
        }
        Ok(page)
    }

    /// Cuts the page out and says where it stands.
    pub(super) fn cut(self, all: Vec<Value>, total_pages: bool) -> (Vec<Value>, Value) {
        let total = all.len();
        let first = self.number.saturating_sub(1).saturating_mul(self.per_page);
        let shown: Vec<Value> = all.into_iter().skip(first).take(self.per_page).collect();
        let mut info = json!({
            "page": self.number,
            "per_page": self.per_page,
            "count": shown.len(),
            "total_count": total,
        });
        if let (true, Some(members)) = (total_pages, info.as_object_mut()) {
            members.insert("total_pages".to_owned(), json!(total.div_ceil(self.per_page)));
        }
        (shown, info)
    }
}

/// Whether the list is asked from its end.
pub(super) fn descending(ask: &Ask<'_>) -> Result<bool, Refusal> {
    match ask.parameter("direction") {
        None | Some("asc") => Ok(false),
        Some("desc") => Ok(true),
        Some(_) => Err(Refusal::query("direction must be one of: asc, desc")),
    }
}
