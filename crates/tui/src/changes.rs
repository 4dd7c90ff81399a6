//! What changed from one sample to the next, in words.

use std::collections::BTreeMap;

use view::{MapView, MappingLine, words};

/// Lines at most.
const CHANGES_MAX: usize = 200;

/// Says what is in `after` and was not in `before`, mapping by mapping. What came and went between is not seen.
pub(crate) fn changes(before: &MapView, after: &MapView) -> Vec<String> {
    let index = |view: &'_ MapView| -> BTreeMap<u64, MappingLine> {
        view.mappings.iter().map(|mapping| (mapping.range.start.0, mapping.clone())).collect()
    };
    let (old, new) = (index(before), index(after));
    let mut lines = Vec::new();
    for (start, mapping) in &new {
        match old.get(start) {
            None => lines.push(format!("new        {}", one(mapping))),
            Some(was) => push_difference(was, mapping, &mut lines),
        }
    }
    for mapping in old.iter().filter(|(start, _)| !new.contains_key(start)).map(|(_, mapping)| mapping) {
        lines.push(format!("gone       {}", one(mapping)));
    }
    lines.truncate(CHANGES_MAX);
    lines
}

fn push_difference(was: &MappingLine, is: &MappingLine, lines: &mut Vec<String>) {
    let (old, new) = (was.range.len(), is.range.len());
    if new != old {
        let word = if new > old { "grew" } else { "shrank" };
        lines.push(format!("{word:<10} {} by {}", one(is), words::bytes(new.abs_diff(old))));
    }
    if was.permissions != is.permissions {
        lines.push(format!("{:<10} {} was {}", "protected", one(is), was.permissions));
    }
    if let (Some(old), Some(new)) = (was.sums.rss, is.sums.rss)
        && old != new
    {
        let word = if new > old { "touched" } else { "dropped" };
        lines.push(format!("{word:<10} {} {} resident", one(is), words::bytes(new.abs_diff(old))));
    }
}

fn one(mapping: &MappingLine) -> String {
    let kind = mapping.leaves.first().map(|leaf| leaf.name.to_string()).unwrap_or_default();
    let name = if mapping.name.is_empty() { &kind } else { &mapping.name };
    format!("{} {} {} {name}", mapping.start, words::bytes(mapping.range.len()), mapping.permissions)
}
