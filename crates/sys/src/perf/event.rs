//! Opening, switching and counting.

use std::os::fd::{AsFd, AsRawFd, BorrowedFd, FromRawFd, OwnedFd};

use abi::Tid;

use crate::os_error::{OsError, OsResult};

const TYPE_SOFTWARE: u32 = 1;
const TYPE_TRACEPOINT: u32 = 2;
const PAGE_FAULTS: u64 = 2;

/// What each record carries: an identifier, instruction, thread, time and address; the call chain, registers and a
/// piece of the stack by choice.
const SAMPLE_IDENTIFIER: u64 = 1 << 16;
const SAMPLE_IP: u64 = 1 << 0;
const SAMPLE_TID: u64 = 1 << 1;
const SAMPLE_TIME: u64 = 1 << 2;
const SAMPLE_ADDR: u64 = 1 << 3;
const SAMPLE_CALLCHAIN: u64 = 1 << 5;
const SAMPLE_RAW: u64 = 1 << 10;
const SAMPLE_REGS_USER: u64 = 1 << 12;
const SAMPLE_STACK_USER: u64 = 1 << 13;

/// The registers of a record by the kernel's numbers (`arch/x86/include/uapi/asm/perf_regs.h`), ascending: rbx, rbp, rsp,
/// rip, r10 to r15.
pub(super) const REGISTERS: [u32; 10] = [1, 6, 7, 8, 18, 19, 20, 21, 22, 23];

const FORMAT_LOST: u64 = 1 << 4;

/// Bits of the word of flags in `struct perf_event_attr`, in the order of its bit fields.
mod flag {
    pub(super) const DISABLED: u64 = 1 << 0;
    pub(super) const INHERIT: u64 = 1 << 1;
    pub(super) const EXCLUDE_KERNEL: u64 = 1 << 5;
    pub(super) const EXCLUDE_HV: u64 = 1 << 6;
    pub(super) const MMAP: u64 = 1 << 8;
    pub(super) const COMM: u64 = 1 << 9;
    pub(super) const ENABLE_ON_EXEC: u64 = 1 << 12;
    pub(super) const WATERMARK: u64 = 1 << 14;
    pub(super) const MMAP_DATA: u64 = 1 << 17;
    pub(super) const SAMPLE_ID_ALL: u64 = 1 << 18;
    pub(super) const EXCLUDE_CALLCHAIN_KERNEL: u64 = 1 << 21;
    pub(super) const MMAP2: u64 = 1 << 23;
    pub(super) const COMM_EXEC: u64 = 1 << 24;
    pub(super) const USE_CLOCKID: u64 = 1 << 25;
}

const IOC_ENABLE: libc::c_ulong = 0x2400;
const IOC_DISABLE: libc::c_ulong = 0x2401;
const IOC_SET_OUTPUT: libc::c_ulong = 0x2405;
const IOC_ID: libc::c_ulong = 0x8008_2407;

/// `struct perf_event_attr`, version 5 (112 bytes).
#[repr(C)]
#[derive(Default)]
struct Attr {
    kind: u32,
    size: u32,
    config: u64,
    sample_period: u64,
    sample_type: u64,
    read_format: u64,
    flags: u64,
    wakeup: u32,
    bp_type: u32,
    config1: u64,
    config2: u64,
    branch_sample_type: u64,
    sample_regs_user: u64,
    sample_stack_user: u32,
    clockid: i32,
    sample_regs_intr: u64,
    aux_watermark: u32,
    sample_max_stack: u16,
    reserved: u16,
}

/// Whether faults taken in kernel mode are told.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum KernelMode {
    /// They are (`CAP_PERFMON`, or a paranoia below 2).
    Included,
    /// They are not.
    Excluded,
}

/// When an event begins to count.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Start {
    /// At the thread's next exec.
    AtExec,
    /// At once.
    Now,
    /// When it is enabled.
    WhenEnabled,
}

/// What is asked of an event.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Settings {
    /// One record for so many faults.
    pub period: u64,
    /// Faults taken in kernel mode.
    pub kernel_mode: KernelMode,
    /// Frames of a call chain; 0: no call chains.
    pub chain_frames_max: u16,
    /// Bytes of the user stack from its pointer on, and the registers that unwinding begins with; 0: neither.
    pub stack_bytes: u32,
    /// Records of mappings made, grown and re-protected, and of threads named, beside the faults.
    pub mappings: Mappings,
    /// When it begins.
    pub start: Start,
    /// Readers are woken when so many bytes of records are waiting.
    pub wakeup_bytes: u32,
    /// The tracepoint that tells faults with how they accessed memory ([`super::FaultTracepoints`]); `None`: the
    /// software event, which does not tell that and needs no privilege.
    pub tracepoint: Option<u64>,
}

/// Whether an event also tells of mappings and names.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Mappings {
    /// It does.
    Told,
    /// It does not.
    NotTold,
}

/// An open event: one thread and all that it makes, on one processor.
#[derive(Debug)]
pub struct Event {
    fd: OwnedFd,
    id: u64,
    settings: Settings,
}

impl Event {
    /// Opens an event for page faults of a thread and its later threads and children, while on processor `cpu`.
    ///
    /// # Errors
    /// `EACCES` or `EPERM` where it is not permitted, `ENOSYS` or `ENOENT` where the kernel has none, `ENODEV`
    /// where the processor is off.
    pub fn open(settings: Settings, thread: Tid, cpu: u32) -> OsResult<Self> {
        let attr = attr(settings);
        let cpu = libc::c_int::try_from(cpu).unwrap_or(libc::c_int::MAX);
        let no_group: libc::c_int = -1;
        let cloexec: libc::c_ulong = 8;
        // SAFETY: `attr` is a whole `perf_event_attr` of the size it names; the kernel only reads it.
        let fd = unsafe {
            libc::syscall(libc::SYS_perf_event_open, &raw const attr, thread.0, cpu, no_group, cloexec)
        };
        let fd = i32::try_from(fd).ok().filter(|fd| *fd >= 0);
        let fd = fd.ok_or_else(|| OsError::last("perf_event_open(PERF_COUNT_SW_PAGE_FAULTS)"))?;
        // SAFETY: the kernel has just given us this descriptor and nobody else has it.
        let fd = unsafe { OwnedFd::from_raw_fd(fd) };
        let mut id = 0u64;
        // SAFETY: `id` is the word that the kernel writes.
        let result = unsafe { libc::ioctl(fd.as_raw_fd(), IOC_ID, &raw mut id) };
        check(result, "ioctl(PERF_EVENT_IOC_ID)")?;
        Ok(Self { fd, id, settings })
    }

    /// The number by which records name the event, those of inherited copies too.
    pub const fn id(&self) -> u64 {
        self.id
    }

    /// What was asked of it.
    pub const fn settings(&self) -> Settings {
        self.settings
    }

    /// Lets it and its inherited copies count.
    ///
    /// # Errors
    /// Whatever the kernel says.
    pub fn enable(&self) -> OsResult<()> {
        self.order(IOC_ENABLE, 0, "ioctl(PERF_EVENT_IOC_ENABLE)")
    }

    /// Stops it and its inherited copies.
    ///
    /// # Errors
    /// Whatever the kernel says.
    pub fn disable(&self) -> OsResult<()> {
        self.order(IOC_DISABLE, 0, "ioctl(PERF_EVENT_IOC_DISABLE)")
    }

    /// Sends its records into the ring of another event of the same processor.
    ///
    /// # Errors
    /// `EINVAL` where the other is of another processor or has no ring.
    pub fn output_to(&self, other: &Self) -> OsResult<()> {
        let fd = libc::c_ulong::try_from(other.fd.as_raw_fd()).unwrap_or(0);
        self.order(IOC_SET_OUTPUT, fd, "ioctl(PERF_EVENT_IOC_SET_OUTPUT)")
    }

    /// How many records found no room so far; `None` before Linux 6.0, which does not count them.
    pub fn lost(&self) -> Option<u64> {
        let mut words = [0u64; 2];
        // SAFETY: `words` is writable memory of the size given.
        let got = unsafe { libc::read(self.fd.as_raw_fd(), words.as_mut_ptr().cast(), size_of_val(&words)) };
        (got == 16).then_some(words[1])
    }

    fn order(&self, request: libc::c_ulong, arg: libc::c_ulong, call: &'static str) -> OsResult<()> {
        // SAFETY: these requests take a number, no pointer.
        let result = unsafe { libc::ioctl(self.fd.as_raw_fd(), request, arg) };
        check(result, call)
    }
}

impl From<Event> for OwnedFd {
    fn from(event: Event) -> Self {
        event.fd
    }
}

impl AsFd for Event {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }
}

fn check(result: libc::c_int, call: &'static str) -> OsResult<()> {
    if result < 0 { Err(OsError::last(call)) } else { Ok(()) }
}

fn attr(settings: Settings) -> Attr {
    let Settings {
        period,
        kernel_mode,
        chain_frames_max,
        stack_bytes,
        mappings,
        start,
        wakeup_bytes,
        tracepoint,
    } = settings;
    let mut flags = flag::INHERIT
        | flag::EXCLUDE_HV
        | flag::WATERMARK
        | flag::SAMPLE_ID_ALL
        | flag::EXCLUDE_CALLCHAIN_KERNEL
        | flag::USE_CLOCKID;
    flags |= match kernel_mode {
        KernelMode::Included => 0,
        KernelMode::Excluded => flag::EXCLUDE_KERNEL,
    };
    flags |= match mappings {
        Mappings::Told => flag::MMAP | flag::MMAP_DATA | flag::MMAP2 | flag::COMM | flag::COMM_EXEC,
        Mappings::NotTold => 0,
    };
    flags |= match start {
        Start::AtExec => flag::DISABLED | flag::ENABLE_ON_EXEC,
        Start::Now => 0,
        Start::WhenEnabled => flag::DISABLED,
    };
    let chain = if chain_frames_max == 0 { 0 } else { SAMPLE_CALLCHAIN };
    let stack = if stack_bytes == 0 { 0 } else { SAMPLE_REGS_USER | SAMPLE_STACK_USER };
    let (kind, config, raw) = match tracepoint {
        Some(id) => (TYPE_TRACEPOINT, id, SAMPLE_RAW),
        None => (TYPE_SOFTWARE, PAGE_FAULTS, 0),
    };
    let always = SAMPLE_IDENTIFIER | SAMPLE_IP | SAMPLE_TID | SAMPLE_TIME | SAMPLE_ADDR;
    Attr {
        kind,
        size: size_of::<Attr>() as u32,
        config,
        sample_period: period,
        sample_type: always | chain | raw | stack,
        read_format: FORMAT_LOST,
        flags,
        wakeup: wakeup_bytes,
        sample_regs_user: if stack_bytes == 0 { 0 } else { REGISTERS.iter().map(|no| 1u64 << no).sum() },
        // The kernel wants whole words.
        sample_stack_user: stack_bytes & !7,
        clockid: libc::CLOCK_MONOTONIC,
        sample_max_stack: chain_frames_max,
        ..Attr::default()
    }
}
