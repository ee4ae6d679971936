//! Every branch's vault: what it is sealed by, and what one's credentials reach of another's store.

use std::time::Duration;

use futures::StreamExt;
use jiff::Timestamp;
use lifeboat_config::{Branch, Fleet};
use lifeboat_console::{CommandError, chain};
use lifeboat_vault::store::{Patience, StoreSettings};
use lifeboat_vault::{Error, Store, Vault};

use super::super::evidence::Evidence;
use super::super::facts::{BranchFacts, BranchKeys, FleetFacts, Reach, Tried};
use crate::fleet::{OPEN_AT_ONCE, in_each};
use crate::open::settings_of;

/// Whoever is denied is told so at once.
const ONCE: Patience = Patience { attempts: 1, pause: Duration::ZERO };

/// A row that is in no database.
const MARK: &[u8] = b"lifeboat\n";

/// Opens every vault, and tries each one's credentials on all others.
pub async fn of(fleet: &Fleet, read: (String, String), now: Timestamp) -> FleetFacts {
    let (from, digest) = read;
    let keys = in_each(fleet, |branch, keys| async move { of_vault(&keys.open_branch(branch).await?) }).await;
    let facts = |(branch, keys): (&Branch, Result<_, CommandError>)| BranchFacts {
        name: branch.name.clone(),
        keys: keys.map_err(|error| chain(error.error())),
    };
    let settings: Vec<_> =
        fleet.branches.iter().map(|one| settings_of(one.credentials.as_ref()).ok()).collect();
    let branches = || fleet.branches.iter().zip(&settings);
    // What is said to one kind of store means nothing to another.
    let is_other = |of: &Branch, at: &Branch| of.name != at.name && of.url.scheme() == at.url.scheme();
    let pairs = branches().flat_map(|of| branches().map(move |at| (of, at)));
    let tries = pairs.filter(|((of, _), (at, _))| is_other(of, at)).map(async |((of, whom), (at, place))| {
        let reach = try_at(whom.as_ref(), (at, place.as_ref())).await;
        Tried { of: of.name.clone(), at: at.name.clone(), reach }
    });
    let tried: Vec<_> = futures::stream::iter(tries).buffered(OPEN_AT_ONCE).collect().await;
    let vaults: Vec<_> = fleet.branches.iter().zip(keys).map(facts).collect();
    FleetFacts {
        read: Evidence { kind: "fleet", from, at: now, digest },
        tried: tried.into_iter().map(|tried| believed(tried, &vaults)).collect(),
        vaults,
    }
}

/// Credentials that are wrong are denied everywhere: what they reach is known once they have opened their own vault.
fn believed(tried: Tried, vaults: &[BranchFacts]) -> Tried {
    let own = vaults.iter().find(|one| one.name == tried.of);
    match (&tried.reach, own.map(|own| &own.keys)) {
        (Reach::Denied, None | Some(Err(_))) => {
            Tried { reach: Reach::Unknown("its own vault was not opened with them".to_owned()), ..tried }
        }
        _ => tried,
    }
}

fn of_vault(vault: &Vault) -> Result<BranchKeys, CommandError> {
    let mut digest = vault.row_digest();
    digest.add(MARK);
    // Of an SSH key the comment counts for nothing.
    let key = |recipient: &str| recipient.split_whitespace().take(2).collect::<Vec<_>>().join(" ");
    let people = vault.people()?.into_iter().filter(|person| person.is_active());
    Ok(BranchKeys {
        id: vault.id().to_string(),
        sealing: vault.sealing_recipients().map(str::to_owned).collect(),
        mark: digest.to_hex(),
        people: people.map(|person| (key(&person.recipient), person.name)).collect(),
    })
}

/// Tries one vault's credentials on another's store.
async fn try_at(whom: Option<&StoreSettings>, (at, place): (&Branch, Option<&StoreSettings>)) -> Reach {
    let unknown = |why: &str| Reach::Unknown(why.to_owned());
    if at.url.scheme() == "file" {
        return unknown("a folder is open to accounts of this machine");
    }
    let (Some(whom), Some(place)) = (whom, place) else { return unknown("its credentials cannot be read") };
    if place.is_same_user(whom) {
        return unknown("the file gives both the same credentials");
    }
    let Some(settings) = place.as_whom(whom) else {
        return unknown("its credentials are the environment's");
    };
    match Store::open_with(&at.url, false, &settings) {
        Ok(store) => reach(&store.with_patience(ONCE)).await,
        Err(error) => Reach::Unknown(error.to_string()),
    }
}

/// What is there, every vault has: its keys to be listed, and its record to be read.
async fn reach(store: &Store) -> Reach {
    let (listed, read) = (store.list("keys").await.map(drop), store.get("vault").await.map(drop));
    match (listed, read) {
        (Ok(()), _) | (_, Ok(())) => Reach::Open,
        (Err(Error::Denied { .. }), Err(Error::Denied { .. })) => Reach::Denied,
        (Err(Error::Denied { .. }), Err(error)) | (Err(error), Err(_)) => Reach::Unknown(error.to_string()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn credentials_that_open_nothing_prove_nothing_by_being_denied() {
        let keys = BranchKeys {
            id: String::new(),
            sealing: Default::default(),
            mark: String::new(),
            people: Default::default(),
        };
        let vaults = [
            BranchFacts { name: "north".into(), keys: Ok(keys) },
            BranchFacts { name: "south".into(), keys: Err("access denied".into()) },
        ];
        let check = |of: &str, reach: Reach, expected: bool| {
            let told = believed(Tried { of: of.into(), at: "east".into(), reach }, &vaults);
            assert_eq!(matches!(told.reach, Reach::Unknown(_)), expected, "{of}");
        };
        check("north", Reach::Denied, false);
        check("south", Reach::Denied, true);
        check("south", Reach::Open, false);
        check("west", Reach::Denied, true);
    }
}
