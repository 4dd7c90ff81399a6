//! The kernel's map beside the twin's.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use abi::{FileId, FileOff, PAGE_SHIFT};
use mm::{AddressSpace, Backing, Memory, ObjectId, VmFlags, Vma};
use proc_text::{MapsRow, TextError};

/// The inodes that shared anonymous memory turned out to have, by the twin's numbers.
#[derive(Debug, Default)]
pub struct Inodes {
    by_number: BTreeMap<u64, FileId>,
}

impl Inodes {
    /// Tells whether the inode is that of the object: the first sight of an object fixes it, and no two share one.
    fn agrees(&mut self, number: u64, file: FileId) -> bool {
        match self.by_number.get(&number) {
            Some(known) => *known == file,
            None if self.by_number.values().any(|known| *known == file) => false,
            None => {
                self.by_number.insert(number, file);
                true
            }
        }
    }
}

/// What maps prints of memory that no file and no name explains.
const VSYSCALL: &[u8] = b"[vsyscall]";

/// Tells whether a text of maps shows exactly the twin's mappings.
///
/// # Errors
/// If the text is none of maps.
pub fn same_map<M: Memory>(
    text: &[u8],
    space: &AddressSpace<M>,
    inodes: &mut Inodes,
) -> Result<bool, TextError> {
    let mut rows = proc_text::maps(text);
    for vma in space.vmas() {
        match rows.next() {
            Some(row) if same_row(&row?, vma, space, inodes) => {}
            _ => return Ok(false),
        }
    }
    match rows.next() {
        None => Ok(true),
        Some(row) => Ok(row?.name == VSYSCALL && rows.next().is_none()),
    }
}

fn same_row<M: Memory>(row: &MapsRow<'_>, vma: &Vma, space: &AddressSpace<M>, inodes: &mut Inodes) -> bool {
    let MapsRow { range, prot, shared, offset, file, name } = *row;
    let object = vma.backing.file().map(|file| file.object);
    let expected_offset = if object.is_some() { vma.pgoff.0 << PAGE_SHIFT } else { 0 };
    range == vma.range
        && prot == vma.flags.prot()
        && shared == vma.flags.contains(VmFlags::MAYSHARE)
        && offset == FileOff(expected_offset)
        && match object {
            Some(ObjectId::File(id)) => file == id && !name.is_empty(),
            Some(ObjectId::Nameless(number)) => {
                let is_called = |kind| name == proc_twin::nameless(kind);
                (vma.backing.file_kind().is_some_and(is_called) || name.starts_with(b"[anon_shmem:"))
                    && inodes.agrees(number, file)
            }
            None => file == FileId::default() && same_name(name, vma, space),
        }
}

fn same_name<M: Memory>(name: &[u8], vma: &Vma, space: &AddressSpace<M>) -> bool {
    let layout = space.layout();
    let range = vma.range;
    if let Backing::Kernel(_) = vma.backing {
        return matches!(name, b"[vdso]" | b"[vvar]" | b"[vvar_vclock]");
    }
    if range.start < layout.brk && range.end > layout.start_brk {
        return name == b"[heap]";
    }
    if range.start <= layout.start_stack && range.end >= layout.start_stack {
        return name == b"[stack]";
    }
    match vma.name() {
        Some(given) => name.strip_prefix(b"[anon:").and_then(|rest| rest.strip_suffix(b"]")) == Some(given),
        None => name.is_empty(),
    }
}

/// Tells whether two memories of the twin hold the same mappings with the same counters.
pub(crate) fn same_state(a: &AddressSpace, b: &AddressSpace) -> bool {
    let same = |(x, y): (&Vma, &Vma)| {
        let Vma { range, pgoff, flags, backing, anon, extra } = x;
        *range == y.range
            && *pgoff == y.pgoff
            && *flags == y.flags
            && backing.same_file(&y.backing)
            && *anon == y.anon
            && *extra == y.extra
    };
    a.map_count() == b.map_count() && a.counters() == b.counters() && a.vmas().zip(b.vmas()).all(same)
}

/// Returns the first mapping whose flags in a text of smaps are not, letter by letter, what the twin would print, with both.
///
/// # Errors
/// If the text is none of smaps.
pub fn other_flags<M: Memory>(
    text: &[u8],
    space: &AddressSpace<M>,
) -> Result<Option<(String, String)>, TextError> {
    for (row, vma) in proc_text::smaps(text).zip(space.vmas()) {
        let kernel = row?.fields.vm_flags.unwrap_or(proc_text::VmFlags(b""));
        let ours = proc_twin::letters(vma.flags);
        if !kernel.words().eq(proc_text::VmFlags(&ours).words()) {
            let line = |flags: proc_text::VmFlags<'_>| format!("{}: {flags:?}", vma.range);
            return Ok(Some((line(kernel), line(proc_text::VmFlags(&ours)))));
        }
    }
    Ok(None)
}

/// Writes the twin's map as maps would, without names.
pub(crate) fn twin_text(space: &AddressSpace) -> String {
    let mut text = String::new();
    for vma in space.vmas() {
        let letter = |flag, letter| if vma.flags.contains(flag) { letter } else { '-' };
        let file = vma.backing.file().map(|file| file.object);
        let offset = if file.is_some() { vma.pgoff.0 << PAGE_SHIFT } else { 0 };
        let anon = vma.anon.as_ref().map(|chain| {
            let links: Vec<_> = chain.links().iter().map(|id| id.0).collect();
            format!(" anon_vma {} of {links:?}", chain.own().0)
        });
        let _infallible = writeln!(
            text,
            "{} {}{}{}{} {offset:08x} {:?}{}",
            vma.range,
            letter(VmFlags::READ, 'r'),
            letter(VmFlags::WRITE, 'w'),
            letter(VmFlags::EXEC, 'x'),
            if vma.flags.contains(VmFlags::MAYSHARE) { 's' } else { 'p' },
            file.map_or(String::new(), |object| format!("{object:?} ")) + &format!("{:?}", vma.flags),
            anon.unwrap_or_default(),
        );
    }
    text
}
