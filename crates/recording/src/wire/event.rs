//! An event: when, who, whose memory, then its body.

use abi::Resource;

use super::call::{get_limit, put_limit};
use super::checkpoint::{Base, Bases, CodedCheckpoint};
use super::leaf::Leaf;
use super::process::{get_exit, put_exit};
use super::{Decoder, Encoder, Record};
use crate::columns::{Col, ColumnNo};
use crate::error::Malformed;
use crate::event::{
    Body, CallEvent, Event, ExecEvent, FaultEvent, HugeZeros, MappedEvent, MmId, ObjectEvent,
};
use crate::event::{SpawnEvent, TimeNs, UnmodelledEvent};

/// Defines the kinds' numbers: part of the format.
macro_rules! kinds {
    ($($name:ident = $no:literal),* $(,)?) => { $( const $name: u64 = $no; )* };
}
kinds! {
    CALL = 0, MAPPED = 1, FAULT = 2, SPAWN = 3, EXEC = 4, EXIT = 5, STOPPED = 6, CONTINUED = 7,
    THREAD_NAME = 8, CHECKPOINT = 9, UNMODELLED = 10, LOST = 11, FAULT_PERIOD = 12, OBJECT = 13, STACK = 14,
    LIMIT = 15, READING = 16, HUGE_ZEROS = 17,
}

/// Writes event number `no`.
pub(crate) fn put_event(event: &Event, no: u64, bases: &mut Bases, out: &mut Encoder) {
    let Event { time, tid, mm, body } = event;
    out.columns.put_difference(Col::Time, time.0);
    tid.put(out, Col::Tid);
    mm.put(out, Col::Mm);
    let kind = |out: &mut Encoder, no: u64| no.put(out, Col::Kind);
    match body {
        Body::Call(call) => put_kind(CALL, call, out),
        Body::Mapped(mapped) => put_kind(MAPPED, mapped, out),
        Body::Fault(fault) => put_kind(FAULT, fault, out),
        Body::Spawn(spawn) => put_kind(SPAWN, spawn, out),
        Body::Exec(exec) => put_kind(EXEC, exec, out),
        Body::Exit { status, last_thread } => {
            kind(out, EXIT);
            put_exit(*status, *last_thread, out);
        }
        Body::Stopped { signal } => {
            kind(out, STOPPED);
            signal.put(out, Col::Signal);
        }
        Body::Continued => kind(out, CONTINUED),
        Body::ThreadName(name) => {
            kind(out, THREAD_NAME);
            name.put(out, Col::ThreadName);
        }
        Body::Checkpoint(checkpoint) => {
            let coded = CodedCheckpoint::new(checkpoint, no, bases.get(*mm));
            if coded.distance == 0 {
                bases.set(*mm, Base::new(no, checkpoint));
            }
            put_kind(CHECKPOINT, &coded, out);
        }
        Body::Unmodelled(call) => put_kind(UNMODELLED, call, out),
        Body::Lost { source, count } => {
            kind(out, LOST);
            source.put(out, Col::LostSource);
            count.put(out, Col::LostCount);
        }
        Body::FaultPeriod { period } => {
            kind(out, FAULT_PERIOD);
            period.put(out, Col::Period);
        }
        Body::Object(object) => put_kind(OBJECT, object, out),
        Body::Stack(chain) => {
            kind(out, STACK);
            let no = out.dictionary.chain(chain);
            out.columns.put_difference(Col::StackNo, u64::from(no.0));
        }
        Body::Limit { resource, limit } => {
            kind(out, LIMIT);
            resource.0.put(out, Col::LimitResource);
            put_limit(*limit, out, Col::LimitValue);
        }
        Body::Reading => kind(out, READING),
        Body::HugeZeros(HugeZeros { looked_at, zeros }) => {
            kind(out, HUGE_ZEROS);
            out.columns.put(ColumnNo::HUGE_LOOKED_AT, *looked_at);
            out.columns.put(ColumnNo::HUGE_ZEROS, *zeros);
        }
    }
}

fn put_kind(kind: u64, body: &impl Record, out: &mut Encoder) {
    kind.put(out, Col::Kind);
    body.put(out);
}

/// An event as a block tells it.
pub(crate) enum Decoded {
    /// Whole.
    Event(Event),
    /// A checkpoint, which may lean on an earlier event.
    Checkpoint(TimeNs, abi::Tid, MmId, CodedCheckpoint),
    /// Of a kind that a newer vmatlas wrote: such a kind uses columns of its own, so it can be passed over.
    Unknown,
}

/// Reads the next event.
pub(crate) fn get_event(input: &mut Decoder<'_>) -> Result<Decoded, Malformed> {
    let time = TimeNs(input.columns.get_difference(Col::Time)?);
    let tid = Leaf::get(input, Col::Tid)?;
    let mm = Leaf::get(input, Col::Mm)?;
    let body = match u64::get(input, Col::Kind)? {
        CALL => Body::Call(CallEvent::get(input)?),
        MAPPED => Body::Mapped(MappedEvent::get(input)?),
        FAULT => Body::Fault(FaultEvent::get(input)?),
        SPAWN => Body::Spawn(SpawnEvent::get(input)?),
        EXEC => Body::Exec(ExecEvent::get(input)?),
        EXIT => {
            let (status, last_thread) = get_exit(input)?;
            Body::Exit { status, last_thread }
        }
        STOPPED => Body::Stopped { signal: Leaf::get(input, Col::Signal)? },
        CONTINUED => Body::Continued,
        THREAD_NAME => Body::ThreadName(Leaf::get(input, Col::ThreadName)?),
        CHECKPOINT => return Ok(Decoded::Checkpoint(time, tid, mm, CodedCheckpoint::get(input)?)),
        UNMODELLED => Body::Unmodelled(UnmodelledEvent::get(input)?),
        LOST => Body::Lost {
            source: Leaf::get(input, Col::LostSource)?,
            count: Leaf::get(input, Col::LostCount)?,
        },
        FAULT_PERIOD => Body::FaultPeriod { period: Leaf::get(input, Col::Period)? },
        OBJECT => Body::Object(ObjectEvent::get(input)?),
        STACK => Body::Stack(input.dictionary.chain(input.columns.get_difference(Col::StackNo)?)?),
        LIMIT => Body::Limit {
            resource: Resource(Leaf::get(input, Col::LimitResource)?),
            limit: get_limit(input, Col::LimitValue)?,
        },
        READING => Body::Reading,
        HUGE_ZEROS => Body::HugeZeros(HugeZeros {
            looked_at: input.columns.get(ColumnNo::HUGE_LOOKED_AT)?,
            zeros: input.columns.get(ColumnNo::HUGE_ZEROS)?,
        }),
        _ => return Ok(Decoded::Unknown),
    };
    Ok(Decoded::Event(Event { time, tid, mm, body }))
}
