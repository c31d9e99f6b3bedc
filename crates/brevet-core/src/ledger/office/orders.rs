//! What hooks order: received by the ledger of the first account, carried out in all.
//!
//! A receipt stands before its sender is answered, with the errand that carries it out. A ledger notes an
//! order in the turn in which it does what it says, so that a second telling of it does nothing.

use crate::cloudflare::Cloudflare;
use crate::id::LeaseId;
use crate::ledger::claim::OneUse;
use crate::ledger::due::Errand;
use crate::ledger::office::{Clock, Hand, Notice};
use crate::ledger::protocol::{Answer, Operation, PROTOCOL, Request};
use crate::ledger::receipt::{KNOWN, Order, Receipt, ReceiptFilter, Stage};
use crate::ledger::sql::{Sql, SqlError};
use crate::rulebook::RulesMark;

/// Asking other ledgers stops after so many seconds. What is left is tried again.
const ASKS_FOR: i64 = 20;

impl<S: Sql, C: Cloudflare, K: Clock> Hand<'_, S, C, K> {
    /// Writes the receipt of a message, unless there is one. Nothing here waits: of two deliveries of the
    /// same message one comes first.
    pub(super) fn receive(&self, receipt: Box<Receipt>) -> Result<Answer, SqlError> {
        if let Some(known) = self.book.receipt_of(&receipt.key, self.clock.now())? {
            return Ok(Answer::Receipt { receipt: Box::new(known), fresh: false });
        }
        // After what came again: a flood of that must not keep out what is new.
        if let Some(failure) = self.too_often() {
            return Ok(Answer::Failed(failure));
        }
        self.book.keep_receipt(&receipt)?;
        self.record_deed("hook_received", format!("{}, {}: {}", receipt.id, receipt.event, receipt.what))?;
        if receipt.stage == Stage::Waiting {
            self.schedule(receipt.id, Errand::Order, self.clock.now())?;
        }
        Ok(Answer::Receipt { receipt, fresh: true })
    }

    pub(super) fn receipts(&self, filter: &ReceiptFilter) -> Result<Answer, SqlError> {
        self.book.receipts(filter).map(Answer::Receipts)
    }

    /// Does what a hook ordered, here and once.
    pub(super) fn order(&self, order: &Order) -> Result<Answer, SqlError> {
        let now = self.clock.now();
        let once = OneUse { key: format!("order {}", order.receipt), until: now.plus(KNOWN) };
        if self.book.use_up(&once, None)? {
            for freeze in &order.freezes {
                self.freeze(freeze)?;
            }
            for selection in &order.lift {
                for freeze in self.book.frozen_by_hooks(selection)? {
                    self.lift(freeze)?;
                }
            }
            if let Some(selection) = &order.revoke {
                return self.revoke_many(order.receipt, selection, None);
            }
        }
        self.job(order.receipt)
    }

    /// Has the order of a receipt carried out where it is not yet. What fails is tried again later.
    pub(super) async fn carry_out(&self, id: LeaseId, tries: u32) -> Result<(), SqlError> {
        let begun = self.clock.now();
        let Some((receipt, order)) = self.ordered(id)? else { return self.book.strike(id) };
        let by = format!("hook:{}", receipt.hook);
        let own = self.owner.ledger_name();
        for ledger in &receipt.left {
            if self.clock.now().since(begun) >= ASKS_FOR {
                break;
            }
            let answer = if *ledger == own {
                Hand { office: self.office, by: &by }.order(&order)?
            } else {
                let request = Request {
                    protocol: PROTOCOL,
                    // Stopping needs no rules.
                    rules: RulesMark::of(0, ""),
                    owner: None,
                    by: Some(by.clone()),
                    operation: Operation::Order(Box::new(order.clone())),
                };
                let Some(answer) = self.clock.ask_ledger(ledger, &request).await else { continue };
                answer
            };
            if let Answer::Job(leases) = answer {
                self.carried_out(id, ledger, leases.len(), &by)?;
            }
        }
        match self.ordered(id)? {
            None => self.book.strike(id),
            Some(_) => {
                self.notice(Notice::OrderWaits { receipt: id, tries: tries.saturating_add(1) });
                self.book.put_off(id, self.clock.now().plus(super::alarm::pause_after(tries)), true)
            }
        }
    }

    /// A receipt whose order is not carried out everywhere.
    fn ordered(&self, id: LeaseId) -> Result<Option<(Receipt, Order)>, SqlError> {
        let filter = ReceiptFilter { id: Some(id), limit: 1, ..ReceiptFilter::default() };
        let receipt = self.book.receipts(&filter)?.pop().filter(|receipt| !receipt.left.is_empty());
        Ok(receipt.and_then(|receipt| {
            let order = receipt.order.as_deref().cloned()?;
            Some((receipt, order))
        }))
    }

    /// Notes that a ledger has done its part.
    fn carried_out(&self, id: LeaseId, ledger: &str, leases: usize, by: &str) -> Result<(), SqlError> {
        let Some((mut receipt, _)) = self.ordered(id)? else { return Ok(()) };
        receipt.left.retain(|left| left != ledger);
        receipt.leases = receipt.leases.saturating_add(u32::try_from(leases).unwrap_or(u32::MAX));
        if receipt.left.is_empty() {
            receipt.stage = Stage::Done;
            receipt.done_on = Some(self.clock.now());
            Hand { office: self.office, by }
                .record_deed("hook_done", format!("{id}, {} leases: {}", receipt.leases, receipt.what))?;
        }
        self.book.amend_receipt(&receipt)
    }
}
