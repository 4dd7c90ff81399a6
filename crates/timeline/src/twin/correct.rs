//! Taking back what the twin predicted where the kernel did otherwise.

use abi::{AddrRange, Call, Errno, VirtAddr};
use recording::CallInput;

use super::{Base, Predicted, Shared, Told, Twin};

/// How a prediction was put right.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Corrected {
    /// The kernel's answer was an input that no rule decides: its name.
    Input(&'static str),
    /// The map is as the kernel has it.
    Done,
    /// The map can't be put right before the next checkpoint.
    Unknown,
}

impl Twin {
    /// The kernel placed the mapping elsewhere.
    pub fn place(
        &mut self,
        shared: &mut Shared,
        call: Call,
        input: &CallInput,
        predicted: Result<u64, Errno>,
        addr: VirtAddr,
    ) -> Corrected {
        let Call::Mmap { addr: hint, len, prot, flags, fd, offset } = call else { return Corrected::Unknown };
        let there = Call::Mmap { addr, len, prot, flags: flags | abi::MapFlags::FIXED, fd, offset };
        self.unmap(shared, predicted, len);
        let learned = self.base == Base::ToBeLearned && hint == VirtAddr::NULL;
        if learned {
            self.base = Base::Known;
            self.space.layout_mut().mmap_base = VirtAddr(addr.0.wrapping_add(len)).page_up_wrapping();
        }
        let decided = match self.call(shared, call, input, Told::Place(addr)) {
            Some(again) if again.result == Ok(addr.0) => again.input,
            again => {
                self.unmap(shared, again.map_or(Err(Errno::ENOMEM), |again| again.result), len);
                return self.place_exactly(shared, there, input, addr);
            }
        };
        if learned {
            Corrected::Input("mmap_base")
        } else if flags.contains(abi::MapFlags::MAP_32BIT) && hint == VirtAddr::NULL {
            Corrected::Input("MAP_32BIT start")
        } else {
            decided.map_or(Corrected::Done, Corrected::Input)
        }
    }

    /// No rule leads there. Whatever the twin has there is gone in the kernel, which looked for a free place.
    fn place_exactly(
        &mut self,
        shared: &mut Shared,
        there: Call,
        input: &CallInput,
        addr: VirtAddr,
    ) -> Corrected {
        match self.call(shared, there, input, Told::Answer(addr.0.cast_signed())) {
            Some(Predicted { result: Ok(_), .. }) => Corrected::Done,
            _ => Corrected::Unknown,
        }
    }

    /// The kernel refused a call.
    pub fn undo(&mut self, shared: &mut Shared, call: Call, predicted: Result<u64, Errno>) -> Corrected {
        match (call, predicted) {
            (_, Err(_)) => Corrected::Done,
            (Call::Mmap { len, flags, .. }, Ok(_)) if !flags.contains(abi::MapFlags::FIXED) => {
                self.unmap(shared, predicted, len);
                Corrected::Done
            }
            _ => Corrected::Unknown,
        }
    }

    /// Unmaps what a predicted `mmap` mapped.
    fn unmap(&mut self, shared: &mut Shared, predicted: Result<u64, Errno>, len: u64) {
        let Ok(start) = predicted else { return };
        if let Some(range) = AddrRange::from_len(VirtAddr(start), len) {
            let call = Call::Munmap { addr: range.start, len: range.len() };
            self.call(shared, call, &CallInput::None, Told::Nothing);
        }
    }
}
