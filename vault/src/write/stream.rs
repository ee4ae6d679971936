//! Rows of a table on their way into chunks, and the recipes that come out: one for each stream.

use super::Lane;
use super::apart::Apart;
use super::matching::{Known, Matching};
use super::part::{Ended, OpenPart};
use crate::chunker::Cut;
use crate::format::recipe::Part;
use crate::{Error, Realm, Result, RowDigest, Split};

/// Raw bytes gathered before they are cut: several chunks, so that look-ups are made by the dozen.
const GATHER_BYTES: usize = 2 << 20;

/// Chunks put at once; bounds what a single large row claims in one go.
const CUTS_AT_ONCE: usize = 256;

/// What became of the rows in one stream.
pub struct StreamWritten {
    /// Its recipe.
    pub parts: Vec<Part>,
    /// Of its lines; nothing where the table has one stream, whose lines are the rows.
    pub digest: Option<RowDigest>,
}

/// Cuts rows and notes the recipe of the chunks they are found in.
pub struct StreamWriter<'a> {
    lane: &'a mut Lane,
    /// Of the streams, in their order.
    realms: Vec<Realm>,
    /// Divides rows among the streams, where there are several.
    apart: Option<Apart>,
    rows_max: u64,
    /// New rows that are not in chunks yet. They belong to the part that takes new rows.
    bytes: Vec<u8>,
    ends: Vec<usize>,
    /// Takes new rows; without it, the first old part does.
    fresh: Option<OpenPart>,
    /// Matches rows with those of the last snapshot; without it, rows come back in the order they came.
    matching: Option<Matching>,
    /// Of each stream.
    parts: Vec<Vec<Part>>,
}

impl<'a> StreamWriter<'a> {
    /// Without matching, `split` has one stream.
    pub(super) fn new(lane: &'a mut Lane, split: &Split, rows_max: u64, matching: Option<Matching>) -> Self {
        let (bytes, ends) = (Vec::new(), Vec::new());
        let realms: Vec<_> = split.streams().map(|(grade, _)| Realm::Rows(grade)).collect();
        let apart = (!split.is_whole()).then(|| Apart::new(split, &lane.shared.vault.row_digest()));
        let parts = vec![Vec::new(); realms.len()];
        Self { lane, realms, apart, rows_max, bytes, ends, fresh: None, matching, parts }
    }

    /// Takes whole rows: `ends` are the ends of the rows in `bytes`, each after its newline.
    ///
    /// # Errors
    /// `Mismatch` when `ends` do not fit `bytes`; `Cancelled` when the packer has stopped.
    pub fn push(&mut self, bytes: Vec<u8>, ends: Vec<usize>) -> Result<()> {
        let whole = ends.last().copied().unwrap_or(0) == bytes.len();
        if !whole || ends.iter().any(|end| *end == 0 || bytes.get(end - 1) != Some(&b'\n')) {
            let reason = "a batch of rows does not end with its last row".to_owned();
            return Err(Error::Mismatch { what: "rows handed to the vault".into(), reason });
        }
        self.lane.shared.count_raw(bytes.len());
        match self.matching.is_some() {
            true => self.push_matched(&bytes, &ends)?,
            false => self.push_all(bytes, ends)?,
        }
        if self.bytes.len() >= GATHER_BYTES { self.cut(false) } else { Ok(()) }
    }

    /// Every row is new.
    fn push_all(&mut self, bytes: Vec<u8>, ends: Vec<usize>) -> Result<()> {
        if ends.len() as u64 > self.room()? {
            let mut start = 0;
            for end in ends {
                self.room()?;
                self.gather(&bytes[start..end]);
                self.fresh.get_or_insert_default().add_unknown(1, end - start);
                start = end;
            }
            return Ok(());
        }
        self.fresh.get_or_insert_default().add_unknown(ends.len(), bytes.len());
        if self.bytes.is_empty() {
            (self.bytes, self.ends) = (bytes, ends);
        } else {
            let base = self.bytes.len();
            self.bytes.extend_from_slice(&bytes);
            self.ends.extend(ends.into_iter().map(|end| base + end));
        }
        Ok(())
    }

    /// Rows that were there the last time stay; the others are new.
    fn push_matched(&mut self, bytes: &[u8], ends: &[usize]) -> Result<()> {
        let mut start = 0;
        for end in ends {
            let row = &bytes[start..*end];
            start = *end;
            let lengths = match &mut self.apart {
                None => [row.len(), 0, 0],
                Some(apart) => apart.count(row)?,
            };
            let matching = self.matching.as_mut().expect("rows are matched");
            let fingerprint = matching.fingerprint(row);
            let known = matching.find(fingerprint, &self.lane.shared)?;
            self.end_old_parts()?;
            let matching = self.matching.as_mut().expect("rows are matched");
            match known {
                Known::Stays { part, place } => {
                    matching.part(part).keep(fingerprint, place, &lengths, &mut self.lane.records);
                }
                Known::No => {
                    self.room()?;
                    self.gather(row);
                    let records = &mut self.lane.records;
                    let matching = self.matching.as_mut().expect("rows are matched");
                    let part = match &mut self.fresh {
                        Some(fresh) => fresh,
                        none => match matching.first() {
                            Some(old) => old,
                            None => none.insert(OpenPart::new(true)),
                        },
                    };
                    part.add(fingerprint, &lengths, records);
                }
            }
        }
        Ok(())
    }

    fn gather(&mut self, row: &[u8]) {
        self.bytes.extend_from_slice(row);
        self.ends.push(self.bytes.len());
    }

    /// How many new rows the part that takes them has room for; makes another when it is full.
    fn room(&mut self) -> Result<u64> {
        let rows_max = self.rows_max;
        match self.taking().map(|part| part.room(rows_max)) {
            Some(0) => {
                self.cut(true)?;
                if let Some(full) = self.fresh.take() {
                    self.end_part(full)?;
                }
                self.fresh = Some(OpenPart::new(self.matching.is_some()));
                Ok(rows_max)
            }
            room => Ok(room.unwrap_or(rows_max)),
        }
    }

    /// The part that takes new rows, if there is one already.
    fn taking(&mut self) -> Option<&mut OpenPart> {
        self.fresh.as_mut().or_else(|| self.matching.as_mut().and_then(Matching::first))
    }

    /// Ends the stretch and returns the recipe of each stream.
    ///
    /// # Errors
    /// `Mismatch` when a row was lost or doubled on the way.
    pub fn finish(mut self) -> Result<Vec<StreamWritten>> {
        self.cut(true)?;
        let fresh = self.fresh.take();
        if let Some(matching) = &mut self.matching {
            matching.end();
            self.end_old_parts()?;
        }
        fresh.map_or(Ok(()), |fresh| self.end_part(fresh))?;
        if let Some(matching) = self.matching {
            matching.finish(&self.lane.shared)?;
        }
        let digests = match self.apart {
            None => vec![None],
            Some(apart) => apart.digests().iter().cloned().map(Some).collect(),
        };
        Ok(self
            .parts
            .into_iter()
            .zip(digests)
            .map(|(parts, digest)| StreamWritten { parts, digest })
            .collect())
    }

    /// Ends the old parts whose rows are past.
    fn end_old_parts(&mut self) -> Result<()> {
        while self.matching.as_ref().is_some_and(Matching::has_past) {
            if self.fresh.is_none() {
                // The new rows at hand belong to the first old part, which may be this one.
                self.cut(true)?;
            }
            let past = self.matching.as_mut().and_then(Matching::take_past);
            past.map_or(Ok(()), |part| self.end_part(part))?;
        }
        Ok(())
    }

    fn end_part(&mut self, part: OpenPart) -> Result<()> {
        let stretch = self.matching.as_ref().map(|matching| matching.stretch().to_owned());
        self.realms.iter().try_for_each(|realm| self.lane.part_ended(*realm))?;
        if let Some(Ended { parts, recorded }) = part.end(stretch.as_deref(), self.lane)? {
            self.parts.iter_mut().zip(parts).for_each(|(all, part)| all.push(part));
            if let (Some(matching), Some(recorded)) = (&mut self.matching, recorded) {
                matching.record(recorded);
            }
        }
        Ok(())
    }

    fn cut(&mut self, last: bool) -> Result<()> {
        let bytes = std::mem::take(&mut self.bytes);
        let ends = std::mem::take(&mut self.ends);
        let cuts = self.lane.rows.cut_rows(&bytes, &ends, last);
        match self.apart.is_some() {
            true => self.put_apart(&bytes, &ends, &cuts)?,
            false => self.put(&bytes, &cuts)?,
        }
        let done = cuts.last().map_or(0, |cut| cut.range.end);
        let done_rows = ends.partition_point(|end| *end <= done);
        self.bytes.extend_from_slice(&bytes[done..]);
        self.ends.extend(ends[done_rows..].iter().map(|end| end - done));
        Ok(())
    }
    /// Puts what was cut where rows are their one stream's lines.
    fn put(&mut self, bytes: &[u8], cuts: &[Cut]) -> Result<()> {
        for cuts in cuts.chunks(CUTS_AT_ONCE) {
            let ids = self.lane.put(self.realms[0], bytes, cuts)?;
            let part = self.taking().expect("rows at hand belong to a part");
            cuts.iter().zip(ids).for_each(|(cut, id)| part.chunk(id, cut.rows));
        }
        Ok(())
    }

    /// Puts each stream's share of what was cut: the places of every stream have the same rows.
    fn put_apart(&mut self, bytes: &[u8], ends: &[usize], cuts: &[Cut]) -> Result<()> {
        let Some(apart) = self.apart.as_ref().filter(|_| !cuts.is_empty()) else { return Ok(()) };
        let shares = apart.share(bytes, ends, cuts, &self.lane.rows)?;
        let mut ids = Vec::with_capacity(shares.len());
        for (realm, share) in self.realms.iter().zip(&shares) {
            let mut own = Vec::with_capacity(share.cuts.len());
            for cuts in share.cuts.chunks(CUTS_AT_ONCE) {
                own.extend(self.lane.put(*realm, &share.bytes, cuts)?);
            }
            ids.push(own);
        }
        let first = ids.remove(0);
        let part = self.taking().expect("rows at hand belong to a part");
        shares[0].cuts.iter().zip(first).for_each(|(cut, id)| part.chunk(id, cut.rows));
        part.more_chunks(ids);
        Ok(())
    }
}
