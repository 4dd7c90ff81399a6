//! Memory calls: what was asked, what was answered, what the kernel read besides.

use std::sync::Arc;

use abi::{AddrRange, Call, Errno, Pid, Rlimit};

use super::leaf::Leaf;
use super::{Decoder, Encoder, Record};
use crate::columns::{Col, ColumnNo};
use crate::error::Malformed;
use crate::event::{CallEvent, CallInput, CallResult, FileRef, MmId};

impl Record for CallEvent {
    fn put(&self, out: &mut Encoder) {
        let Self { call, result, input, stack } = self;
        put_call(*call, out);
        match result {
            CallResult::Unseen => 0u64.put(out, Col::CallResult),
            CallResult::Seen(value) => {
                1u64.put(out, Col::CallResult);
                out.columns.put_difference(Col::CallValue, *value as u64);
            }
        }
        put_input(input, out);
        stack.put(out, Col::CallStack);
    }

    fn get(input: &mut Decoder<'_>) -> Result<Self, Malformed> {
        let call = get_call(input)?;
        let result = match u64::get(input, Col::CallResult)? {
            0 => CallResult::Unseen,
            1 => CallResult::Seen(input.columns.get_difference(Col::CallValue)? as i64),
            _ => return Err(Malformed("a call's result is of an unknown kind")),
        };
        Ok(Self { call, result, input: get_input(input)?, stack: Leaf::get(input, Col::CallStack)? })
    }
}

/// The row of a call number in the table, and how many arguments it has.
fn row_of(nr: u32) -> Option<(usize, usize)> {
    let row = abi::table::ROWS.iter().position(|row| row.x86_64 == nr)?;
    Some((row, abi::table::ROWS[row].args.len()))
}

fn put_call(call: Call, out: &mut Encoder) {
    let (nr, args) = call.encode_x86_64();
    nr.put(out, Col::CallNr);
    let (row, count) = row_of(nr).unwrap_or_default();
    for (at, &arg) in args.iter().enumerate().take(count) {
        out.columns.put_difference(ColumnNo::of_call(row, at), arg);
    }
}

fn get_call(input: &mut Decoder<'_>) -> Result<Call, Malformed> {
    let nr = u32::get(input, Col::CallNr)?;
    let (row, count) = row_of(nr).ok_or(Malformed("a call has an unknown number"))?;
    let mut args = [0; 6];
    for (at, arg) in args.iter_mut().enumerate().take(count) {
        *arg = input.columns.get_difference(ColumnNo::of_call(row, at))?;
    }
    Call::decode_x86_64(nr, args).ok_or(Malformed("a call is no memory call"))
}

fn put_input(value: &CallInput, out: &mut Encoder) {
    let tag = |out: &mut Encoder, no: u64| no.put(out, Col::CallInput);
    match value {
        CallInput::None => tag(out, 0),
        CallInput::File(file) => {
            tag(out, 1);
            put_file(file, out);
        }
        CallInput::BadFd => tag(out, 2),
        CallInput::Rlimit { pid, limit } => {
            tag(out, 3);
            pid.put(out, Col::InputPid);
            put_limit(*limit, out, Col::InputLimit);
        }
        CallInput::Name(None) => tag(out, 4),
        CallInput::Name(Some(name)) => {
            tag(out, 5);
            name.put(out, Col::InputName);
        }
        CallInput::Ranges { target, ranges } => {
            tag(out, 6);
            target.map_or(0, |mm| u64::from(mm.0) + 1).put(out, Col::InputTarget);
            (ranges.len() as u64).put(out, Col::InputCount);
            ranges.iter().for_each(|range| range.put(out, Col::InputRange));
        }
        CallInput::Words(words) => {
            tag(out, 7);
            (words.len() as u64).put(out, Col::InputCount);
            words.iter().for_each(|&word| out.columns.put_difference(Col::InputWord, word));
        }
        CallInput::Segment { key, bytes } => {
            tag(out, 8);
            key.put(out, Col::InputKey);
            bytes.put(out, Col::InputBytes);
        }
        CallInput::Unreadable => tag(out, 9),
        CallInput::Refused(errno) => {
            // No process has such a number: readers that know only limits can go on.
            tag(out, 3);
            Pid(-i32::from(errno.0)).put(out, Col::InputPid);
            put_limit(Rlimit::UNLIMITED, out, Col::InputLimit);
        }
    }
}

fn get_input(input: &mut Decoder<'_>) -> Result<CallInput, Malformed> {
    Ok(match u64::get(input, Col::CallInput)? {
        0 => CallInput::None,
        1 => CallInput::File(Box::new(get_file(input)?)),
        2 => CallInput::BadFd,
        3 => get_process_limit(input)?,
        4 => CallInput::Name(None),
        5 => CallInput::Name(Some(Leaf::get(input, Col::InputName)?)),
        6 => get_ranges(input)?,
        7 => {
            let count = input.columns.get_count(Col::InputCount, Col::InputWord)?;
            let words = (0..count).map(|_| input.columns.get_difference(Col::InputWord));
            CallInput::Words(words.collect::<Result<Arc<[u64]>, _>>()?)
        }
        8 => CallInput::Segment {
            key: Leaf::get(input, Col::InputKey)?,
            bytes: Leaf::get(input, Col::InputBytes)?,
        },
        9 => CallInput::Unreadable,
        _ => return Err(Malformed("a call's input is of an unknown kind")),
    })
}

fn get_process_limit(input: &mut Decoder<'_>) -> Result<CallInput, Malformed> {
    let (pid, limit) = (Pid::get(input, Col::InputPid)?, get_limit(input, Col::InputLimit)?);
    Ok(match u16::try_from(-i64::from(pid.0)) {
        Ok(errno @ 1..) => CallInput::Refused(Errno(errno)),
        _ => CallInput::Rlimit { pid, limit },
    })
}

fn get_ranges(input: &mut Decoder<'_>) -> Result<CallInput, Malformed> {
    let target = match u64::get(input, Col::InputTarget)? {
        0 => None,
        no => Some(MmId(u32::try_from(no - 1).map_err(|_| Malformed("an id is too large"))?)),
    };
    let count = input.columns.get_count(Col::InputCount, Col::InputRange)?;
    let ranges = (0..count).map(|_| AddrRange::get(input, Col::InputRange));
    Ok(CallInput::Ranges { target, ranges: ranges.collect::<Result<Arc<[AddrRange]>, _>>()? })
}

fn put_file(file: &FileRef, out: &mut Encoder) {
    let no = out.dictionary.file(file);
    no.put(out, Col::InputFile);
    out.columns.put_difference(Col::InputFileBytes, file.bytes);
    out.columns.put_difference(Col::InputDescription, file.description);
}

fn get_file(input: &mut Decoder<'_>) -> Result<FileRef, Malformed> {
    let mut file = input.dictionary.file(input.columns.get(Col::InputFile)?)?;
    file.bytes = input.columns.get_difference(Col::InputFileBytes)?;
    file.description = input.columns.get_difference(Col::InputDescription)?;
    Ok(file)
}

/// Soft and hard limit, each one more than itself, wrapping: no limit at all is the commonest and becomes 0.
pub(super) fn put_limit(limit: Rlimit, out: &mut Encoder, col: Col) {
    limit.soft.wrapping_add(1).put(out, col);
    limit.hard.wrapping_add(1).put(out, col);
}

pub(super) fn get_limit(input: &mut Decoder<'_>, col: Col) -> Result<Rlimit, Malformed> {
    let (soft, hard) = (u64::get(input, col)?, u64::get(input, col)?);
    Ok(Rlimit { soft: soft.wrapping_sub(1), hard: hard.wrapping_sub(1) })
}
