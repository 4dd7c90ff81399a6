//! What `/proc/PID` and `mincore` would say of a twin's memory, in the kernel's bytes.
//!
//! [`write_maps`], [`write_smaps`] and [`write_rollup`] print texts, [`write_pagemap`] the words of pages,
//! [`write_mincore`] a vector. Whoever wants values instead takes [`Mapping`], [`Smaps`] and [`pagemap`];
//! whoever knows files by other means than [`Names`] takes [`Line`].
//!
//! ```
//! use abi::{Call, Fd, MapFlags, Prot, VirtAddr};
//! use mm::{AddressSpace, Input, Layout, Limits, Profile, System};
//! use proc_twin::{Names, write_mincore, write_pagemap, write_rollup, write_smaps};
//!
//! let mut sys = System::with_contents(Profile::linux_6_18_x86_64());
//! let layout = Layout { mmap_base: VirtAddr(0x7fff_f7ff_f000), ..Layout::default() };
//! let mut space = AddressSpace::adopt(&mut sys, layout, Limits::default(), []);
//! let flags = MapFlags::PRIVATE | MapFlags::ANONYMOUS;
//! let map = Call::Mmap { addr: VirtAddr(0), len: 0x3000, prot: Prot::RW, flags, fd: Fd(-1), offset: 0 };
//! let addr = VirtAddr(space.call(&mut sys, map, &Input::default()).result.expect("it may be mapped"));
//! space.store(&mut sys, addr, b"mine")?;
//! space.load(&mut sys, VirtAddr(addr.0 + 0x1000), &mut [0])?;
//!
//! let mut text = Vec::new();
//! write_smaps(&space, &sys, &Names::default(), &mut text);
//! let text = String::from_utf8(text)?;
//! assert!(text.starts_with("7ffff7ffc000-7ffff7fff000 rw-p 00000000 00:00 0 \nSize:                 12 kB\n"));
//! // The page of zeroes, which every process shares, is nobody's.
//! assert!(text.contains("\nRss:                   4 kB\nPss:                   4 kB\n"));
//! assert!(text.ends_with("\nTHPeligible:           0\nVmFlags: rd wr mr mw me ac \n"));
//!
//! let mut sums = Vec::new();
//! write_rollup(&space, &sys, &mut sums);
//! assert_eq!(proc_text::rollup(&sums)?.pss_anon, Some(0x1000));
//!
//! let range = space.find(addr).expect("it is mapped").range;
//! let (mut words, mut vector) = (Vec::new(), Vec::new());
//! write_pagemap(&space, &sys, range, &mut words);
//! write_mincore(&space, &sys, range, &mut vector);
//! // In memory and this memory's alone; in memory; nothing.
//! assert_eq!(words.as_chunks().0, [0x8100_0000_0000_0000, 0x8000_0000_0000_0000, 0_u64].map(u64::to_ne_bytes));
//! assert_eq!(vector, [1, 1, 0]);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! Where another memory may have cut a file or written it back, [`mm::AddressSpace::catch_up`] comes first.
//!
//! What the twin cannot know:
//!
//! - the names of files and which file the kernel makes for nameless shared memory: told by [`Names`];
//! - which frame a page has, and where it lies in swap: 0, as the kernel tells readers without `CAP_SYS_ADMIN`;
//! - `Referenced` has what entries of page tables show; the kernel's queues may remember more
//!   ([`mm::Usage::referenced_most`]);
//! - which pages were written since the marks were cleared (`CONFIG_MEM_SOFT_DIRTY`): pages of mappings whose flags say `sd`
//!   are told as written, as the kernel tells them, no others;
//! - what has a page written back meanwhile, merges or joins it: `docs/pages.md`. `KSM`, `ShmemPmdMapped`,
//!   `FilePmdMapped`, `Shared_Hugetlb` and `Private_Hugetlb` are 0, as the twin has no such pages;
//! - the page of the legacy system calls, which is no process's (`[vsyscall]`), has no line.
//!
//! How these texts are held against the kernel's, byte by byte, stands in `docs/fuzzing.md`.
//!
//! Invariant: it changes no twin and asks no kernel: a twin in, bytes out.

mod maps;
mod nameless;
mod pages;
mod smaps;

pub use maps::{Line, Mapping, Name, Names, kernel_number, write_maps};
pub use nameless::{NAMELESS, NAMELESS_HUGE, NAMELESS_RING, nameless};
pub use pages::{pagemap, write_mincore, write_pagemap};
pub use smaps::{Smaps, letters, rollup, span, write_rollup, write_smaps};
