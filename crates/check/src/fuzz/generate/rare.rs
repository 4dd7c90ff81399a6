//! Arguments of the calls that few programs make.

use abi::{Advice, Call, Fd, PrctlOp, VirtAddr};
use mm::{FileKind, Uffd};

use super::Choice;
use super::calls::ADVICE;
use crate::fuzz::line::Act;
use crate::fuzz::run::UFFDS_MAX;

/// `PIDFD_SELF_THREAD_GROUP`.
const SELF: Fd = Fd(-10_001);
/// `UFFDIO_REGISTER` and `UFFDIO_UNREGISTER`.
const REGISTER: u64 = 0xc020_aa00;
const UNREGISTER: u64 = 0x8010_aa01;

impl Choice<'_> {
    /// Returns the first address of a mapping of a kind.
    fn start_of(&mut self, kind: FileKind) -> Option<VirtAddr> {
        let of_kind = |vma: &&mm::Vma| vma.backing.file_kind() == Some(kind);
        let count = self.space.vmas().filter(of_kind).count() as u64;
        let at = self.rng.below(count) as usize;
        self.space.vmas().filter(of_kind).nth(at).map(|vma| vma.range.start)
    }

    /// The kernel truncates the ring of a destroyed context some time later (`fs/aio.c: free_ioctx` waits for RCU):
    /// what is left of it, sealed or in a child, would answer by chance.
    fn destroy_ring(&mut self) -> Option<Act> {
        let Some(ctx) = self.start_of(FileKind::AioRing) else {
            return Some(Act::Call(Call::IoDestroy { ctx: VirtAddr(0x1000) }));
        };
        let is_ring = |vma: &&mm::Vma| vma.backing.file_kind() == Some(FileKind::AioRing);
        let is_sealed = |vma: &mm::Vma| vma.flags.contains(mm::VmFlags::SEALED);
        let would_stay = self.processes > 1 || self.space.vmas().filter(is_ring).any(is_sealed);
        (!would_stay).then_some(Act::Call(Call::IoDestroy { ctx }))
    }

    pub(super) fn ring(&mut self) -> Option<Act> {
        if self.rng.percent(45) {
            return self.destroy_ring();
        }
        let events = self.rng.pick(&[1, 1, 20, 100, 300, 0, 1 << 31]);
        let word = self.rng.pick(&[0, 0, 0, 0, 0, 1]);
        let call = Call::IoSetup { events, ctx: VirtAddr::NULL };
        Some(Act::Pointed { call, arg: 1, words: vec![word] })
    }

    /// A call on the process itself by its descriptor.
    pub(super) fn process(&mut self) -> Option<Act> {
        if self.rng.percent(10) {
            let flags = self.rng.pick(&[0, 0, 1, 1 << 32]);
            return Some(Act::Call(Call::ProcessMrelease { pidfd: SELF, flags }));
        }
        self.process_madvise()
    }

    fn process_madvise(&mut self) -> Option<Act> {
        let count = self.rng.pick(&[0, 1, 1, 2, 3, 4]);
        let mut words = Vec::new();
        for _ in 0..count {
            let (addr, len) = self.range();
            if self.is_vital(addr, len) || self.is_much(addr, len) {
                return None;
            }
            words.extend([addr.0, len]);
        }
        let advice = self.rng.pick(ADVICE);
        if advice == Advice::COLLAPSE {
            return None;
        }
        let flags = self.rng.pick(&[0, 0, 0, 0, 0, 0, 0, 1]);
        let call = Call::ProcessMadvise { pidfd: SELF, iovec: VirtAddr::NULL, count, advice, flags };
        Some(Act::Pointed { call, arg: 1, words })
    }

    /// A field of `PR_SET_MM` that is refused to everybody, or to those without privileges: one that is set needs to
    /// know all others.
    pub(super) fn set_mm(&mut self) -> Act {
        const MAP: u64 = 14;
        let addr = self.rng.pick(&[0, 0x1000, 1 << 47, u64::MAX]);
        let (arg2, arg3, arg4) = match self.rng.below(10) {
            0 => (MAP, addr, self.rng.pick(&[0, 8, 200])),
            1 => (99, addr, 0),
            2 => (12, addr, 4096),
            3 if !self.caps.sys_resource => (7, self.space.layout().brk.0, 0),
            _ => (1 + self.rng.below(11), addr, 0),
        };
        let arg3 = if self.caps.sys_resource && arg3 == 0x1000 { 0 } else { arg3 };
        let arg5 = u64::from(self.rng.percent(10));
        Act::Call(Call::Prctl { op: PrctlOp::SET_MM, arg2, arg3, arg4, arg5 })
    }

    /// Operations that are refused: a vdso is mapped already, or this kernel has none such.
    pub(super) fn arch_prctl(&mut self) -> Option<Act> {
        use abi::ArchPrctlOp as Op;
        let ops =
            [Op::MAP_VDSO_X32, Op::MAP_VDSO_32, Op::MAP_VDSO_64, Op::ENABLE_TAGGED_ADDR, Op::SHSTK_ENABLE];
        let op = self.rng.pick(&ops);
        let is_mapped = self.space.vmas().any(|vma| matches!(vma.backing, mm::Backing::Kernel(_)));
        let arg = self.address().0;
        (is_mapped || op == Op::MAP_VDSO_X32).then_some(Act::Call(Call::ArchPrctl { op, arg }))
    }

    /// Only write protection is asked for: a fault that nobody handles would wait for ever.
    pub(super) fn uffd(&mut self) -> Option<Act> {
        if self.uffds == 0 || self.uffds < UFFDS_MAX && self.rng.percent(20) {
            return Some(Act::Uffd { features: self.rng.pick(&[0, Uffd::WP_ASYNC]) });
        }
        let (addr, len) = self.range();
        if self.is_vital(addr, len) {
            return None;
        }
        let register = self.rng.percent(70);
        let mode = self.rng.pick(&[2, 2, 2, 2, 2, 0, 8]);
        let (request, words) = match register {
            true => (REGISTER, vec![addr.0, len, mode, 0]),
            false => (UNREGISTER, vec![addr.0, len]),
        };
        let number = self.rng.below(self.uffds as u64) as i32;
        let call = Call::UffdIoctl { fd: Fd(number), request, arg: VirtAddr::NULL };
        Some(Act::Pointed { call, arg: 2, words })
    }
}
