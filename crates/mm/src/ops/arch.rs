//! What the processor and the execution domain decide: protection keys, shadow stacks, `personality`,
//! `arch_prctl`.

use abi::ArchPrctlOp;

use super::Answer;
use crate::file::Backing;
use crate::input::Input;
use crate::op::Op;
use crate::pages::Memory;
use crate::why::Refusal;

/// `PKEY_DISABLE_ACCESS` and `PKEY_DISABLE_WRITE`.
const PKEY_RIGHTS: u64 = 3;
/// The persona that only asks.
const ASK: u32 = u32::MAX;

impl<M: Memory> Op<'_, M> {
    /// Without keys in the processor the first allocation takes the only key, fails to set its rights and never
    /// gives it back; every further one finds none left.
    ///
    /// Linux: `mm/mprotect.c: pkey_alloc`.
    pub(crate) fn pkey_alloc(&mut self, flags: u64, rights: u64, input: &Input) -> Answer {
        if flags != 0 || rights & !PKEY_RIGHTS != 0 {
            return Err(Refusal::KeyFlags);
        }
        if self.sys.profile.options.pkeys {
            return self.take_over(input);
        }
        if core::mem::replace(&mut self.space.settings.only_key_taken, true) {
            return Err(Refusal::NoKeysLeft);
        }
        Err(Refusal::KeyRights)
    }

    /// Linux: `mm/mprotect.c: pkey_free`.
    pub(crate) fn pkey_free(&mut self, input: &Input) -> Answer {
        if self.sys.profile.options.pkeys { self.take_over(input) } else { Err(Refusal::KeyNotAllocated) }
    }

    /// Asks for the personality of the caller, and sets it.
    ///
    /// Linux: `kernel/sys.c: personality`.
    pub(crate) fn personality(&mut self, persona: u64) -> Answer {
        // The kernel reads an unsigned int.
        let persona = persona as u32;
        let settings = &mut self.space.settings;
        let old = settings.persona;
        if persona != ASK {
            settings.set_persona(persona);
        }
        Ok(u64::from(old))
    }

    /// Linux: `arch/x86/kernel/shstk.c: map_shadow_stack`, absent from this profile's kernel.
    pub(crate) fn map_shadow_stack(&mut self, input: &Input) -> Answer {
        if self.sys.profile.options.shadow_stack {
            self.take_over(input)
        } else {
            Err(Refusal::NoShadowStack)
        }
    }

    /// Linux: `arch/x86/kernel/process_64.c: do_arch_prctl_64`.
    pub(crate) fn arch_prctl(&mut self, op: ArchPrctlOp, input: &Input) -> Answer {
        match op {
            ArchPrctlOp::MAP_VDSO_32 | ArchPrctlOp::MAP_VDSO_64 => {
                let mapped = self.space.vmas().any(|vma| matches!(vma.backing, Backing::Kernel(_)));
                if mapped { Err(Refusal::VdsoMapped) } else { self.take_over(input) }
            }
            ArchPrctlOp::SHSTK_ENABLE | ArchPrctlOp::SHSTK_DISABLE
                if self.sys.profile.options.shadow_stack =>
            {
                self.take_over(input)
            }
            ArchPrctlOp::MAP_VDSO_X32
            | ArchPrctlOp::ENABLE_TAGGED_ADDR
            | ArchPrctlOp::SHSTK_ENABLE
            | ArchPrctlOp::SHSTK_DISABLE => Err(Refusal::ArchPrctlOp),
            // Every other operation leaves memory alone: its answer is not the map's.
            _ => self.take_over(input),
        }
    }
}
