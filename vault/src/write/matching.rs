//! Rows read now, matched with the last snapshot's parts of the same stretch, two of them at a time.
//!
//! Rows are found wherever they are in those two. What has moved further is written anew: that costs
//! bytes, never a row. After a long run of unknown rows the parts ahead are searched, in case what lay
//! between was deleted.

use std::collections::VecDeque;

use super::Shared;
use super::part::OpenPart;
use crate::delta::{OldPart, Recalled, Recorded, RowKey, Tally};
use crate::format::fingerprints::Remembered;
use crate::format::recipe::{PART_CHUNKS_MAX, Part};
use crate::{Error, Result};

/// Old parts looked at at once.
const PARTS_AT_ONCE: usize = 2;

/// Unknown rows in a row after which the parts ahead are searched; each search in vain makes it four
/// times as many.
const PATIENCE_ROWS: u64 = 32 * 1024;

/// Unknown rows that a part ahead is asked for; the share of them it must know to go on with.
const ASKED_ROWS: usize = 256;
const KNOWN_SHARE: usize = 4;

/// A stretch being matched.
pub(super) struct Matching {
    stretch: String,
    key: RowKey,
    rows_max: u64,
    ahead: VecDeque<Remembered>,
    /// Past ones first; then at most [`PARTS_AT_ONCE`].
    open: VecDeque<OpenPart>,
    past: usize,
    /// Which of `open` the last known row was in.
    current: usize,
    unknown: u64,
    patience: u64,
    asked: VecDeque<u128>,
    /// Every row handed in.
    seen: Tally,
    recorded: Vec<Recorded>,
}

/// What is known of a row.
pub(super) enum Known {
    /// It was there the last time and stays where it is.
    Stays {
        /// Which part, for [`Matching::part`].
        part: usize,
        /// Its place in it.
        place: u32,
    },
    /// Nothing, or its chunk is given up: it is to be written.
    No,
}

impl Matching {
    pub(super) fn new(stretch: &str, rows_max: u64, shared: &Shared) -> Self {
        Self {
            stretch: stretch.to_owned(),
            key: RowKey::new(shared.vault.inner.derived.match_key()),
            rows_max,
            ahead: shared.memory.take(stretch),
            open: VecDeque::new(),
            past: 0,
            current: 0,
            unknown: 0,
            patience: PATIENCE_ROWS,
            asked: VecDeque::new(),
            seen: Tally::default(),
            recorded: Vec::new(),
        }
    }

    pub(super) fn stretch(&self) -> &str {
        &self.stretch
    }

    pub(super) fn fingerprint(&mut self, row: &[u8]) -> u128 {
        let fingerprint = self.key.fingerprint(row);
        self.seen.add(fingerprint);
        fingerprint
    }

    /// Looks for a row in the old parts at hand. Parts may be past afterwards; numbers of parts hold until
    /// they are taken, and the returned one counts without them.
    pub(super) fn find(&mut self, fingerprint: u128, shared: &Shared) -> Result<Known> {
        let mut found = self.find_open(fingerprint);
        while found.is_none() && self.wants_more() && self.open_next(shared)? {
            found = self.find_open(fingerprint);
        }
        let Some((at, place)) = found else {
            self.miss(fingerprint, shared)?;
            return Ok(Known::No);
        };
        (self.unknown, self.current) = (0, at);
        self.asked.clear();
        let given_up = self.old(at).is_given_up(place);
        // The parts before the one that is well under way have no more rows to come, or few.
        if at > self.past && self.old(at).rows.is_mostly_found() {
            self.past = at;
        }
        match given_up {
            true => Ok(Known::No),
            false => Ok(Known::Stays { part: at - self.past, place }),
        }
    }

    fn find_open(&mut self, fingerprint: u128) -> Option<(usize, u32)> {
        let (first, current) = (self.past, self.current.max(self.past));
        let others = (first..self.open.len()).filter(|at| *at != current);
        let mut order = std::iter::once(current).chain(others);
        order.find_map(|at| {
            let old = self.open.get_mut(at)?.old.as_mut()?;
            old.rows.take(fingerprint).map(|place| (at, place))
        })
    }

    fn old(&mut self, at: usize) -> &mut OldPart {
        self.open[at].old.as_mut().expect("a part that is matched with is an old one")
    }

    /// Whether the row may be in the next part: the ones at hand are well under way.
    fn wants_more(&mut self) -> bool {
        if self.ahead.is_empty() {
            return false;
        }
        let found = |part: &OpenPart| part.old.as_ref().is_none_or(|old| old.rows.are_found());
        self.past += self.open.iter().skip(self.past).take_while(|part| found(part)).count();
        match self.open.len() {
            open if open == self.past => true,
            open if open - self.past >= PARTS_AT_ONCE => false,
            open => self.old(open - 1).rows.is_mostly_found(),
        }
    }

    /// Opens the next old part that is as it was remembered, joined with those behind it as long as they
    /// are small together: parts that grow a little every day stay few.
    fn open_next(&mut self, shared: &Shared) -> Result<bool> {
        while let Some(next) = self.ahead.pop_front() {
            let (mut rows, mut chunks) = (next.part.rows, next.chunks);
            let mut together = vec![next];
            while let Some(next) = self.ahead.front() {
                (rows, chunks) = (rows + next.part.rows, chunks + next.chunks);
                if rows > self.rows_max || chunks > PART_CHUNKS_MAX as u64 {
                    break;
                }
                together.extend(self.ahead.pop_front());
            }
            if let Some(old) = load(&together, shared)? {
                self.open.push_back(OpenPart::from_old(old));
                return Ok(true);
            }
        }
        Ok(false)
    }

    fn miss(&mut self, fingerprint: u128, shared: &Shared) -> Result<()> {
        self.unknown += 1;
        if self.ahead.is_empty() {
            return Ok(());
        }
        self.asked.push_back(fingerprint);
        if self.asked.len() > ASKED_ROWS {
            self.asked.pop_front();
        }
        if self.unknown >= self.patience { self.search_ahead(shared) } else { Ok(()) }
    }

    /// Goes on with the first part ahead that knows the rows of late, and leaves out those before it.
    fn search_ahead(&mut self, shared: &Shared) -> Result<()> {
        self.unknown = 0;
        for at in 0..self.ahead.len() {
            let Some(mut old) = load(&self.ahead.make_contiguous()[at..=at], shared)? else { continue };
            let known = self.asked.iter().filter(|fingerprint| old.rows.has(**fingerprint)).count();
            if known * KNOWN_SHARE >= self.asked.len() {
                self.ahead.drain(..=at);
                self.past = self.open.len();
                self.open.push_back(OpenPart::from_old(old));
                return Ok(());
            }
        }
        self.patience *= 4;
        Ok(())
    }

    /// The first old part that is not past.
    pub(super) fn first(&mut self) -> Option<&mut OpenPart> {
        self.open.front_mut()
    }

    pub(super) fn part(&mut self, at: usize) -> &mut OpenPart {
        &mut self.open[at]
    }

    /// Whether an old part is past and was not taken yet.
    pub(super) fn has_past(&self) -> bool {
        self.past > 0
    }

    /// Takes the first part, which is past.
    pub(super) fn take_past(&mut self) -> Option<OpenPart> {
        self.past = self.past.checked_sub(1)?;
        self.current = self.current.saturating_sub(1);
        self.open.pop_front()
    }

    /// No more rows come: every part is past, and the rows of those ahead are gone.
    pub(super) fn end(&mut self) {
        self.ahead.clear();
        self.past = self.open.len();
    }

    /// Notes a part that has ended.
    pub(super) fn record(&mut self, recorded: Recorded) {
        self.recorded.push(recorded);
    }

    /// Hands over what is to be remembered, if every row handed in is in it, once.
    pub(super) fn finish(self, shared: &Shared) -> Result<()> {
        let mut kept = Tally::default();
        self.recorded.iter().for_each(|part| kept.merge(part.tally));
        if kept != self.seen {
            let reason = format!("{} rows were read, {} matched or written", self.seen.rows, kept.rows);
            return Err(Error::Mismatch { what: format!("the rows of {}", self.stretch), reason });
        }
        shared.record(self.recorded);
        Ok(())
    }
}

/// Recalls old parts as one. What is not as it was remembered is dropped, with a word to the operator.
fn load(parts: &[Remembered], shared: &Shared) -> Result<Option<OldPart>> {
    let small_bytes = shared.vault.inner.record.chunks.rows.min;
    let mut recalled: Option<Recalled> = None;
    for part in parts {
        match (shared.memory.recall(part), &mut recalled) {
            (Ok(next), Some(recalled)) => recalled.join(next),
            (Ok(first), none) => *none = Some(first),
            (Err(reason), _) => shared.memory.drop_because(reason),
        }
    }
    let Some(recalled) = recalled else { return Ok(None) };
    let first = recalled.chunks.iter().map(|chunk| chunk.id);
    let ids: Vec<_> = first.chain(recalled.more.iter().flatten().copied()).collect();
    let located = shared.runtime.block_on(shared.index.locate(&ids))?;
    shared.count_on(located.values().map(|at| &at.segment).filter(|at| at.is_reusable()).map(|at| at.pack));
    let parts = match parts {
        [one] => Some(std::iter::once(&one.part).chain(&one.more).cloned().collect::<Vec<_>>()),
        _ => None,
    };
    let parts = match parts {
        Some(parts) if lists_are_there(&parts, shared)? => Some(parts),
        _ => None,
    };
    match OldPart::new(parts, recalled, &located, small_bytes) {
        Ok(old) => Ok(Some(old)),
        Err(reason) => {
            shared.memory.drop_because(reason);
            Ok(None)
        }
    }
}

/// Whether the lists of a part can be named again as they are, in each stream: a pack of metadata may be lost
/// while the rows it spoke of are not.
fn lists_are_there(parts: &[Part], shared: &Shared) -> Result<bool> {
    let lists = parts.iter().flat_map(|part| [&part.chunks, &part.gone]);
    let ids: Vec<_> = lists.flat_map(|list| &list.chunks).copied().collect();
    let known = shared.runtime.block_on(shared.index.known(&ids))?;
    shared.count_on(known.values().copied());
    Ok(ids.iter().all(|id| known.contains_key(id)))
}
