//! The rectangles that meet a window.

use std::collections::BTreeMap;

use serde_json::json;
use view::atlas::{Atlas, Rect};
use web::{Answer, Query};

use super::answer::json_answer;

/// Rectangles in one answer.
const RECTS_IN_ANSWER: usize = 60_000;

/// Those that meet the window, of too many those that cover the most of it.
pub(super) fn rects(atlas: &Atlas, query: &Query) -> Answer {
    let number = |name, default| query.number(name).unwrap_or(default);
    let (mm, from, to) = (number("mm", 0), number("from", 0), number("to", u64::MAX));
    let (low, high) = (number("low", 0), number("high", u64::MAX));
    let meets = |rect: &&Rect| {
        u64::from(rect.mm) == mm
            && rect.from_ns <= to
            && rect.to_ns >= from
            && rect.start < high
            && rect.start.saturating_add(rect.size) > low
    };
    let mut found: Vec<&Rect> = atlas.rects.iter().filter(meets).collect();
    let mut left_out = 0;
    if found.len() > RECTS_IN_ANSWER {
        let area = |rect: &&Rect| {
            let time = rect.to_ns.min(to) - rect.from_ns.max(from) + 1;
            let size = rect.start.saturating_add(rect.size).min(high) - rect.start.max(low);
            std::cmp::Reverse(u128::from(size) * u128::from(time))
        };
        found.select_nth_unstable_by_key(RECTS_IN_ANSWER, area);
        left_out = found.len() - RECTS_IN_ANSWER;
        found.truncate(RECTS_IN_ANSWER);
    }
    let causes: BTreeMap<u64, &String> = found
        .iter()
        .flat_map(|rect| [Some(rect.made), rect.ended])
        .flatten()
        .filter_map(|event| Some((event, atlas.causes.get(&event)?)))
        .collect();
    json_answer(&json!({
        "rects": found, "names": atlas.names, "causes": causes,
        // Of this window, and of the whole run those that nobody keeps.
        "left_out": left_out, "lost": atlas.left_out,
    }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_window_gets_what_meets_it() {
        let rect = |start, from_ns, to_ns| Rect {
            mm: 0,
            start,
            size: 4096,
            from_ns,
            to_ns,
            made: from_ns,
            ended: None,
            kind: "heap",
            rights: "rw-p".into(),
            offset: 0,
            name: 0,
            resident: Vec::new(),
        };
        let atlas = Atlas {
            rects: vec![rect(0, 0, 10), rect(8192, 5, 9), rect(8192, 20, 30)],
            names: vec![String::new()],
            ..Atlas::default()
        };
        let count = |query: &str| {
            let Answer::Json(bytes) = rects(&atlas, &Query::read(query)) else { return None };
            let value: serde_json::Value = serde_json::from_slice(&bytes).ok()?;
            Some(value["rects"].as_array()?.len())
        };
        assert_eq!(count("mm=0"), Some(3));
        assert_eq!(count("mm=0&from=11&to=19"), Some(0));
        assert_eq!(count("mm=0&from=6&to=25&low=4096"), Some(2));
        assert_eq!(count("mm=1"), Some(0));
    }
}
