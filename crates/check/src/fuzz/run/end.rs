//! The end of a program: the last map, flags and counters of each process compared.

use abi::PAGE_SIZE;
use live::{Answer, Process, Step, Text, Ticket};
use mm::{AddressSpace, Counters, Why};

use super::{Expected, Flags, Run, SMAPS_PER_MAPS, Stop, TEXT_BYTES_MAX, text_bytes};
use crate::fuzz::compare;
use crate::fuzz::course::Running;
use crate::fuzz::divergence::What;
use crate::fuzz::error::FuzzError;

/// The longest that `/proc/PID/status` is.
const STATUS_BYTES_MAX: usize = 4096;

impl Run<'_> {
    /// Compares what is left of one process, and ends it.
    pub(super) fn end(&mut self, who: usize) -> Result<(), Stop> {
        self.turn_to(who)?;
        let Some(actor) = &self.course.actors[who] else { return Ok(()) };
        let process = actor.process;
        let bytes_max = text_bytes(&actor.space);
        if bytes_max > TEXT_BYTES_MAX {
            return self.finish_crowded(who);
        }
        self.make_room(who)?;
        let Some(actor) = self.course.actors[who].take() else { return Ok(()) };
        let read = Step::Read { text: Text::Maps, bytes_max };
        let map = self.world.live.push(process, read)?;
        let status = self.push_status(process)?;
        let flags = match self.depth.flags {
            Flags::AtEnd => {
                let read = Step::Read { text: Text::Smaps, bytes_max: bytes_max * SMAPS_PER_MAPS };
                Some(self.world.live.push(process, read)?)
            }
            _ => None,
        };
        self.world.live.finish(process)?;
        self.compare()?;
        self.world.live.text(map, &mut self.text)?;
        self.compare_last_map(&actor.space)?;
        self.compare_counters(status, &actor.space)?;
        if let Some(ticket) = flags {
            let at = self.course.lines.len().saturating_sub(1);
            let nothing = (Expected::Result(Ok(0)), Answer::Returned(Ok(0)));
            self.compare_flags(at, ticket, &actor.space, nothing.0, nothing.1, Why::default())?;
        }
        actor.space.exit(&mut self.system);
        Ok(())
    }

    /// Compares the map that a process had at its end.
    fn compare_last_map(&mut self, space: &AddressSpace) -> Result<(), Stop> {
        self.course.counted.maps += 1;
        if compare::same_map(&self.text, space, &mut self.inodes)? {
            return Ok(());
        }
        let at = self.course.lines.len().saturating_sub(1);
        let nothing = (Expected::Result(Ok(0)), Answer::Returned(Ok(0)));
        let mut divergence = self.divergence(at, What::Map, nothing.0, nothing.1, Why::default());
        divergence.twin_map = compare::twin_text(space);
        divergence.kernel_map = String::from_utf8_lossy(&self.text).into_owned();
        Err(Stop::Diverged(Box::new(divergence)))
    }

    /// Ends a process whose map is too long to be read by itself.
    fn finish_crowded(&mut self, who: usize) -> Result<(), Stop> {
        self.flush()?;
        let Some(process) = self.course.actors[who].as_ref().map(|actor| actor.process) else {
            return Ok(());
        };
        self.world.live.recycle(process);
        const GETPID: u32 = 39;
        let answer = self.world.live.act(process, Step::Raw { nr: GETPID, args: [0; 6] })?;
        let Answer::Returned(Ok(pid)) = answer else {
            return Err(FuzzError::Setup("a process does not know its own id".into()).into());
        };
        let text = std::fs::read(format!("/proc/{pid}/maps"));
        self.text = text.map_err(|error| FuzzError::Io("reading a long map", error))?;
        let status = self.push_status(process)?;
        let Some(actor) = self.course.actors[who].take() else { return Ok(()) };
        self.world.live.finish(process)?;
        self.compare_last_map(&actor.space)?;
        self.compare_counters(status, &actor.space)?;
        actor.space.exit(&mut self.system);
        Ok(())
    }

    fn push_status(&mut self, process: Process) -> Result<Ticket, Stop> {
        let read = Step::Read { text: Text::Status, bytes_max: STATUS_BYTES_MAX };
        Ok(self.world.live.push(process, read)?)
    }

    /// Compares the kernel's counters of a process with the twin's.
    fn compare_counters(&mut self, ticket: Ticket, space: &AddressSpace) -> Result<(), Stop> {
        self.world.live.text(ticket, &mut self.text)?;
        let status = proc_text::status(&self.text)?;
        let pages = |bytes: Option<u64>| bytes.unwrap_or(0) / PAGE_SIZE;
        let kernel = Counters {
            total_vm: pages(status.vm_size),
            data_vm: pages(status.data),
            // What is printed is the program's text and the rest of it (fs/proc/task_mmu.c: task_mem).
            exec_vm: pages(status.exe) + pages(status.lib),
            stack_vm: pages(status.stack),
            locked_vm: pages(status.locked),
        };
        if kernel == space.counters() {
            return Ok(());
        }
        let at = self.course.lines.len().saturating_sub(1);
        let nothing = (Expected::Result(Ok(0)), Answer::Returned(Ok(0)));
        let mut divergence = self.divergence(at, What::Counters, nothing.0, nothing.1, Why::default());
        divergence.twin_map = format!("{:?}", space.counters());
        divergence.kernel_map = format!("{kernel:?}");
        Err(Stop::Diverged(Box::new(divergence)))
    }
}
