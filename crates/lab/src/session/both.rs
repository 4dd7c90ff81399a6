//! Doing something on both sides, and comparing.

use std::fmt::Write as _;

use abi::{AddrRange, PAGE_SIZE, VirtAddr};
use check::fuzz;
use mm::{Basis, Why};

use super::{Did, Session, Shown, Trouble};
use crate::backend::{Action, Answer, MemoryNo, Row, Run, Said, changes, runs_of_kernel};
use crate::error::LabError;

impl Session {
    /// Does something on both sides: the kernel first, as its answer is an input where the twin's depends on what is
    /// not modelled.
    pub(super) fn act(&mut self, action: &Action) -> Result<Did, Trouble> {
        let (thread, memory) = (self.world.present, self.thread().memory);
        let before = self.rows(memory)?;
        let kernel = match &mut self.kernel {
            Some(kernel) => Some(kernel.act(thread, action)?),
            None => None,
        };
        let descriptors = &self.world.processes[memory.0].descriptors;
        let twin = self.twin.as_mut().map(|twin| twin.act(memory, action, descriptors, kernel.as_ref()));
        let did = self.did(action.to_string(), memory, &before, kernel, twin)?;
        if let (Action::Call(abi::Call::Brk { .. }), Answer::Value(Ok(end))) = (action, did.answer()) {
            let end = VirtAddr(*end);
            self.process_mut(memory).heap.end = end;
        }
        Ok(did)
    }

    /// Puts both answers together, with what changed.
    pub(super) fn did(
        &mut self,
        what: String,
        memory: MemoryNo,
        before: &[Row],
        kernel: Option<Answer>,
        twin: Option<Said>,
    ) -> Result<Did, Trouble> {
        let after = self.rows(memory)?;
        let mut differs = None;
        if let (Some(kernel), Some(Said { answer, .. })) = (&kernel, &twin)
            && !matches!(answer, Answer::Unknown(_))
            && kernel != answer
        {
            differs = Some(format!("the kernel answered {kernel}, the twin {answer}"));
        }
        if differs.is_none() && kernel.is_some() && twin.is_some() {
            differs = self.other_map(memory)?;
        }
        let (twin, why, basis) = match twin {
            Some(Said { answer, why, basis }) => (Some(answer), why, basis),
            None => (None, Why::default(), Basis::Predicted),
        };
        Ok(Did { what, kernel, twin, why, basis, changes: changes(before, &after), differs })
    }

    /// Says where the two maps differ; `None` where they do not.
    fn other_map(&mut self, memory: MemoryNo) -> Result<Option<String>, LabError> {
        let (Some(kernel), Some(twin)) = (&self.kernel, &self.twin) else { return Ok(None) };
        let Some(space) = twin.memory(memory) else { return Ok(None) };
        let text = kernel.maps(memory)?;
        if !fuzz::same_map(&text, space, &mut self.inodes)? {
            let (ours, theirs) = (twin.rows(memory), Row::of_text(&text)?);
            let place = |row: &Row| (row.range, row.prot, row.shared, row.offset);
            let mut what = String::from("the maps differ");
            for (side, rows, others) in [("kernel", &theirs, &ours), ("twin", &ours, &theirs)] {
                let others: Vec<_> = others.iter().map(place).collect();
                for row in rows.iter().filter(|row| !others.contains(&place(row))) {
                    let _infallible =
                        write!(what, "\n    {side:<7}{} {} {}", row.range, row.letters(), row.name);
                }
            }
            return Ok(Some(what));
        }
        let flags = fuzz::other_flags(&kernel.smaps(memory)?, space)?;
        Ok(flags.map(|(kernel, twin)| format!("the flags differ\n    kernel {kernel}\n    twin   {twin}")))
    }

    /// Shows something done. It is an error where the two sides differ.
    pub(super) fn show(&mut self, did: Did, shown: &mut Vec<Shown>) -> Result<(), Trouble> {
        let differs = did.differs.clone();
        self.world.last = Some(did.clone());
        shown.push(Shown::Did(Box::new(did)));
        differs.map_or(Ok(()), |what| Err(Trouble::Diverged(what)))
    }

    /// Shows something that the lab did itself, the same on both sides.
    pub(super) fn answered(
        &mut self,
        what: String,
        answer: Answer,
        shown: &mut Vec<Shown>,
    ) -> Result<(), Trouble> {
        let side = |there: bool| there.then(|| answer.clone());
        let (kernel, twin) = (side(self.kernel.is_some()), side(self.twin.is_some()));
        let (why, basis) = (Why::default(), Basis::Predicted);
        let did = Did { what, kernel, twin, why, basis, changes: Vec::new(), differs: None };
        self.show(did, shown)
    }

    /// The lines of a map: the kernel's where there is one.
    pub(super) fn rows(&self, memory: MemoryNo) -> Result<Vec<Row>, LabError> {
        match (&self.kernel, &self.twin) {
            (Some(kernel), _) => Ok(Row::of_text(&kernel.maps(memory)?)?),
            (None, Some(twin)) => Ok(twin.rows(memory)),
            (None, None) => Ok(Vec::new()),
        }
    }

    /// The states of the pages of a range. It is an error where the two sides differ.
    pub(super) fn pages(&mut self, addr: VirtAddr, len: u64) -> Result<Vec<Run>, Trouble> {
        let start = addr.page_down();
        let end = VirtAddr(addr.0.saturating_add(len).min(1 << 47).next_multiple_of(PAGE_SIZE));
        let range = AddrRange { start, end: end.max(start) };
        let (thread, memory) = (self.world.present, self.thread().memory);
        let kernel = match &mut self.kernel {
            Some(kernel) => Some(runs_of_kernel(range, &kernel.pages(thread, range)?)),
            None => None,
        };
        let twin = self.twin.as_mut().and_then(|twin| twin.pages(memory, range));
        match (kernel, twin) {
            (Some(kernel), Some(twin)) if kernel != twin => Err(Trouble::Diverged(format!(
                "the pages differ\n    kernel {kernel:?}\n    twin   {twin:?}"
            ))),
            (Some(runs), _) | (None, Some(runs)) => Ok(runs),
            (None, None) => Err(LabError::Setup("this side keeps no states of pages".into()).into()),
        }
    }

    /// What smaps says of the mapping that holds an address: the kernel's lines where there is a kernel, with the twin's
    /// word behind those where it has another. Such a line is no mistake by itself: what is dirty or was accessed of files,
    /// and what waits for its place in the kernel's queues, is partly chance.
    pub(super) fn smaps(&mut self, addr: VirtAddr) -> Result<String, LabError> {
        let memory = self.thread().memory;
        let twin = self.twin.as_mut().map(|twin| twin.smaps(memory, addr));
        let Some(kernel) = &self.kernel else {
            return Ok(twin.map_or_else(String::new, |twin| {
                twin.unwrap_or_else(Into::into).trim_end_matches('\n').into()
            }));
        };
        let text = kernel.smaps(memory)?;
        let holds = |block: &&[u8]| {
            let row = proc_text::smaps(block).next();
            matches!(row, Some(Ok(row)) if row.map.range.contains(addr))
        };
        let Some(block) = proc_text::smaps_blocks(&text).find(holds) else {
            return Ok("nothing is mapped there".into());
        };
        let lines = block.split(|byte| *byte == b'\n').map(view::words::printable);
        let mut lines: Vec<String> = lines.filter(|line| !line.is_empty()).collect();
        match twin {
            Some(Ok(twin)) => {
                for line in lines.iter_mut().skip(1) {
                    let split = |line: &str| {
                        let (key, value) = line.split_once(':')?;
                        Some((key.to_owned(), value.trim().to_owned()))
                    };
                    let Some((key, value)) = split(line) else { continue };
                    let twin = twin.lines().skip(1).filter_map(split).find(|(of, _)| *of == key);
                    if let Some((_, twin)) = twin.filter(|(_, twin)| *twin != value) {
                        let _infallible = write!(line, "   (twin: {twin})");
                    }
                }
            }
            Some(Err(why)) => lines.push(format!("(twin: {why})")),
            None => {}
        }
        Ok(lines.join("\n"))
    }
}
