//! The texts of a process while nothing changes it: the puppet stands still, and what the kernel's own threads may do to its
//! memory meanwhile is noticed.
//!
//! Smaps is read in pieces and its rollup by itself. khugepaged may join pages between two of them, or in the midst of a
//! rollup: that lets go of the lock wherever a writer waits (`fs/proc/task_mmu.c: show_smaps_rollup`). So the rollup is read on
//! both sides of smaps: where both are the same, what lies between is of the same memory. And who shares the pages outside the
//! window is counted on both sides of the texts: others map the memory that these come through when they touch it.

use abi::{Advice, Call, PAGE_SIZE};
use live::{Live, Step, Text, Ticket};
use mm::Why;

use super::outside::Outside;
use super::run::{Expected, Run};
use crate::fuzz::course::Running;
use crate::fuzz::run::Stop;

const TEXT_MAX: usize = 4096;
const SMAPS_MAX: usize = 1 << 17;
/// How often a process is read again that did not stand still: its memory changes on its own so often that this is a defect.
const READINGS_MAX: usize = 8;

/// What the kernel told of a process that stood still.
pub(super) struct Texts {
    pub(super) status: Vec<u8>,
    pub(super) smaps: Vec<u8>,
    pub(super) rollup: Vec<u8>,
    /// What it has outside the window, whose mappings the comparison adds.
    pub(super) outside: Outside,
}

impl Run<'_> {
    /// Reads the texts of a process, and again where it did not stand still meanwhile; `None`: it is gone.
    pub(super) fn read_texts(&mut self, who: usize) -> Result<Option<Texts>, Stop> {
        let Some(process) = self.course.actors[who].as_ref().map(|actor| actor.process) else {
            return Ok(None);
        };
        let mut last = Default::default();
        for _ in 0..READINGS_MAX {
            self.world.live.recycle(process);
            self.drain(who)?;
            let Some(actor) = &self.course.actors[who] else { return Ok(None) };
            let held = Outside::count(actor.pid, &actor.space, self.window);
            let mut read = |text, bytes_max| self.world.live.push(process, Step::Read { text, bytes_max });
            let (before, status) = (read(Text::Rollup, TEXT_MAX)?, read(Text::Status, TEXT_MAX)?);
            let (smaps, rollup) = (read(Text::Smaps, SMAPS_MAX)?, read(Text::Rollup, TEXT_MAX)?);
            self.world.live.run(process)?;
            let Some(actor) = &self.course.actors[who] else { return Ok(None) };
            let outside = Outside::count(actor.pid, &actor.space, self.window);
            self.compare()?;
            let (before, status) = (self.text(before)?, self.text(status)?);
            let (smaps, rollup) = (self.text(smaps)?, self.text(rollup)?);
            if before == rollup && outside.is_held_as(&held) {
                return Ok(Some(Texts { status, smaps, rollup, outside }));
            }
            last = (before, rollup);
        }
        // Both are the kernel's.
        Err(self.other_text(&last.0, &last.1))
    }

    fn text(&mut self, ticket: Ticket) -> Result<Vec<u8>, Stop> {
        let mut text = Vec::new();
        self.world.live.text(ticket, &mut text)?;
        Ok(text)
    }

    /// Lets what waits on the processor's lists find its place in the queues: until then pages freed lazily are not counted
    /// as such (`mm/swap.c: lru_add_drain`, which begins any advice of this kind).
    fn drain(&mut self, who: usize) -> Result<(), Stop> {
        let cool = Call::Madvise { addr: Live::scratch().start, len: PAGE_SIZE, advice: Advice::COLD };
        self.push(who, Step::Call(cool), Expected::Result(Ok(0)), Why::default())
    }
}
