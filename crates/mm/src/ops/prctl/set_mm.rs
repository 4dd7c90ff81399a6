//! `PR_SET_MM`: the fields that say where code, data, heap, stack and arguments are. It maps nothing, but the heap
//! grows from where it says.

use super::Args;
use crate::input::{Input, Pointers};
use crate::op::Op;
use crate::ops::Answer;
use crate::pages::Memory;
use crate::why::Refusal;

/// `PR_SET_MM_*`.
mod field {
    pub(super) const START_CODE: u64 = 1;
    pub(super) const END_CODE: u64 = 2;
    pub(super) const START_DATA: u64 = 3;
    pub(super) const END_DATA: u64 = 4;
    pub(super) const START_STACK: u64 = 5;
    pub(super) const START_BRK: u64 = 6;
    pub(super) const BRK: u64 = 7;
    pub(super) const ARG_START: u64 = 8;
    pub(super) const ENV_END: u64 = 11;
    pub(super) const AUXV: u64 = 12;
    pub(super) const EXE_FILE: u64 = 13;
    pub(super) const MAP: u64 = 14;
    pub(super) const MAP_SIZE: u64 = 15;
}

/// The bytes of `struct prctl_mm_map`.
const MAP_BYTES: u64 = 104;
/// The bytes that the kernel keeps of the auxiliary vector.
const AUXV_BYTES_MAX: u64 = 8 * 2 * (3 + 24 + 1);

/// The addresses of `struct prctl_mm_map`, in its order.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
struct Fields {
    code: [u64; 2],
    data: [u64; 2],
    brk: [u64; 2],
    stack: u64,
    arg: [u64; 2],
    env: [u64; 2],
}

impl Fields {
    fn from_words(words: &[u64]) -> Option<Self> {
        let &[code0, code1, data0, data1, brk0, brk1, stack, arg0, arg1, env0, env1, ..] = words else {
            return None;
        };
        let (code, data, brk) = ([code0, code1], [data0, data1], [brk0, brk1]);
        Some(Self { code, data, brk, stack, arg: [arg0, arg1], env: [env0, env1] })
    }

    fn slot(&mut self, what: u64) -> Option<&mut u64> {
        Some(match what {
            field::START_CODE => &mut self.code[0],
            field::END_CODE => &mut self.code[1],
            field::START_DATA => &mut self.data[0],
            field::END_DATA => &mut self.data[1],
            field::START_STACK => &mut self.stack,
            field::START_BRK => &mut self.brk[0],
            field::BRK => &mut self.brk[1],
            8 => &mut self.arg[0],
            9 => &mut self.arg[1],
            10 => &mut self.env[0],
            11 => &mut self.env[1],
            _ => return None,
        })
    }

    fn all(&self) -> [u64; 11] {
        let Self { code, data, brk, stack, arg, env } = *self;
        [code[0], code[1], data[0], data[1], brk[0], brk[1], stack, arg[0], arg[1], env[0], env[1]]
    }
}

impl<M: Memory> Op<'_, M> {
    /// Linux: `kernel/sys.c: prctl_set_mm`.
    ///
    /// `Input::words` holds the eleven addresses: as the program gives them for `PR_SET_MM_MAP`, else as they are
    /// at present.
    pub(super) fn set_mm(&mut self, [what, addr, len, last]: Args, input: &Input) -> Answer {
        let has_length = matches!(what, field::AUXV | field::MAP | field::MAP_SIZE);
        if last != 0 || (len != 0 && !has_length) {
            return Err(Refusal::PrctlArguments);
        }
        match what {
            field::MAP_SIZE => return self.user_write(abi::VirtAddr(addr), 4).map(|()| 0),
            field::MAP => return self.set_mm_map(len, input),
            _ => {}
        }
        if !self.caps.sys_resource {
            return Err(Refusal::SetMmPrivilege);
        }
        match what {
            field::EXE_FILE => return self.take_over(input),
            field::AUXV if len > AUXV_BYTES_MAX => return Err(Refusal::SetMmValue),
            field::AUXV => return self.user_read(abi::VirtAddr(addr), len).map(|()| 0),
            _ => {}
        }
        if addr >= self.sys.profile.task_size.0 || addr < self.sys.profile.dac_mmap_min_addr.0 {
            return Err(Refusal::SetMmValue);
        }
        let Some(mut fields) = Fields::from_words(&input.words) else { return self.take_over(input) };
        let Some(slot) = fields.slot(what) else { return Err(Refusal::SetMmValue) };
        *slot = addr;
        self.check_fields(&fields)?;
        let on_stack = what == field::START_STACK || (field::ARG_START..=field::ENV_END).contains(&what);
        if on_stack && self.space.vmas.first_ending_after(abi::VirtAddr(addr)).is_none() {
            return Err(Refusal::SetMmHole);
        }
        self.set_fields(&fields);
        Ok(0)
    }

    /// Linux: `kernel/sys.c: prctl_set_mm_map`.
    fn set_mm_map(&mut self, len: u64, input: &Input) -> Answer {
        if len != MAP_BYTES {
            return Err(Refusal::SetMmValue);
        }
        if input.pointers == Pointers::Bad {
            return Err(Refusal::Unreadable);
        }
        let Some(fields) = Fields::from_words(&input.words) else { return self.take_over(input) };
        self.check_fields(&fields)?;
        let (auxv, sizes) = (input.words.get(11).copied(), input.words.get(12).copied());
        let (auxv_len, exe) = (sizes.unwrap_or(0) as u32, (sizes.unwrap_or(u64::MAX) >> 32) as u32);
        if auxv_len != 0 && (auxv == Some(0) || u64::from(auxv_len) > AUXV_BYTES_MAX) {
            return Err(Refusal::SetMmValue);
        }
        self.user_read(abi::VirtAddr(auxv.unwrap_or(0)), u64::from(auxv_len))?;
        if exe != u32::MAX {
            // Whether that file may become the program's is not the map's.
            if let Some(Err(_)) = input.observed {
                return self.take_over(input);
            }
        }
        self.set_fields(&fields);
        Ok(0)
    }

    /// Linux: `kernel/sys.c: validate_prctl_map_addr`.
    fn check_fields(&self, fields: &Fields) -> Result<(), Refusal> {
        let (low, high) = (self.sys.profile.dac_mmap_min_addr.0, self.sys.profile.task_size.0);
        let Fields { code, data, brk, stack: _, arg, env } = fields;
        let inside = fields.all().iter().all(|addr| (low..high).contains(addr));
        let ordered = code[0] < code[1] && [data, brk, arg, env].iter().all(|pair| pair[0] <= pair[1]);
        let bytes = brk[1].wrapping_sub(brk[0]).wrapping_add(data[1].wrapping_sub(data[0]));
        if !inside || !ordered || bytes > self.space.limits.data.soft {
            return Err(Refusal::SetMmValue);
        }
        Ok(())
    }

    fn set_fields(&mut self, fields: &Fields) {
        let layout = &mut self.space.layout;
        [layout.start_data.0, layout.end_data.0] = fields.data;
        [layout.start_brk.0, layout.brk.0] = fields.brk;
        layout.start_stack.0 = fields.stack;
    }
}
