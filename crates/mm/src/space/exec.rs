//! Exec: a new program's mappings.
//!
//! ```text
//! program     RRR XXXXXX RR WWW BBB         segments of the file, then zero pages where memory is longer
//! interpreter            RR XXXX R WW      the highest free place
//! kernel                               VV D  below it: [vvar], [vdso]
//! stack                                        SSSSS  with room to grow
//! ```
//!
//! What is random is an input: [`Layout`], the program's base, the stack.

use alloc::sync::Arc;

use abi::{AddrRange, FileOff, MapFlags, PAGE_SHIFT, PAGE_SIZE, PageOff, Personality, Prot, VirtAddr};

use super::{AddressSpace, Counters, Layout, Limits, Placing, Settings};
use crate::access::Access;
use crate::file::{Backing, MapFile};
use crate::flags::VmFlags;
use crate::guard::Guards;
use crate::input::Input;
use crate::op::Op;
use crate::ops::mmap::Request;
use crate::pages::Memory;
use crate::set::VmaSet;
use crate::system::System;
use crate::vma::Vma;
use crate::why::{Refusal, Why};

/// A program as exec maps it.
#[derive(Clone, Debug)]
pub struct ExecImage {
    /// The program itself.
    pub program: ExecFile,
    /// The interpreter that it names.
    pub interpreter: Option<ExecFile>,
    /// The stack after exec has written the arguments and made room.
    pub stack: ExecStack,
    /// The kernel's own pages, the lowest first.
    pub kernel: Arc<[KernelPages]>,
    /// Where things were placed.
    pub layout: Layout,
    /// What the process keeps or the program asks for.
    pub settings: Settings,
}

/// A file to be loaded.
#[derive(Clone, Debug)]
pub struct ExecFile {
    /// The open file.
    pub file: Arc<MapFile>,
    /// How its place is found.
    pub place: ExecPlace,
    /// Its `PT_LOAD` segments, in order.
    pub segments: Arc<[ExecSegment]>,
}

/// How the place of a file is found.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum ExecPlace {
    /// The addresses in the file are meant (`ET_EXEC`).
    AsLinked,
    /// At this bias, which is random (a program with an interpreter).
    Bias(VirtAddr),
    /// At the highest free place (an interpreter, a program without one).
    Anywhere,
}

/// One `PT_LOAD` segment.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct ExecSegment {
    /// `p_vaddr`.
    pub addr: VirtAddr,
    /// `p_offset`.
    pub offset: FileOff,
    /// `p_filesz`.
    pub file_bytes: u64,
    /// `p_memsz`.
    pub mem_bytes: u64,
    /// `p_flags` as a protection.
    pub prot: Prot,
    /// `p_align`.
    pub align: u64,
}

/// The stack after exec.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct ExecStack {
    /// Where it is.
    pub range: AddrRange,
    /// Whether `PT_GNU_STACK` asks for an executable one.
    pub prot: Prot,
}

/// One mapping of the kernel's own pages.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct KernelPages {
    /// How long it is.
    pub pages: u64,
    /// Its flags.
    pub flags: VmFlags,
    /// What tells it from others ([`Backing::Kernel`]).
    pub number: usize,
}

impl<M: Memory> AddressSpace<M> {
    /// Makes the memory of a program that was just executed.
    ///
    /// Linux: `fs/binfmt_elf.c: load_elf_binary`.
    ///
    /// # Errors
    /// The check that refused a mapping: the kernel kills the process then.
    pub fn exec(
        sys: &mut System<M>,
        image: &ExecImage,
        limits: Limits,
        input: &Input,
    ) -> Result<Self, Refusal> {
        let mut space = Self {
            vmas: VmaSet::new(),
            layout: image.layout.clone(),
            counters: Counters::default(),
            limits,
            def_flags: VmFlags::NONE,
            settings: image.settings,
            guards: Guards::default(),
            rings: Default::default(),
            pages: Default::default(),
        };
        let loaded = Op::new(&mut space, sys, input, &mut Why::default()).load(image);
        if let Err(refusal) = loaded {
            space.exit(sys);
            return Err(refusal);
        }
        debug_assert_eq!(space.validate(), Ok(()), "after exec");
        Ok(space)
    }
}

impl<M: Memory> Op<'_, M> {
    fn load(&mut self, image: &ExecImage) -> Result<(), Refusal> {
        self.load_stack(image.stack)?;
        self.load_file(&image.program)?;
        if let Some(interpreter) = &image.interpreter {
            self.load_file(interpreter)?;
        }
        self.load_kernel_pages(&image.kernel)?;
        self.load_arguments(image);
        self.load_page_zero();
        Ok(())
    }

    /// A program that asks for it has a page at address 0, which can't be changed; where it is refused, the program runs
    /// without.
    ///
    /// Linux: `fs/binfmt_elf.c: load_elf_binary`.
    fn load_page_zero(&mut self) {
        let persona = Personality(u64::from(self.space.settings.persona));
        if !persona.contains(Personality::MMAP_PAGE_ZERO) {
            return;
        }
        let request = Request {
            file: None,
            addr: VirtAddr::NULL,
            len: PAGE_SIZE,
            prot: Prot::RX,
            flags: MapFlags::FIXED | MapFlags::PRIVATE,
            pgoff: PageOff(0),
        };
        let _may_be_refused = self.do_mmap(request);
        let _there_may_be_none = self.mseal(VirtAddr::NULL, PAGE_SIZE, 0);
    }

    /// The pages with the arguments, the environment and the auxiliary vector are there; their bytes are the caller's to
    /// store.
    ///
    /// Linux: `fs/binfmt_elf.c: create_elf_tables`, which ends at the first stack pointer.
    fn load_arguments(&mut self, image: &ExecImage) {
        let range = image.stack.range;
        let start = image.layout.start_stack.page_down();
        if range.start <= start && start < range.end {
            // The stack is new: nothing of it can be refused.
            let _there = M::populate(self, range.start, AddrRange { start, end: range.end }, Access::Write);
        }
    }

    /// Linux: `fs/exec.c: setup_arg_pages`.
    fn load_stack(&mut self, stack: ExecStack) -> Result<(), Refusal> {
        let ExecStack { range, prot } = stack;
        let exec = if prot.contains(Prot::EXEC) { VmFlags::EXEC } else { VmFlags::NONE };
        let flags = VmFlags::DATA_DEFAULT | VmFlags::GROWSDOWN | VmFlags::ACCOUNT | exec;
        self.charge(range.pages())?;
        self.space.counters.add(flags, range.pages());
        let pgoff = PageOff(range.start.0 >> PAGE_SHIFT);
        let backing = Backing::Anonymous;
        self.space.vmas.insert(Vma { range, pgoff, flags, backing, anon: None, extra: None });
        // The arguments were written there.
        self.space.prepare_anon(self.sys, range.start);
        Ok(())
    }

    fn load_file(&mut self, image: &ExecFile) -> Result<(), Refusal> {
        let Some(first) = image.segments.first() else { return Ok(()) };
        let start = first.addr.page_down();
        let total = total_bytes(&image.segments);
        let (mut bias, fixed) = match image.place {
            ExecPlace::AsLinked => (0, MapFlags::FIXED_NOREPLACE),
            ExecPlace::Bias(bias) => (bias.0, MapFlags::FIXED_NOREPLACE),
            ExecPlace::Anywhere => (self.free_bias(image, *first, total)?, MapFlags::FIXED_NOREPLACE),
        };
        let whole = (image.place != ExecPlace::AsLinked).then_some(total);
        let mapped = self.load_segment(&image.file, *first, bias, fixed, whole)?;
        bias = mapped.0.wrapping_sub(start.0);
        for segment in &image.segments[1..] {
            self.load_segment(&image.file, *segment, bias, MapFlags::FIXED, None)?;
        }
        Ok(())
    }

    /// Finds the bias of a file that may lie anywhere; a larger alignment rounds it down.
    fn free_bias(&mut self, image: &ExecFile, first: ExecSegment, total: u64) -> Result<u64, Refusal> {
        let inside = first.addr.0 & (PAGE_SIZE - 1);
        let placing = Placing {
            file: Some(&image.file),
            addr: VirtAddr::NULL,
            len: VirtAddr(total).page_up_wrapping().0,
            pgoff: first.offset.0.wrapping_sub(inside) >> PAGE_SHIFT,
            flags: MapFlags::PRIVATE,
            vm_flags: VmFlags::NONE,
        };
        let found = self.place(placing)?.0 & !(largest_alignment(&image.segments) - 1);
        Ok(VirtAddr(found.wrapping_sub(first.addr.0)).page_down().0)
    }

    /// Maps one segment and its zero pages; `whole` reserves the place of all segments at once.
    ///
    /// Linux: `fs/binfmt_elf.c: elf_load`, `elf_map`.
    fn load_segment(
        &mut self,
        file: &Arc<MapFile>,
        segment: ExecSegment,
        bias: u64,
        fixed: MapFlags,
        whole: Option<u64>,
    ) -> Result<VirtAddr, Refusal> {
        let ExecSegment { addr, offset, file_bytes, mem_bytes, prot, align: _ } = segment;
        let at = VirtAddr(addr.0.wrapping_add(bias));
        let start = at.page_down();
        let inside = at.0 - start.0;
        if file_bytes > 0 {
            let len = VirtAddr(file_bytes + inside).page_up_wrapping().0;
            let total = whole.map_or(len, |total| VirtAddr(total).page_up_wrapping().0);
            let flags = MapFlags::PRIVATE | fixed;
            let pgoff = PageOff(offset.0.wrapping_sub(inside) >> PAGE_SHIFT);
            let request =
                Request { file: Some(Arc::clone(file)), addr: start, len: total, prot, flags, pgoff };
            self.do_mmap(request)?;
            if total > len {
                let rest = AddrRange { start: VirtAddr(start.0 + len), end: VirtAddr(start.0 + total) };
                self.unmap(rest)?;
            }
        }
        if mem_bytes > file_bytes {
            let from = if file_bytes > 0 { VirtAddr(at.0 + file_bytes) } else { start };
            if !from.is_page_aligned() && prot.contains(Prot::WRITE) {
                // The rest of the last page is zeroed: a store.
                self.space.prepare_anon(self.sys, start);
                let rest = (PAGE_SIZE - from.0 % PAGE_SIZE) as usize;
                if M::fault(self, start, from, Access::Write).is_ok() {
                    M::put(self, from, &[0; PAGE_SIZE as usize][..rest]);
                }
            }
            let zeroes = AddrRange {
                start: from.page_up_wrapping(),
                end: VirtAddr(at.0 + mem_bytes).page_up_wrapping(),
            };
            self.load_zeroes(zeroes, prot)?;
        }
        Ok(start)
    }

    /// Linux: `mm/mmap.c: vm_brk_flags`.
    fn load_zeroes(&mut self, range: AddrRange, prot: Prot) -> Result<(), Refusal> {
        if range.is_empty() {
            return Ok(());
        }
        self.unmap(range)?;
        let exec = if prot.contains(Prot::EXEC) { VmFlags::EXEC } else { VmFlags::NONE };
        self.extend_heap(range, exec, VirtAddr::NULL)
    }

    /// Linux: `arch/x86/entry/vdso/vma.c: map_vdso`.
    fn load_kernel_pages(&mut self, all: &[KernelPages]) -> Result<(), Refusal> {
        let pages: u64 = all.iter().map(|one| one.pages).sum();
        if pages == 0 {
            return Ok(());
        }
        let placing = Placing {
            file: None,
            addr: VirtAddr::NULL,
            len: pages * PAGE_SIZE,
            pgoff: 0,
            flags: MapFlags::NONE,
            vm_flags: VmFlags::NONE,
        };
        let mut start = self.place(placing)?;
        for KernelPages { pages, flags, number } in all {
            let end = VirtAddr(start.0 + pages * PAGE_SIZE);
            let range = AddrRange { start, end };
            let backing = Backing::Kernel(*number);
            let (pgoff, flags) = (PageOff(0), *flags);
            self.space.counters.add(flags, *pages);
            self.space.vmas.insert(Vma { range, pgoff, flags, backing, anon: None, extra: None });
            start = end;
        }
        Ok(())
    }
}

/// How many bytes all segments take, from the lowest to the highest, in whatever order they stand.
///
/// Linux: `fs/binfmt_elf.c: total_mapping_size`.
fn total_bytes(segments: &[ExecSegment]) -> u64 {
    let lowest = segments.iter().map(|segment| segment.addr.page_down().0).min().unwrap_or(0);
    let end = |segment: &ExecSegment| segment.addr.0.wrapping_add(segment.mem_bytes);
    segments.iter().map(end).max().unwrap_or(0).wrapping_sub(lowest)
}

/// The largest alignment that a segment asks for, at least a page; one that is no power of two asks for nothing.
///
/// Linux: `fs/binfmt_elf.c: maximum_alignment`.
fn largest_alignment(segments: &[ExecSegment]) -> u64 {
    let valid = segments.iter().map(|segment| segment.align).filter(|align| align.is_power_of_two());
    VirtAddr(valid.max().unwrap_or(0).max(PAGE_SIZE)).page_up_wrapping().0
}
