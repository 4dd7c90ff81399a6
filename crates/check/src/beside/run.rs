//! Running a program with its twin beside it.

use abi::Tid;
use capture::faults::{AccessWanted, Begin, Budget, FaultStacks, FaultWatch, FaultsWanted};
use capture::{Command, Ended, RunError, Start, TraceOptions, WhenToTell, machine};
use mm::Mutation;
use recording::{CallSource, FaultSource, Header, PageSource, Sources};
use sys::perf::Mappings;

use super::memory::Every;
use super::program::{PagesWanted, Program};

/// What is wanted of a check.
#[derive(Clone, Copy, Debug)]
pub struct Wanted {
    /// How often the whole map is compared.
    pub every: Every,
    /// Whether page states are compared too.
    pub pages: PagesWanted,
    /// The rule of the twin that is changed on purpose: only with the feature `mutants`.
    pub defect: Option<Mutation>,
}

/// Runs a program and checks every memory call of it. [`Ended::found`] is the report as JSON
/// ([`super::CHECK_SCHEMA`]).
///
/// # Preconditions
/// This process has one thread.
///
/// # Errors
/// If the command can't be executed or traced.
pub fn run(command: &Command, wanted: Wanted) -> Result<Ended, RunError> {
    // Everything the program made is checked to its end.
    let trace = TraceOptions { until: WhenToTell::AfterAll, ..TraceOptions::CHECK };
    capture::run(command, trace, |start| {
        if start.calls != CallSource::TwoStops {
            return Err("calls can't be stopped at both ends here: ptrace is needed".to_owned());
        }
        // Which mappings have an anon_vma is learned by it.
        if let Err(error) = sys::probe::scans_pages() {
            return Err(format!("check needs PAGEMAP_SCAN (Linux 6.7 and later): {error}"));
        }
        let header = Header {
            vmatlas: env!("CARGO_PKG_VERSION").to_owned(),
            machine: machine::machine(),
            run: machine::run(start.pid, start.zero_ns, None, None),
            sources: Sources {
                calls: CallSource::TwoStops,
                faults: FaultSource::Off,
                mapped: false,
                pages: PageSource::Scan,
                stacks: false,
                remarks: start.remarks.clone(),
            },
        };
        let program = mutate(Program::new(&header, wanted.every), wanted.defect)?;
        Ok(match wanted.pages {
            PagesWanted::No => program,
            PagesWanted::Yes => program.with_pages(watch(start), start.zero_ns),
        })
    })
}

#[cfg(feature = "mutants")]
fn mutate(program: Program, defect: Option<Mutation>) -> Result<Program, String> {
    Ok(match defect {
        Some(defect) => program.with_defect(defect),
        None => program,
    })
}

#[cfg(not(feature = "mutants"))]
fn mutate(program: Program, defect: Option<Mutation>) -> Result<Program, String> {
    match defect {
        None => Ok(program),
        Some(_) => Err("built without the feature `mutants`".to_owned()),
    }
}

/// Watches every fault of the program, with how it accessed memory where that may be seen.
fn watch(start: &Start) -> Option<FaultWatch> {
    let wanted = FaultsWanted {
        chain_frames_max: 0,
        stacks: FaultStacks::NotCopied,
        // An exec is told among them.
        mapped: Mappings::Told,
        budget: Budget::Unlimited,
        access: AccessWanted::Yes,
    };
    FaultWatch::open(Tid(start.pid.0), wanted, Begin::AtExec, start.zero_ns).ok()
}
