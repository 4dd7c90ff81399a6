//! The words of a story for what is mapped already.
//!
//! ```text
//! remap 0..2 to 5..7 [keep]      mremap with MREMAP_FIXED; keep: MREMAP_DONTUNMAP
//! resize 0..2 4 [move]           mremap to a length; the answer is the page it moved to
//! lock 0..2 [onfault]            unlock · lockall current future · unlockall
//! advise DONTFORK 0..2           mseal 0..2 · sync async 0..2 · incore 0..2 at 5
//! attach [at 3] [remap] [readonly]   a segment of 2 pages; detach 3
//! policy bind 0..2               policy default 0..2 · name heap 0..2 · mergeany 1
//! ```

use alloc::borrow::ToOwned;
use alloc::string::String;
use alloc::sync::Arc;

use abi::{
    Advice, Call, FileId, MlockFlags, MlockallFlags, MsyncFlags, PAGE_SIZE, PrctlOp, RemapFlags, ShmFlags,
    VirtAddr,
};

use super::{World, answer, number, page, range};
use crate::file::{DescriptionId, FileKind, MapFile, ObjectId, OpenMode};
use crate::input::Input;

/// Where a story's node masks lie: readable, outside the world.
const MASK: u64 = 1;

impl World {
    /// Does a step on what is mapped.
    pub(super) fn step_existing(&mut self, words: &[&str]) -> String {
        let word = |at: usize| words.get(at).copied().unwrap_or_default();
        match word(0) {
            "remap" => self.remap(words),
            "resize" => self.resize(words),
            "lock" => {
                let (addr, len) = range(word(1));
                let flags = if word(2) == "onfault" { MlockFlags::ONFAULT } else { MlockFlags::NONE };
                self.call(Call::Mlock2 { addr, len, flags })
            }
            "unlock" => {
                let (addr, len) = range(word(1));
                self.call(Call::Munlock { addr, len })
            }
            "lockall" => {
                let bits = words[1..].iter().map(|word| match *word {
                    "current" => MlockallFlags::CURRENT,
                    "future" => MlockallFlags::FUTURE,
                    _ => MlockallFlags::ONFAULT,
                });
                let flags = bits.fold(MlockallFlags::NONE, |sum, bit| sum | bit);
                self.call(Call::Mlockall { flags })
            }
            "unlockall" => self.call(Call::Munlockall {}),
            "advise" => {
                let (addr, len) = range(word(2));
                let named =
                    Advice::NAMED.iter().find(|(_, name)| name.trim_start_matches("MADV_") == word(1));
                self.call(Call::Madvise { addr, len, advice: named.expect("an advice").0 })
            }
            "mseal" => {
                let (addr, len) = range(word(1));
                self.call(Call::Mseal { addr, len, flags: 0 })
            }
            "sync" => {
                let (addr, len) = range(word(2));
                let flags = match word(1) {
                    "async" => MsyncFlags::ASYNC,
                    "sync" => MsyncFlags::SYNC,
                    _ => MsyncFlags::INVALIDATE,
                };
                self.call(Call::Msync { addr, len, flags })
            }
            "incore" => {
                let (addr, len) = range(word(1));
                self.call(Call::Mincore { addr, len, vec: page(number(word(3))) })
            }
            "mappings" => {
                let count = self.spaces[self.at].map_count();
                if count == number(word(1)) { "ok".to_owned() } else { alloc::format!("{count}") }
            }
            _ => self.step_attribute(words),
        }
    }

    fn step_attribute(&mut self, words: &[&str]) -> String {
        let word = |at: usize| words.get(at).copied().unwrap_or_default();
        match word(0) {
            "attach" => self.attach(words),
            "detach" => self.call(Call::Shmdt { addr: page(number(word(1))) }),
            "policy" => self.policy(word(1), word(2)),
            "names" => {
                Arc::make_mut(&mut self.sys.profile).options.anon_vma_name = true;
                "ok".to_owned()
            }
            "name" => {
                let (addr, len) = range(word(2));
                let input = Input { name: Some(word(1).as_bytes().into()), ..Input::default() };
                let call = Call::Prctl { op: PrctlOp::SET_VMA, arg2: 0, arg3: addr.0, arg4: len, arg5: MASK };
                answer(self.act(call, &input).result)
            }
            "mergeany" => {
                let arg2 = number(word(1));
                let op = PrctlOp::SET_MEMORY_MERGE;
                self.call(Call::Prctl { op, arg2, arg3: 0, arg4: 0, arg5: 0 })
            }
            other => unreachable!("{other} is no step"),
        }
    }

    fn remap(&mut self, words: &[&str]) -> String {
        let (addr, old_len) = range(words[1]);
        let (new_addr, new_len) = range(words[3]);
        let mut flags = RemapFlags::MAYMOVE | RemapFlags::FIXED;
        if words[4..].contains(&"keep") {
            flags = flags | RemapFlags::DONTUNMAP;
        }
        let call = Call::Mremap { addr, old_len, new_len, flags, new_addr };
        self.moved(call, new_addr)
    }

    fn resize(&mut self, words: &[&str]) -> String {
        let (addr, old_len) = range(words[1]);
        let new_len = number(words[2]) * PAGE_SIZE;
        let flags = if words[3..].contains(&"move") { RemapFlags::MAYMOVE } else { RemapFlags::NONE };
        let call = Call::Mremap { addr, old_len, new_len, flags, new_addr: VirtAddr::NULL };
        self.moved(call, addr)
    }

    fn moved(&mut self, call: Call, expected: VirtAddr) -> String {
        match self.act(call, &Input::default()).result {
            Ok(start) if start == expected.0 => "ok".to_owned(),
            Ok(start) => alloc::format!("{}", (start - page(0).0) / PAGE_SIZE),
            Err(errno) => alloc::format!("{errno}"),
        }
    }

    fn attach(&mut self, words: &[&str]) -> String {
        let mut flags = ShmFlags::NONE;
        let mut addr = VirtAddr::NULL;
        for (at, word) in words.iter().enumerate() {
            match *word {
                "at" => addr = page(number(words[at + 1])),
                "remap" => flags = flags | ShmFlags::REMAP,
                "readonly" => flags = flags | ShmFlags::RDONLY,
                _ => {}
            }
        }
        let segment = MapFile {
            object: ObjectId::File(FileId::default()),
            description: DescriptionId::Known(7),
            kind: FileKind::SysV,
            mode: OpenMode { read: true, write: true, append_only: false },
            bytes: 2 * PAGE_SIZE,
            seals: 0,
            noexec: false,
        };
        let input = Input { segment: Some(Arc::new(segment)), ..Input::default() };
        let call = Call::Shmat { id: 7, addr, flags };
        match self.act(call, &input).result {
            Ok(start) if start == addr.0 => "ok".to_owned(),
            Ok(start) => alloc::format!("{}", (start - page(0).0) / PAGE_SIZE),
            Err(errno) => alloc::format!("{errno}"),
        }
    }

    /// Binds a range to node 0, or back to no policy of its own.
    fn policy(&mut self, mode: &str, word: &str) -> String {
        let (addr, len) = range(word);
        let (mode, nodemask) = if mode == "bind" { (2, page(0)) } else { (0, VirtAddr::NULL) };
        let input = Input { nodes: MASK, ..Input::default() };
        let call = Call::Mbind { addr, len, mode, nodemask, maxnode: 65, flags: 0 };
        answer(self.act(call, &input).result)
    }
}
