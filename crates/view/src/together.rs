//! Several processes as one map.

use std::collections::BTreeMap;

use snapshot::Kind;

use crate::map::{MapKind, MapSums, MapView, ProcessLine};
use crate::report::{Note, NoteKind};
use crate::words::plural;

impl MapView {
    /// Adds up several processes. `once`: bytes by kind with each page that several map counted once, where
    /// frames are told.
    ///
    /// # Preconditions
    /// There is at least one.
    pub fn together(views: &[Self], once: Option<&BTreeMap<Kind, u64>>) -> Option<Self> {
        let mut total = MapSums::sum(views.iter().map(|view| view.total))?;
        total.once = once.map(|once| once.values().sum());
        let mut notes = vec![match once {
            Some(_) => "ONCE: resident, each page that several of them map counted once".into(),
            None => "pages that several of them map are in RSS as often; PSS divides them. Counting each once needs \
                     frame numbers: run as root (CAP_SYS_ADMIN)"
                .to_owned(),
        }];
        notes.extend(
            views.iter().filter(|view| !view.equals_kernel()).map(|view| {
                format!("{}: its sums differ from the kernel's, it went on meanwhile", view.target)
            }),
        );
        let findings = views.iter().flat_map(|view| {
            view.findings.iter().cloned().map(|mut finding| {
                finding.evidence = format!("{} ({}): {}", view.program, view.target, finding.evidence);
                finding
            })
        });
        Some(Self {
            target: views.iter().map(|view| view.target.as_str()).collect::<Vec<_>>().join(" "),
            pid: None,
            program: plural(views.len() as u64, "process"),
            total,
            kernel_total: MapSums::sum(views.iter().filter_map(|view| view.kernel_total)),
            kinds: kinds(views, once),
            objects: Vec::new(),
            stacks: Vec::new(),
            heap: None,
            mappings: Vec::new(),
            processes: views.iter().map(process).collect(),
            page_tables: views.iter().map(|view| view.page_tables).sum(),
            status: None,
            mappings_max: None,
            rss_peak: None,
            largest_hole: views.iter().map(|view| view.largest_hole).min()?,
            findings: findings.collect(),
            notes: notes.into_iter().map(|text| Note { kind: NoteKind::Meaning, text }).collect(),
        })
    }
}

fn process(view: &MapView) -> ProcessLine {
    ProcessLine { pid: view.pid, program: view.program.clone(), sums: view.total }
}

fn kinds(views: &[MapView], once: Option<&BTreeMap<Kind, u64>>) -> Vec<MapKind> {
    let mut kinds = Vec::new();
    for kind in Kind::ALL {
        let rows: Vec<&MapKind> =
            views.iter().flat_map(|view| &view.kinds).filter(|row| row.kind == kind.slug()).collect();
        let (Some(first), Some(mut sums)) = (rows.first(), MapSums::sum(rows.iter().map(|row| row.sums)))
        else {
            continue;
        };
        sums.once = once.map(|once| once.get(&kind).copied().unwrap_or(0));
        kinds.push(MapKind {
            inferred: rows.iter().any(|row| row.inferred),
            divided: rows.iter().any(|row| row.divided),
            sums,
            ..(*first).clone()
        });
    }
    kinds
}

#[cfg(test)]
mod tests {
    use snapshot::Snapshot;

    use super::*;
    use crate::map::{Detail, MapFacts};

    #[test]
    fn sums_are_added_and_shared_pages_counted_once() {
        let text = b"1000-3000 rw-p 0 0:0 0 [heap]\nRss: 8 kB\nPss: 4 kB\n";
        let snapshot = Snapshot::from_maps_text(text).expect("good text");
        let facts = |target: &str| MapFacts { target: target.into(), ..MapFacts::default() };
        let views = ["1", "2"].map(|target| MapView::new(facts(target), &snapshot, Detail::Summary));
        let once = BTreeMap::from([(Kind::Heap, 8192)]);
        let both = MapView::together(&views, Some(&once)).expect("two");
        assert_eq!(
            (both.total.size, both.total.rss, both.total.pss),
            (0x4000, Some(16 << 10), Some(8 << 10))
        );
        assert_eq!((both.total.once, both.kinds[0].sums.once), (Some(8192), Some(8192)));
        assert_eq!((both.kinds.len(), both.processes.len(), both.target.as_str()), (1, 2, "1 2"));
        assert_eq!(MapView::together(&views, None).expect("two").total.once, None);
        assert_eq!(MapView::together(&[], None), None);
    }
}
