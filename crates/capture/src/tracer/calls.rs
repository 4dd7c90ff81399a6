//! Memory calls that wait for the listener's answer.

use abi::{Call, Tid};
use recording::{Body, CallEvent, CallResult, Event, MmId, TimeNs, UnmodelledEvent, UnmodelledWhy};
use sys::filter::{ARCH_X86_64, NR_EXECVE, NR_EXECVEAT, NR_PRCTL, NR_SECCOMP, PR_SET_SECCOMP, X32_BIT};
use sys::seccomp::Notification;

use super::Tracer;
use crate::input;
use crate::link::Message;
use crate::observer::Observer;

/// `SECCOMP_FILTER_FLAG_NEW_LISTENER`.
const NEW_LISTENER: u64 = 8;
const LISTENER_TAKEN: &str = "the program wanted a seccomp listener of its own and got EBUSY, since vmatlas has one: \
    record it with --stops";

/// A raw system call at its entry.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Raw {
    pub(super) arch: u32,
    pub(super) nr: u32,
    pub(super) args: [u64; 6],
}

/// What a raw call is to the recording.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Meaning {
    Memory(Call),
    Unmodelled(UnmodelledWhy),
    /// It executes another program.
    Exec,
    /// Nothing: it stopped for an argument that says so.
    Nothing,
}

impl Raw {
    pub(super) fn meaning(self) -> Meaning {
        let Self { arch, nr, args } = self;
        if arch != ARCH_X86_64 {
            return Meaning::Unmodelled(UnmodelledWhy::I386);
        }
        if nr & X32_BIT != 0 {
            return Meaning::Unmodelled(UnmodelledWhy::X32);
        }
        if nr == NR_SECCOMP || (nr == NR_PRCTL && args[0] as u32 == PR_SET_SECCOMP) {
            return Meaning::Unmodelled(UnmodelledWhy::OwnFilter);
        }
        if nr == NR_EXECVE || nr == NR_EXECVEAT {
            return Meaning::Exec;
        }
        Call::decode_x86_64(nr, args).map_or(Meaning::Nothing, Meaning::Memory)
    }

    /// Whether it installs a filter with a listener, of which there can be only one.
    fn wants_listener(self) -> bool {
        self.nr == NR_SECCOMP && self.args[1] & NEW_LISTENER != 0
    }

    pub(super) fn unmodelled(self, why: UnmodelledWhy) -> Body {
        let nr = if why == UnmodelledWhy::X32 { self.nr & !X32_BIT } else { self.nr };
        Body::Unmodelled(UnmodelledEvent { why, nr, args: self.args })
    }
}

impl<O: Observer> Tracer<O> {
    /// Takes one call from the listener.
    pub(super) fn notified(&mut self) {
        let Some(listener) = &self.listener else { return };
        // An error: the caller was killed, or left its wait for a signal, and will come again.
        let Ok(notification) = listener.receive() else { return };
        self.answering.set(notification.id);
        let now_ns = sys::clock::monotonic_ns();
        if self.threads.get(notification.tid).is_none() {
            self.adopt(notification.tid);
        }
        self.take_turn(notification, now_ns);
    }

    /// Looks up what a call reads, and lets it go. Returns whether it is made.
    pub(super) fn answer(&mut self, notification: &Notification, now_ns: u64) -> bool {
        let Notification { id, tid, arch, nr, args, .. } = *notification;
        let mm = self.threads.get(tid).map(|thread| thread.mm);
        let event = mm.filter(|mm| self.threads.is_recorded(*mm)).and_then(|mm| {
            let body = self.body_of(tid, Raw { arch, nr, args })?;
            let time = TimeNs(now_ns.saturating_sub(self.zero_ns));
            Some(Event { time, tid, mm, body })
        });
        if let (Some(copier), Some(Event { body: Body::Call(_), time, .. })) = (&mut self.copier, &event) {
            copier.copy(tid, *time);
        }
        let is_made = self.listener.as_ref().is_some_and(|listener| listener.allow(id).is_ok());
        // One that was killed while it waited makes no call.
        if let Some(event) = event.filter(|_| is_made) {
            self.count_call(tid, event.mm, now_ns, &event.body);
            self.events_since_tick += 1;
            self.observer.event(event);
        }
        is_made
    }

    fn body_of(&mut self, tid: Tid, raw: Raw) -> Option<Body> {
        match raw.meaning() {
            Meaning::Nothing | Meaning::Exec => None,
            Meaning::Unmodelled(why) => {
                if raw.wants_listener() && !self.has_warned {
                    self.has_warned = true;
                    self.tell(&Message::Trouble(LISTENER_TAKEN.into()));
                }
                Some(raw.unmodelled(why))
            }
            Meaning::Memory(call) => {
                let input = input::read(tid, call, &self.threads, &mut self.mounts);
                Some(Body::Call(CallEvent { call, result: CallResult::Unseen, input, stack: None }))
            }
        }
    }

    /// Notes that a thread is inside a call.
    pub(super) fn count_call(&mut self, tid: Tid, mm: MmId, now_ns: u64, body: &Body) {
        if let Some(thread) = self.threads.get_mut(tid) {
            thread.let_go_ns = Some(now_ns);
        }
        if let Some(memory) = self.threads.memory_mut(mm) {
            memory.calls += 1;
            memory.is_unmodelled |= matches!(body, Body::Unmodelled(_));
        }
    }
}
