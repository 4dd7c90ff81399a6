//! E24: what exec maps, as Linux 6.18 mapped a small position-independent program without randomisation.

use alloc::format;
use alloc::string::String;
use alloc::sync::Arc;
use alloc::vec::Vec;

use abi::{AddrRange, FileId, FileOff, Prot, VirtAddr};

use crate::file::{Backing, DescriptionId, FileKind, MapFile, ObjectId, OpenMode};
use crate::flags::VmFlags;
use crate::input::{Caps, Input};
use crate::profile::Profile;
use crate::space::{
    AddressSpace, ExecFile, ExecImage, ExecPlace, ExecSegment, ExecStack, KernelPages, Layout, Limits,
    Settings,
};
use crate::system::System;

/// Address, offset, bytes in the file, bytes in memory, protection.
type Segment = (u64, u64, u64, u64, Prot);

const PROGRAM: [Segment; 4] = [
    (0, 0, 0x5e0, 0x5e0, Prot::READ),
    (0x1000, 0x1000, 0x141, 0x141, Prot::RX),
    (0x2000, 0x2000, 0xdc, 0xdc, Prot::READ),
    (0x3e00, 0x2e00, 0x210, 0x5060, Prot::RW),
];
const INTERPRETER: [Segment; 4] = [
    (0, 0, 0xd58, 0xd58, Prot::READ),
    (0x1000, 0x1000, 0x25111, 0x25111, Prot::RX),
    (0x27000, 0x27000, 0x9c7c, 0x9c7c, Prot::READ),
    (0x31900, 0x31900, 0x2810, 0x29d8, Prot::RW),
];

fn file(number: u64, place: ExecPlace, segments: &[Segment]) -> ExecFile {
    let file = MapFile {
        object: ObjectId::File(FileId { ino: number, ..FileId::default() }),
        description: DescriptionId::Known(number),
        kind: FileKind::Regular,
        mode: OpenMode { read: true, write: false, append_only: false },
        bytes: 1 << 20,
        seals: 0,
        noexec: false,
    };
    let segment = |(addr, offset, file_bytes, mem_bytes, prot): &Segment| ExecSegment {
        addr: VirtAddr(*addr),
        offset: FileOff(*offset),
        file_bytes: *file_bytes,
        mem_bytes: *mem_bytes,
        prot: *prot,
        align: 0x1000,
    };
    ExecFile { file: Arc::new(file), place, segments: segments.iter().map(segment).collect() }
}

fn image() -> ExecImage {
    let data = VmFlags::IO | VmFlags::PFNMAP | VmFlags::DONTEXPAND | VmFlags::DONTDUMP;
    let read = VmFlags::READ | VmFlags::MAYREAD;
    let code = read | VmFlags::EXEC | VmFlags::MAYWRITE | VmFlags::MAYEXEC | VmFlags::DONTEXPAND;
    ExecImage {
        program: file(1, ExecPlace::Bias(VirtAddr(0x5555_5555_4000)), &PROGRAM),
        interpreter: Some(file(2, ExecPlace::Anywhere, &INTERPRETER)),
        stack: ExecStack {
            range: AddrRange::new(VirtAddr(0x7fff_fffd_e000), VirtAddr(0x7fff_ffff_f000)),
            prot: Prot::RW,
        },
        kernel: Arc::new([
            KernelPages { pages: 4, flags: read | data, number: 0 },
            KernelPages { pages: 2, flags: read | data, number: 1 },
            KernelPages { pages: 2, flags: code, number: 2 },
        ]),
        layout: Layout { mmap_base: VirtAddr(0x7fff_f7ff_f000), ..Layout::default() },
        settings: Settings::default(),
    }
}

fn map(space: &AddressSpace) -> Vec<String> {
    space
        .vmas()
        .map(|vma| {
            let what = match &vma.backing {
                Backing::Anonymous => "-",
                Backing::File(file) if file.description == DescriptionId::Known(1) => "program",
                Backing::File(_) => "interpreter",
                Backing::Kernel(_) => "kernel",
            };
            let touched = if vma.anon.is_some() { " touched" } else { "" };
            format!("{} {} {what}{touched}", vma.range, vma.flags.prot())
        })
        .collect()
}

#[test]
fn e24_a_program_with_its_interpreter() {
    let mut sys = System::new(Profile::linux_6_18_x86_64());
    let space =
        AddressSpace::exec(&mut sys, &image(), Limits::default(), &Input::default()).expect("it fits");
    assert_eq!(
        map(&space),
        [
            "555555554000-555555555000 PROT_READ program",
            "555555555000-555555556000 PROT_READ|PROT_EXEC program",
            "555555556000-555555557000 PROT_READ program",
            "555555557000-555555559000 PROT_READ|PROT_WRITE program touched",
            "555555559000-55555555d000 PROT_READ|PROT_WRITE -",
            "7ffff7fc2000-7ffff7fc6000 PROT_READ kernel",
            "7ffff7fc6000-7ffff7fc8000 PROT_READ kernel",
            "7ffff7fc8000-7ffff7fca000 PROT_READ|PROT_EXEC kernel",
            "7ffff7fca000-7ffff7fcb000 PROT_READ interpreter",
            "7ffff7fcb000-7ffff7ff1000 PROT_READ|PROT_EXEC interpreter",
            "7ffff7ff1000-7ffff7ffb000 PROT_READ interpreter",
            "7ffff7ffb000-7ffff7fff000 PROT_READ|PROT_WRITE interpreter touched",
            "7ffffffde000-7ffffffff000 PROT_READ|PROT_WRITE - touched",
        ]
    );
    assert_eq!(sys.committed_pages(), 2 + 4 + 4 + 33);
}

#[test]
fn e24_a_limit_that_the_program_exceeds_leaves_nothing() {
    let mut sys = System::new(Profile::linux_6_18_x86_64());
    let limits =
        Limits { address_space: abi::Rlimit { soft: 0x2_8000, hard: u64::MAX }, ..Limits::default() };
    let refused = AddressSpace::exec(&mut sys, &image(), limits, &Input::default());
    assert_eq!(refused.map(|space| map(&space)), Err(crate::why::Refusal::AddressSpaceLimit));
    assert_eq!((sys.committed_pages(), sys.anon_vmas.len()), (0, 0));
}

/// As `setarch -Z` asks for it.
#[test]
fn e24_a_page_at_address_0_is_mapped_and_sealed_where_the_user_may() {
    let mut image = image();
    image.settings.persona = 0x10_0000;
    for (caps, first) in [
        (Caps { sys_rawio: true, ..Caps::default() }, Some("0-1000 PROT_READ|PROT_EXEC -")),
        (Caps::default(), None),
    ] {
        let mut sys = System::new(Profile::linux_6_18_x86_64());
        let input = Input { caps, ..Input::default() };
        let space = AddressSpace::exec(&mut sys, &image, Limits::default(), &input).expect("it fits");
        let at_0 = space.find(VirtAddr(0));
        assert_eq!(at_0.map(|_| map(&space)[0].clone()).as_deref(), first);
        assert!(at_0.is_none_or(|vma| vma.flags.contains(VmFlags::SEALED)));
    }
}

#[test]
fn the_pages_of_the_arguments_are_there() {
    let mut sys = System::with_states(Profile::linux_6_18_x86_64());
    let mut image = image();
    image.layout.start_stack = VirtAddr(0x7fff_ffff_d5a0);
    let space = AddressSpace::exec(&mut sys, &image, Limits::default(), &Input::default()).expect("it fits");
    let mut there = Vec::new();
    space.pages(&sys, image.stack.range, |addr, page| there.push((addr.0, page.dirty)));
    assert_eq!(there, [(0x7fff_ffff_d000, true), (0x7fff_ffff_e000, true)]);
}
