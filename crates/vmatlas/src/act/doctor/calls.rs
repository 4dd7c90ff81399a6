//! Following a program and stopping at its memory calls.

use capture::trial;
use sys::OsError;
use sys::filter::Action;
use view::Facility::{Filter, Notification, Tracing};
use view::{Availability, Check, Facility};

/// Tries each on a child.
pub(super) fn checks() -> Vec<Check> {
    vec![
        tracing(trial::tracing(), capture::machine::sysctl("kernel.yama.ptrace_scope").as_deref()),
        check(Filter, trial::filter(Action::Trace), "the filter was installed on a child", None),
        check(Notification, trial::filter(Action::Notify), "a child's filter has its listener", None),
    ]
}

/// Whether a child was traced, and what Yama says to that, where there is one.
fn tracing(tried: Result<(), OsError>, scope: Option<&str>) -> Check {
    let yama = scope.map(yama);
    let mut fine = String::from("a child was traced");
    if let Some(yama) = &yama {
        fine = format!("{fine} ({yama})");
    }
    check(Tracing, tried, &fine, yama)
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

/// What a scope of Yama's means.
fn yama(scope: &str) -> String {
    let means = match scope {
        "0" => "a user may trace all processes of theirs",
        "1" => "what vmatlas starts may be traced, another process only by its parent",
        "2" => "only the capability SYS_PTRACE may trace",
        "3" => "nobody may trace until this machine starts anew: it cannot be set back",
        _ => "vmatlas does not know what that means",
    };
    format!("kernel.yama.ptrace_scope is {scope}: {means}")
}

#[cfg(test)]
mod tests {
    use abi::Errno;

    use super::*;

    /// A kernel without Yama has no such file; of one with it, each content.
    #[test]
    fn each_scope_of_yama_is_told() {
        let denied = || Err(OsError { call: "ptrace(PTRACE_SEIZE)", errno: Errno::EPERM });
        let line = |tried, scope| {
            let check = tracing(tried, scope);
            (check.availability, check.found)
        };
        for (scope, words) in [
            ("1", "only by its parent"),
            ("2", "only the capability SYS_PTRACE"),
            ("3", "cannot be set back"),
        ] {
            for (tried, availability) in [(Ok(()), Availability::Whole), (denied(), Availability::Missing)] {
                let (found, text) = line(tried, Some(scope));
                assert_eq!(found, availability);
                assert!(
                    text.contains(&format!("ptrace_scope is {scope}: ")) && text.contains(words),
                    "{text}"
                );
            }
        }
        assert_eq!(line(Ok(()), None), (Availability::Whole, "a child was traced".to_owned()));
        assert!(!line(denied(), None).1.contains("yama"));
    }
}
