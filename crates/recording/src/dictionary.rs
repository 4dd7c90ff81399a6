//! The dictionaries: texts, files and call chains stored once and named by number afterwards.

use std::cell::OnceCell;
use std::collections::HashMap;
use std::sync::Arc;

use abi::{DevId, FileId, VirtAddr};

use crate::columns::{Col, ColumnNo, ColumnsIn, ColumnsOut};
use crate::error::Malformed;
use crate::event::{Bytes, FileKind, FileRef, OpenMode, StackId};

/// What of a [`FileRef`] stays the same from call to call.
#[derive(Clone, PartialEq, Eq, Hash)]
struct FileEntry {
    path: u32,
    id: FileId,
    kind: FileKind,
    mode: OpenMode,
    seals: u32,
    noexec: bool,
    append_only: bool,
}

/// The dictionaries of a file being written.
pub(crate) struct DictionaryOut {
    texts: HashMap<Bytes, u32>,
    files: HashMap<FileEntry, u32>,
    /// The chain stored last in this block, and how many there are in all.
    chain: Vec<VirtAddr>,
    chains: u32,
    /// Entries not yet in a block.
    fresh: ColumnsOut,
    fresh_entries: u32,
}

impl DictionaryOut {
    pub(crate) fn new() -> Self {
        Self {
            texts: HashMap::new(),
            files: HashMap::new(),
            chain: Vec::new(),
            chains: 0,
            fresh: ColumnsOut::new(),
            fresh_entries: 0,
        }
    }

    /// The number of a text.
    pub(crate) fn text(&mut self, text: &Bytes) -> u32 {
        if let Some(&no) = self.texts.get(text) {
            return no;
        }
        let no = self.texts.len() as u32;
        self.texts.insert(text.clone(), no);
        self.fresh.put_bytes(Col::DictBytes, text);
        self.fresh_entries += 1;
        no
    }

    /// The number of a file, its size and description apart.
    pub(crate) fn file(&mut self, file: &FileRef) -> u32 {
        let FileRef { path, id, bytes: _, kind, mode, description: _, seals, noexec, append_only } = file;
        let entry = FileEntry {
            path: self.text(path),
            id: *id,
            kind: *kind,
            mode: *mode,
            seals: *seals,
            noexec: *noexec,
            append_only: *append_only,
        };
        if let Some(&no) = self.files.get(&entry) {
            return no;
        }
        let no = self.files.len() as u32;
        self.fresh.put(Col::DictFile, u64::from(entry.path));
        self.fresh.put(ColumnNo::FILE_EXACT, exact(&entry));
        for word in words_of(&entry) {
            self.fresh.put(Col::DictFileWord, word);
        }
        self.files.insert(entry, no);
        self.fresh_entries += 1;
        no
    }

    /// Stores the next call chain: how much of its outer end is that of the chain before, then the rest.
    ///
    /// Of a chain of more than [`CHAIN_MAX`] frames the innermost ones are kept.
    pub(crate) fn chain(&mut self, chain: &[VirtAddr]) -> StackId {
        let chain = &chain[..chain.len().min(CHAIN_MAX)];
        let shared = chain.iter().rev().zip(self.chain.iter().rev()).take_while(|(a, b)| a == b).count();
        self.fresh.put(Col::DictChain, shared as u64);
        self.fresh.put(Col::DictChain, (chain.len() - shared) as u64);
        for addr in &chain[..chain.len() - shared] {
            self.fresh.put_difference(Col::DictAddr, addr.0);
        }
        self.chain = chain.to_vec();
        self.fresh_entries += 1;
        self.chains += 1;
        StackId(self.chains - 1)
    }

    /// Bytes of entries not yet in a block.
    pub(crate) fn fresh_bytes(&self) -> usize {
        self.fresh.bytes()
    }

    /// The payload of a block with the entries not yet in one, and how many there are.
    pub(crate) fn take_payload(&mut self) -> Option<(Vec<u8>, u32)> {
        let entries = std::mem::take(&mut self.fresh_entries);
        (entries > 0).then(|| {
            // Chains lean on the one before only within a block.
            self.chain = Vec::new();
            (self.fresh.take_payload(), entries)
        })
    }
}

fn words_of(entry: &FileEntry) -> [u64; 5] {
    let mode = entry.mode;
    let bits = [mode.read, mode.write, mode.append, mode.path_only, entry.noexec];
    let bits = bits.iter().enumerate().fold(0, |sum, (at, &bit)| sum | u64::from(bit) << at);
    let kind = entry.kind.plain() as u64;
    [
        u64::from(entry.id.dev.major),
        u64::from(entry.id.dev.minor),
        entry.id.ino,
        kind << 5 | bits,
        u64::from(entry.seals),
    ]
}

/// The kind by its number among all, and what only readers since format 1.4 know.
fn exact(entry: &FileEntry) -> u64 {
    (entry.kind as u64) << 1 | u64::from(entry.append_only)
}

/// The dictionaries of a file being read, as far as its blocks have been seen.
#[derive(Default)]
pub(crate) struct DictionaryIn {
    texts: Vec<Bytes>,
    files: Vec<FileRef>,
    chains: Vec<Chains>,
    chain_count: u64,
}

/// The call chains of one block, unpacked when the first of them is asked for: a reader that seeks passes over most.
struct Chains {
    /// The number of the first.
    first: u64,
    payload: Vec<u8>,
    read: OnceCell<Result<Vec<Arc<[VirtAddr]>>, Malformed>>,
}

impl DictionaryIn {
    /// Adds the entries of a block, of which there are `entries` in all.
    pub(crate) fn add(&mut self, payload: Vec<u8>, entries: u32) -> Result<(), Malformed> {
        let mut columns = ColumnsIn::new(payload)?;
        let before = self.texts.len() + self.files.len();
        while !columns.is_at_end(Col::DictBytes) {
            let text = columns.get_bytes(Col::DictBytes)?;
            self.texts.push(text.into());
        }
        while !columns.is_at_end(Col::DictFile) {
            let file = self.read_file(&mut columns)?;
            self.files.push(file);
        }
        let others = self.texts.len() + self.files.len() - before;
        let chains = u64::from(entries).saturating_sub(others as u64);
        if chains > 0 {
            let payload = columns.into_payload();
            self.chains.push(Chains { first: self.chain_count, payload, read: OnceCell::new() });
            self.chain_count += chains;
        }
        Ok(())
    }

    fn read_file(&self, columns: &mut ColumnsIn) -> Result<FileRef, Malformed> {
        let path = self.text(columns.get(Col::DictFile)?)?;
        let mut word = || columns.get(Col::DictFileWord);
        let (major, minor, ino, kind, seals) = (word()?, word()?, word()?, word()?, word()?);
        // Recordings before format 1.4 have the plain kind only.
        let exact = match columns.is_at_end(ColumnNo::FILE_EXACT) {
            true => 0,
            false => columns.get(ColumnNo::FILE_EXACT)?,
        };
        let plain = file_kind(kind >> 5).ok_or(Malformed("a file is of an unknown kind"))?;
        let narrow = |word| u32::try_from(word).map_err(|_| Malformed("a device or seal is too large"));
        let bit = |at: u32| kind >> at & 1 == 1;
        Ok(FileRef {
            path,
            id: FileId { dev: DevId { major: narrow(major)?, minor: narrow(minor)? }, ino },
            bytes: 0,
            kind: file_kind(exact >> 1).filter(|exact| exact.plain() == plain).unwrap_or(plain),
            mode: OpenMode { read: bit(0), write: bit(1), append: bit(2), path_only: bit(3) },
            description: 0,
            seals: narrow(seals)?,
            noexec: bit(4),
            append_only: exact & 1 == 1,
        })
    }

    /// The text of a number.
    pub(crate) fn text(&self, no: u64) -> Result<Bytes, Malformed> {
        let text = usize::try_from(no).ok().and_then(|no| self.texts.get(no));
        text.cloned().ok_or(Malformed("a text is named that is in no dictionary"))
    }

    /// The file of a number; its size and description are zero.
    pub(crate) fn file(&self, no: u64) -> Result<FileRef, Malformed> {
        let file = usize::try_from(no).ok().and_then(|no| self.files.get(no));
        file.cloned().ok_or(Malformed("a file is named that is in no dictionary"))
    }

    /// The call chain of a number.
    pub(crate) fn chain(&self, no: u64) -> Result<Arc<[VirtAddr]>, Malformed> {
        let missing = Malformed("a call chain is named that is in no dictionary");
        let block = self.chains.partition_point(|block| block.first <= no).checked_sub(1).ok_or(missing)?;
        let block = &self.chains[block];
        let chains = block.read.get_or_init(|| read_chains(&block.payload)).as_ref().map_err(|why| *why)?;
        usize::try_from(no - block.first).ok().and_then(|at| chains.get(at)).cloned().ok_or(missing)
    }
}

fn read_chains(payload: &[u8]) -> Result<Vec<Arc<[VirtAddr]>>, Malformed> {
    let mut columns = ColumnsIn::new(payload.to_vec())?;
    let mut chains: Vec<Arc<[VirtAddr]>> = Vec::new();
    while !columns.is_at_end(Col::DictChain) {
        let last = chains.last().map_or(&[][..], |last| last);
        let chain = read_chain(&mut columns, last)?;
        chains.push(chain);
    }
    Ok(chains)
}

fn file_kind(number: u64) -> Option<FileKind> {
    usize::try_from(number).ok().and_then(|number| FileKind::ALL.get(number)).copied()
}

fn read_chain(columns: &mut ColumnsIn, last: &[VirtAddr]) -> Result<Arc<[VirtAddr]>, Malformed> {
    let shared = usize::try_from(columns.get(Col::DictChain)?).unwrap_or(usize::MAX);
    let own = columns.get_count(Col::DictChain, Col::DictAddr)?;
    if shared > last.len() || shared + own > CHAIN_MAX {
        return Err(Malformed("a call chain leans on more than there is"));
    }
    let mut chain = Vec::with_capacity(own + shared);
    for _ in 0..own {
        chain.push(VirtAddr(columns.get_difference(Col::DictAddr)?));
    }
    chain.extend_from_slice(&last[last.len() - shared..]);
    Ok(chain.into())
}

/// Frames of one call chain. The kernel's own default (`kernel.perf_event_max_stack`) is 127.
pub(crate) const CHAIN_MAX: usize = 4096;

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(kind: FileKind) -> FileEntry {
        let mode = OpenMode { read: true, write: false, append: false, path_only: false };
        FileEntry { path: 0, id: FileId::default(), kind, mode, seals: 0, noexec: false, append_only: true }
    }

    /// What a reader makes of the entries of a block.
    fn read(columns: &mut ColumnsOut) -> FileRef {
        let mut dictionary = DictionaryIn::default();
        columns.put_bytes(Col::DictBytes, b"name");
        dictionary.add(columns.take_payload(), 2).expect("reads");
        dictionary.file(0).expect("a file")
    }

    #[test]
    fn readers_before_1_4_know_the_kind_of_each_file() {
        for (number, kind) in FileKind::ALL.into_iter().enumerate() {
            assert_eq!(kind as usize, number, "{kind:?}");
            assert!(words_of(&entry(kind))[3] >> 5 < 6, "{kind:?}");
        }
    }

    #[test]
    fn a_kind_that_is_not_told_exactly_is_the_plain_one() {
        let put = |columns: &mut ColumnsOut| {
            columns.put(Col::DictFile, 0);
            words_of(&entry(FileKind::Overlay))
                .into_iter()
                .for_each(|word| columns.put(Col::DictFileWord, word));
        };
        let mut columns = ColumnsOut::new();
        put(&mut columns);
        let old = read(&mut columns);
        assert_eq!((old.kind, old.append_only), (FileKind::RegularOther, false));
        put(&mut columns);
        columns.put(ColumnNo::FILE_EXACT, exact(&entry(FileKind::Overlay)));
        let new = read(&mut columns);
        assert_eq!((new.kind, new.append_only), (FileKind::Overlay, true));
        // One that only a later version knows.
        put(&mut columns);
        columns.put(ColumnNo::FILE_EXACT, 1001);
        assert_eq!(read(&mut columns).kind, FileKind::RegularOther);
    }
}
