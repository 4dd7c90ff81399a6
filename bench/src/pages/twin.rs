//! The twin's side.

use std::cell::RefCell;
use std::hint::black_box;
use std::ops::Range;

use abi::{Advice, Call, Fd, MapFlags, PAGE_SIZE, Prot, VirtAddr};
use mm::{AddressSpace, Contents, Input, Layout, Limits, Pages, Profile, System};

use super::{FAULTS, FORKED, FRESH, timed};

/// Where the pages are.
const BASE: VirtAddr = VirtAddr(0x7000_0000_0000);
/// Pages that are loaded from and stored to.
const HOT: u64 = 64;
/// Accesses in one round.
const ACCESSES: u64 = 4_000_000;

struct Twin {
    sys: System<Pages<Contents>>,
    space: AddressSpace<Pages<Contents>>,
}

impl Twin {
    fn with(pages: u64) -> Self {
        let mut sys = System::with_contents(Profile::linux_6_18_x86_64());
        let mut space = AddressSpace::adopt(&mut sys, Layout::default(), Limits::default(), []);
        let flags = MapFlags::PRIVATE | MapFlags::ANONYMOUS | MapFlags::FIXED;
        let len = pages * PAGE_SIZE;
        let map = Call::Mmap { addr: BASE, len, prot: Prot::RW, flags, fd: Fd(-1), offset: 0 };
        space.call(&mut sys, map, &Input::default()).result.expect("nothing refuses it");
        Self { sys, space }
    }

    fn touched(pages: u64) -> Self {
        let mut twin = Self::with(pages);
        twin.touch(pages);
        twin
    }

    fn touch(&mut self, pages: u64) {
        for page in 0..pages {
            let addr = VirtAddr(BASE.0 + page * PAGE_SIZE);
            self.space.store_word(&mut self.sys, addr, [1]).expect("writable");
        }
    }

    fn drop_pages(&mut self, pages: Range<u64>) {
        let addr = VirtAddr(BASE.0 + pages.start * PAGE_SIZE);
        let len = (pages.end - pages.start) * PAGE_SIZE;
        let drop = Call::Madvise { addr, len, advice: Advice::DONTNEED };
        self.space.call(&mut self.sys, drop, &Input::default()).result.expect("nothing refuses it");
    }
}

/// Returns some offsets into the hot pages, all over them.
fn offsets() -> Vec<u64> {
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    (0..4096)
        .map(|_| {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            ((state >> 20) % (HOT * PAGE_SIZE)) & !7
        })
        .collect()
}

/// Measures loads of eight bytes: through the twin, and of a slice with its bounds check.
pub fn loads() -> (f64, f64) {
    let offsets = offsets();
    let rounds = ACCESSES / offsets.len() as u64;
    let mut twin = Twin::touched(HOT);
    let ours = timed(
        ACCESSES,
        || 0_u64,
        |sum| {
            for _ in 0..rounds {
                for offset in &offsets {
                    let word = twin.space.load_word::<8>(&mut twin.sys, VirtAddr(BASE.0 + offset));
                    *sum = sum.wrapping_add(u64::from_le_bytes(word.expect("readable")));
                }
            }
            black_box(*sum);
        },
    );
    let slice = vec![1_u8; (HOT * PAGE_SIZE) as usize];
    let theirs = timed(
        ACCESSES,
        || 0_u64,
        |sum| {
            for _ in 0..rounds {
                for offset in &offsets {
                    let word = black_box(&slice)[*offset as usize..].first_chunk::<8>();
                    *sum = sum.wrapping_add(u64::from_le_bytes(*word.expect("inside")));
                }
            }
            black_box(*sum);
        },
    );
    (ours, theirs)
}

/// Measures stores of eight bytes.
pub fn stores() -> (f64, f64) {
    let offsets = offsets();
    let rounds = ACCESSES / offsets.len() as u64;
    let mut twin = Twin::touched(HOT);
    let ours = timed(
        ACCESSES,
        || (),
        |()| {
            for round in 0..rounds {
                for offset in &offsets {
                    let addr = VirtAddr(BASE.0 + offset);
                    twin.space.store_word(&mut twin.sys, addr, round.to_le_bytes()).expect("writable");
                }
            }
        },
    );
    let mut slice = vec![1_u8; (HOT * PAGE_SIZE) as usize];
    let theirs = timed(
        ACCESSES,
        || (),
        |()| {
            for round in 0..rounds {
                for offset in &offsets {
                    let word = black_box(&mut slice)[*offset as usize..].first_chunk_mut::<8>();
                    *word.expect("inside") = round.to_le_bytes();
                }
            }
        },
    );
    (ours, theirs)
}

/// Where the frames of a fault come from.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Frames {
    /// They were used before: the host has given memory for them.
    Resident,
    /// They are new: the host faults too.
    Fresh,
}

/// Measures the first store to a page.
pub fn demand_zero(frames: Frames) -> f64 {
    match frames {
        Frames::Resident => {
            let prepare = || {
                let mut twin = Twin::with(FAULTS);
                twin.touch(FAULTS);
                twin.drop_pages(0..FAULTS);
                twin
            };
            timed(FAULTS, prepare, |twin| twin.touch(FAULTS))
        }
        Frames::Fresh => {
            // None is given back before the end: the allocator would hand its memory out again.
            let kept = RefCell::new(Vec::new());
            let prepare = || kept.borrow_mut().push(Twin::with(FRESH));
            timed(FRESH, prepare, |()| {
                kept.borrow_mut().last_mut().into_iter().for_each(|twin| twin.touch(FRESH))
            })
        }
    }
}

/// Measures the first store after a fork.
pub fn copy_on_write() -> f64 {
    let prepare = || {
        // All frames were zeroed here before, as the kernel zeroes its own when it gives them: their bytes are in the cache.
        let mut twin = Twin::touched(2 * FAULTS);
        twin.drop_pages(0..2 * FAULTS);
        twin.touch(2 * FAULTS);
        // Those of the second half are free for the copies.
        twin.drop_pages(FAULTS..2 * FAULTS);
        let child = twin.space.fork(&mut twin.sys, &Input::default()).expect("nothing refuses it");
        (twin, child)
    };
    timed(FAULTS, prepare, |(twin, _)| twin.touch(FAULTS))
}

/// Measures what no fault can do without: zeroing a page, and copying one.
pub fn floor() -> (f64, f64) {
    let bytes = (FAULTS * PAGE_SIZE) as usize;
    let (from, mut to) = (vec![1_u8; bytes], vec![2_u8; bytes]);
    let page = PAGE_SIZE as usize;
    let zeroed = timed(FAULTS, || (), |()| black_box(&mut to).chunks_mut(page).for_each(|page| page.fill(0)));
    let copied = timed(
        FAULTS,
        || (),
        |()| {
            let pairs = black_box(&mut to).chunks_mut(page).zip(from.chunks(page));
            pairs.for_each(|(to, from)| to.copy_from_slice(from));
        },
    );
    (zeroed, copied)
}

/// Measures a whole fork.
pub fn fork() -> f64 {
    let mut twin = Twin::touched(FORKED);
    let fork = |twin: &mut Twin| twin.space.fork(&mut twin.sys, &Input::default());
    let mut children = Vec::new();
    timed(1, || (), |()| children.push(fork(&mut twin)))
}
