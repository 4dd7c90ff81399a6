//! Several processes at once: which ones are meant, and reading them.

use std::collections::BTreeMap;
use std::path::Path;

use abi::Pid;
use snapshot::{Frames, classify};
use view::{Detail, MapView, words};

use super::target;
use crate::exit::{FAILED, NO_PROCESS, WithStatus};

/// What the words of a command line mean.
#[derive(Debug)]
pub(super) enum Meant {
    /// One target of whatever sort.
    One(String),
    /// Processes.
    Several(Processes),
}

/// The processes that are meant.
#[derive(Debug)]
pub(super) struct Processes {
    /// Those that are there, in the order asked for.
    pub(super) pids: Vec<Pid>,
    /// Ids and names that none has.
    missing: Vec<String>,
}

/// Whether the descendants of a process are meant as well.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Tree {
    No,
    Yes,
}

/// Finds out what is meant.
pub(super) fn resolve(targets: &[String], tree: Tree) -> anyhow::Result<Meant> {
    let names_one = |target: &String| {
        target.parse::<i32>().is_ok()
            || Path::new(target).exists()
            || snapshot::processes_named(target.as_bytes()).len() < 2
    };
    if let ([target], Tree::No) = (targets, tree)
        && names_one(target)
    {
        return Ok(Meant::One(target.clone()));
    }
    let mut found = Processes { pids: Vec::new(), missing: Vec::new() };
    for target in targets {
        let pids = match target.parse::<i32>() {
            Ok(pid) if Path::new("/proc").join(target).exists() => vec![Pid(pid)],
            Ok(_) => Vec::new(),
            Err(_) if Path::new(target).exists() => {
                anyhow::bail!("{target}: a file: only processes can be shown several at once");
            }
            Err(_) => snapshot::processes_named(target.as_bytes()),
        };
        if pids.is_empty() {
            found.missing.push(words::printable(target.as_bytes()));
        }
        found.pids.extend(pids.into_iter().filter(|pid| !found.pids.contains(pid)).collect::<Vec<_>>());
    }
    if tree == Tree::Yes {
        found.pids = snapshot::with_descendants(&found.pids);
    }
    Ok(Meant::Several(found))
}

/// Several processes as they were read.
pub(super) struct Read {
    /// Each one's map.
    pub(super) views: Vec<MapView>,
    /// By kind, each page counted once.
    pub(super) once: Option<BTreeMap<snapshot::Kind, u64>>,
    /// What could not be read, with its exit status.
    pub(super) failed: Option<u8>,
}

/// Reads them; what can't be read is told on standard error and the others are shown.
pub(super) fn read(processes: &Processes, detail: Detail) -> anyhow::Result<Read> {
    let mut views = Vec::new();
    let mut failed = None;
    let mut tell = |message: String, status: u8| {
        eprintln!("vmatlas: {message}");
        failed = failed.max(Some(status));
    };
    for missing in &processes.missing {
        tell(format!("{missing}: neither the name nor the id of a process"), NO_PROCESS);
    }
    let mut frames = Frames::new();
    let mut once: BTreeMap<snapshot::Kind, u64> = BTreeMap::new();
    for pid in &processes.pids {
        let found = match target::live(&pid.to_string(), *pid) {
            Ok(found) => found,
            Err(error) => {
                let status = error.downcast_ref::<WithStatus>().map_or(FAILED, |error| error.status);
                tell(crate::exit::line_of(&error), status);
                continue;
            }
        };
        let leaves = classify(&found.snapshot);
        // A process that ends in between can't be counted: then nothing is said rather than too little.
        match frames.as_mut().map(|frames| frames.add(*pid, &found.snapshot, &leaves)) {
            Some(Ok(added)) => {
                for (kind, bytes) in added {
                    *once.entry(kind).or_default() += bytes;
                }
            }
            Some(Err(_)) => frames = None,
            None => {}
        }
        views.push(MapView::new(found.facts, &found.snapshot, detail));
    }
    if views.is_empty() {
        let message = "none of the processes could be shown".to_owned();
        return Err(WithStatus { status: failed.unwrap_or(NO_PROCESS), message }.into());
    }
    Ok(Read { views, once: frames.map(|_| once), failed })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_mean_one_target_or_processes() {
        let own = std::process::id().to_string();
        let words = |words: &[&str]| words.iter().map(|word| (*word).to_owned()).collect::<Vec<_>>();
        assert!(matches!(resolve(&words(&[&own]), Tree::No), Ok(Meant::One(_))));
        let Ok(Meant::Several(found)) = resolve(&words(&[&own, &own, "no such / name"]), Tree::Yes) else {
            panic!("several")
        };
        assert_eq!((found.pids[0].to_string(), found.missing.len()), (own, 1));
        assert!(resolve(&words(&["/proc/self/maps", "1"]), Tree::No).is_err());
    }

    #[test]
    fn what_is_missing_decides_the_status_and_the_rest_is_shown() {
        let own = Pid(std::process::id() as i32);
        let some = Processes { pids: vec![own, Pid(i32::MAX)], missing: vec!["x".into()] };
        let read = read(&some, Detail::Summary).expect("ourselves");
        assert_eq!((read.views.len(), read.failed), (1, Some(NO_PROCESS)));
        let none = Processes { pids: Vec::new(), missing: vec!["x".into()] };
        let error = super::read(&none, Detail::Summary).err().expect("nothing to show");
        assert_eq!(error.downcast_ref::<WithStatus>().map(|error| error.status), Some(NO_PROCESS));
    }
}
