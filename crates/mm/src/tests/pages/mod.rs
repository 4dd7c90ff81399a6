//! Pages: what is stored can be loaded, and the counters say what the kernel's would.

mod advice;
mod anonymous;
mod files;
mod huge;
mod keys;
mod userfault;

use alloc::vec::Vec;

use abi::{AddrRange, Call, Fd, MapFlags, PAGE_SIZE, Prot, VirtAddr};

use crate::input::{Input, Outcome};
use crate::pages::{Contents, Fault, PageKind, Pages};
use crate::profile::Profile;
use crate::space::{AddressSpace, Layout, Limits};
use crate::system::System;

/// Where the tests map.
const BASE: VirtAddr = VirtAddr(0x10_0000_0000);

/// Some processes with contents.
struct World {
    sys: System<Pages<Contents>>,
    spaces: Vec<AddressSpace<Pages<Contents>>>,
}

fn page(at: u64) -> VirtAddr {
    VirtAddr(BASE.0 + at * PAGE_SIZE)
}

fn pages(start: u64, end: u64) -> AddrRange {
    AddrRange::new(page(start), page(end))
}

impl World {
    fn new() -> Self {
        Self::with(Profile::linux_6_18_x86_64())
    }

    fn with(profile: Profile) -> Self {
        let mut sys = System::with_contents(profile);
        let layout = Layout { mmap_base: VirtAddr(0x7fff_0000_0000), ..Layout::default() };
        let space = AddressSpace::adopt(&mut sys, layout, Limits::default(), []);
        Self { sys, spaces: alloc::vec![space] }
    }

    fn act(&mut self, who: usize, call: Call, input: &Input) -> Outcome {
        let outcome = self.spaces[who].call(&mut self.sys, call, input);
        self.check();
        outcome
    }

    fn call(&mut self, who: usize, call: Call) -> u64 {
        self.act(who, call, &Input::default()).result.expect("nothing refuses it")
    }

    /// Maps private anonymous pages.
    fn map(&mut self, who: usize, range: AddrRange, prot: Prot) {
        let flags = MapFlags::PRIVATE | MapFlags::ANONYMOUS | MapFlags::FIXED;
        let (addr, len) = (range.start, range.len());
        self.call(who, Call::Mmap { addr, len, prot, flags, fd: Fd(-1), offset: 0 });
    }

    fn fork(&mut self, who: usize) -> usize {
        let child = self.spaces[who].fork(&mut self.sys, &Input::default()).expect("nothing refuses it");
        self.spaces.push(child);
        self.check();
        self.spaces.len() - 1
    }

    fn exit(&mut self, who: usize) {
        self.spaces.remove(who).exit(&mut self.sys);
        self.check();
    }

    fn load(&mut self, who: usize, addr: VirtAddr) -> Result<u8, Fault> {
        let byte = self.spaces[who].load_word::<1>(&mut self.sys, addr).map(|word| word[0]);
        self.check();
        byte
    }

    fn store(&mut self, who: usize, addr: VirtAddr, byte: u8) -> Result<(), Fault> {
        let stored = self.spaces[who].store_word(&mut self.sys, addr, [byte]);
        self.check();
        stored
    }

    fn kind(&self, who: usize, at: u64) -> PageKind {
        self.spaces[who].page(&self.sys, page(at)).kind
    }

    fn check(&self) {
        assert_eq!(self.sys.validate_pages(&self.spaces), Ok(()));
    }
}
