//! The texts of `/proc`: damaged, read, and what could be read classified, added up and laid out.

use proc_text::{auxv, limits, maps, rollup, stat, status};
use snapshot::{Snapshot, classify};
use view::text::{Canvas, Glyphs};
use view::{Detail, DiffView, Explanation, MapFacts, MapView};

use crate::damage::damage;
use crate::random::Random;

/// Damages one of our own texts and reads it as every sort of text.
pub fn target(random: &mut Random) {
    const FILES: [&str; 6] = ["maps", "smaps", "smaps_rollup", "status", "stat", "limits"];
    let file = FILES[random.below(FILES.len())];
    let mut text = std::fs::read(format!("/proc/self/{file}")).expect("our own");
    text.truncate(16 << 10);
    damage(&mut text, random);
    let _ = maps(&text).count();
    let _ = rollup(&text);
    let _ = status(&text);
    let _ = stat(&text);
    let _ = limits(&text).count();
    let _ = auxv(&text).map(Iterator::count);
    if let Ok(snapshot) = Snapshot::from_maps_text(&text) {
        show(&snapshot, random);
    }
}

/// Everything that is done with a snapshot; every byte must be in exactly one leaf.
pub fn show(snapshot: &Snapshot, random: &mut Random) {
    let leaves = classify(snapshot);
    let mapped: u128 = snapshot.mappings.iter().map(|mapping| u128::from(mapping.range.len())).sum();
    assert_eq!(leaves.iter().map(|leaf| u128::from(leaf.range.len())).sum::<u128>(), mapped);
    assert!(leaves.windows(2).all(|pair| pair[0].range.end <= pair[1].range.start));
    if mapped > u128::from(u64::MAX) {
        return;
    }
    let view = MapView::new(MapFacts::default(), snapshot, Detail::Mappings);
    assert_eq!(u128::from(view.total.size), mapped);
    let canvas = Canvas { columns: 72 + random.below(100), glyphs: Glyphs::Ascii };
    for line in view::text::map(&view, canvas).iter().chain(&view::text::mappings(&view, canvas)) {
        assert!(!line.plain().contains(char::is_control));
    }
    let _ = view::text::diff(&DiffView::new(&view, &view), canvas);
    let address = match snapshot.mappings.get(random.below(snapshot.mappings.len())) {
        Some(mapping) if random.below(2) == 0 => mapping.range.start,
        _ => abi::VirtAddr(random.any_size()),
    };
    let _ = view::text::explain(&Explanation::new(snapshot, &(), address, Some(random.any_size())), canvas);
}
