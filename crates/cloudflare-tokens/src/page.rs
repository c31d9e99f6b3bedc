//! Pages of a list.

use crate::member::{Object, count};
use crate::write::WriteError;

/// The smallest page that Cloudflare takes.
const MIN_PER_PAGE: u32 = 5;

/// The largest page that Cloudflare takes.
const MAX_PER_PAGE: u32 = 50;

/// Which page of a list to ask for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Paging {
    /// From 1.
    pub page: u32,
    /// From 5 to 50.
    pub per_page: u32,
}

impl Default for Paging {
    /// The first page, as large as can be: a call counts, not its size.
    fn default() -> Self {
        Self { page: 1, per_page: MAX_PER_PAGE }
    }
}

impl Paging {
    pub(crate) fn check(self) -> Result<(), WriteError> {
        if self.page == 0 {
            return Err(WriteError::Page);
        }
        if !(MIN_PER_PAGE..=MAX_PER_PAGE).contains(&self.per_page) {
            return Err(WriteError::PerPage { found: self.per_page });
        }
        Ok(())
    }
}

/// The order of a list. What it is ordered by is not documented.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Direction {
    /// Ascending.
    Asc,
    /// Descending.
    Desc,
}

impl Direction {
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Asc => "asc",
            Self::Desc => "desc",
        }
    }
}

/// What an answer says of the list that it is a page of. Every member may be missing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct ResultInfo {
    /// Which page this is, from 1.
    pub page: Option<u64>,
    /// The most items on a page.
    pub per_page: Option<u64>,
    /// How many items are on this page.
    pub count: Option<u64>,
    /// How many items the list has.
    pub total_count: Option<u64>,
    /// How many pages the list has; only newer services say so.
    pub total_pages: Option<u64>,
}

impl ResultInfo {
    pub(crate) fn read(object: &Object) -> Self {
        Self {
            page: count(object, "page"),
            per_page: count(object, "per_page"),
            count: count(object, "count"),
            total_count: count(object, "total_count"),
            total_pages: count(object, "total_pages"),
        }
    }
}

/// One page of a list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Page<T> {
    /// The items on it.
    pub items: Vec<T>,
    /// What the answer says of the whole list, if it does.
    pub info: Option<ResultInfo>,
}

impl<T> Page<T> {
    /// The page to ask for next, or `None` at the end of the list. An empty page always ends it, so that walking a list
    /// stops even when the totals are wrong.
    #[must_use]
    pub fn next(&self, asked: Paging) -> Option<Paging> {
        if self.items.is_empty() {
            return None;
        }
        let info = self.info.unwrap_or_default();
        let page = u64::from(asked.page);
        let more = if let Some(pages) = info.total_pages {
            page < pages
        } else if let Some(total) = info.total_count {
            // What the server says a page holds counts: it may give fewer than were asked for.
            let per_page = info.per_page.unwrap_or(u64::from(asked.per_page));
            page.saturating_mul(per_page) < total
        } else {
            u64::try_from(self.items.len()).unwrap_or(u64::MAX) >= u64::from(asked.per_page)
        };
        let page = asked.page.checked_add(1)?;
        more.then_some(Paging { page, ..asked })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn page(items: usize, info: Option<ResultInfo>) -> Page<()> {
        Page { items: vec![(); items], info }
    }

    #[test]
    fn refuses_pages_that_cloudflare_would_not_serve() {
        assert_eq!(Paging::default().check(), Ok(()));
        let paging = |page, per_page| Paging { page, per_page }.check();
        assert_eq!(paging(u32::MAX, 5), Ok(()));
        assert_eq!(paging(0, 20), Err(WriteError::Page));
        for found in [0, 4, 51, u32::MAX] {
            assert_eq!(paging(1, found), Err(WriteError::PerPage { found }));
        }
    }

    #[test]
    fn walks_on_by_the_total_the_page_count_or_a_full_page() {
        let asked = Paging { page: 2, per_page: 5 };
        let third = Some(Paging { page: 3, ..asked });
        let total = |total_count, per_page| {
            Some(ResultInfo { total_count: Some(total_count), per_page, ..ResultInfo::default() })
        };
        assert_eq!(page(5, total(11, Some(5))).next(asked), third);
        assert_eq!(page(5, total(10, Some(5))).next(asked), None);
        assert_eq!(page(5, total(10, Some(4))).next(asked), third);
        assert_eq!(page(5, total(11, None)).next(asked), third);
        assert_eq!(page(5, None).next(asked), third);
        assert_eq!(page(4, None).next(asked), None);
        let pages =
            |n| Some(ResultInfo { total_pages: Some(n), total_count: Some(0), ..ResultInfo::default() });
        assert_eq!(page(1, pages(3)).next(asked), third);
        assert_eq!(page(1, pages(2)).next(asked), None);
    }

    #[test]
    fn an_empty_page_ends_the_walk_whatever_the_totals_say() {
        let info =
            ResultInfo { total_count: Some(u64::MAX), total_pages: Some(u64::MAX), ..ResultInfo::default() };
        assert_eq!(page(0, Some(info)).next(Paging::default()), None);
        let last = Paging { page: u32::MAX, per_page: 5 };
        assert_eq!(page(5, Some(info)).next(last), None);
    }
}
