//! What is counted of a process as a whole: the bytes of its page tables, its faults.

use abi::PAGE_SIZE;
use live::{Answer, Step, Text};
use mm::Why;

use super::run::Run;
use super::world::Space;
use crate::fuzz::divergence::What;
use crate::fuzz::error::FuzzError;
use crate::fuzz::run::Stop;

const GETRUSAGE: u32 = 98;
/// Words of `struct rusage`, and where its faults are.
const RUSAGE_WORDS: usize = 18;
const MINOR_AT: u64 = 8;
const MAJOR_AT: u64 = 9;
const STATUS_MAX: usize = 4096;

/// `VmPTE` in tables, `ru_minflt`, `ru_majflt`.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(super) struct Counters {
    tables: u64,
    minor: u64,
    major: u64,
}

impl Counters {
    /// The table right below the top is also that of the process's own part, which the twin has not: only those below count.
    fn of(space: &Space) -> Self {
        let tables = (space.page_table_bytes() / PAGE_SIZE).saturating_sub(1);
        let faults = space.faults();
        Self { tables, minor: faults.minor, major: faults.major }
    }

    fn without(self, other: Self) -> Self {
        Self {
            tables: self.tables.wrapping_sub(other.tables),
            minor: self.minor.wrapping_sub(other.minor),
            major: self.major.wrapping_sub(other.major),
        }
    }
}

impl Run<'_> {
    /// Notes what a process has counted that is not the program's. A forked one has as many tables of its own as its parent,
    /// but for the memory that steps come through, whose parts two processes each have in one table.
    pub(super) fn begin_counting(&mut self, who: usize) -> Result<(), Stop> {
        let kernel = self.counted_by_kernel(who)?;
        let Some(actor) = &mut self.course.actors[who] else { return Ok(()) };
        let own = kernel.without(Counters::of(&actor.space));
        actor.outside = own;
        let parent = actor.parent;
        let known = self.course.actors[parent].as_ref().map_or(own, |parent| parent.outside);
        if own.tables.abs_diff(known.tables) <= 1 {
            return Ok(());
        }
        let (twin, kernel) = (format!("{} tables", known.tables), format!("{} tables", own.tables));
        Err(self.diverged(What::Counters, twin, kernel, Why::default()))
    }

    /// Compares what was counted since. The kernel may have counted a fault for nothing at each page that became writable
    /// where it is: see [`mm::AddressSpace::upgraded`].
    pub(super) fn compare_counters(&mut self, who: usize) -> Result<(), Stop> {
        let kernel = self.counted_by_kernel(who)?;
        let Some(actor) = &self.course.actors[who] else { return Ok(()) };
        let (twin, mut kernel) = (Counters::of(&actor.space), kernel.without(actor.outside));
        let for_nothing = kernel.minor.saturating_sub(twin.minor);
        if for_nothing <= actor.space.upgraded() {
            kernel.minor = kernel.minor.min(twin.minor);
        }
        if twin == kernel {
            return Ok(());
        }
        Err(self.diverged(What::Counters, format!("{twin:?}"), format!("{kernel:?}"), Why::default()))
    }

    fn counted_by_kernel(&mut self, who: usize) -> Result<Counters, Stop> {
        let Some(process) = self.course.actors[who].as_ref().map(|actor| actor.process) else {
            return Ok(Counters::default());
        };
        let live = &mut self.world.live;
        live.recycle(process);
        let at = live.put_words(process, &[0; RUSAGE_WORDS])?;
        let status = live.push(process, Step::Read { text: Text::Status, bytes_max: STATUS_MAX })?;
        let usage = live.push(process, Step::Raw { nr: GETRUSAGE, args: [0, at.0, 0, 0, 0, 0] })?;
        live.run(process)?;
        if !matches!(live.answer(usage)?, Answer::Returned(Ok(_))) {
            return Err(FuzzError::Setup("getrusage was refused".into()).into());
        }
        let mut text = Vec::new();
        live.text(status, &mut text)?;
        let tables = proc_text::status(&text)?.page_tables.unwrap_or(0) / PAGE_SIZE;
        let word = |number: u64| live.peek(process, abi::VirtAddr(at.0 + 8 * number));
        let (minor, major) = (word(MINOR_AT)?, word(MAJOR_AT)?);
        live.recycle(process);
        Ok(Counters { tables, minor, major })
    }
}
