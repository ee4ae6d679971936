//! Keys that several people open together: split by Shamir's scheme, each share sealed to one person.
//!
//! Whether the shares at hand are enough and whole, the key itself says: it must belong to the recipient that
//! the keyring names. A share that is not what its name says is done without, as one that is lost: whoever can
//! write to the store can seal anything to a person.

use std::collections::HashMap;

use blahaj::{Share, Sharks};
use bytes::Bytes;

use crate::format::keys::Shares;
use crate::format::names;
use crate::keys::{Identities, Person};
use crate::seal::{self, NotOpened};
use crate::store::Store;
use crate::{Error, Grade, Result};

use super::wraps::tag;

/// The line in a share's age file begins so; what follows is the share in hex, its number in the first byte.
const FIRST_WORDS: &str = "lifeboat-share 1 ";

/// Splits a secret so that any `threshold` of the people who have one of `grades` open it together. Returns
/// what the keyring says of it, and the objects that are to be written.
///
/// # Errors
/// `BadKey` when a person's recipient cannot be sealed to.
pub(super) fn split(
    key: &str,
    epoch: u32,
    secret: &[u8],
    threshold: u8,
    people: &[Person],
    grades: &[Grade],
) -> Result<(Shares, Vec<(String, Bytes)>)> {
    let holders = people.iter().filter(|person| person.grades.iter().any(|grade| grades.contains(grade)));
    let mut objects = Vec::new();
    for (person, share) in holders.zip(Sharks(threshold).dealer(secret)) {
        let text = format!("{FIRST_WORDS}{}\n", hex::encode(Vec::from(&share)));
        let recipient = person.to_recipient()?;
        let recipients = std::iter::once(&*recipient as &dyn age::Recipient);
        let sealed = seal::seal(recipients, text.as_bytes())?;
        objects.push((names::wrap(key, epoch, &tag(&sealed)), Bytes::from(sealed)));
    }
    let wraps = objects.iter().map(|(name, _)| name.clone()).collect();
    Ok((Shares { threshold, wraps }, objects))
}

/// Shares that people gave for a request: what their wraps hold, by the wrap's name. In memory only.
#[derive(Default)]
pub struct GivenShares(HashMap<String, Vec<u8>>);

impl GivenShares {
    /// Takes what was in a wrap.
    pub(crate) fn add(&mut self, wrap: String, plain: Vec<u8>) {
        self.0.entry(wrap).or_insert(plain);
    }
}

impl std::fmt::Debug for GivenShares {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "GivenShares({})", self.0.len())
    }
}

/// Opens the shares that these identities open, takes those that were given, and puts the secret together. A
/// share that is lost or damaged is done without, as long as enough are left.
///
/// # Errors
/// `NoKey` with how many there are when they are too few; the damage, when it is that.
pub(super) async fn join(
    store: &Store,
    what: &str,
    shares: &Shares,
    identities: &Identities,
    given: &GivenShares,
) -> Result<Vec<u8>> {
    let (mut open, mut unusable, mut damaged) = (Vec::<Share>::new(), None, Vec::new());
    for name in &shares.wraps {
        let share = match given.0.get(name) {
            Some(plain) => parse(name, plain),
            None => open_share(store, name, identities).await,
        };
        match share {
            Ok(share) if open.iter().any(|known| known.x == share.x) => {}
            Ok(share) => open.push(share),
            Err(Error::NoKey { reason, .. }) => unusable = unusable.or(reason),
            Err(error) if error.is_damage() => damaged.push(error),
            Err(error) => return Err(error),
        }
    }
    let (have, needed) = (open.len(), usize::from(shares.threshold));
    if have < needed {
        let too_few = || {
            let what =
                format!("{what}: it takes {needed} people together, and {have} of them opened their share");
            Error::no_key(what, unusable)
        };
        // With those of everybody else it would open, unless too many are damaged.
        let whole = shares.wraps.len() - damaged.len();
        return Err(damaged.into_iter().next().filter(|_| whole < needed).unwrap_or_else(too_few));
    }
    Sharks(shares.threshold)
        .recover(&open)
        .map_err(|reason| Error::damaged(what, format!("its shares do not fit together: {reason}")))
}

/// What is in the wrap of somebody's own share of a key, and that wrap's name; nothing when none of them is theirs.
pub(crate) async fn open_own(
    store: &Store,
    shares: &Shares,
    identities: &Identities,
) -> Result<Option<(String, Vec<u8>)>> {
    for name in &shares.wraps {
        match open_plain(store, name, identities).await {
            Ok(plain) => return parse(name, &plain).map(|_| Some((name.clone(), plain))),
            Err(Error::NoKey { reason: None, .. }) => {}
            // Another's share that is lost is not what was looked for.
            Err(error) if error.is_damage() => {}
            Err(error) => return Err(error),
        }
    }
    Ok(None)
}

async fn open_share(store: &Store, name: &str, identities: &Identities) -> Result<Share> {
    parse(name, &open_plain(store, name, identities).await?)
}

async fn open_plain(store: &Store, name: &str, identities: &Identities) -> Result<Vec<u8>> {
    let sealed = store.get(name).await?;
    if names::wrap_tag(name) != Some(&*tag(&sealed)) {
        return Err(Error::damaged(name, "its bytes do not hash to its name"));
    }
    seal::open(identities.iter(), &sealed).map_err(|error| match error {
        NotOpened::NoKey(reason) => Error::no_key(name, reason),
        NotOpened::Damaged(reason) => Error::damaged(name, reason),
    })
}

fn parse(name: &str, plain: &[u8]) -> Result<Share> {
    let text = std::str::from_utf8(plain).ok().and_then(|text| text.trim_end().strip_prefix(FIRST_WORDS));
    let bytes = text.and_then(|text| hex::decode(text).ok());
    let share = bytes.and_then(|bytes| Share::try_from(&bytes[..]).ok());
    share.ok_or_else(|| Error::damaged(name, "it holds no share"))
}
