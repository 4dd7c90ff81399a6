//! Saved maps: damaged, read back, and what could be read shown, compared and written as CSV.

use snapshot::Snapshot;
use view::text::{Canvas, Glyphs};
use view::{Detail, DiffView, MapFacts, MapView};

use crate::damage::damage;
use crate::random::Random;

/// Saves the map of this process, puts hostile numbers and bytes into it and does all that is done with a saved map.
pub fn target(random: &mut Random) {
    let smaps = std::fs::read("/proc/self/smaps").expect("our own");
    let snapshot = Snapshot::from_maps_text(&smaps).expect("the kernel's text");
    let detail = if random.below(4) == 0 { Detail::Summary } else { Detail::Mappings };
    let before = MapView::new(MapFacts::default(), &snapshot, detail);
    let mut text = Vec::new();
    view::json::write(view::json::MAP_SCHEMA, &before, &mut text).expect("a Vec takes everything");
    for _ in 0..random.below(6) {
        exchange_number(&mut text, random);
    }
    if random.below(2) == 0 {
        damage(&mut text, random);
    }
    match view::read_map(&text) {
        Ok(after) => show(&before, &after, random),
        Err(error) => assert!(!error.contains('\n'), "{error}"),
    }
}

/// Puts a hard number in the place of one that stands there: still JSON, so that it reaches what adds up.
fn exchange_number(text: &mut Vec<u8>, random: &mut Random) {
    let from = random.below(text.len());
    let Some(start) = text[from..].windows(2).position(|two| two[0] == b':' && two[1].is_ascii_digit())
    else {
        return;
    };
    let start = from + start + 1;
    let digits = text[start..].iter().take_while(|byte| byte.is_ascii_digit()).count();
    const HARD: [&str; 7] =
        ["0", "1", "4096", "18446744073709551615", "9223372036854775808", "null", "9223372036854771712"];
    text.splice(start..start + digits, HARD[random.below(HARD.len())].bytes());
}

fn show(before: &MapView, after: &MapView, random: &mut Random) {
    let canvas = Canvas { columns: 72 + random.below(100), glyphs: Glyphs::Ascii };
    let _ = after.equals_kernel();
    let diff = DiffView::new(before, after);
    let lines = [
        view::text::map(after, canvas),
        view::text::mappings(after, canvas),
        view::text::diff(&diff, canvas),
        view::text::diff(&DiffView::new(after, before), canvas),
    ];
    for line in lines.iter().flatten() {
        assert!(!line.plain().contains(char::is_control));
    }
    view::text::csv(after, std::io::sink()).expect("a sink takes everything");
}
