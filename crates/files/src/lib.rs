//! Files behind the twin's mappings: [`MemoryFile`] and [`HostFile`].
//!
//! With them the twin ([`mm`]) is a working memory. Its four kinds that grow while a program runs:
//!
//! # A file mapped
//!
//! What is written through memory is in the file once it is written back.
//!
//! ```
//! use std::sync::Arc;
//!
//! use abi::{Call, DevId, Fd, FileId, MapFlags, MsyncFlags, Prot, VirtAddr};
//! use files::HostFile;
//! use mm::{AddressSpace, DescriptionId, FileInput, FileKind, Input, Layout, Limits, MapFile, ObjectId, OpenMode,
//!     Profile, System};
//!
//! let path = std::env::temp_dir().join(format!("vmatlas-files-doc-{}", std::process::id()));
//! std::fs::write(&path, b"what is old")?;
//!
//! let mut sys = System::with_contents(Profile::linux_6_18_x86_64());
//! let layout = Layout { mmap_base: VirtAddr(0x7fff_f7ff_f000), ..Layout::default() };
//! let mut space = AddressSpace::adopt(&mut sys, layout, Limits::default(), []);
//! let object = ObjectId::File(FileId { dev: DevId { major: 8, minor: 1 }, ino: 7 });
//! sys.attach(object, Arc::new(HostFile::open(&path)?));
//! let file = MapFile {
//!     object,
//!     description: DescriptionId::Known(1),
//!     kind: FileKind::Regular,
//!     mode: OpenMode { read: true, write: true, append_only: false },
//!     bytes: sys.size_of(object),
//!     seals: 0,
//!     noexec: false,
//! };
//!
//! let input = Input { file: FileInput::Open(Arc::new(file)), ..Input::default() };
//! let flags = MapFlags::SHARED;
//! let map = Call::Mmap { addr: VirtAddr(0), len: 11, prot: Prot::RW, flags, fd: Fd(3), offset: 0 };
//! let addr = VirtAddr(space.call(&mut sys, map, &input).result.expect("it may be mapped"));
//! space.store(&mut sys, VirtAddr(addr.0 + 8), b"new")?;
//! assert_eq!(std::fs::read(&path)?, b"what is old");
//! let sync = Call::Msync { addr, len: 11, flags: MsyncFlags::SYNC };
//! space.call(&mut sys, sync, &Input::default()).result.expect("it can be written");
//! assert_eq!(std::fs::read(&path)?, b"what is new");
//!
//! // Past the last page of the file: SIGBUS. Past the mapping: SIGSEGV.
//! assert_eq!(space.load_word::<1>(&mut sys, VirtAddr(addr.0 + 0x1000)).unwrap_err().signal.number(), 11);
//! std::fs::remove_file(&path)?;
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # Anonymous memory, shared with a fork or not
//!
//! ```
//! use abi::{Call, Fd, MapFlags, Prot, VirtAddr};
//! use mm::{AddressSpace, Input, Layout, Limits, Profile, System};
//!
//! let mut sys = System::with_contents(Profile::linux_6_18_x86_64());
//! let layout = Layout { mmap_base: VirtAddr(0x7fff_f7ff_f000), ..Layout::default() };
//! let mut parent = AddressSpace::adopt(&mut sys, layout, Limits::default(), []);
//! let none = Input::default();
//! let mut map = |flags| {
//!     let flags = flags | MapFlags::ANONYMOUS;
//!     let call = Call::Mmap { addr: VirtAddr(0), len: 4096, prot: Prot::RW, flags, fd: Fd(-1), offset: 0 };
//!     VirtAddr(parent.call(&mut sys, call, &none).result.expect("there is room"))
//! };
//! let (shared, private) = (map(MapFlags::SHARED), map(MapFlags::PRIVATE));
//! parent.store_word(&mut sys, private, 1_u32.to_le_bytes())?;
//!
//! let mut child = parent.fork(&mut sys, &none).expect("there is memory");
//! child.store_word(&mut sys, shared, 2_u32.to_le_bytes())?;
//! child.store_word(&mut sys, private, 3_u32.to_le_bytes())?;
//! assert_eq!(parent.load_word(&mut sys, shared)?, 2_u32.to_le_bytes());
//! assert_eq!(parent.load_word(&mut sys, private)?, 1_u32.to_le_bytes(), "the child wrote its own copy");
//! # Ok::<(), mm::Fault>(())
//! ```
//!
//! # Stacks
//!
//! Each thread has its own, with a page below it that nobody may touch. A call pushes a frame, a return pops it.
//!
//! ```
//! use abi::{Call, Fd, MapFlags, Prot, VirtAddr};
//! use mm::{AddressSpace, Contents, Fault, Input, Layout, Limits, Pages, Profile, Signal, System};
//!
//! const STACK: u64 = 0x8000;
//! const GUARD: u64 = 0x1000;
//! type Memory = (System<Pages<Contents>>, AddressSpace<Pages<Contents>>);
//!
//! fn new_stack((sys, space): &mut Memory) -> VirtAddr {
//!     let flags = MapFlags::PRIVATE | MapFlags::ANONYMOUS | MapFlags::STACK;
//!     let prot = Prot::NONE;
//!     let map = Call::Mmap { addr: VirtAddr(0), len: GUARD + STACK, prot, flags, fd: Fd(-1), offset: 0 };
//!     let start = space.call(sys, map, &Input::default()).result.expect("there is room");
//!     let open = Call::Mprotect { addr: VirtAddr(start + GUARD), len: STACK, prot: Prot::RW };
//!     space.call(sys, open, &Input::default()).result.expect("it may be changed");
//!     VirtAddr(start + GUARD + STACK)
//! }
//!
//! // A function whose frame has its return address and 240 bytes of locals; it calls itself.
//! fn recurse(memory: &mut Memory, top: VirtAddr, depth: u64) -> Result<u64, Fault> {
//!     let frame = VirtAddr(top.0 - 248);
//!     memory.1.store_word(&mut memory.0, VirtAddr(frame.0 + 240), 0x40_1234_u64.to_le_bytes())?;
//!     memory.1.store_word(&mut memory.0, frame, depth.to_le_bytes())?;
//!     let deeper = if depth == 0 { 0 } else { recurse(memory, frame, depth - 1)? };
//!     // Back from the call: the frame is as it was.
//!     Ok(deeper + u64::from_le_bytes(memory.1.load_word(&mut memory.0, frame)?))
//! }
//!
//! let mut sys = System::with_contents(Profile::linux_6_18_x86_64());
//! let layout = Layout { mmap_base: VirtAddr(0x7fff_f7ff_f000), ..Layout::default() };
//! let space = AddressSpace::adopt(&mut sys, layout, Limits::default(), []);
//! let mut memory = (sys, space);
//! let (first, second) = (new_stack(&mut memory), new_stack(&mut memory));
//! assert_eq!(recurse(&mut memory, first, 10), Ok(55));
//! assert_eq!(recurse(&mut memory, second, 20), Ok(210));
//! // Without an end, the guard page is hit: 132 frames of 248 bytes fit.
//! let fault = recurse(&mut memory, second, 1000).unwrap_err();
//! assert_eq!(fault.signal, Signal::SegvAccErr);
//! assert!((second.0 - STACK - GUARD..second.0 - STACK).contains(&fault.addr.0));
//! ```
//!
//! # The heap
//!
//! One for each process, grown at its end with `brk`; an allocator divides it, and what it gives outlives the call that
//! asked for it.
//!
//! ```
//! use abi::{Call, VirtAddr};
//! use mm::{AddressSpace, Contents, Fault, Input, Layout, Limits, Pages, Profile, System};
//!
//! /// First fit: each block begins with its size; the lowest bit says that it is in use.
//! struct Heap { sys: System<Pages<Contents>>, space: AddressSpace<Pages<Contents>>, start: u64, end: u64 }
//!
//! impl Heap {
//!     fn word(&mut self, at: u64) -> Result<u64, Fault> {
//!         self.space.load_word(&mut self.sys, VirtAddr(at)).map(u64::from_le_bytes)
//!     }
//!     fn set(&mut self, at: u64, word: u64) -> Result<(), Fault> {
//!         self.space.store_word(&mut self.sys, VirtAddr(at), word.to_le_bytes())
//!     }
//!     fn alloc(&mut self, bytes: u64) -> Result<u64, Fault> {
//!         let need = 8 + bytes.next_multiple_of(8);
//!         let mut at = self.start;
//!         while at < self.end {
//!             let head = self.word(at)?;
//!             let size = head & !1;
//!             if head & 1 == 0 && size >= need {
//!                 if size > need {
//!                     self.set(at + need, size - need)?;
//!                 }
//!                 self.set(at, need | 1)?;
//!                 return Ok(at + 8);
//!             }
//!             at += size;
//!         }
//!         let more = need.next_multiple_of(0x1000);
//!         let brk = Call::Brk { addr: VirtAddr(self.end + more) };
//!         self.space.call(&mut self.sys, brk, &Input::default()).result.expect("brk always answers");
//!         self.set(self.end, more)?;
//!         self.end += more;
//!         self.alloc(bytes)
//!     }
//!     fn free(&mut self, block: u64) -> Result<(), Fault> {
//!         let head = self.word(block - 8)?;
//!         self.set(block - 8, head & !1)
//!     }
//! }
//!
//! let start = 0x5555_5556_0000;
//! let mut sys = System::with_contents(Profile::linux_6_18_x86_64());
//! let layout = Layout { start_brk: VirtAddr(start), brk: VirtAddr(start), ..Layout::default() };
//! let space = AddressSpace::adopt(&mut sys, layout, Limits::default(), []);
//! let mut heap = Heap { sys, space, start, end: start };
//!
//! // One "function" makes a point, another reads it: only its address goes between them.
//! fn make(heap: &mut Heap, x: u64, y: u64) -> Result<u64, Fault> {
//!     let point = heap.alloc(16)?;
//!     heap.set(point, x)?;
//!     heap.set(point + 8, y)?;
//!     Ok(point)
//! }
//! fn sum(heap: &mut Heap, point: u64) -> Result<u64, Fault> {
//!     Ok(heap.word(point)? + heap.word(point + 8)?)
//! }
//! let point = make(&mut heap, 30, 12)?;
//! assert_eq!(sum(&mut heap, point)?, 42);
//! heap.free(point)?;
//! assert_eq!(make(&mut heap, 1, 2)?, point, "the first block that fits");
//! let large = heap.alloc(10_000)?;
//! heap.set(large + 9_992, 1)?;
//! assert_eq!(heap.space.rss().anon, 3, "only what was touched is there");
//! # Ok::<(), mm::Fault>(())
//! ```
//!
//! How an emulator embeds it stands in `crates/files/examples/machine.rs`.
//!
//! Invariant: it knows files and nothing of mappings, frames or calls.

mod host;
mod memory;

pub use host::HostFile;
pub use memory::MemoryFile;
