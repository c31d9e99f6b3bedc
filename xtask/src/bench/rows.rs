//! What is measured: one row each.

use super::sides::Side;

/// One row.
#[derive(Clone, Copy, Debug)]
pub(super) struct Row {
    /// What people call it.
    pub(super) title: &'static str,
    /// The file of its requests.
    pub(super) lines: &'static str,
    /// The file of Brevet's and of the stock broker's, where that is another.
    pub(super) others: Option<&'static str>,
    /// What every answer's status must be.
    pub(super) status: u16,
    /// Requests that are measured, at full length.
    pub(super) requests: u32,
    /// Requests before them.
    pub(super) warm: u32,
    /// How many are on their way at once.
    pub(super) connections: u32,
    /// Whether Brevet has no such route.
    pub(super) peers_only: bool,
    /// Whether tokens are made first, one for each request.
    pub(super) ends_leases: bool,
}

const fn row(title: &'static str, lines: &'static str, requests: u32) -> Row {
    Row {
        title,
        lines,
        others: None,
        status: 200,
        requests,
        warm: 500,
        connections: 16,
        peers_only: false,
        ends_leases: false,
    }
}

const fn mint(title: &'static str, lines: &'static str) -> Row {
    Row { status: 201, warm: 300, ..row(title, lines, 1_200) }
}

const fn one_at_a_time(of: Row, title: &'static str, requests: u32) -> Row {
    Row { title, requests, warm: 50, connections: 1, ..of }
}

const STATIC: Row = row("static answer", "static", 6_000);
const VERIFY_CACHED: Row = row("verify, remembered", "verify-cached", 4_000);
const MINT_OIDC: Row = mint("mint by OIDC (RS256)", "mint-oidc");

/// The static answer at one connection.
pub(super) const STATIC_ONE: &str = "static answer, 1 connection";
/// The remembered verification at one connection.
pub(super) const VERIFY_ONE: &str = "verify, remembered, 1 connection";

/// All rows, in the order in which they are measured: what ends leases comes first, for one account has room for few.
pub(super) const ROWS: [Row; 14] = [
    Row { warm: 50, ends_leases: true, ..row("revoke", "revoke", 150) },
    STATIC,
    Row { peers_only: true, ..row("passthrough", "passthrough", 3_000) },
    row("verify, asked upstream", "verify-fresh", 2_500),
    VERIFY_CACHED,
    row("JWT check, RS256", "jwt-rs256", 3_000),
    row("JWT check, ES256", "jwt-es256", 3_000),
    row("signed hook, 5 kB, not concerned", "hook", 3_000),
    mint("mint by client secret", "mint-client"),
    MINT_OIDC,
    // The cheap way of many, beside a mint with a book.
    Row { others: Some("mint-oidc"), ..mint("mint by OIDC, peers put into KV alone", "mint-oidc-kv") },
    one_at_a_time(STATIC, STATIC_ONE, 1_500),
    one_at_a_time(VERIFY_CACHED, VERIFY_ONE, 1_000),
    one_at_a_time(MINT_OIDC, "mint by OIDC, 1 connection", 300),
];

impl Row {
    /// The file of requests for a side; none where it has no such route.
    pub(super) fn lines_of(&self, side: Side) -> Option<&'static str> {
        match side {
            Side::Empty | Side::Counting => None,
            Side::Brevet | Side::Again if self.peers_only => None,
            Side::Brevet | Side::Again | Side::Stock => Some(self.others.unwrap_or(self.lines)),
            Side::Hono | Side::Bare => Some(self.lines),
        }
    }

    /// The row with so many requests as a quick run has.
    pub(super) fn quick(self) -> Self {
        let fewer = |count: u32| (count / 4).max(40);
        Self { requests: fewer(self.requests), warm: fewer(self.warm), ..self }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_account_has_room_for_what_is_made_in_it() {
        // The bench's inputs have 16 accounts, of which the first also has what is revoked.
        let made: u32 = ROWS.iter().filter(|row| row.status == 201).map(|row| row.requests + row.warm).sum();
        let revoked: u32 = ROWS.iter().filter(|row| row.ends_leases).map(|row| row.requests + row.warm).sum();
        assert!(made / 16 + revoked < 800, "calls that Brevet keeps of 1,000 in five minutes");
        let by_client: u32 =
            ROWS.iter().filter(|row| row.lines == "mint-client").map(|row| row.requests + row.warm).sum();
        assert!(by_client / 16 + revoked < 400, "operations of one caller in five minutes");
        assert!(made / 16 < 400, "live tokens of one grant");
    }

    #[test]
    fn a_passthrough_is_no_route_of_ours_and_nobody_asks_the_empty_worker() {
        let passthrough = ROWS.iter().find(|row| row.peers_only).unwrap();
        assert_eq!(passthrough.lines_of(Side::Brevet), None);
        assert!(passthrough.lines_of(Side::Bare).is_some() && STATIC.lines_of(Side::Empty).is_none());
    }
}
