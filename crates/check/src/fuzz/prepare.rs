//! What calls need beside their registers: structures in memory, a userfaultfd.

use std::sync::Arc;

use abi::{AddrRange, Call, Fd, PrctlOp, Rlimit, VirtAddr};
use live::{Answer, Live, Process, Step};
use mm::{Input, Uffd};

use super::error::FuzzError;
use super::line::Act;
use super::world::Segment;

const USERFAULTFD: u32 = 323;
const IOCTL: u32 = 16;
/// `UFFDIO_API` and its one version.
const UFFDIO_API: u64 = 0xc018_aa3f;
const UFFD_API: u64 = 0xaa;
/// `UFFD_USER_MODE_ONLY`.
const USER_MODE_ONLY: u64 = 1;

/// Makes a userfaultfd in a process; `None` if the kernel refuses.
///
/// # Errors
/// If the process can't be used.
pub fn make_uffd(
    live: &mut Live,
    process: Process,
    id: u64,
    features: u64,
) -> Result<Option<(Fd, Uffd)>, FuzzError> {
    let args = [USER_MODE_ONLY, 0, 0, 0, 0, 0];
    let Answer::Returned(Ok(fd)) = live.act(process, Step::Raw { nr: USERFAULTFD, args })? else {
        return Ok(None);
    };
    let api = live.put_words(process, &[UFFD_API, features, 0])?;
    let args = [fd, UFFDIO_API, api.0, 0, 0, 0];
    match live.act(process, Step::Raw { nr: IOCTL, args })? {
        Answer::Returned(Ok(_)) => Ok(Some((Fd(fd as i32), Uffd { id, features, ready: true }))),
        _ => Ok(None),
    }
}

/// Returns the call that an act means, with its pointers set, and what the kernel reads at it besides the registers; the
/// file of a descriptor is the caller's to add.
///
/// # Errors
/// If there is no room for what it points to, or the act is no call.
pub fn call_and_input(
    live: &mut Live,
    process: Process,
    act: &Act,
    (segments, uffds): (&[Segment], &[(Fd, Uffd)]),
    mut input: Input,
) -> Result<(Call, Input), FuzzError> {
    let call = match act {
        Act::Limit(resource, limit) => {
            input.rlimit = Some(*limit);
            let new_limit = live.put_words(process, &[limit.soft, limit.hard])?;
            Call::Prlimit64 { pid: 0, resource: *resource, new_limit, old_limit: VirtAddr::NULL }
        }
        Act::Name { addr, len, name } => {
            input.name = name.as_deref().map(Arc::from);
            let text = match name {
                Some(name) => live.put(process, &[name.as_slice(), b"\0"].concat())?,
                None => VirtAddr::NULL,
            };
            Call::Prctl { op: PrctlOp::SET_VMA, arg2: 0, arg3: addr.0, arg4: *len, arg5: text.0 }
        }
        Act::Bind { addr, len, mode, nodes, flags } => {
            input.nodes = *nodes;
            let nodemask = live.put_words(process, &[*nodes])?;
            Call::Mbind { addr: *addr, len: *len, mode: *mode, nodemask, maxnode: 65, flags: *flags }
        }
        Act::Pointed { call, arg, words } => pointed(live, process, (*call, *arg, words), uffds, &mut input)?,
        Act::Attach { segment, addr, flags } => {
            let known = segments.iter().find(|known| known.number == *segment);
            input.segment = known.map(|segment| Arc::clone(&segment.map));
            let id = known.map_or(i32::MAX, |segment| segment.id);
            Call::Shmat { id, addr: *addr, flags: *flags }
        }
        Act::Call(call) => *call,
        _ => return Err(FuzzError::Setup("no call".into())),
    };
    if let Call::Mincore { vec, .. } = call
        && vec == VirtAddr::NULL
    {
        input.pointers = mm::Pointers::Bad;
    }
    Ok((call, input))
}

/// Gives up every capability; the answer is not waited for.
///
/// # Errors
/// If there is no room for the step.
pub fn drop_privileges(live: &mut Live, process: Process) -> Result<(), FuzzError> {
    const CAPSET: u32 = 126;
    const VERSION_3: u64 = 0x2008_0522;
    let header = live.put_words(process, &[VERSION_3])?;
    let none = live.put_words(process, &[0; 3])?;
    live.push(process, Step::Raw { nr: CAPSET, args: [header.0, none.0, 0, 0, 0, 0] })?;
    Ok(())
}

/// Puts the words where the process can read them, sets the argument that points to them, and tells the twin. The
/// descriptor of a call on a userfaultfd is the number of one of the process's.
fn pointed(
    live: &mut Live,
    process: Process,
    (call, arg, words): (Call, usize, &[u64]),
    uffds: &[(Fd, Uffd)],
    input: &mut Input,
) -> Result<Call, FuzzError> {
    let pointer = live.put_words(process, words)?;
    let (nr, mut args) = call.encode_x86_64();
    if let Some(slot) = args.get_mut(arg) {
        *slot = pointer.0;
    }
    if let Call::UffdIoctl { fd: number, .. } = call
        && let Some((fd, uffd)) = usize::try_from(number.0).ok().and_then(|number| uffds.get(number))
    {
        args[0] = fd.0 as u64;
        input.uffd = Some(*uffd);
    }
    if let Call::ProcessMadvise { .. } = call {
        let ranges = words.chunks_exact(2).map(|pair| {
            let (start, end) = (VirtAddr(pair[0]), VirtAddr(pair[0].wrapping_add(pair[1])));
            AddrRange { start, end }
        });
        input.ranges = ranges.collect();
    }
    if let (Call::Setrlimit { .. }, [soft, hard]) = (call, words) {
        input.rlimit = Some(Rlimit { soft: *soft, hard: *hard });
    }
    input.words = words.into();
    Call::decode_x86_64(nr, args).ok_or_else(|| FuzzError::Setup("a call that is none".into()))
}
