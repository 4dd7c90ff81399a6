//! The twin's own values as bytes.

use std::sync::Arc;

use mm::{
    AnonChain, AnonVmaId, Backing, DescriptionId, Driver, Extra, FileKind, Layout, Limits, MapFile, ObjectId,
    OpenMode, Policy, Ring, Settings, SpaceState, SystemState, Uffd, VmFlags, Vma,
};

use super::codec::{In, Out, Saved, saved, saved_enum, saved_number};

saved_number! { VmFlags: u64, AnonVmaId: u64 }

saved_enum! {
    FileKind {
        Regular, RegularHuge, Fuse, RegularOther, Overlay, Shmem, SysV, Hugetlb, HugetlbGib, ZeroDevice, AioRing,
        Unmappable, SysVHuge, Special(Driver::Perf), Special(Driver::IoUring), Special(Driver::Bpf),
        Special(Driver::BpfArena), Special(Driver::Trace), Special(Driver::Other),
    }
}

saved! {
    OpenMode { read, write, append_only }
    MapFile { object, description, kind, mode, bytes, seals, noexec }
    Policy { mode, nodes, asked_nodes, home_node }
    Uffd { id, features, ready }
    Extra { name, policy, uffd }
    Vma { range, pgoff, flags, backing, anon, extra }
    Layout {
        mmap_base, mmap_legacy_base, bottom_up, start_brk, brk, start_data, end_data, start_stack,
    }
    Limits { address_space, data, stack, memlock }
    Settings {
        read_implies_exec, refuse_exec_gain, mdwe_no_inherit, merge_any, thp_disabled,
        thp_disabled_except_advised, persona, only_key_taken,
    }
    Ring { id, bytes, description }
    SpaceState { vmas, layout, limits, locked_vm, def_flags, settings, guards, rings, blocks }
    SystemState { committed, sizes, next_nameless, anon_vmas, next_anon_vma }
}

impl Saved for AnonChain {
    fn put(&self, out: &mut Out) {
        self.own().put(out);
        (!self.is_singular()).then(|| self.links().to_vec()).put(out);
    }
    fn get(input: &mut In<'_>) -> Option<Self> {
        Some(Self::new(Saved::get(input)?, Saved::get(input)?))
    }
}

impl<T: Saved> Saved for Arc<T> {
    fn put(&self, out: &mut Out) {
        T::put(self, out);
    }
    fn get(input: &mut In<'_>) -> Option<Self> {
        T::get(input).map(Self::new)
    }
}

impl Saved for ObjectId {
    fn put(&self, out: &mut Out) {
        match self {
            Self::File(file) => (0u8, *file).put(out),
            Self::Nameless(no) => (1u8, *no).put(out),
        }
    }
    fn get(input: &mut In<'_>) -> Option<Self> {
        match u8::get(input)? {
            0 => Saved::get(input).map(Self::File),
            1 => Saved::get(input).map(Self::Nameless),
            _ => None,
        }
    }
}

impl Saved for DescriptionId {
    fn put(&self, out: &mut Out) {
        match self {
            Self::Known(no) => (0u8, *no).put(out),
            Self::Nameless(no) => (1u8, *no).put(out),
            Self::Unknown(file) => (2u8, *file).put(out),
            Self::NeverMapped => 3u8.put(out),
        }
    }
    fn get(input: &mut In<'_>) -> Option<Self> {
        match u8::get(input)? {
            0 => Saved::get(input).map(Self::Known),
            1 => Saved::get(input).map(Self::Nameless),
            2 => Saved::get(input).map(Self::Unknown),
            3 => Some(Self::NeverMapped),
            _ => None,
        }
    }
}

impl Saved for Backing {
    fn put(&self, out: &mut Out) {
        match self {
            Self::Anonymous => 0u8.put(out),
            Self::File(file) => {
                1u8.put(out);
                file.put(out);
            }
            Self::Kernel(no) => (2u8, *no).put(out),
        }
    }
    fn get(input: &mut In<'_>) -> Option<Self> {
        match u8::get(input)? {
            0 => Some(Self::Anonymous),
            1 => Saved::get(input).map(Self::File),
            2 => Saved::get(input).map(Self::Kernel),
            _ => None,
        }
    }
}
