//! The login: the server's greeting, TLS before anything of ours is said, the account's proof.

use std::path::PathBuf;

use tokio::net::{TcpStream, UnixStream};
use tokio_rustls::TlsConnector;

use super::packet::{Fields, Packets};
use super::tls::{self, SslMode, TlsFiles};
use super::{ERR, OK, Stream, Wire, WireError, auth, refusal};
use crate::socket::keep_alive;

/// What this client can do, as the protocol numbers it: LONG_PASSWORD, LONG_FLAG, CONNECT_WITH_DB,
/// LOCAL_FILES, PROTOCOL_41, TRANSACTIONS, SECURE_CONNECTION, PLUGIN_AUTH, CONNECT_ATTRS and
/// PLUGIN_AUTH_LENENC_CLIENT_DATA. Not several statements in one: what slips into one stays in it.
const CAPABILITIES: u32 =
    0x1 | 0x4 | LOCAL_FILES | 0x200 | 0x2000 | 0x8000 | 0x8_0000 | 0x10_0000 | 0x20_0000;
const CONNECT_WITH_DB: u32 = 0x8;
const LOCAL_FILES: u32 = 0x80;
const SSL: u32 = 0x800;
/// The longest packet that we take; the servers' own limit.
const PACKET_MAX: u32 = 1 << 30;
/// `utf8mb4_general_ci`, known to every version.
const CHARSET: u8 = 45;
/// What the server calls this program in its lists.
const PROGRAM: &[u8] = b"lifeboat";
/// Another method of authentication is asked for, or more of this one.
const AUTH_SWITCH: u8 = 0xfe;
const AUTH_MORE: u8 = 0x01;
/// `caching_sha2_password`: the scramble was right; or: the password itself is needed.
const FAST_OK: u8 = 3;
const FULL: u8 = 4;

/// Where a server is.
#[derive(Debug, Clone)]
pub(in crate::mysql) enum Place {
    /// Over the network.
    Tcp { host: String, port: u16 },
    /// Through a socket.
    Socket(PathBuf),
}

/// Who we are and what we want.
#[derive(Clone)]
pub(in crate::mysql) struct Login {
    pub(in crate::mysql) place: Place,
    pub(in crate::mysql) user: String,
    pub(in crate::mysql) password: Option<String>,
    /// None connects to the server alone.
    pub(in crate::mysql) database: Option<String>,
    pub(in crate::mysql) mode: SslMode,
    pub(in crate::mysql) files: TlsFiles,
}

/// What the server says first.
struct Greeting {
    capabilities: u32,
    challenge: Vec<u8>,
    plugin: String,
}

impl Login {
    /// Connects and logs in.
    pub(in crate::mysql) async fn connect(&self) -> Result<Wire, WireError> {
        match &self.place {
            Place::Socket(path) => {
                let stream: Box<dyn Stream> = Box::new(UnixStream::connect(path).await?);
                let mut packets = Packets::new(stream);
                let greeting = greeting(packets.read().await?)?;
                self.prove(packets, greeting, false, true).await
            }
            Place::Tcp { host, port } => {
                let stream = TcpStream::connect((host.as_str(), *port)).await?;
                stream.set_nodelay(true)?;
                keep_alive(&stream)?;
                self.over_tcp(Packets::new(stream), host).await
            }
        }
    }

    async fn over_tcp(&self, mut packets: Packets<TcpStream>, host: &str) -> Result<Wire, WireError> {
        let greeting = greeting(packets.read().await?)?;
        let offered = greeting.capabilities & SSL != 0;
        if self.mode == SslMode::Disabled || (self.mode == SslMode::Preferred && !offered) {
            let (stream, sequence) = packets.into_inner()?;
            let stream: Box<dyn Stream> = Box::new(stream);
            return self.prove(Packets::new(stream).with_sequence(sequence), greeting, false, false).await;
        }
        if !offered {
            return Err(WireError::Insecure("the server offers no TLS".into()));
        }
        packets.write(&self.opening(SSL)).await?;
        let (stream, sequence) = packets.into_inner()?;
        let connector = TlsConnector::from(std::sync::Arc::new(tls::config(self.mode, &self.files)?));
        let name =
            host.to_owned().try_into().map_err(|_| WireError::Insecure(format!("{host} is no host name")))?;
        let stream = connector.connect(name, stream).await.map_err(insecure)?;
        let stream: Box<dyn Stream> = Box::new(stream);
        self.prove(Packets::new(stream).with_sequence(sequence), greeting, true, true).await
    }

    /// The fixed part of our answer, which is also all of what asks for TLS.
    fn opening(&self, more: u32) -> Vec<u8> {
        let database = if self.database.is_some() { CONNECT_WITH_DB } else { 0 };
        let mut opening = (CAPABILITIES | database | more).to_le_bytes().to_vec();
        opening.extend_from_slice(&PACKET_MAX.to_le_bytes());
        opening.push(CHARSET);
        opening.extend_from_slice(&[0; 23]);
        opening
    }

    async fn prove(
        &self,
        mut packets: Packets<Box<dyn Stream>>,
        greeting: Greeting,
        encrypted: bool,
        private: bool,
    ) -> Result<Wire, WireError> {
        let password = self.password.as_deref().unwrap_or_default();
        let Greeting { capabilities, mut challenge, mut plugin } = greeting;
        // A default that we do not speak need not be the account's: the server will say.
        let first = auth::answer(&plugin, password, &challenge, private)
            .or_else(|_| auth::answer("mysql_native_password", password, &challenge, private))?;
        let mut response = self.opening(if encrypted { SSL } else { 0 });
        if capabilities & LOCAL_FILES == 0 {
            // Nothing is lost: the statement is refused, and rows go in by INSERT.
            let without =
                u32::from_le_bytes([response[0], response[1], response[2], response[3]]) & !LOCAL_FILES;
            response[..4].copy_from_slice(&without.to_le_bytes());
        }
        response.extend_from_slice(self.user.as_bytes());
        response.push(0);
        let length = u8::try_from(first.len());
        response
            .push(length.map_err(|_| WireError::Unsupported("a password of more than 255 bytes".into()))?);
        response.extend_from_slice(&first);
        if let Some(database) = &self.database {
            response.extend_from_slice(database.as_bytes());
            response.push(0);
        }
        response.extend_from_slice(plugin.as_bytes());
        response.push(0);
        let attributes = [&[12][..], b"program_name", &[PROGRAM.len() as u8], PROGRAM].concat();
        response.push(attributes.len() as u8);
        response.extend_from_slice(&attributes);
        packets.write(&response).await?;
        loop {
            let payload = packets.read().await?;
            let next = match payload.first() {
                Some(&OK) => return Ok(Wire { packets, encrypted }),
                Some(&ERR) => return Err(refusal(payload)),
                Some(&AUTH_SWITCH) => {
                    let mut fields = Fields(&payload[1..]);
                    plugin = String::from_utf8_lossy(fields.text()).into_owned();
                    challenge = fields.0.to_vec();
                    Some(auth::answer(&plugin, password, &challenge, private)?)
                }
                Some(&auth::PARSEC_SALT) if plugin == auth::PARSEC => {
                    Some(auth::parsec(password, &challenge, payload)?)
                }
                Some(&AUTH_MORE) if plugin == auth::PARSEC => {
                    Some(auth::parsec(password, &challenge, &payload[1..])?)
                }
                Some(&AUTH_MORE) => match payload.get(1) {
                    Some(&FAST_OK) => None,
                    Some(&FULL) => Some(auth::full(&plugin, password, private)?),
                    // PAM's dialog asks its question in words.
                    _ => Some(auth::full(&plugin, password, private)?),
                },
                _ => return Err(WireError::Protocol("an unexpected packet during the login".into())),
            };
            if let Some(answer) = next {
                packets.write(&answer).await?;
            }
        }
    }
}

fn greeting(payload: &[u8]) -> Result<Greeting, WireError> {
    let mut fields = Fields(payload);
    match fields.number(1)? as u8 {
        10 => {}
        ERR => return Err(refusal(payload)),
        _ => return Err(WireError::Protocol("this is no MySQL or MariaDB server".into())),
    }
    fields.text();
    fields.bytes(4)?;
    let mut challenge = fields.bytes(8)?.to_vec();
    fields.bytes(1)?;
    let low = fields.number(2)?;
    fields.bytes(3)?;
    let high = fields.number(2)?;
    let length = fields.number(1)? as usize;
    fields.bytes(10)?;
    let rest = length.saturating_sub(8).max(13).min(fields.0.len());
    challenge.extend_from_slice(fields.bytes(rest)?);
    let plugin = String::from_utf8_lossy(fields.text()).into_owned();
    Ok(Greeting { capabilities: (low | high << 16) as u32, challenge, plugin })
}

/// rustls tells of a certificate it does not believe as of a failed read.
fn insecure(error: std::io::Error) -> WireError {
    match error.get_ref().and_then(|inner| inner.downcast_ref::<rustls::Error>()) {
        Some(inner) => WireError::Insecure(inner.to_string()),
        None => WireError::Io(error),
    }
}
