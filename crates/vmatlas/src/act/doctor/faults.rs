//! Page faults, and the room for them.

use std::fs::File;
use std::io::Read;

use abi::{PAGE_SIZE, Tid, VirtAddr};
use capture::faults::{AccessWanted, Begin, Budget, FaultStacks, FaultWatch, FaultsWanted};
use capture::stack_table::StackTable;
use recording::{Body, FaultEvent, FaultMode};
use sys::perf::Mappings;
use view::Facility::{FaultRings, Faults};
use view::{Availability, Check, words};

/// The ring of each processor below which a burst is likely to overflow it.
const ROOM: usize = 512 << 10;
/// Memory so large that it is mapped afresh, of which one page is touched.
const BLOCK_BYTES: usize = 64 << 20;

/// Watches ourselves touch a page, once in user mode and once through the kernel.
pub(super) fn checks() -> Vec<Check> {
    let (stacks, mapped) = (FaultStacks::NotCopied, Mappings::NotTold);
    let (budget, access) = (Budget::Unlimited, AccessWanted::No);
    let wanted = FaultsWanted { chain_frames_max: 32, stacks, mapped, budget, access };
    let me = Tid(sys::process::own_pid().0);
    let mut watch = match FaultWatch::open(me, wanted, Begin::Now, 0) {
        Ok(watch) => watch,
        Err(why) => return vec![Check::new(Faults, Availability::Missing, why.to_string())],
    };
    let touched = touch();
    let mut faults = Vec::new();
    watch.finish(&mut StackTable::default(), |seen| {
        if let Body::Fault(fault) = seen.body {
            faults.push(fault);
        }
    });
    let seen = |address: Option<VirtAddr>, mode| {
        let is_it = |fault: &FaultEvent| fault.mode == mode && Some(fault.addr.page_down()) == address;
        faults.iter().any(is_it)
    };
    let level = capture::machine::sysctl("kernel.perf_event_paranoid").unwrap_or_default();
    let user = seen(touched.by_us, FaultMode::User);
    let kernel = seen(touched.by_kernel, FaultMode::Kernel);
    let said = |what: &str| format!("{what} (kernel.perf_event_paranoid is {level})");
    let faults = match (user, kernel) {
        (true, true) => Check::new(Faults, Availability::Whole, "seen in user mode and in the kernel"),
        (true, false) => Check::new(Faults, Availability::Partly, said("seen in user mode only")),
        (false, _) => {
            Check::new(Faults, Availability::Missing, said("a page of ours was touched and not seen"))
        }
    };
    vec![faults, room(&watch)]
}

/// The pages that were touched.
struct Touched {
    by_us: Option<VirtAddr>,
    by_kernel: Option<VirtAddr>,
}

fn touch() -> Touched {
    let mut block: Vec<u8> = Vec::with_capacity(BLOCK_BYTES);
    // The allocator writes its own mark on the first page.
    let first = (block.as_ptr() as u64).next_multiple_of(PAGE_SIZE) + PAGE_SIZE;
    let before = (first - block.as_ptr() as u64) as usize;
    block.spare_capacity_mut()[before].write(std::hint::black_box(1));
    std::hint::black_box(block.spare_capacity_mut());
    let mut fresh = vec![0u8; BLOCK_BYTES];
    let middle = (fresh.as_ptr() as u64 + BLOCK_BYTES as u64 / 2).next_multiple_of(PAGE_SIZE);
    let at = (middle - fresh.as_ptr() as u64) as usize;
    let read = File::open("/dev/zero").and_then(|mut zero| zero.read(&mut fresh[at..at + 8]));
    Touched { by_us: Some(VirtAddr(first)), by_kernel: read.is_ok().then_some(VirtAddr(middle)) }
}

fn room(watch: &FaultWatch) -> Check {
    let rings = watch.ring_bytes();
    let least = rings.iter().copied().min().unwrap_or(0);
    let text = format!(
        "{} for each of {}",
        words::bytes(least as u64),
        words::plural(rings.len() as u64, "processor")
    );
    let enough = if least >= ROOM { Availability::Whole } else { Availability::Partly };
    Check::new(FaultRings, enough, text)
}
