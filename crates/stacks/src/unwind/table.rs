//! The call frame information of one object: from an address to the rule that holds there.

use abi::VirtAddr;
use gimli::{
    BaseAddresses, CfaRule, CieOrFde, EhFrame, EhFrameHdr, EhFrameOffset, EndianSlice, FrameDescriptionEntry,
    LittleEndian, RegisterRule, UnwindContext, UnwindExpression, UnwindSection, UnwindTableRow,
};

use super::evaluate::Expression;
use super::rule::{Cfa, Rule, Saved};
use super::stuck::Stuck;
use crate::file::{ObjectAddr, ObjectFile};

type Slice<'a> = EndianSlice<'a, LittleEndian>;

/// The call frame information of one object.
#[derive(Debug)]
pub(crate) struct UnwindTable {
    eh_frame: Vec<u8>,
    bases: BaseAddresses,
    index: Index,
}

/// How the entry of an address is found.
#[derive(Debug)]
enum Index {
    /// In the linker's own table, `.eh_frame_hdr`.
    Linker(Vec<u8>),
    /// In one made here: first addresses and where their entries stand, ascending.
    Made(Vec<(u64, usize)>),
}

impl UnwindTable {
    /// Reads an object's; `None` if it has none.
    pub(crate) fn read(object: &ObjectFile) -> Option<Self> {
        let address = |name: &[u8]| object.section(name).map(|section| section.address);
        let eh_frame = object.section_bytes(b".eh_frame").filter(|bytes| !bytes.is_empty())?;
        let mut bases = BaseAddresses::default().set_eh_frame(address(b".eh_frame")?);
        for (name, set) in [
            (&b".text"[..], BaseAddresses::set_text as fn(BaseAddresses, u64) -> BaseAddresses),
            (b".got", BaseAddresses::set_got),
            (b".eh_frame_hdr", BaseAddresses::set_eh_frame_hdr),
        ] {
            if let Some(address) = address(name) {
                bases = set(bases, address);
            }
        }
        let linker = object.section_bytes(b".eh_frame_hdr").filter(|bytes| {
            let header = EhFrameHdr::new(bytes, LittleEndian).parse(&bases, 8);
            header.is_ok_and(|header| header.table().is_some())
        });
        let index = match linker {
            Some(bytes) => Index::Linker(bytes),
            None => Index::Made(index_of(&eh_frame, &bases)),
        };
        Some(Self { eh_frame, bases, index })
    }

    /// Returns the rule that holds at an address; `None` where there is none.
    pub(crate) fn rule(
        &self,
        addr: ObjectAddr,
        context: &mut UnwindContext<usize>,
    ) -> Result<Option<Rule>, Stuck> {
        let section = section(&self.eh_frame);
        let Some(entry) = self.entry(&section, addr) else { return Ok(None) };
        let row = entry
            .unwind_info_for_address(&section, &self.bases, context, addr.0)
            .map_err(|_| Stuck::Damaged)?;
        rule_of(&section, &entry, row).map(Some)
    }

    fn entry<'a>(
        &'a self,
        section: &EhFrame<Slice<'a>>,
        addr: ObjectAddr,
    ) -> Option<FrameDescriptionEntry<Slice<'a>>> {
        let offset = match &self.index {
            Index::Linker(bytes) => {
                let header = EhFrameHdr::new(bytes, LittleEndian).parse(&self.bases, 8).ok()?;
                let table = header.table()?;
                let place = table.lookup(addr.0, &self.bases).ok()?;
                table.pointer_to_offset(place).ok()?
            }
            Index::Made(index) => {
                let after = index.partition_point(|(start, _)| *start <= addr.0);
                EhFrameOffset(index.get(after.checked_sub(1)?)?.1)
            }
        };
        let entry = section.fde_from_offset(&self.bases, offset, EhFrame::cie_from_offset).ok()?;
        entry.contains(addr.0).then_some(entry)
    }
}

fn section(eh_frame: &[u8]) -> EhFrame<Slice<'_>> {
    let mut section = EhFrame::new(eh_frame, LittleEndian);
    section.set_address_size(8);
    section
}

/// Finds every entry, up to the first that is damaged.
fn index_of(eh_frame: &[u8], bases: &BaseAddresses) -> Vec<(u64, usize)> {
    let section = section(eh_frame);
    let mut entries = section.entries(bases);
    let mut index = Vec::new();
    while let Ok(Some(entry)) = entries.next() {
        if let CieOrFde::Fde(partial) = entry
            && let Ok(entry) = partial.parse(EhFrame::cie_from_offset)
        {
            index.push((entry.initial_address(), entry.offset()));
        }
    }
    index.sort_unstable();
    index
}

fn rule_of(
    section: &EhFrame<Slice<'_>>,
    entry: &FrameDescriptionEntry<Slice<'_>>,
    row: &UnwindTableRow<usize>,
) -> Result<Rule, Stuck> {
    let expression = |of: &UnwindExpression<usize>| -> Result<Expression, Stuck> {
        let code = of.get(section).map_err(|_| Stuck::Damaged)?;
        Ok(Expression { code: code.0.slice().into(), encoding: entry.cie().encoding() })
    };
    let number = |register: gimli::Register| u8::try_from(register.0).map_err(|_| Stuck::Damaged);
    let cfa = match row.cfa() {
        CfaRule::RegisterAndOffset { register, offset } => Cfa::Register(number(*register)?, *offset),
        CfaRule::Expression(of) => Cfa::Expression(expression(of)?),
    };
    let mut saved = Vec::new();
    for (register, rule) in row.registers() {
        // Vector registers never lead to a caller.
        let Ok(register) = number(*register) else { continue };
        let saved_at = match rule {
            RegisterRule::Undefined => Saved::Undefined,
            RegisterRule::SameValue => continue,
            RegisterRule::Offset(offset) => Saved::At(*offset),
            RegisterRule::ValOffset(offset) => Saved::Offset(*offset),
            RegisterRule::Register(other) => Saved::Register(number(*other)?),
            RegisterRule::Expression(of) => Saved::AtExpression(expression(of)?),
            RegisterRule::ValExpression(of) => Saved::Expression(expression(of)?),
            _ => return Err(Stuck::Damaged),
        };
        saved.push((register, saved_at));
    }
    let function = ObjectAddr(entry.initial_address());
    let function_end = ObjectAddr(entry.initial_address().saturating_add(entry.len()));
    let is_signal_frame = entry.is_signal_trampoline();
    Ok(Rule { cfa, saved: saved.into(), function, function_end, is_signal_frame })
}

/// Returns the address at which a rule is looked up: inside the call that is to return there, except for the
/// innermost frame and for one that a signal interrupted.
pub(crate) fn inside_call(return_address: VirtAddr) -> VirtAddr {
    VirtAddr(return_address.0.wrapping_sub(1))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_indices_find_the_same_rules() {
        let own = ObjectFile::open(&std::env::current_exe().expect("our own path")).expect("our own file");
        let linker = UnwindTable::read(&own).expect("a program has call frame information");
        assert!(matches!(linker.index, Index::Linker(_)));
        let index = index_of(&linker.eh_frame, &linker.bases);
        assert!(index.len() > 100);
        let starts: Vec<u64> = index.iter().map(|(start, _)| *start).collect();
        let made = UnwindTable {
            eh_frame: linker.eh_frame.clone(),
            bases: linker.bases.clone(),
            index: Index::Made(index),
        };
        let mut context = UnwindContext::new();
        for start in starts.iter().step_by(7) {
            for addr in [*start, start + 1, start + 5, start.wrapping_sub(1)] {
                let mut shown =
                    |table: &UnwindTable| format!("{:?}", table.rule(ObjectAddr(addr), &mut context));
                assert_eq!(shown(&linker), shown(&made), "{addr:#x}");
            }
        }
    }
}
