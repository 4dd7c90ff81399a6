//! Programs with a userfaultfd: pages that are missing, and the calls that fill them, mark them as broken, protect them.
//!
//! Nobody answers: with `UFFD_FEATURE_SIGBUS` an access that would wait raises `SIGBUS`, and a call that would is refused.

use abi::{AddrRange, Advice, Call, Fd, PAGE_SIZE, VirtAddr};
use live::Step;
use mm::{Input, Uffd, VmFlags, Vma};

use super::run::{Actor, Run};
use crate::fuzz::course::Running;
use crate::fuzz::line::Act;
use crate::fuzz::prepare;
use crate::fuzz::rng::Rng;
use crate::fuzz::run::Stop;

/// `UFFDIO_*`.
const REGISTER: u64 = 0xc020_aa00;
const UNREGISTER: u64 = 0x8010_aa01;
const COPY: u64 = 0xc028_aa03;
const ZEROPAGE: u64 = 0xc020_aa04;
const CONTINUE: u64 = 0xc020_aa07;
const WRITEPROTECT: u64 = 0xc018_aa06;
const POISON: u64 = 0xc020_aa08;
/// `UFFDIO_REGISTER_MODE_*`.
const MISSING: u64 = 1;
const WP: u64 = 2;
const MINOR: u64 = 4;

/// Makes a line of a userfaultfd's: the first makes it.
pub(super) fn act(rng: &mut Rng, actor: &Actor, window: AddrRange) -> Option<Act> {
    if actor.uffds.is_empty() {
        let features = Uffd::SIGBUS | rng.pick(&[0, 0, Uffd::WP_UNPOPULATED]);
        return Some(Act::Uffd { features });
    }
    // Either all registrations are for write protection or none: none leaves another's marks behind.
    let wp = if actor.uffds[0].1.id.is_multiple_of(3) { 0 } else { WP };
    let all: Vec<&Vma> = actor.space.vmas_in(window).collect();
    let armed: Vec<&Vma> = all.iter().copied().filter(|vma| vma.uffd().is_some()).collect();
    let registers = armed.is_empty() || rng.percent(15);
    let (of, pages_max) = if registers { (&all, 12) } else { (&armed, 4) };
    let range = part(rng, of, window, pages_max)?;
    let (start, len) = (range.start.0, range.len());
    let no_wake = u64::from(rng.percent(30));
    let mode = no_wake | if rng.percent(30) { WP } else { 0 };
    let (request, words) = if registers {
        match rng.below(10) {
            0 => (UNREGISTER, vec![start, len]),
            1 => (REGISTER, vec![start, len, rng.pick(&[wp, 8, MINOR | wp]), 0]),
            2..4 => (REGISTER, vec![start, len, MISSING | MINOR | wp, 0]),
            4..7 if wp != 0 => (REGISTER, vec![start, len, wp, 0]),
            _ => (REGISTER, vec![start, len, MISSING | wp, 0]),
        }
    } else {
        match rng.below(if wp == 0 { 12 } else { 20 }) {
            0 => (UNREGISTER, vec![start, len]),
            1..6 => (COPY, vec![start, source(rng, &all, window), len, mode, 0]),
            6..8 => (ZEROPAGE, vec![start, len, no_wake, 0]),
            8..10 => (CONTINUE, vec![start, len, mode, 0]),
            10..12 => (POISON, vec![start, len, no_wake, 0]),
            _ => (WRITEPROTECT, vec![start, len, rng.pick(&[1, 1, 1, 1, 1, 1, 0, 0, 2, 3])]),
        }
    };
    let arg = place(rng, &all, window)?;
    Some(Act::Pointed { call: Call::UffdIoctl { fd: Fd(0), request, arg }, arg: 2, words })
}

/// A part of one of some mappings; rarely one that reaches out of it.
fn part(rng: &mut Rng, of: &[&Vma], window: AddrRange, pages_max: u64) -> Option<AddrRange> {
    if of.is_empty() {
        return None;
    }
    let inside = rng.pick(of).range.intersection(window)?;
    let first = rng.below(inside.pages());
    let room = if rng.percent(8) { pages_max } else { inside.pages() - first };
    let start = VirtAddr(inside.start.0 + first * PAGE_SIZE);
    let len = (1 + rng.below(room.min(pages_max))) * PAGE_SIZE;
    let bad = u64::from(rng.percent(1));
    AddrRange::from_len(VirtAddr(start.0 + bad), len)
}

/// Where a copy is taken from: it need not begin at a page.
fn source(rng: &mut Rng, all: &[&Vma], window: AddrRange) -> u64 {
    let inside = rng.pick(all).range.intersection(window).unwrap_or(window);
    inside.start.0 + rng.below(inside.pages()) * PAGE_SIZE + rng.pick(&[0, 0, 0, 8, 2048])
}

/// Where the structure is: it is stored before, so that what it tells is compared; its bytes are no instructions.
fn place(rng: &mut Rng, all: &[&Vma], window: AddrRange) -> Option<VirtAddr> {
    let is_open = |vma: &&&Vma| {
        vma.flags.contains(VmFlags::READ.with(VmFlags::WRITE)) && !vma.flags.contains(VmFlags::EXEC)
    };
    let open: Vec<&Vma> = all.iter().filter(is_open).copied().collect();
    if open.is_empty() {
        return None;
    }
    let inside = rng.pick(&open).range.intersection(window)?;
    let at = inside.start.0 + rng.below(inside.pages()) * PAGE_SIZE;
    Some(VirtAddr(at + 8 * rng.below(PAGE_SIZE / 8 - 5)))
}

/// Tells whether the kernel would try a call for ever: guard markers where dropped pages of files leave marks that what
/// comes there is write-protected.
///
/// Linux: `mm/madvise.c: madvise_guard_install`.
pub(super) fn never_ends(run: &Run<'_>, who: usize, call: Call) -> bool {
    let Call::Madvise { addr, len, advice: Advice::GUARD_INSTALL } = call else { return false };
    let Some(range) = AddrRange::from_len(addr, len) else { return false };
    let Some(Some(actor)) = run.course.actors.get(who) else { return false };
    let mut found = false;
    let files = actor.space.vmas_in(range).filter(|vma| !vma.is_anonymous());
    for part in files.filter_map(|vma| vma.range.intersection(range)) {
        actor.space.pages(&run.system, part, |_, view| found |= view.uffd_protected);
    }
    found
}

impl Run<'_> {
    pub(super) fn make_uffd(&mut self, who: usize, features: u64) -> Result<(), Stop> {
        self.flush()?;
        let id = self.course.lines.len() as u64;
        let Some(actor) = self.course.actors[who].as_mut().filter(|actor| actor.uffds.is_empty()) else {
            return Ok(());
        };
        self.world.live.recycle(actor.process);
        actor.uffds.extend(prepare::make_uffd(&mut self.world.live, actor.process, id, features)?);
        Ok(())
    }

    /// Stores the structure that a call reads, and makes the call.
    pub(super) fn uffd_call(&mut self, who: usize, call: Call, words: &[u64]) -> Result<(), Stop> {
        let (Call::UffdIoctl { request, arg, fd: number }, Some(actor)) = (call, &self.course.actors[who])
        else {
            return Ok(());
        };
        let uffd = usize::try_from(number.0).ok().and_then(|number| actor.uffds.get(number)).copied();
        let Some((fd, uffd)) = uffd else { return Ok(()) };
        for (at, word) in (0..).map(|at| VirtAddr(arg.0 + 8 * at)).zip(words) {
            if !self.stores(who, at, *word)? {
                return Ok(());
            }
        }
        let input =
            Input { caps: self.world.caps, uffd: Some(uffd), words: words.into(), ..Input::default() };
        self.call_with(who, Call::UffdIoctl { fd, request, arg }, input)
    }

    /// Stores a word; tells whether it could be.
    fn stores(&mut self, who: usize, at: VirtAddr, word: u64) -> Result<bool, Stop> {
        self.store(who, at, &word.to_le_bytes(), Step::StoreWord(at, word))?;
        let last = self.course.pending.last().map(|pending| &pending.expected);
        Ok(matches!(last, Some(super::run::Expected::Done(Ok(())))))
    }
}
