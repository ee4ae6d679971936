//! Packets: four bytes of length and number before each, the longest continued in the next.
//!
//! A packet is handed out where it lies in the read buffer, so that a row costs no allocation and no
//! copy before its connector escapes it. Source of the format: MySQL's "Client/Server Protocol", "MySQL
//! Packets".

use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};

use super::WireError;

/// A payload of this length is continued in the next packet.
const PAYLOAD_MAX: usize = 0xff_ff_ff;
/// Length and number.
const HEADER: usize = 4;
/// What is asked of the network at once: several records of TLS.
const READ_BYTES: usize = 128 * 1024;

/// A stream of packets.
pub(super) struct Packets<S> {
    stream: S,
    buffer: Vec<u8>,
    /// What lies unread in the buffer.
    start: usize,
    end: usize,
    sequence: u8,
    out: Vec<u8>,
}

impl<S: AsyncRead + AsyncWrite + Unpin> Packets<S> {
    pub(super) fn new(stream: S) -> Self {
        Self { stream, buffer: vec![0; READ_BYTES], start: 0, end: 0, sequence: 0, out: Vec::new() }
    }

    /// The same conversation over another stream, such as this one within TLS. Refuses one on which the
    /// other side already said more: that was said by whoever stands between, before TLS.
    pub(super) fn into_inner(self) -> Result<(S, u8), WireError> {
        if self.start < self.end {
            return Err(WireError::Protocol("the server spoke before its turn".into()));
        }
        Ok((self.stream, self.sequence))
    }

    pub(super) fn with_sequence(mut self, sequence: u8) -> Self {
        self.sequence = sequence;
        self
    }

    /// Begins a new exchange.
    pub(super) fn begin(&mut self) {
        self.sequence = 0;
    }

    /// The next packet's payload, valid until the next call.
    pub(super) async fn read(&mut self) -> Result<&[u8], WireError> {
        let mut length = self.header(0).await?;
        let mut whole = length;
        while length == PAYLOAD_MAX {
            // The continuation's header goes, so that its payload follows on.
            let at = HEADER + whole;
            length = self.header(at).await?;
            let (from, to) = (self.start + at + HEADER, self.start + at);
            self.buffer.copy_within(from..self.end, to);
            self.end -= HEADER;
            whole += length;
        }
        self.fill(HEADER + whole).await?;
        let payload = self.start + HEADER;
        self.start = payload + whole;
        Ok(&self.buffer[payload..payload + whole])
    }

    /// Reads the header that lies `at` bytes after the start and everything that it announces.
    async fn header(&mut self, at: usize) -> Result<usize, WireError> {
        self.fill(at + HEADER).await?;
        let header = &self.buffer[self.start + at..self.start + at + HEADER];
        let length = usize::from(header[0]) | usize::from(header[1]) << 8 | usize::from(header[2]) << 16;
        if header[3] != self.sequence {
            return Err(WireError::Protocol("the server's packets are out of order".into()));
        }
        self.sequence = self.sequence.wrapping_add(1);
        self.fill(at + HEADER + length).await?;
        Ok(length)
    }

    /// Sees to it that `wanted` bytes lie unread in the buffer.
    async fn fill(&mut self, wanted: usize) -> Result<(), WireError> {
        while self.end - self.start < wanted {
            if self.start > 0 {
                self.buffer.copy_within(self.start..self.end, 0);
                self.end -= self.start;
                self.start = 0;
            }
            if self.buffer.len() < wanted.max(self.end + 1) {
                self.buffer.resize(wanted.max(self.buffer.len() * 2), 0);
            }
            match self.stream.read(&mut self.buffer[self.end..]).await? {
                0 => return Err(WireError::Io(std::io::ErrorKind::UnexpectedEof.into())),
                read => self.end += read,
            }
        }
        if self.buffer.len() > 4 * READ_BYTES && self.end - self.start <= READ_BYTES && wanted <= READ_BYTES {
            // One large value does not keep its buffer for ever.
            self.buffer.copy_within(self.start..self.end, 0);
            (self.end, self.start) = (self.end - self.start, 0);
            self.buffer.truncate(READ_BYTES);
            self.buffer.shrink_to_fit();
        }
        Ok(())
    }

    /// Sends a payload, in as many packets as it takes.
    pub(super) async fn write(&mut self, payload: &[u8]) -> Result<(), WireError> {
        let mut rest = payload;
        loop {
            let (piece, after) = rest.split_at(rest.len().min(PAYLOAD_MAX));
            self.out.clear();
            self.out.extend_from_slice(&(piece.len() as u32).to_le_bytes()[..3]);
            self.out.push(self.sequence);
            self.sequence = self.sequence.wrapping_add(1);
            self.out.extend_from_slice(piece);
            self.stream.write_all(&self.out).await?;
            if piece.len() < PAYLOAD_MAX {
                return Ok(self.stream.flush().await?);
            }
            rest = after;
        }
    }
}

/// Reads what a payload holds, from front to back.
#[derive(Debug, Clone, Copy)]
pub(super) struct Fields<'a>(pub(super) &'a [u8]);

impl<'a> Fields<'a> {
    pub(super) fn bytes(&mut self, length: usize) -> Result<&'a [u8], WireError> {
        let (taken, rest) = self
            .0
            .split_at_checked(length)
            .ok_or_else(|| WireError::Protocol("a packet is cut short".into()))?;
        self.0 = rest;
        Ok(taken)
    }

    /// A number of `length` bytes, the lowest first.
    pub(super) fn number(&mut self, length: usize) -> Result<u64, WireError> {
        Ok(self.bytes(length)?.iter().rev().fold(0, |number, byte| number << 8 | u64::from(*byte)))
    }

    /// Up to a zero byte, which is not part of it, or the end.
    pub(super) fn text(&mut self) -> &'a [u8] {
        let end = self.0.iter().position(|byte| *byte == 0);
        let taken = &self.0[..end.unwrap_or(self.0.len())];
        self.0 = &self.0[end.map_or(self.0.len(), |end| end + 1)..];
        taken
    }

    /// A number of the length that its first byte says.
    pub(super) fn length(&mut self) -> Result<u64, WireError> {
        match self.number(1)? {
            0xfc => self.number(2),
            0xfd => self.number(3),
            0xfe => self.number(8),
            small => Ok(small),
        }
    }

    /// A value of a row; none is NULL.
    #[inline]
    pub(super) fn value(&mut self) -> Result<Option<&'a [u8]>, WireError> {
        match self.0.first() {
            Some(0xfb) => {
                self.0 = &self.0[1..];
                Ok(None)
            }
            Some(&small) if small < 0xfb => {
                let length = usize::from(small);
                match self.0.get(1..1 + length) {
                    Some(value) => {
                        self.0 = &self.0[1 + length..];
                        Ok(Some(value))
                    }
                    None => Err(WireError::Protocol("a row is cut short".into())),
                }
            }
            _ => {
                let length = self.length()?;
                self.bytes(length as usize).map(Some)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_payload_of_any_length_crosses_whole() {
        for length in [0, 1, PAYLOAD_MAX - 1, PAYLOAD_MAX, PAYLOAD_MAX + 1, 2 * PAYLOAD_MAX + 7] {
            let (here, there) = tokio::io::duplex(1 << 20);
            let payload: Vec<u8> = (0..length).map(|at| (at % 251) as u8).collect();
            let sent = payload.clone();
            let sending = tokio::spawn(async move { Packets::new(there).write(&sent).await });
            let mut packets = Packets::new(here);
            assert!(packets.read().await.expect("a packet") == payload, "{length}");
            sending.await.expect("no panic").expect("it is sent");
        }
    }

    #[test]
    fn values_of_every_length_are_told_apart() {
        let mut fields = Fields(b"\xfb\x00\x02ab\xfc\x03\x00cde");
        assert_eq!(fields.value().expect("null"), None);
        assert_eq!(fields.value().expect("empty"), Some(&b""[..]));
        assert_eq!(fields.value().expect("short"), Some(&b"ab"[..]));
        assert_eq!(fields.value().expect("longer"), Some(&b"cde"[..]));
        assert!(fields.value().is_err());
    }
}
