//! What a machine and a user let vmatlas see.

use super::{Canvas, Line, Role};
use crate::doctor::{Availability, Check, Doctor};

const MARK_COLUMNS: usize = 9;

/// Lays out what was tried: what is there in a line each, what is not with its consequence and its cure.
pub fn doctor(doctor: &Doctor, canvas: Canvas) -> Vec<Line> {
    let missing = doctor.checks.iter().filter(|check| check.availability != Availability::Whole).count();
    let verdict = match (doctor.can_record, missing) {
        (true, 0) => Line::of(Role::Good, "Everything works here."),
        (true, _) => Line::of(Role::Good, "Programs can be recorded here.")
            .and(Role::Plain, " What would show more is at the end."),
        (false, _) => Line::of(Role::Bad, "Programs can't be recorded here."),
    };
    let facts = [format!("Linux {}", doctor.kernel), doctor.arch.clone(), format!("user {}", doctor.uid)];
    let mut lines = vec![verdict];
    lines.extend(canvas.facts(&facts, 2));
    lines.push(Line::default());
    let mut sorted: Vec<&Check> = doctor.checks.iter().collect();
    sorted.sort_by_key(|check| check.availability);
    for check in sorted {
        lines.extend(lines_of(check, canvas));
    }
    lines
}

fn lines_of(check: &Check, canvas: Canvas) -> Vec<Line> {
    let (role, mark) = match check.availability {
        Availability::Whole => (Role::Good, "ok"),
        Availability::Partly => (Role::Warning, "partly"),
        Availability::Missing => (Role::Bad, "missing"),
    };
    let text = format!("{}: {}", check.title, check.found);
    let mut rows = canvas.sentence(Role::Plain, &text, MARK_COLUMNS + 2).into_iter();
    let mut lines = Vec::new();
    if let Some(first) = rows.next() {
        let text = first.plain();
        lines.push(Line::of(role, format!("  {mark:<MARK_COLUMNS$}")).and(Role::Plain, text.trim_start()));
    }
    lines.extend(rows);
    let advice = [("without it: ", &check.lost), ("to change it: ", &check.change)];
    for (lead, text) in advice {
        if let Some(text) = text {
            lines.extend(canvas.sentence(Role::Faint, &format!("{lead}{text}"), MARK_COLUMNS + 4));
        }
    }
    lines
}

#[cfg(test)]
mod tests {
    use expect_test::expect;

    use super::*;
    use crate::doctor::Facility;
    use crate::text::Glyphs;

    fn shown(checks: Vec<Check>) -> String {
        let view = Doctor::new("6.18.44".to_owned(), "x86_64".to_owned(), 1000, checks);
        let canvas = Canvas { columns: 80, glyphs: Glyphs::Unicode };
        doctor(&view, canvas).iter().map(|line| line.plain() + "\n").collect()
    }

    #[test]
    fn what_is_missing_stands_at_the_end() {
        let checks = vec![
            Check::new(Facility::AnonymousNames, Availability::Missing, "prctl refused it: EINVAL"),
            Check::new(Facility::Tracing, Availability::Whole, "a child was followed"),
            Check::new(Facility::Filter, Availability::Whole, "installed"),
            Check::new(Facility::Faults, Availability::Partly, "in user mode only"),
        ];
        expect![[r#"
            Programs can be recorded here. What would show more is at the end.
              Linux 6.18.44 · x86_64 · user 1000

              ok       following a program (ptrace): a child was followed
              ok       stopping at memory calls only (seccomp): installed
              partly   page faults (perf_event_open): in user mode only
                         without it: faults that the kernel takes for the program, such as
                           read() into a fresh buffer: their pages are seen at checkpoints
                           only
                         to change it: sysctl kernel.perf_event_paranoid=1, or the
                           capability PERFMON
              missing  names of anonymous memory: prctl refused it: EINVAL
                         without it: allocators can't name their memory: what it is for is
                           inferred from size and shape
                         to change it: a kernel built with CONFIG_ANON_VMA_NAME
        "#]]
        .assert_eq(&shown(checks));
    }

    #[test]
    fn without_tracing_nothing_is_recorded() {
        let text = shown(vec![Check::new(Facility::Tracing, Availability::Missing, "EPERM")]);
        assert!(text.starts_with("Programs can't be recorded here.\n"), "{text}");
    }
}
