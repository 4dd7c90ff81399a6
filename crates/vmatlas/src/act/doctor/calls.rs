//! Following a program and stopping at its memory calls.

use capture::trial;
use sys::OsError;
use sys::filter::Action;
use view::Facility::{Filter, Notification, Tracing};
use view::{Availability, Check, Facility};

/// Tries each on a child.
pub(super) fn checks() -> Vec<Check> {
    vec![
        check(Tracing, trial::tracing(), "a child was traced", yama()),
        check(Filter, trial::filter(Action::Trace), "the filter was installed on a child", None),
        check(Notification, trial::filter(Action::Notify), "a child's filter has its listener", None),
    ]
}

fn check(facility: Facility, tried: Result<(), OsError>, fine: &str, why: Option<String>) -> Check {
    match tried {
        Ok(()) => Check::new(facility, Availability::Whole, fine),
        Err(error) => {
            let why = why.map_or_else(String::new, |why| format!(" ({why})"));
            Check::new(facility, Availability::Missing, format!("{error}{why}"))
        }
    }
}

/// What Yama says, where there is one.
fn yama() -> Option<String> {
    let scope = capture::machine::sysctl("kernel.yama.ptrace_scope")?;
    Some(format!("kernel.yama.ptrace_scope is {scope}"))
}
