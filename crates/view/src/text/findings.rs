//! What in a run wants attention.

use super::{Canvas, Line, Role};
use crate::chains::FrameWords;
use crate::report_findings::ReportFinding;

/// Frames shown of a chain.
const FRAMES: usize = 6;

pub(super) fn lines(findings: &[ReportFinding], canvas: Canvas) -> Vec<Line> {
    if findings.is_empty() {
        return Vec::new();
    }
    let mut lines = vec![Line::of(Role::Strong, "Findings")];
    for finding in findings {
        let whose = finding.pid.map(|pid| format!(" (pid {pid})")).unwrap_or_default();
        lines.extend(canvas.sentence(Role::Warning, &format!("{}{whose}", finding.evidence), 2));
        lines.extend(canvas.sentence(Role::Faint, &finding.advice, 4));
        for frame in finding.frames.iter().take(FRAMES) {
            let words = FrameWords::line_words(frame);
            lines.push(Line::of(
                Role::Faint,
                format!("      {}", canvas.cut(&words, canvas.columns.saturating_sub(6))),
            ));
        }
        if finding.frames.len() > FRAMES {
            lines.push(Line::of(Role::Faint, format!("      {} more", finding.frames.len() - FRAMES)));
        }
    }
    lines
}
