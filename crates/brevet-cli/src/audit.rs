//! `brevet audit …`: the journal, taken out and checked. `brevet ledger …`: the book made anew from it.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Read, stdin};
use std::path::Path;

use brevet_core::ledger::journal::{Head, Kept};
use brevet_core::ledger::name::Pepper;
use brevet_core::secret::Secret;
use serde::Deserialize;
use serde_json::value::RawValue;
use serde_json::{Value, json};

use crate::arguments::{AuditCommand, LedgerCommand};
use crate::config;
use crate::failure::{Exit, Failure};
use crate::file::FileError;
use crate::say;

/// Runs one of the commands.
///
/// # Errors
/// [`Failure`].
pub(crate) fn run(url: Option<&str>, command: &AuditCommand) -> Result<Exit, Failure> {
    match command {
        AuditCommand::Export { account } => export(url, account.as_deref()),
        AuditCommand::Verify { file, head } => verify(file, head.as_deref()),
    }
}

/// Runs one of the commands on books.
///
/// # Errors
/// [`Failure`].
pub(crate) fn ledger(url: Option<&str>, command: &LedgerCommand) -> Result<Exit, Failure> {
    let LedgerCommand::Rebuild { account } = command;
    let found = config::worker(url)?.rebuild(account)?;
    for lease in &found {
        let text = |name: &str| lease.get(name).and_then(Value::as_str).unwrap_or("-");
        say::line(&format!(
            "{} {} {} until {}",
            text("id"),
            text("token_id"),
            text("owner"),
            text("expires_on")
        ))?;
    }
    say::note(&format!(
        "{} leases were taken in. Freezes are not in a journal's reach: set again what is to be frozen.",
        found.len()
    ));
    Ok(Exit::Done)
}

fn export(url: Option<&str>, account: Option<&str>) -> Result<Exit, Failure> {
    let worker = config::worker(url)?;
    let mut pages = Vec::new();
    let mut cursor: Option<String> = None;
    loop {
        let page = worker.journal(account, cursor.as_deref())?;
        let next = page.next_cursor.clone().filter(|_| !page.entries.is_empty());
        pages.push(page);
        // Every page ends before the one it came after, or it would never end.
        if next.is_none() || next == cursor {
            break;
        }
        cursor = next;
    }
    let mut count = 0;
    for page in pages.iter().rev() {
        let name = page.account.get("name").and_then(Value::as_str).unwrap_or_default();
        for kept in page.entries.iter().rev() {
            say::line(&format!(
                "{{\"account\":{},\"seq\":{},\"entry\":{},\"mac\":{}}}",
                json!(name),
                kept.seq,
                kept.entry.get(),
                json!(kept.mac)
            ))?;
            count += 1;
        }
    }
    say::note(&format!("{count} entries."));
    Ok(Exit::Done)
}

/// A line of an export, or of the Worker's log.
#[derive(Deserialize)]
struct Line {
    #[serde(alias = "ledger")]
    account: String,
    seq: u64,
    entry: Box<RawValue>,
    mac: String,
}

/// One journal on its way through the file.
#[derive(Default)]
struct Chain {
    head: Option<Head>,
    /// The first entry where that is not number one: nothing shows what was before.
    begins: Option<u64>,
    entries: usize,
}

impl Chain {
    /// Takes the next entry; says what is wrong with it.
    fn take(&mut self, pepper: &Pepper, kept: &Kept) -> Result<(), String> {
        let seq = kept.seq;
        self.entries += 1;
        let first = self.head.is_none();
        let before = self.head.get_or_insert_with(Head::default);
        if first && seq > 1 {
            self.begins = Some(seq);
        } else if seq != before.seq.saturating_add(1) {
            let missing = before.seq.saturating_add(1);
            return Err(if seq > missing {
                format!("entry {missing} is missing: after {} comes {seq}", before.seq)
            } else {
                format!("entry {seq} is out of its order: it comes after {}", before.seq)
            });
        } else if !before.leads_to(pepper, kept) {
            return Err(format!(
                "entry {seq} was altered, or its mac was, or it was written under another pepper than those given"
            ));
        }
        *before = kept.head();
        Ok(())
    }
}

fn verify(file: &Path, head: Option<&str>) -> Result<Exit, Failure> {
    let head = head.map(head_of).transpose()?;
    let secret = std::env::var("BREVET_PEPPER").map_err(|_| Failure::Pepper("it is not set".to_owned()))?;
    let pepper = Pepper::read(&Secret::new(secret)).map_err(|error| Failure::Pepper(error.to_string()))?;
    let read: Box<dyn Read> = if file.as_os_str() == "-" {
        Box::new(stdin())
    } else {
        Box::new(
            std::fs::File::open(file)
                .map_err(|error| FileError::Read { path: file.to_owned(), source: error })?,
        )
    };
    let (good, words) = check(&pepper, BufReader::new(read), head.as_ref(), file)?;
    words.iter().try_for_each(|line| say::line(line))?;
    Ok(if good { Exit::Done } else { Exit::No })
}

/// Whether the journals in these lines are as they were written, and what there is to say of them.
fn check(
    pepper: &Pepper,
    lines: impl BufRead,
    head: Option<&Head>,
    file: &Path,
) -> Result<(bool, Vec<String>), Failure> {
    let mut chains: BTreeMap<String, Chain> = BTreeMap::new();
    for (number, line) in (1_usize..).zip(lines.lines()) {
        let line = line.map_err(|error| FileError::Read { path: file.to_owned(), source: error })?;
        if line.trim().is_empty() || is_other_log_line(&line) {
            continue;
        }
        let at = format!("{}:{number}", file.display());
        let Ok(Line { account, seq, entry, mac }) = serde_json::from_str(&line) else {
            return Ok((false, vec![format!("{at}: this is no entry of a journal")]));
        };
        let kept = Kept { seq, body: entry.get().to_owned(), mac };
        if let Err(wrong) = chains.entry(account.clone()).or_default().take(pepper, &kept) {
            return Ok((false, vec![format!("{at}: {account}: {wrong}")]));
        }
    }
    Ok(conclude(&chains, head))
}

/// The Worker's log has other lines too.
fn is_other_log_line(line: &str) -> bool {
    let event = serde_json::from_str::<Value>(line).ok();
    event.and_then(|line| line.get("event")?.as_str().map(|event| event != "journal")).unwrap_or(false)
}

fn conclude(chains: &BTreeMap<String, Chain>, head: Option<&Head>) -> (bool, Vec<String>) {
    if chains.is_empty() {
        return (false, vec!["there is no entry in it".to_owned()]);
    }
    let mut good = head.is_none();
    let mut words = Vec::new();
    for (account, chain) in chains {
        let Some(last) = &chain.head else { continue };
        let reaches = head.is_some_and(|head| last == head);
        good |= reaches;
        let begins = chain
            .begins
            .map_or(String::new(), |first| format!(", from entry {first} on: what was before is not in it"));
        words.push(format!(
            "{account}: {} entries hold together{begins}; the last is {}:{}",
            chain.entries, last.seq, last.mac
        ));
    }
    if let (false, Some(head)) = (good, head) {
        words.push(format!("it was cut off: no journal in it ends with entry {}", head.seq));
    }
    (good, words)
}

fn head_of(text: &str) -> Result<Head, Failure> {
    let read = || {
        let (seq, mac) = text.split_once(':')?;
        let digits = mac.len() == 64 && mac.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'));
        Some(Head { seq: seq.parse().ok().filter(|seq| *seq > 0)?, mac: digits.then(|| mac.to_owned())? })
    };
    read().ok_or_else(|| Failure::Head(text.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pepper(text: &str) -> Pepper {
        Pepper::read(&Secret::new(text.repeat(32))).unwrap()
    }

    fn journal(pepper: &Pepper, count: u64) -> Vec<String> {
        let mut head = Head::default();
        (1..=count)
            .map(|number| {
                let body = format!("{{\"event\":\"created\",\"n\":{number}}}");
                head = head.after(pepper, &body);
                format!(
                    "{{\"account\":\"main\",\"seq\":{},\"entry\":{body},\"mac\":\"{}\"}}",
                    head.seq, head.mac
                )
            })
            .collect()
    }

    fn verdict(pepper: &Pepper, lines: &[String], head: Option<&Head>) -> bool {
        check(pepper, lines.join("\n").as_bytes(), head, Path::new("x")).unwrap().0
    }

    #[test]
    fn a_journal_as_it_was_written_is_good_also_from_the_middle_and_through_a_rotation() {
        let (old, new) = (pepper("a"), pepper("b"));
        let lines = journal(&old, 5);
        assert!(verdict(&old, &lines, None));
        assert!(verdict(&old, &lines[2..], None));
        let both = Pepper::read(&Secret::new(format!("{},{}", "b".repeat(32), "a".repeat(32)))).unwrap();
        assert!(verdict(&both, &lines, None));
        assert!(!verdict(&new, &lines, None));
    }

    #[test]
    fn whatever_is_altered_missing_added_or_cut_is_found() {
        let pepper = pepper("a");
        let lines = journal(&pepper, 5);
        for at in 0..5 {
            let mut altered = lines.clone();
            altered[at] = altered[at].replace("created", "renewed");
            assert!(!verdict(&pepper, &altered, None), "altered {at}");
        }
        for at in 1..4 {
            let mut missing = lines.clone();
            missing.remove(at);
            assert!(!verdict(&pepper, &missing, None), "missing {at}");
            let mut twice = lines.clone();
            twice.insert(at, lines[at].clone());
            assert!(!verdict(&pepper, &twice, None), "twice {at}");
            let mut swapped = lines.clone();
            swapped.swap(at, at - 1);
            assert!(!verdict(&pepper, &swapped, None), "swapped {at}");
        }
        let last: Value = serde_json::from_str(&lines[4]).unwrap();
        let head = head_of(&format!("5:{}", last["mac"].as_str().unwrap())).unwrap();
        assert!(verdict(&pepper, &lines, Some(&head)));
        assert!(!verdict(&pepper, &lines[..4], Some(&head)));
        assert!(!verdict(&pepper, &[], None));
        assert!(!verdict(&pepper, &["x".to_owned()], None));
    }

    #[test]
    fn the_lines_of_the_log_are_read_among_others() {
        let pepper = pepper("a");
        let mut lines: Vec<String> = journal(&pepper, 3)
            .iter()
            .map(|line| line.replace("{\"account\":", "{\"event\":\"journal\",\"ledger\":"))
            .collect();
        lines.insert(1, r#"{"event":"lease_found_dead","lease":"x"}"#.to_owned());
        assert!(verdict(&pepper, &lines, None));
    }

    #[test]
    fn refuses_what_is_no_head() {
        for text in
            ["", "5", "5:", "5:xy", "0:", &format!("x:{}", "a".repeat(64)), &format!("5:{}", "A".repeat(64))]
        {
            assert!(head_of(text).is_err(), "{text}");
        }
    }
}
