//! Two maps compared: by kind, and by what the mappings are rather than where.

use std::collections::BTreeMap;

use serde::Serialize;

use crate::map::{MapSums, MapView};

/// Two maps compared. Addresses play no part: they differ from run to run.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub struct DiffView {
    /// The first target.
    pub before: String,
    /// The second target.
    pub after: String,
    /// All together.
    pub total: Change,
    /// By kind, in the order of showing; kinds that neither has are left out.
    pub kinds: Vec<KindChange>,
    /// What changed, by kind and name, largest change first.
    pub changes: Vec<NamedChange>,
}

/// Sums on both sides.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize)]
pub struct Change {
    /// In the first target.
    pub before: MapSums,
    /// In the second target.
    pub after: MapSums,
}

/// The change of a kind.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub struct KindChange {
    /// The kind's name for programs.
    pub kind: &'static str,
    /// The group's name for programs.
    pub group: &'static str,
    /// The kind's name for people.
    #[serde(skip)]
    pub name: &'static str,
    /// Both sides.
    #[serde(flatten)]
    pub change: Change,
}

/// The change of what has one name: an object's part, a file, the anonymous mappings of one size.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub struct NamedChange {
    /// The kind's name for programs.
    pub kind: &'static str,
    /// The kind's name for people.
    #[serde(skip)]
    pub kind_name: &'static str,
    /// The name; for memory without one its size.
    pub name: String,
    /// Virtual size in bytes in the first target.
    pub size_before: u64,
    /// Virtual size in bytes in the second target.
    pub size_after: u64,
    /// How many ranges in the first target.
    pub count_before: u64,
    /// How many ranges in the second target.
    pub count_after: u64,
}

impl Change {
    /// By how much the virtual size changed, in bytes.
    pub fn size(&self) -> i128 {
        i128::from(self.after.size) - i128::from(self.before.size)
    }

    /// By how much the resident size changed, in bytes; `None` where one side is not known.
    pub fn rss(&self) -> Option<i128> {
        Some(i128::from(self.after.rss?) - i128::from(self.before.rss?))
    }
}

impl NamedChange {
    /// By how much the virtual size changed, in bytes.
    pub fn size(&self) -> i128 {
        i128::from(self.size_after) - i128::from(self.size_before)
    }
}

impl DiffView {
    /// Compares two maps.
    ///
    /// # Preconditions
    /// Both were made with [`crate::Detail::Mappings`].
    pub fn new(before: &MapView, after: &MapView) -> Self {
        Self {
            before: before.target.clone(),
            after: after.target.clone(),
            total: Change { before: before.total, after: after.total },
            kinds: kinds(before, after),
            changes: changes(before, after),
        }
    }
}

fn kinds(before: &MapView, after: &MapView) -> Vec<KindChange> {
    let mut rows: Vec<KindChange> = Vec::new();
    for kind in snapshot::Kind::ALL {
        let of = |view: &MapView| view.kinds.iter().find(|row| row.kind == kind.slug()).map(|row| row.sums);
        let (before, after) = (of(before), of(after));
        if before.is_none() && after.is_none() {
            continue;
        }
        let change = Change { before: before.unwrap_or(NOTHING), after: after.unwrap_or(NOTHING) };
        rows.push(KindChange { kind: kind.slug(), group: kind.group().slug(), name: kind.name(), change });
    }
    rows
}

/// The sums of a kind that does not occur: known to be zero.
const NOTHING: MapSums = MapSums {
    size: 0,
    in_core: None,
    once: None,
    rss: Some(0),
    pss: Some(0),
    uss: Some(0),
    dirty: Some(0),
    anonymous: Some(0),
    swap: Some(0),
    huge: Some(0),
    locked: Some(0),
    huge_possible: Some(0),
    charged: Some(0),
    mappings: 0,
};

fn changes(before: &MapView, after: &MapView) -> Vec<NamedChange> {
    let mut named: BTreeMap<(&'static str, String), NamedChange> = BTreeMap::new();
    for (view, is_after) in [(before, false), (after, true)] {
        for mapping in &view.mappings {
            for leaf in &mapping.leaves {
                let name = name_of(&leaf.owner, &mapping.name, leaf.size);
                let row = named.entry((leaf.kind, name.clone())).or_insert_with(|| NamedChange {
                    kind: leaf.kind,
                    kind_name: leaf.name,
                    name,
                    size_before: 0,
                    size_after: 0,
                    count_before: 0,
                    count_after: 0,
                });
                let (size, count) = if is_after {
                    (&mut row.size_after, &mut row.count_after)
                } else {
                    (&mut row.size_before, &mut row.count_before)
                };
                *size += leaf.size;
                *count += 1;
            }
        }
    }
    let mut changes: Vec<NamedChange> = named.into_values().filter(|row| row.size() != 0).collect();
    changes.sort_by_key(|row| std::cmp::Reverse(row.size().unsigned_abs()));
    changes
}

/// What a range is called wherever it lies: threads are told apart by number, which says nothing elsewhere.
fn name_of(owner: &str, mapping: &str, size: u64) -> String {
    match (owner, mapping) {
        (owner, "") if owner.is_empty() || owner.starts_with("thread ") => crate::words::bytes(size),
        ("", mapping) => mapping.to_owned(),
        (owner, _) => owner.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use snapshot::Snapshot;

    use super::*;
    use crate::map::{Detail, MapFacts};

    fn view(text: &str) -> MapView {
        let snapshot = Snapshot::from_maps_text(text.as_bytes()).expect("good text");
        MapView::new(MapFacts::default(), &snapshot, Detail::Mappings)
    }

    #[test]
    fn addresses_play_no_part() {
        let a = view("1000-3000 rw-p 0 0:0 0\n9000-a000 r--p 0 8:1 7 /f\n");
        let b = view("5000-7000 rw-p 0 0:0 0\nc000-d000 r--p 0 8:1 7 /f\n");
        let diff = DiffView::new(&a, &b);
        assert_eq!((diff.total.size(), diff.changes.len()), (0, 0));
    }

    #[test]
    fn what_grew_and_what_is_new_comes_first() {
        let a = view("1000-3000 rw-p 0 0:0 0 [heap]\n9000-a000 r--p 0 8:1 7 /f\n");
        let b = view("1000-8000 rw-p 0 0:0 0 [heap]\na000-c000 rw-s 0 8:1 8 /g\n");
        let diff = DiffView::new(&a, &b);
        let shown: Vec<_> = diff.changes.iter().map(|row| (row.name.as_str(), row.size())).collect();
        assert_eq!(shown, [("[heap]", 0x5000), ("/g", 0x2000), ("/f", -0x1000)]);
        assert_eq!(diff.total.rss(), None);
    }
}
