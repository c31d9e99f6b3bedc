//! Looking through the complete list of an owner's tokens.

use brevet_core::cloudflare::{Failure, Parents, TokenOwner};
use brevet_core::id::TokenId;
use cloudflare_tokens::{ListTokens, Paging};

use super::exchange::{Asking, Exchange};
use super::{Secrets, Transport, Upstream, failure, spec};

/// The most pages read, of 50 tokens each: ten hold the 500 tokens that an account may have, and one
/// more shows that the list ends there.
pub const MAX_PAGES: u32 = 11;

/// How often a list is read that seems to have changed meanwhile.
pub const MAX_PASSES: u32 = 2;

/// What one reading of the list found.
#[derive(PartialEq, Eq)]
struct Pass {
    found: Vec<cloudflare_tokens::TokenId>,
    /// How many tokens were seen, each counted once.
    seen: usize,
    /// The largest total that a page named; 0 where none did.
    total: usize,
}

impl<T: Transport, S: Secrets> Upstream<T, S> {
    /// The tokens of exactly this name.
    ///
    /// A token that is deleted while the list is read moves the ones behind it forward, perhaps onto a
    /// page already read. So a list that shows fewer tokens than it counts is read again before "there
    /// is none" is believed; a count that stays wrong in the same way is just wrong.
    pub(super) async fn find(
        &self,
        owner: TokenOwner,
        parents: &Parents,
        name: &str,
    ) -> Result<Vec<TokenId>, Failure> {
        let exchange = self.begin();
        let mut before = None;
        for _ in 0..MAX_PASSES {
            let pass = self.pass(&exchange, owner, parents, name).await?;
            let steady = pass.seen >= pass.total || before.as_ref() == Some(&pass);
            if steady || !pass.found.is_empty() {
                return Ok(spec::domain_ids(pass.found));
            }
            before = Some(pass);
        }
        Err(failure::restless_list())
    }

    async fn pass(
        &self,
        exchange: &Exchange<'_, T>,
        owner: TokenOwner,
        parents: &Parents,
        name: &str,
    ) -> Result<Pass, Failure> {
        let family = spec::family(owner);
        let mut paging = Paging::default();
        let mut seen = Vec::new();
        let mut pass = Pass { found: Vec::new(), seen: 0, total: 0 };
        loop {
            // Expired tokens are left out: they are harmless, and so many may still be listed that the
            // list has no bound.
            let list = |family| ListTokens { family, paging, direction: None, include_expired: false };
            let mut asking = Asking::new(family.map(list));
            self.with_parents(exchange, owner, parents, &mut asking).await?;
            let page = asking.output()?;
            let total = page.info.and_then(|info| info.total_count).unwrap_or_default();
            pass.total = pass.total.max(usize::try_from(total).unwrap_or(usize::MAX));
            let next = page.next(paging);
            for token in page.items {
                if token.name == name && !pass.found.contains(&token.id) {
                    pass.found.push(token.id);
                }
                // At most 550, so looking through them costs less than sorting code would.
                if !seen.contains(&token.id) {
                    seen.push(token.id);
                }
            }
            match next {
                None => break,
                Some(next) if next.page > MAX_PAGES => return Err(failure::endless_list(MAX_PAGES)),
                Some(next) => paging = next,
            }
        }
        pass.seen = seen.len();
        Ok(pass)
    }
}
