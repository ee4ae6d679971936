//! People with keys of every kind, and a vault that they share.

use std::io::Write;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use age::secrecy::SecretString;
use lifeboat_vault::store::Store;
use lifeboat_vault::{
    AgentKey, Grade, Identities, KeyChange, KeyOutcome, KeyPlan, Opener, Person, Result, Vault, create,
    list_snapshots,
};
use object_store::memory::InMemory;

use crate::lab::{Day, impatient, now, read_day, small_chunks};

pub(super) const SSH_KEY: &str = "-----BEGIN OPENSSH PRIVATE KEY-----
b3BlbnNzaC1rZXktdjEAAAAABG5vbmUAAAAEbm9uZQAAAAAAAAABAAAAMwAAAAtzc2gtZW
QyNTUxOQAAACDf3djAnSMwAWSCsnAII2bc/RZjSyAtoRmwL4ScWuvpJgAAAIgPAD30DwA9
9AAAAAtzc2gtZWQyNTUxOQAAACDf3djAnSMwAWSCsnAII2bc/RZjSyAtoRmwL4ScWuvpJg
AAAEAcZKeNJsyhG61KEzJCvdhSHLeATEYaeXb+VxFSt6RqmN/d2MCdIzABZIKycAgjZtz9
FmNLIC2hGbAvhJxa6+kmAAAABHRlc3QB
-----END OPENSSH PRIVATE KEY-----
";
pub(super) const SSH_RECIPIENT: &str =
    "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIN/d2MCdIzABZIKycAgjZtz9FmNLIC2hGbAvhJxa6+km test";
pub(super) const PASSPHRASE: &str = "correct horse battery staple";
pub(super) const SECOND_KEYRING: &str = "keys/keyring-00000002";

/// What opens the next.
pub(super) const LOCKED_SSH_PASSPHRASE: &str = "correct horse";
/// An SSH key that a passphrase protects.
pub(super) const LOCKED_SSH_KEY: &str = "-----BEGIN OPENSSH PRIVATE KEY-----
b3BlbnNzaC1rZXktdjEAAAAACmFlczI1Ni1jdHIAAAAGYmNyeXB0AAAAGAAAABDLsdJ6hb
YjI1vs+u9arzbyAAAAAQAAAAEAAAAzAAAAC3NzaC1lZDI1NTE5AAAAIGg0szyzWoi7NnpX
GH5Xlu4ds/EfxwphMJ1M+vYiJPb9AAAAkMocV1YtZsP0Frpmeeyx2RE0P6RgYAz4gTVYBa
25gSxPD1kN6UBIP0tj1+5LsmsFC7XGvQB2FRbZBUZL+aolBQi3KdW/05DAuYoGV0SrFUU7
BhBrXLcf4t30JzzHWaFaz9OzLpDmOgwpKxLhhkHy7zStZ//UeLnJrd63DuG8MT8HhShAoL
yU8rVMoPRzsm4HbA==
-----END OPENSSH PRIVATE KEY-----
";
pub(super) const LOCKED_SSH_RECIPIENT: &str =
    "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIGg0szyzWoi7NnpXGH5Xlu4ds/EfxwphMJ1M+vYiJPb9 test";

/// A key of RSA, as OpenSSH wrote it until 2018.
pub(super) const RSA_KEY: &str = "-----BEGIN RSA PRIVATE KEY-----
MIIEowIBAAKCAQEA0FFXOLEPqJIrdmDCoZWAXpnp53JwJCeCzs3soLZJYbmtEYu2
AUHlTUxVito5693XS3bJehGtklvwrbEpx6dANrjio7RG0XRL4Hvu3mEyRbwOjd9X
Z2x+SC91SY5EleXp94PljKyfyEkAN3qXfmC5qi4wDb15R469C6jH+kMX1Oi/WuRV
ulRTLSEIEkk32s8ApNKmO10DtSDnll9gk56oc1Ncbs3Bx4WWujzEiGRmWdtguy56
y0VBGyJKb4xGTlWU/F2sxfNdjJoURwJBIOQho1YOWZQrg1BGEnEtyi45+XWUodKL
P5anL90RUpSNKXhQBokq8lKktbrnFzOu5wNAZwIDAQABAoIBAFGGG6O4iz+1oGOt
301cFAYxpruoaeGEQulK5llIrTQc9XGB4wLf9mxHPMzftT4srZY/UP7AD1TRPUHE
LO0Q84zW0v8szHAo2o7qAWOu1v06aNm1t19mso7uX7CfCBE/jk4KpJlmbwtzIi4U
AFh5Yv+KHs0pwt4xqqL29PfoLNnpXTtsPj/tGoOzf5+axgFoVd16AEiDbuGlWurC
4NXQrn+ozmdPBo9R4xFVGhmciVQH8JLi+XfbVIvrEknP854+ErvALbs3kIcpNi6A
XJsBeYAyXBPC7KxTbip6mMun7bVwyGGHRhuCsurrYAGMGzZhyby2Al3Mz3ZnyLI0
sMm+eu0CgYEA69bqzISKPrGrPey46vAK8qTEnAVOsp42TfWz+ASTGMm9byUoUkA+
Bmku4QXC3OjLG2CxrrEki7Fi2X42iyvjtR2BgIHfQSSxzlJ4zjma9Upc5G6eu+yw
OCxphv48UoWmdRpToapvUuEF4yXGPj7hd/JTLftVeTW7b2h6gR8VMmUCgYEA4iAj
5pCxMl+ueKHHe2JPhKgsmwb9t/Z9PMYTw4sDMY27+cX7MqXfkVzLt5g5fZP3U350
jI056bBH4D9SoeeIP4t3Nd6BCpi/0eS4h8k5zoKMLFja1LaXAZPLev7Sw2P+VlwD
zzqLL0zqi5FIiKyfy9d3VMTPbqId/WeNMgx4VNsCgYAsv4uvoJpmiOmYB1mS4lcB
cTgI7ozfIVvmcO9j6OJMOsMh2qgK6zuZlc2aTrCJn/YhzLgKEHyBsPezktogkARV
sjKHQp0szBycrFNVteJsFl8HzOF7gM5y6iJfxc+GTOunnoYtz5vt2tp2Hg2+c8nu
K2GTAPRX2lUlL2rHIzGvbQKBgAlP/4qATPvhGuNW7kszikjRUDz2Nb68xP2avref
4vrIdoRb1fOJB0MKSk1+VGfKjzX+EDi1nDv2iY8/rFyEl4TeboNmbXQNRGEVhU/6
RootsC4nXqPB/UgQWSHwmqd3V8MguPtw0siY51PmINGYImCXuA9ip5RL0uZbvGHi
R5ZfAoGBAK+GE3w3a4TYznsNs3//cJVcFcdxgi1t1i2KPqmEnUdgDjFfZ+HO+rfN
h8XZHDGp1JasFTdYlJ4tc/EQKEV4NhdDYd80ODysAeKoStegqKVLEmMyqt/OqLVw
w/AtUEZPCQ1WX/P0prCTcduW6NOC4qBe25JJeISsaXTm5yocWpiq
-----END RSA PRIVATE KEY-----
";
pub(super) const RSA_RECIPIENT: &str = "ssh-rsa \
    AAAAB3NzaC1yc2EAAAADAQABAAABAQDQUVc4sQ+okit2YMKhlYBemenncnAkJ4LOzeygtklhua0Ri7YBQeVNTFWK2jnr3ddL\
    dsl6Ea2SW/CtsSnHp0A2uOKjtEbRdEvge+7eYTJFvA6N31dnbH5IL3VJjkSV5en3g+WMrJ/ISQA3epd+YLmqLjANvXlHjr0L\
    qMf6QxfU6L9a5FW6VFMtIQgSSTfazwCk0qY7XQO1IOeWX2CTnqhzU1xuzcHHhZa6PMSIZGZZ22C7LnrLRUEbIkpvjEZOVZT8\
    XazF812MmhRHAkEg5CGjVg5ZlCuDUEYScS3KLjn5dZSh0os/lqcv3RFSlI0peFAGiSryUqS1uucXM67nA0Bn\
    ";

/// Knows a passphrase, and counts how often it is asked for it.
#[derive(Clone)]
pub(super) struct Knows {
    passphrase: &'static str,
    pub(super) asked: Arc<AtomicUsize>,
}

impl Knows {
    pub(super) fn new(passphrase: &'static str) -> Self {
        Self { passphrase, asked: Arc::default() }
    }
}

impl age::Callbacks for Knows {
    fn display_message(&self, _: &str) {}
    fn confirm(&self, _: &str, _: &str, _: Option<&str>) -> Option<bool> {
        None
    }
    fn request_public_string(&self, _: &str) -> Option<String> {
        None
    }
    fn request_passphrase(&self, _: &str) -> Option<SecretString> {
        self.asked.fetch_add(1, Ordering::SeqCst);
        Some(SecretString::from(self.passphrase.to_owned()))
    }
}

/// Somebody with a key file.
pub(super) struct Member {
    pub(super) person: Person,
    pub(super) file: tempfile::NamedTempFile,
}

impl Member {
    pub(super) fn with_file(name: &str, recipient: &str, grades: &[Grade], key: &[u8]) -> Self {
        let mut file = tempfile::NamedTempFile::new().unwrap();
        file.write_all(key).unwrap();
        file.flush().unwrap();
        Self {
            person: Person {
                name: name.into(),
                recipient: recipient.into(),
                grades: grades.to_vec(),
                ..Person::default()
            },
            file,
        }
    }

    pub(super) fn native(name: &str, grades: &[Grade]) -> Self {
        use age::secrecy::ExposeSecret;
        let identity = age::x25519::Identity::generate();
        let (public, secret) = (identity.to_public().to_string(), identity.to_string());
        Self::with_file(name, &public, grades, secret.expose_secret().as_bytes())
    }

    pub(super) fn ssh(name: &str, grades: &[Grade]) -> Self {
        Self::with_file(name, SSH_RECIPIENT, grades, SSH_KEY.as_bytes())
    }

    /// A native key in a file that a passphrase protects, as `age -p` makes it.
    pub(super) fn passphrase(name: &str, grades: &[Grade]) -> Self {
        use age::secrecy::ExposeSecret;
        let identity = age::x25519::Identity::generate();
        let mut recipient = age::scrypt::Recipient::new(SecretString::from(PASSPHRASE.to_owned()));
        recipient.set_work_factor(2);
        let sealed = age::encrypt(&recipient, identity.to_string().expose_secret().as_bytes()).unwrap();
        Self::with_file(name, &identity.to_public().to_string(), grades, &sealed)
    }

    pub(super) fn identities(&self) -> Identities {
        Identities::read(self.file.path(), Knows::new(PASSPHRASE)).unwrap()
    }

    /// Of those who have a native key in a file of their own.
    pub(super) fn native_identity(&self) -> age::x25519::Identity {
        std::fs::read_to_string(self.file.path()).unwrap().trim().parse().unwrap()
    }

    pub(super) async fn open(&self, store: Store) -> Result<Vault> {
        let identities = self.identities();
        Vault::open(store, Opener::Person(&identities), None).await?.unlock(&identities).await
    }
}

/// A vault with these people and an agent.
pub(super) struct Team {
    pub(super) objects: Arc<InMemory>,
    pub(super) agent: AgentKey,
    pub(super) state: tempfile::TempDir,
}

impl Team {
    pub(super) async fn new(members: &[&Member]) -> Self {
        Self::with_quorum(members, &[]).await
    }

    pub(super) async fn with_quorum(members: &[&Member], quorum: &[(Grade, u8)]) -> Self {
        let people: Vec<_> = members.iter().map(|member| member.person.clone()).collect();
        let (objects, agent) = (Arc::new(InMemory::new()), AgentKey::generate("db1"));
        let made = create(impatient(objects.clone()), &people, quorum, small_chunks(), now()).await.unwrap();
        made.enrol(&agent.request(), now()).await.unwrap();
        Self { objects, agent, state: tempfile::tempdir().unwrap() }
    }

    pub(super) fn store(&self) -> Store {
        impatient(self.objects.clone())
    }

    pub(super) async fn back_up(&self, day: &Day) -> Result<()> {
        let vault = Vault::open(self.store(), Opener::Agent(&self.agent), None).await?;
        crate::lab::back_up(&vault, &self.agent, self.state.path(), day, 1).await.map(drop)
    }

    pub(super) async fn change(&self, by: &Member, change: KeyChange) -> Result<KeyOutcome> {
        change_in(self.store(), by, &change, &[]).await
    }

    pub(super) async fn wraps(&self) -> Vec<String> {
        let listed = self.store().list("keys").await.unwrap().into_iter().map(|object| object.name);
        listed.filter(|name| name.ends_with(".age")).collect()
    }
}

pub(super) async fn change_in(
    store: Store,
    by: &Member,
    change: &KeyChange,
    copies: &[Store],
) -> Result<KeyOutcome> {
    let vault = by.open(store).await?;
    KeyPlan::make(&vault, &by.identities(), change).await?.carry_out(copies, now()).await
}

pub(super) fn retire(name: &str) -> KeyChange {
    KeyChange::Retire { name: name.into() }
}

pub(super) async fn newest_day(vault: &Vault) -> Result<Day> {
    let (snapshots, damage) = list_snapshots(vault).await?;
    assert!(damage.is_empty(), "{damage:?}");
    read_day(vault, snapshots.last().unwrap()).await
}
