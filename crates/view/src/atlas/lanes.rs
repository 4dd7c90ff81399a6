//! The lives of threads.

use std::collections::BTreeMap;

use abi::{Pid, Tid};
use recording::{Body, Event};
use serde::Serialize;

use crate::words::printable;

/// Threads kept; later ones are counted only.
const THREADS_MAX: usize = 2_000;

/// The life of one thread.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub struct ThreadLane {
    /// Its id.
    pub tid: i32,
    /// Its process.
    pub pid: i32,
    /// Its name, empty where it was not told.
    pub name: String,
    /// When it began, in nanoseconds.
    pub from_ns: u64,
    /// When it ended; the run's end where it lived on.
    pub to_ns: u64,
}

/// Follows threads from event to event.
#[derive(Clone, Debug, Default)]
pub(super) struct Lanes {
    open: BTreeMap<Tid, ThreadLane>,
    done: Vec<ThreadLane>,
}

impl Lanes {
    /// Sees an event; `pid_of` tells the process of a thread that lives.
    pub(super) fn see(&mut self, event: &Event, pid_of: impl Fn(Tid) -> Option<Pid>) {
        let (time, tid) = (event.time.0, event.tid);
        match &event.body {
            Body::Spawn(spawn) => self.begin(spawn.child, spawn.child_pid, time),
            Body::Exec(exec) => {
                // The thread that executes goes on as the leader, the others are gone.
                let begun = self.open.get(&exec.former_tid).map_or(time, |lane| lane.from_ns);
                self.end_where(time, |lane| lane.pid == exec.pid.0 && lane.tid != tid.0);
                self.begin(tid, exec.pid, begun);
            }
            Body::ThreadName(name) => {
                if let Some(pid) = pid_of(tid) {
                    self.begin(tid, pid, time);
                }
                if let Some(lane) = self.open.get_mut(&tid) {
                    lane.name = printable(name);
                }
            }
            Body::Exit { last_thread, .. } => {
                let pid = self.open.get(&tid).map_or(0, |lane| lane.pid);
                self.end_where(time, |lane| lane.tid == tid.0 || *last_thread && lane.pid == pid);
            }
            _ => {}
        }
    }

    fn begin(&mut self, tid: Tid, pid: Pid, from_ns: u64) {
        let lane = || ThreadLane { tid: tid.0, pid: pid.0, name: String::new(), from_ns, to_ns: from_ns };
        self.open.entry(tid).or_insert_with(lane);
    }

    fn end_where(&mut self, to_ns: u64, ends: impl Fn(&ThreadLane) -> bool) {
        let ended: Vec<Tid> = self.open.iter().filter(|(_, lane)| ends(lane)).map(|(tid, _)| *tid).collect();
        for mut lane in ended.into_iter().filter_map(|tid| self.open.remove(&tid)) {
            lane.to_ns = to_ns;
            if self.done.len() < THREADS_MAX {
                self.done.push(lane);
            }
        }
    }

    /// All of them, by process and beginning, each alive until `now_ns` unless it ended.
    pub(super) fn all(&self, now_ns: u64) -> Vec<ThreadLane> {
        let alive = self.open.values().map(|lane| ThreadLane { to_ns: now_ns, ..lane.clone() });
        let mut all: Vec<ThreadLane> = self.done.iter().cloned().chain(alive).collect();
        all.sort_by_key(|lane| (lane.pid, lane.from_ns, lane.tid));
        all.truncate(THREADS_MAX);
        all
    }
}

#[cfg(test)]
mod tests {
    use recording::{ExitStatus, MmId, SpawnEvent, SpawnKind, TimeNs};

    use super::*;

    #[test]
    fn threads_end_alone_or_with_their_process() {
        let mut lanes = Lanes::default();
        let mut see = |time, tid, body| {
            lanes.see(&Event { time: TimeNs(time), tid: Tid(tid), mm: MmId(0), body }, |_| None);
        };
        let spawn = |child, pid, kind| {
            Body::Spawn(SpawnEvent { child: Tid(child), child_pid: Pid(pid), child_mm: MmId(0), kind })
        };
        let exit = |last_thread| Body::Exit { status: ExitStatus::Code(0), last_thread };
        see(1, 1, spawn(10, 10, SpawnKind::Fork));
        see(2, 10, spawn(11, 10, SpawnKind::Thread));
        see(3, 10, spawn(12, 10, SpawnKind::Thread));
        see(4, 10, Body::ThreadName(b"worker\x1b".as_slice().into()));
        see(5, 11, exit(false));
        see(7, 10, exit(true));
        see(8, 1, spawn(20, 20, SpawnKind::Fork));
        let all = lanes.all(9);
        let lives: Vec<_> = all.iter().map(|lane| (lane.pid, lane.tid, lane.from_ns, lane.to_ns)).collect();
        assert_eq!(lives, [(10, 10, 1, 7), (10, 11, 2, 5), (10, 12, 3, 7), (20, 20, 8, 9)]);
        assert!(all[0].name.starts_with("worker") && !all[0].name.contains('\x1b'));
    }
}
