//! What calls need beside their registers: structures in memory, a userfaultfd.

use abi::{AddrRange, Call, Fd, Rlimit, VirtAddr};
use live::{Answer, Live, Process, Step};
use mm::{Input, Uffd};

use super::error::FuzzError;

const USERFAULTFD: u32 = 323;
const IOCTL: u32 = 16;
/// `UFFDIO_API` and its one version.
const UFFDIO_API: u64 = 0xc018_aa3f;
const UFFD_API: u64 = 0xaa;
/// `UFFD_USER_MODE_ONLY`.
const USER_MODE_ONLY: u64 = 1;
/// Makes a userfaultfd in a process; `None` if the kernel refuses.
pub(crate) fn make_uffd(
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

/// Puts the words where the process can read them, sets the argument that points to them, and tells the twin.
pub(crate) fn pointed(
    live: &mut Live,
    process: Process,
    (call, arg, words): (Call, usize, &[u64]),
    uffd: Option<(Fd, Uffd)>,
    input: &mut Input,
) -> Result<Call, FuzzError> {
    let pointer = live.put_words(process, words)?;
    let (nr, mut args) = call.encode_x86_64();
    if let Some(slot) = args.get_mut(arg) {
        *slot = pointer.0;
    }
    if let (Call::UffdIoctl { .. }, Some((fd, uffd))) = (call, uffd) {
        args[0] = fd.0 as u64;
        input.uffd = Some(uffd);
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
