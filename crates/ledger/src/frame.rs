//! The bytes of the journal: a segment's head, and frames.
//!
//! A segment starts with [`MAGIC`] and its number (u64, big endian). Frames follow:
//!
//! ```text
//! u32 length      of what follows the checksum, big endian, never 0
//! u32 checksum    CRC-32 (IEEE 802.3) of index as u64 ‖ length ‖ what follows
//! u16 entry length
//! entry           canonical JSON
//! body            nonce ‖ AES-256-GCM ciphertext ‖ tag; empty if the entry has no body
//! ```
//!
//! After the last frame there is nothing but zeros. The checksum finds torn writes, no more: that
//! nothing was *forged* follows from the leaf hashes under the signed checkpoint, and from the digest
//! of the body in the entry. The index in it keeps a frame from passing for another.

use crc32fast::Hasher;
use remit_model::Digest;

/// The first bytes of a segment.
const MAGIC: [u8; 16] = *b"remit journal 2\n";

/// Bytes of a segment's head.
pub(crate) const HEAD: u64 = 24;

/// Bytes of length and checksum.
pub(crate) const PREFIX: usize = 8;

/// Bytes a frame takes on disk.
pub(crate) fn length(entry: usize, body: usize) -> u64 {
    let payload = entry.saturating_add(body).saturating_add(2);
    payload.saturating_add(PREFIX) as u64
}

/// The head of segment `number`.
pub(crate) fn head(number: u32) -> Vec<u8> {
    [&MAGIC[..], &u64::from(number).to_be_bytes()].concat()
}

fn checksum(index: u64, length: [u8; 4], payload: &[&[u8]]) -> [u8; 4] {
    let mut hasher = Hasher::new();
    hasher.update(&index.to_be_bytes());
    hasher.update(&length);
    for part in payload {
        hasher.update(part);
    }
    hasher.finalize().to_be_bytes()
}

/// Appends the frame of entry `index` to `out`. The caller has checked both sizes.
pub(crate) fn write(out: &mut Vec<u8>, index: u64, entry: &[u8], body: &[u8]) {
    let entry_length = u16::try_from(entry.len()).unwrap_or(u16::MAX).to_be_bytes();
    let payload = [&entry_length[..], entry, body];
    let length = payload.iter().map(|part| part.len()).fold(0, usize::saturating_add);
    let length = u32::try_from(length).unwrap_or(u32::MAX).to_be_bytes();
    out.extend_from_slice(&length);
    out.extend_from_slice(&checksum(index, length, &payload));
    for part in payload {
        out.extend_from_slice(part);
    }
}

/// The length that a frame's first eight bytes claim, and its checksum; `None` if they are zeros,
/// the end of the frames.
pub(crate) fn prefix(bytes: [u8; PREFIX]) -> Option<(u32, [u8; 4])> {
    let [a, b, c, d, sum @ ..] = bytes;
    (bytes != [0; PREFIX]).then_some((u32::from_be_bytes([a, b, c, d]), sum))
}

/// What a frame holds, as it lies in the journal.
#[derive(Clone, Debug)]
pub(crate) struct Payload(Vec<u8>);

impl Payload {
    /// Takes what stands behind a frame's first eight bytes; `None` if `sum` is not its checksum as entry `index`.
    pub(crate) fn open(index: u64, sum: [u8; 4], bytes: Vec<u8>) -> Option<Self> {
        let length = u32::try_from(bytes.len()).ok()?.to_be_bytes();
        let fits = checksum(index, length, &[&bytes]) == sum && split(&bytes).is_some();
        fits.then_some(Self(bytes))
    }

    /// Canonical JSON.
    pub(crate) fn entry(&self) -> &[u8] {
        split(&self.0).unwrap_or_default().0
    }

    /// The ciphertext; empty if the entry has no body.
    pub(crate) fn body(&self) -> &[u8] {
        split(&self.0).unwrap_or_default().1
    }
}

/// The entry and the body.
fn split(payload: &[u8]) -> Option<(&[u8], &[u8])> {
    let (length, rest) = payload.split_first_chunk()?;
    rest.split_at_checked(usize::from(u16::from_be_bytes(*length)))
}

/// The digest of a body's ciphertext as entries name it.
pub(crate) fn body_digest(body: &[u8]) -> Option<Digest> {
    (!body.is_empty()).then(|| Digest::of(body))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_flipped_bit_of_a_frame_is_found() {
        let mut frame = Vec::new();
        write(&mut frame, 7, b"{\"entry\":1}", b"ciphertext");
        assert_eq!(frame.len() as u64, length(11, 10));
        let read = |frame: &[u8], index| {
            let (length, sum) = prefix(frame[..PREFIX].try_into().unwrap())?;
            let payload = frame.get(PREFIX..PREFIX + usize::try_from(length).unwrap())?.to_vec();
            let payload = Payload::open(index, sum, payload)?;
            Some((payload.entry().to_vec(), payload.body().to_vec()))
        };
        let expected = (b"{\"entry\":1}".to_vec(), b"ciphertext".to_vec());
        assert_eq!(read(&frame, 7), Some(expected));
        assert_eq!(read(&frame, 8), None, "a frame passes for no other");
        for bit in 0..frame.len() * 8 {
            let mut bytes = frame.clone();
            bytes[bit / 8] ^= 1 << (bit % 8);
            assert_eq!(read(&bytes, 7), None, "bit {bit}");
        }
        assert_eq!(prefix([0; PREFIX]), None);
    }
}
