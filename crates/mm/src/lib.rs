//! Linux's process virtual memory as a library: the *twin* of a process's address space.
//!
//! A [`Call`](abi::Call) goes in, the kernel's answer and its reason come out, and the set of mappings is what the
//! kernel's would be. The four kinds of memory that grow while a program runs, and the map that they leave:
//!
//! ```
//! use std::sync::Arc;
//! use abi::{AddrRange, Call, Fd, FileId, MapFlags, Prot, VirtAddr};
//! use mm::{Access, AddressSpace, AdoptedVma, FileInput, Input, Layout, Limits, MapFile, Profile, System};
//!
//! let mut system = System::new(Profile::linux_6_18_x86_64());
//! let heap = VirtAddr(0x5555_5556_0000);
//! let layout = Layout { mmap_base: VirtAddr(0x7fff_f7ff_f000), start_brk: heap, brk: heap, ..Layout::default() };
//! let stack = AdoptedVma::stack(AddrRange::new(VirtAddr(0x7fff_fffd_e000), VirtAddr(0x7fff_ffff_f000)));
//! let mut space = AddressSpace::adopt(&mut system, layout, Limits::default(), [stack]);
//!
//! let none = Input::default();
//! let file = Arc::new(MapFile::regular(FileId::default(), 0x3000));
//! let open = Input { file: FileInput::Open(file), ..Input::default() };
//! let map = |fd, flags, len| Call::Mmap { addr: VirtAddr(0), len, prot: Prot::RW, flags, fd: Fd(fd), offset: 0 };
//! for (call, input) in [
//!     (Call::Brk { addr: VirtAddr(heap.0 + 0x21000) }, &none),
//!     (map(-1, MapFlags::PRIVATE | MapFlags::ANONYMOUS, 0x40000), &none),
//!     (map(3, MapFlags::SHARED, 0x3000), &open),
//! ] {
//!     let outcome = space.call(&mut system, call, input);
//!     println!("{call} = {:x?}: {}", outcome.result, outcome.why);
//! }
//! space.touch(&mut system, VirtAddr(0x7fff_fffd_0000), Access::Write, &none).expect("the stack may grow so far");
//!
//! let map: Vec<_> = space.vmas().map(|vma| format!("{} {}", vma.range, vma.flags.prot())).collect();
//! println!("{}", map.join("\n"));
//! assert_eq!(map, [
//!     "555555560000-555555581000 PROT_READ|PROT_WRITE", // the heap
//!     "7ffff7fbc000-7ffff7fbf000 PROT_READ|PROT_WRITE", // the file
//!     "7ffff7fbf000-7ffff7fff000 PROT_READ|PROT_WRITE", // anonymous
//!     "7ffffffd0000-7ffffffff000 PROT_READ|PROT_WRITE", // the stack, grown
//! ]);
//! ```
//!
//! Invariant: it knows no operating system, file, clock, text, serialisation or system call number.
#![no_std]

extern crate alloc;

mod access;
mod anon_vma;
pub mod compat;
mod driver;
mod file;
mod flags;
mod guard;
mod input;
mod merge;
mod mutation;
mod op;
mod ops;
mod pages;
mod profile;
pub mod set;
mod space;
mod state;
mod system;
#[cfg(test)]
mod tests;
mod thp;
mod vma;
mod why;

pub use access::{Access, Signal, Touch, UserfaultReason};
pub use anon_vma::{AnonChain, AnonVmaId};
pub use driver::Driver;
pub use file::{Backing, DescriptionId, FileKind, MapFile, ObjectId, OpenMode};
pub use flags::VmFlags;
pub use input::{Basis, Caps, FileInput, HugePool, Input, Outcome, Pointers, Target, Uffd};
pub use mutation::{Mutation, Shown};
pub use ops::aio::Ring;
pub use pages::{
    Contents, Fault, Faults, FileStore, Frames, HugeSupply, IoError, Memory, NoPages, PageInconsistency,
    PageKind, PageSize, PageView, Pages, Rss, Share, States, Usage, Writable,
};
pub use profile::{FolioOrders, Options, Overcommit, OvercommitMode, Profile, Thp};
pub use space::{
    AddressSpace, AdoptedVma, AnonPages, Counters, ExecFile, ExecImage, ExecPlace, ExecSegment, ExecStack,
    Inconsistency, KernelPages, Layout, Limits, Settings,
};
pub use state::{SpaceState, SystemState};
pub use system::System;
pub use vma::{Extra, Policy, Vma};
pub use why::{MergeBar, MergeNote, Refusal, Side, Why};
