//! The frame of a block: 44 bytes that say what follows, how much of it, and whether it is whole.

use crate::error::Malformed;
use crate::limits::BLOCK_BYTES_MAX;

/// The bytes a recording begins with.
pub(crate) const FILE_MAGIC: [u8; 8] = *b"\x89vmatlas";
/// The format written: a reader refuses a higher major version and accepts any minor one.
pub(crate) const FORMAT_MAJOR: u16 = 1;
/// Raised when something is added that older readers may skip.
pub(crate) const FORMAT_MINOR: u16 = 4;
/// `FILE_MAGIC`, major, minor, four bytes of zeros.
pub(crate) const PROLOGUE_BYTES: usize = 16;
/// The bytes a block begins with.
const BLOCK_MAGIC: [u8; 4] = *b"vmB1";
/// The size of a frame.
pub(crate) const FRAME_BYTES: usize = 44;

/// What a block holds. Readers skip the kinds they do not know.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct BlockKind(pub(crate) u8);

impl BlockKind {
    /// The facts about machine and run; always the first block.
    pub(crate) const HEADER: Self = Self(1);
    /// New entries of the dictionaries, written before the first block that uses them.
    pub(crate) const DICTIONARY: Self = Self(2);
    /// Events.
    pub(crate) const EVENTS: Self = Self(3);
    /// The state of the twin after some event, for seeking.
    pub(crate) const TWIN: Self = Self(5);
    /// The names of the frames of call chains.
    pub(crate) const SYMBOLS: Self = Self(6);
    /// Where every block is; the last block of a finished file.
    pub(crate) const INDEX: Self = Self(4);
}

/// How a block's payload is packed.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Packing {
    /// As it is.
    Raw = 0,
    /// One zstd frame.
    Zstd = 1,
}

/// The frame of one block.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Frame {
    /// What it holds.
    pub(crate) kind: BlockKind,
    /// How it is packed.
    pub(crate) packing: Packing,
    /// Bytes in the file after the frame.
    pub(crate) packed_bytes: u32,
    /// Bytes after unpacking.
    pub(crate) bytes: u32,
    /// Events inside.
    pub(crate) events: u32,
    /// The number of its first event, counted from the start of the recording.
    pub(crate) first_event: u64,
    /// The time of its first event, in nanoseconds.
    pub(crate) first_time_ns: u64,
    /// CRC-32 of the packed bytes.
    pub(crate) crc: u32,
}

impl Frame {
    /// Writes the frame; its own CRC-32 is the last word.
    pub(crate) fn to_bytes(self) -> [u8; FRAME_BYTES] {
        let mut out = [0; FRAME_BYTES];
        out[0..4].copy_from_slice(&BLOCK_MAGIC);
        out[4] = self.kind.0;
        out[5] = self.packing as u8;
        out[8..12].copy_from_slice(&self.packed_bytes.to_le_bytes());
        out[12..16].copy_from_slice(&self.bytes.to_le_bytes());
        out[16..20].copy_from_slice(&self.events.to_le_bytes());
        out[20..28].copy_from_slice(&self.first_event.to_le_bytes());
        out[28..36].copy_from_slice(&self.first_time_ns.to_le_bytes());
        out[36..40].copy_from_slice(&self.crc.to_le_bytes());
        let crc = crc32fast::hash(&out[..40]);
        out[40..44].copy_from_slice(&crc.to_le_bytes());
        out
    }

    /// Reads a frame and checks everything that can be checked without the payload.
    pub(crate) fn from_bytes(raw: &[u8; FRAME_BYTES]) -> Result<Self, Malformed> {
        let word = |at: usize| u32::from_le_bytes([raw[at], raw[at + 1], raw[at + 2], raw[at + 3]]);
        let long = |at: usize| u64::from(word(at)) | u64::from(word(at + 4)) << 32;
        if raw[0..4] != BLOCK_MAGIC {
            return Err(Malformed("no block begins here"));
        }
        if word(40) != crc32fast::hash(&raw[..40]) {
            return Err(Malformed("the checksum of a block's frame is wrong"));
        }
        let packing = match raw[5] {
            0 => Packing::Raw,
            1 => Packing::Zstd,
            _ => return Err(Malformed("a block is packed in an unknown way")),
        };
        let frame = Self {
            kind: BlockKind(raw[4]),
            packing,
            packed_bytes: word(8),
            bytes: word(12),
            events: word(16),
            first_event: long(20),
            first_time_ns: long(28),
            crc: word(36),
        };
        if frame.bytes as usize > BLOCK_BYTES_MAX || frame.packed_bytes as usize > BLOCK_BYTES_MAX {
            return Err(Malformed("a block claims to be larger than any block may be"));
        }
        if frame.first_event.checked_add(u64::from(frame.events)).is_none() {
            return Err(Malformed("a block's event numbers pass the end of all numbers"));
        }
        Ok(frame)
    }

    /// Packs a payload: the block's bytes as they go into the file, frame first.
    ///
    /// `frame`'s sizes, packing and checksum are filled in here.
    pub(crate) fn pack(mut self, payload: &[u8], packer: &mut Packer) -> std::io::Result<Vec<u8>> {
        debug_assert!(payload.len() <= BLOCK_BYTES_MAX);
        let packed = if payload.len() < 64 { None } else { Some(packer.0.compress(payload)?) };
        let body = match &packed {
            Some(packed) if packed.len() < payload.len() => {
                self.packing = Packing::Zstd;
                packed.as_slice()
            }
            _ => {
                self.packing = Packing::Raw;
                payload
            }
        };
        self.packed_bytes = body.len() as u32;
        self.bytes = payload.len() as u32;
        self.crc = crc32fast::hash(body);
        let mut out = Vec::with_capacity(FRAME_BYTES + body.len());
        out.extend_from_slice(&self.to_bytes());
        out.extend_from_slice(body);
        Ok(out)
    }

    /// Unpacks a payload and checks its checksum and size.
    pub(crate) fn unpack(&self, packed: Vec<u8>, unpacker: &mut Unpacker) -> Result<Vec<u8>, Malformed> {
        if crc32fast::hash(&packed) != self.crc {
            return Err(Malformed("the checksum of a block is wrong"));
        }
        let payload = match self.packing {
            Packing::Raw => packed,
            Packing::Zstd => unpacker
                .0
                .decompress(&packed, self.bytes as usize)
                .map_err(|_| Malformed("a block can't be unpacked"))?,
        };
        if payload.len() != self.bytes as usize {
            return Err(Malformed("a block unpacks to another size than it says"));
        }
        Ok(payload)
    }

    /// A frame whose sizes are still to be filled in by [`Frame::pack`].
    pub(crate) const fn of(kind: BlockKind, events: u32, first_event: u64, first_time_ns: u64) -> Self {
        Self {
            kind,
            packing: Packing::Raw,
            packed_bytes: 0,
            bytes: 0,
            events,
            first_event,
            first_time_ns,
            crc: 0,
        }
    }
}

/// Packs blocks; its tables are made once.
pub(crate) struct Packer(zstd::bulk::Compressor<'static>);

impl Packer {
    /// Fast enough to keep up with a recorder, and dense enough: columns of small numbers.
    const ZSTD_LEVEL: i32 = 1;

    pub(crate) fn new() -> std::io::Result<Self> {
        zstd::bulk::Compressor::new(Self::ZSTD_LEVEL).map(Self)
    }
}

/// Unpacks blocks; its tables are made once.
pub(crate) struct Unpacker(zstd::bulk::Decompressor<'static>);

impl Unpacker {
    pub(crate) fn new() -> std::io::Result<Self> {
        zstd::bulk::Decompressor::new().map(Self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_frame_round_trips_and_notices_every_flipped_bit() {
        let block = Frame::of(BlockKind::EVENTS, 7, 70, 700)
            .pack(&[42; 1000], &mut Packer::new().expect("packer"))
            .expect("packs");
        let raw: [u8; FRAME_BYTES] = block[..FRAME_BYTES].try_into().expect("long enough");
        let frame = Frame::from_bytes(&raw).expect("whole");
        assert_eq!((frame.events, frame.first_event, frame.first_time_ns), (7, 70, 700));
        assert_eq!(
            frame
                .unpack(block[FRAME_BYTES..].to_vec(), &mut Unpacker::new().expect("unpacker"))
                .expect("unpacks"),
            [42; 1000]
        );
        for bit in 0..FRAME_BYTES * 8 {
            let mut bad = raw;
            bad[bit / 8] ^= 1 << (bit % 8);
            assert!(Frame::from_bytes(&bad).is_err(), "bit {bit}");
        }
    }
}
