//! Objects that no program writes, and whoever has the keys could: signed and sealed as they should be.

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use ed25519_dalek::SigningKey;
use lifeboat_vault::format::audit::AuditEntry;
use lifeboat_vault::format::envelope::{Envelope, Kind, Signer, sign};
use lifeboat_vault::format::keys::{Keyring, PersonRecord};
use lifeboat_vault::store::Store;
use lifeboat_vault::{AgentKey, Realm, Vault};

/// An entry of an agent's record.
pub async fn entry(vault: &Vault, agent: &AgentKey, entry: &AuditEntry) -> Vec<u8> {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("agent.key");
    agent.write_new(&file).unwrap();
    let file: serde_json::Value = serde_json::from_slice(&std::fs::read(file).unwrap()).unwrap();
    let signing = key_of(file["signing"].as_str().unwrap());
    let json = zstd::bulk::compress(&serde_json::to_vec(entry).unwrap(), 3).unwrap();
    let sealed = age::encrypt(&metadata_recipient(&keyring(vault.store(), 1).await), &json).unwrap();
    sign(Kind::Audit, Signer::Agent(agent.id()), &signing, vault.id(), &sealed)
}

/// A keyring, signed by the root, whose wrap `identity` opens, with another list of people.
pub async fn keyring_with(
    vault: &Vault,
    identity: &age::x25519::Identity,
    mut keyring: Keyring,
    people: &[PersonRecord],
) -> Vec<u8> {
    let wrap = vault.store().get(&keyring.root_wrap).await.unwrap();
    let root = key_of(std::str::from_utf8(&age::decrypt(identity, &wrap).unwrap()).unwrap().trim());
    let people = age::encrypt(&metadata_recipient(&keyring), &serde_json::to_vec(people).unwrap()).unwrap();
    keyring.people = BASE64_STANDARD.encode(people);
    sign(Kind::Keyring, Signer::Root, &root, vault.id(), &serde_json::to_vec(&keyring).unwrap())
}

/// A keyring as it stands in the store.
pub async fn keyring(store: &Store, sequence: u32) -> Keyring {
    let name = format!("keys/keyring-{sequence:08}");
    let object = store.get(&name).await.unwrap();
    serde_json::from_slice(Envelope::parse(&name, Kind::Keyring, &object).unwrap().body).unwrap()
}

fn metadata_recipient(keyring: &Keyring) -> age::x25519::Recipient {
    let newest = keyring.keys.iter().rfind(|key| key.realm == Realm::Metadata).unwrap();
    newest.recipient.parse().unwrap()
}

fn key_of(seed: &str) -> SigningKey {
    SigningKey::from_bytes(&hex::decode(seed).unwrap().try_into().unwrap())
}
