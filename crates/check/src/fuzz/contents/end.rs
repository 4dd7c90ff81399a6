//! The beginning and the end of a process: its sums, its mappings in smaps, every byte that it may read.

use abi::PAGE_SIZE;
use live::{Answer, Step};
use mm::{VmFlags, Why};

use super::expect;
use super::run::{Expected, Run};
use super::still::Texts;
use crate::fuzz::course::Running;
use crate::fuzz::divergence::What;
use crate::fuzz::run::Stop;

const GETPID: u32 = 39;

impl Run<'_> {
    /// Makes the pages present that the process's own part needs.
    pub(super) fn begin(&mut self, who: usize) -> Result<(), Stop> {
        self.flush()?;
        self.course.pending_of = who;
        let Some(actor) = &self.course.actors[who] else { return Ok(()) };
        let process = actor.process;
        self.world.live.recycle(process);
        self.world.live.warm(process)?;
        let told = self.world.live.act(process, Step::Raw { nr: GETPID, args: [0; 6] })?;
        if let (Answer::Returned(Ok(pid)), Some(actor)) = (told, &mut self.course.actors[who]) {
            actor.pid = pid;
        }
        self.begin_counting(who)
    }

    /// Compares what is left of one process, and ends it.
    pub(super) fn end(&mut self, who: usize) -> Result<(), Stop> {
        self.flush()?;
        self.course.pending_of = who;
        let Some(actor) = &mut self.course.actors[who] else { return Ok(()) };
        let process = actor.process;
        self.world.live.recycle(process);
        let words = expect::pagemap(&mut actor.space, &mut self.system, self.window);
        let vectors = expect::vectors(&actor.space, &self.system, self.window);
        self.push(who, Step::Pagemap(self.window), Expected::Pagemap(words), Why::default())?;
        for (range, vector) in vectors {
            self.push(who, Step::Mincore(range), Expected::Bytes(vector), Why::default())?;
        }
        self.compare_smaps(who)?;
        self.read_everything(who)?;
        self.flush()?;
        self.world.live.recycle(process);
        let Some(actor) = self.course.actors[who].take() else { return Ok(()) };
        self.world.live.finish(process)?;
        actor.space.exit(&mut self.system);
        Ok(())
    }

    /// Compares what status and smaps say of a process.
    pub(super) fn compare_smaps(&mut self, who: usize) -> Result<(), Stop> {
        self.flush()?;
        let Some(mut texts) = self.read_texts(who)? else { return Ok(()) };
        self.compare_texts(who, &mut texts)?;
        self.compare_sums(who, &texts)?;
        self.compare_counters(who)
    }

    /// Compares the sums: anonymous, of files, of shared memory, in pages. What smaps has outside the window is not the
    /// program's: the differences count.
    fn compare_sums(&self, who: usize, texts: &Texts) -> Result<(), Stop> {
        let status = proc_text::status(&texts.status)?;
        let Some(actor) = &self.course.actors[who] else { return Ok(()) };
        let pages = |bytes: Option<u64>| bytes.unwrap_or(0) / PAGE_SIZE;
        let kernel = [status.rss_anon, status.rss_file, status.rss_shmem].map(pages);
        let ours = twin_sums(&actor.space);
        let kernel: [u64; 3] = std::array::from_fn(|at| kernel[at].wrapping_sub(texts.outside.pages[at]));
        if kernel == ours {
            return Ok(());
        }
        let shown = |sums: [u64; 3]| format!("RssAnon {} RssFile {} RssShmem {}", sums[0], sums[1], sums[2]);
        Err(self.diverged(What::Counters, shown(ours), shown(kernel), Why::default()))
    }

    /// Reads every page that may be read, one by one: what is not there yet comes, or raises its signal.
    fn read_everything(&mut self, who: usize) -> Result<(), Stop> {
        for at in 0..self.window.pages() as usize {
            self.make_room(who)?;
            let addr = expect::page(at);
            let Some(actor) = &mut self.course.actors[who] else { return Ok(()) };
            let readable = actor.space.find(addr).is_some_and(|vma| vma.flags.contains(VmFlags::READ));
            if !readable {
                continue;
            }
            let mut bytes = [0; PAGE_SIZE as usize];
            let process = actor.process;
            let loaded = actor.space.load(&mut self.system, addr, &mut bytes);
            let range = abi::AddrRange::new(addr, abi::VirtAddr(addr.0 + PAGE_SIZE));
            let step = Step::Hash(range);
            match loaded {
                Ok(()) => {
                    let expected = Expected::Hashes(vec![live::hash_page(&bytes)]);
                    self.push(who, step, expected, Why::default())?;
                }
                Err(fault) => {
                    let ticket = self.world.live.push(process, step)?;
                    self.flush()?;
                    self.world.live.run(process)?;
                    let told = self.world.live.answer(ticket)?;
                    let is_same = matches!(told, Answer::Fault(told)
                        if told.signal == fault.signal.number() && told.addr == fault.addr);
                    if !is_same {
                        let twin = format!("{fault}");
                        return Err(self.diverged(What::Answer, twin, format!("{told:?}"), Why::default()));
                    }
                }
            }
        }
        Ok(())
    }
}

fn twin_sums(space: &super::world::Space) -> [u64; 3] {
    let rss = space.rss();
    [rss.anon, rss.file, rss.shmem]
}
