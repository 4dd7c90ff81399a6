//! `io_setup` and `io_destroy`: the ring that an AIO context maps.

use abi::{MapFlags, PAGE_SIZE, PageOff, Prot, VirtAddr};

use super::Answer;
use super::mmap::Request;
use crate::file::{DescriptionId, FileKind};
use crate::input::Input;
use crate::op::Op;
use crate::pages::Memory;
use crate::why::Refusal;

/// An AIO context that lives.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Ring {
    /// Linux: `kioctx::user_id`, `kioctx::mmap_base`: follows the mapping when `mremap` moves it.
    pub id: VirtAddr,
    /// Linux: `kioctx::mmap_size`.
    pub bytes: u64,
    /// Linux: `kioctx::aio_ring_file`.
    pub description: DescriptionId,
}

/// `sizeof(struct io_event)`, and of the ring's head before the events.
const EVENT_BYTES: u64 = 32;
/// The most events, after doubling.
const EVENTS_MAX: u64 = 0x1000_0000 / EVENT_BYTES;

impl<M: Memory> Op<'_, M> {
    /// Linux: `fs/aio.c: io_setup`, `ioctx_alloc`, `aio_setup_ring`.
    pub(crate) fn io_setup(&mut self, events: u64, ctx: VirtAddr, input: &Input) -> Answer {
        self.user_read(ctx, 8)?;
        let events = u64::from(events as u32);
        // The word at `ctx` must be 0.
        if input.words.first().is_some_and(|word| *word != 0) || events == 0 {
            return Err(Refusal::AioArguments);
        }
        let doubled = u64::from((events.max(self.sys.profile.possible_cpus * 4) as u32).wrapping_mul(2));
        if doubled > EVENTS_MAX {
            return Err(Refusal::AioArguments);
        }
        if doubled == 0 || events > self.sys.profile.aio_max_events {
            return Err(Refusal::AioTooMany);
        }
        if let Some(Err(abi::Errno::EAGAIN)) = input.observed {
            // How many events others asked for is not this process's memory.
            return self.take_over(input);
        }
        let bytes = ((doubled + 2) * EVENT_BYTES + EVENT_BYTES).div_ceil(PAGE_SIZE) * PAGE_SIZE;
        let file = self.sys.nameless_file(FileKind::AioRing, bytes);
        let description = file.description;
        let request = Request {
            file: Some(file),
            addr: VirtAddr::NULL,
            len: bytes,
            prot: Prot::RW,
            flags: MapFlags::SHARED,
            pgoff: PageOff(0),
        };
        let id = self.do_mmap(request).map_err(|_| Refusal::AioMap)?.range.start;
        self.space.rings.push(Ring { id, bytes, description });
        if let Err(refusal) = self.user_write(ctx, 8) {
            self.end_ring(|ring| ring.description == description);
            return Err(refusal);
        }
        Ok(0)
    }

    /// The kernel finds the context by a number that it reads from the ring's first page: where another page lies
    /// there by now, that word is an input.
    ///
    /// Linux: `fs/aio.c: io_destroy`, `lookup_ioctx`, `kill_ioctx`.
    pub(crate) fn io_destroy(&mut self, ctx: VirtAddr, input: &Input) -> Answer {
        let lives = self.space.rings.iter().any(|ring| ring.id == ctx);
        if self.user_read(ctx, 4).is_err() || !lives {
            return Err(Refusal::AioContext);
        }
        let page = self.space.vmas.find(ctx).filter(|vma| vma.pgoff_at(ctx) == PageOff(0));
        let file = page.and_then(|vma| vma.backing.file()).filter(|file| file.kind == FileKind::AioRing);
        let Some(description) = file.map(|file| file.description) else {
            let answer = self.take_over(input);
            if answer.is_ok() {
                self.end_ring(|ring| ring.id == ctx);
            }
            return answer;
        };
        let this = |ring: &Ring| ring.id == ctx && ring.description == description;
        if !self.space.rings.iter().any(this) {
            return Err(Refusal::AioContext);
        }
        self.end_ring(this);
        Ok(0)
    }

    /// Unmaps a ring's range, whatever is there by now.
    fn end_ring(&mut self, which: impl Fn(&Ring) -> bool) {
        let Some(at) = self.space.rings.iter().position(which) else { return };
        let ring = self.space.rings.swap_remove(at);
        // A refusal leaves the mapping where it is, and nobody is told: also where `mremap` has moved a part of the ring so
        // high that the whole would reach beyond all addresses.
        let _refused = self.munmap(ring.id, ring.bytes);
    }
}
