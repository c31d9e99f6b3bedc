//! Looking through the complete list of an owner's tokens.

use brevet_core::cloudflare::{Failure, Parents, TokenOwner, TokenView};
use brevet_core::id::TokenId;
use cloudflare_tokens::{ListTokens, Paging, Token};

use super::exchange::{Asking, Exchange};
use super::{Secrets, Transport, Upstream, failure, spec};

/// The most pages read, of 50 tokens each: ten hold the 500 tokens that an account may have, and one
/// more shows that the list ends there.
pub const MAX_PAGES: u32 = 11;

/// How often a list is read that seems to have changed meanwhile.
pub const MAX_PASSES: u32 = 2;

/// What one reading of the list found.
struct Pass {
    /// Each token once, in the order of the list.
    tokens: Vec<Token>,
    /// The largest total that a page named; 0 where none did.
    total: usize,
}

impl Pass {
    fn is_whole(&self) -> bool {
        self.tokens.len() >= self.total
    }

    fn is_like(&self, other: &Self) -> bool {
        self.total == other.total
            && self.tokens.iter().map(|token| &token.id).eq(other.tokens.iter().map(|token| &token.id))
    }

    fn named<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a Token> {
        self.tokens.iter().filter(move |token| token.name == name)
    }
}

impl<T: Transport, S: Secrets> Upstream<T, S> {
    /// The tokens of exactly this name.
    pub(super) async fn find(
        &self,
        owner: TokenOwner,
        parents: &Parents,
        name: &str,
    ) -> Result<Vec<TokenId>, Failure> {
        let exchange = self.begin();
        let pass = self.steady(&exchange, owner, parents, Some(name)).await?;
        Ok(spec::domain_ids(pass.named(name).map(|token| token.id).collect()))
    }

    /// All tokens but the parents themselves.
    pub(super) async fn all(&self, owner: TokenOwner, parents: &Parents) -> Result<Vec<TokenView>, Failure> {
        let exchange = self.begin();
        let own = self.parent_ids(&exchange, owner, parents).await?;
        let pass = self.steady(&exchange, owner, parents, None).await?;
        // Whoever acts on what is missing from a list must know how long it is.
        if !pass.is_whole() || (pass.total == 0 && !pass.tokens.is_empty()) {
            return Err(failure::restless_list());
        }
        let views =
            pass.tokens.into_iter().map(|token| spec::view(token).ok_or_else(failure::unusable_answer));
        let mut views = views.collect::<Result<Vec<_>, _>>()?;
        views.retain(|view| !own.contains(&view.id));
        Ok(views)
    }

    /// A reading of the list that can be believed, or one that has a token of this name.
    ///
    /// A token that is deleted while the list is read moves the ones behind it forward, perhaps onto a
    /// page already read. So a list that shows fewer tokens than it counts is read again before "there
    /// is none" is believed; a count that stays wrong in the same way is just wrong.
    async fn steady(
        &self,
        exchange: &Exchange<'_, T>,
        owner: TokenOwner,
        parents: &Parents,
        name: Option<&str>,
    ) -> Result<Pass, Failure> {
        let mut before: Option<Pass> = None;
        for _ in 0..MAX_PASSES {
            let pass = self.pass(exchange, owner, parents).await?;
            let found = name.is_some_and(|name| pass.named(name).next().is_some());
            if found || pass.is_whole() || before.is_some_and(|before| before.is_like(&pass)) {
                return Ok(pass);
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
    ) -> Result<Pass, Failure> {
        let family = spec::family(owner);
        let mut paging = Paging::default();
        let mut pass = Pass { tokens: Vec::<Token>::new(), total: 0 };
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
                // At most 550, so looking through them costs less than sorting code would.
                if !pass.tokens.iter().any(|seen| seen.id == token.id) {
                    pass.tokens.push(token);
                }
            }
            match next {
                None => return Ok(pass),
                Some(next) if next.page > MAX_PAGES => return Err(failure::endless_list(MAX_PAGES)),
                Some(next) => paging = next,
            }
        }
    }
}
