//! Processes, threads, executed programs and objects, and the small events.

use std::sync::Arc;

use super::leaf::{Leaf, records};
use super::{Decoder, Encoder, Record};
use crate::columns::Col;
use crate::error::Malformed;
use crate::event::{
    Bytes, ExecEvent, ExitStatus, FaultAccess, FaultEvent, FaultMode, ObjectEvent, Segment, UnmodelledEvent,
};

records! {
    MappedEvent {
        range: MappedRange, prot: MappedProt, shared: MappedShared, offset: MappedOffset, file: MappedFile,
        name: MappedName,
    }
    SpawnEvent { child: SpawnChild, child_pid: SpawnPid, child_mm: SpawnMm, kind: SpawnKind }
}

/// Mode and access share a column: the mode's bit, and the access from the second bit on.
impl Record for FaultEvent {
    fn put(&self, out: &mut Encoder) {
        let Self { addr, ip, mode, access, stack } = self;
        addr.put(out, Col::FaultAddr);
        ip.put(out, Col::FaultIp);
        let mode = u32::from(*mode == FaultMode::Kernel);
        let access = match access {
            FaultAccess::Unknown => 0,
            FaultAccess::Read => 1,
            FaultAccess::Write => 2,
            FaultAccess::Exec => 3,
        };
        (mode | access << 1).put(out, Col::FaultMode);
        stack.put(out, Col::FaultStack);
    }

    fn get(input: &mut Decoder<'_>) -> Result<Self, Malformed> {
        let (addr, ip) = (Leaf::get(input, Col::FaultAddr)?, Leaf::get(input, Col::FaultIp)?);
        let how = u32::get(input, Col::FaultMode)?;
        let mode = if how & 1 == 1 { FaultMode::Kernel } else { FaultMode::User };
        let access = match how >> 1 {
            0 => FaultAccess::Unknown,
            1 => FaultAccess::Read,
            2 => FaultAccess::Write,
            3 => FaultAccess::Exec,
            _ => return Err(Malformed("an unknown kind of access")),
        };
        Ok(Self { addr, ip, mode, access, stack: Leaf::get(input, Col::FaultStack)? })
    }
}

impl Record for ExecEvent {
    fn put(&self, out: &mut Encoder) {
        let Self {
            pid,
            former_tid,
            former_mm,
            path,
            argv,
            auxv,
            start_brk,
            start_stack,
            segments,
            personality,
            foreign_arch,
        } = self;
        pid.put(out, Col::ExecPid);
        former_tid.put(out, Col::ExecFormerTid);
        former_mm.put(out, Col::ExecFormerMm);
        path.put(out, Col::ExecPath);
        (argv.len() as u64).put(out, Col::ExecArgs);
        argv.iter().for_each(|arg| arg.put(out, Col::ExecArg));
        (auxv.len() as u64).put(out, Col::ExecAuxv);
        for (kind, value) in auxv.iter() {
            kind.put(out, Col::ExecAuxType);
            out.columns.put_difference(Col::ExecAuxValue, *value);
        }
        start_brk.put(out, Col::ExecAddr);
        start_stack.put(out, Col::ExecAddr);
        let ends = segments.map(|ends| ends.map(Some)).unwrap_or_default();
        ends.iter().for_each(|end| end.put(out, Col::ExecAddr));
        personality.put(out, Col::ExecPersonality);
        foreign_arch.put(out, Col::ExecForeign);
    }

    fn get(input: &mut Decoder<'_>) -> Result<Self, Malformed> {
        Ok(Self {
            pid: Leaf::get(input, Col::ExecPid)?,
            former_tid: Leaf::get(input, Col::ExecFormerTid)?,
            former_mm: Leaf::get(input, Col::ExecFormerMm)?,
            path: Leaf::get(input, Col::ExecPath)?,
            argv: get_args(input)?,
            auxv: get_auxv(input)?,
            start_brk: Leaf::get(input, Col::ExecAddr)?,
            start_stack: Leaf::get(input, Col::ExecAddr)?,
            segments: get_ends(input)?,
            personality: Leaf::get(input, Col::ExecPersonality)?,
            foreign_arch: Leaf::get(input, Col::ExecForeign)?,
        })
    }
}

fn get_args(input: &mut Decoder<'_>) -> Result<Arc<[Bytes]>, Malformed> {
    let count = input.columns.get_count(Col::ExecArgs, Col::ExecArg)?;
    (0..count).map(|_| Leaf::get(input, Col::ExecArg)).collect()
}

fn get_auxv(input: &mut Decoder<'_>) -> Result<Arc<[(u64, u64)]>, Malformed> {
    let count = input.columns.get_count(Col::ExecAuxv, Col::ExecAuxType)?;
    let pair = |_| Ok((u64::get(input, Col::ExecAuxType)?, input.columns.get_difference(Col::ExecAuxValue)?));
    (0..count).map(pair).collect()
}

/// Four addresses: all there or none.
fn get_ends(input: &mut Decoder<'_>) -> Result<Option<[abi::VirtAddr; 4]>, Malformed> {
    let mut ends = [None; 4];
    for end in &mut ends {
        *end = Leaf::get(input, Col::ExecAddr)?;
    }
    Ok(match ends {
        [Some(a), Some(b), Some(c), Some(d)] => Some([a, b, c, d]),
        _ => None,
    })
}

/// An exit: how, and whether it was the process's last thread.
pub(super) fn put_exit(status: ExitStatus, last_thread: bool, out: &mut Encoder) {
    let (kind, value) = match status {
        ExitStatus::Code(code) => (0u64, code),
        ExitStatus::Signal(signal) => (1, signal),
    };
    kind.put(out, Col::ExitKind);
    value.put(out, Col::ExitStatus);
    last_thread.put(out, Col::ExitLast);
}

pub(super) fn get_exit(input: &mut Decoder<'_>) -> Result<(ExitStatus, bool), Malformed> {
    let kind = u64::get(input, Col::ExitKind)?;
    let value = i32::get(input, Col::ExitStatus)?;
    let status = match kind {
        0 => ExitStatus::Code(value),
        1 => ExitStatus::Signal(value),
        _ => return Err(Malformed("an exit of an unknown kind")),
    };
    Ok((status, bool::get(input, Col::ExitLast)?))
}

impl Record for UnmodelledEvent {
    fn put(&self, out: &mut Encoder) {
        let Self { why, nr, args } = self;
        why.put(out, Col::UnmodelledWhy);
        nr.put(out, Col::UnmodelledNr);
        args.iter().for_each(|&arg| out.columns.put_difference(Col::UnmodelledArg, arg));
    }

    fn get(input: &mut Decoder<'_>) -> Result<Self, Malformed> {
        let why = Leaf::get(input, Col::UnmodelledWhy)?;
        let nr = Leaf::get(input, Col::UnmodelledNr)?;
        let mut args = [0; 6];
        for arg in &mut args {
            *arg = input.columns.get_difference(Col::UnmodelledArg)?;
        }
        Ok(Self { why, nr, args })
    }
}

impl Record for ObjectEvent {
    fn put(&self, out: &mut Encoder) {
        let Self { file, path, build_id, segments } = self;
        file.put(out, Col::ObjectFile);
        path.put(out, Col::ObjectPath);
        build_id.put(out, Col::ObjectBuildId);
        (segments.len() as u64).put(out, Col::ObjectSegments);
        segments.iter().for_each(|segment| segment.put(out));
    }

    fn get(input: &mut Decoder<'_>) -> Result<Self, Malformed> {
        let file = Leaf::get(input, Col::ObjectFile)?;
        let path = Leaf::get(input, Col::ObjectPath)?;
        let build_id = Leaf::get(input, Col::ObjectBuildId)?;
        let count = input.columns.get_count(Col::ObjectSegments, Col::SegmentWord)?;
        let segments = (0..count).map(|_| Segment::get(input)).collect::<Result<_, _>>()?;
        Ok(Self { file, path, build_id, segments })
    }
}

impl Record for Segment {
    fn put(&self, out: &mut Encoder) {
        let Self { kind, flags, offset, vaddr, file_bytes, memory_bytes, align } = *self;
        let words = [u64::from(kind), u64::from(flags), offset, vaddr, file_bytes, memory_bytes, align];
        words.iter().for_each(|word| word.put(out, Col::SegmentWord));
    }

    fn get(input: &mut Decoder<'_>) -> Result<Self, Malformed> {
        Ok(Self {
            kind: Leaf::get(input, Col::SegmentWord)?,
            flags: Leaf::get(input, Col::SegmentWord)?,
            offset: Leaf::get(input, Col::SegmentWord)?,
            vaddr: Leaf::get(input, Col::SegmentWord)?,
            file_bytes: Leaf::get(input, Col::SegmentWord)?,
            memory_bytes: Leaf::get(input, Col::SegmentWord)?,
            align: Leaf::get(input, Col::SegmentWord)?,
        })
    }
}
