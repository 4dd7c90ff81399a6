//! A map read back from the JSON it was saved as.

use abi::{AddrRange, VirtAddr};
use serde::{Deserialize, Deserializer, de};
use serde_json::Value;
use snapshot::{Group, Kind};

use crate::json::MAP_SCHEMA;
use crate::map::MapView;
use crate::words::printable;

/// Reads a map back.
///
/// # Errors
/// If the text is no JSON of a map, in one line.
pub fn read_map(text: &[u8]) -> Result<MapView, String> {
    #[derive(Deserialize)]
    struct Schema {
        schema: String,
    }
    let error = |error: serde_json::Error| format!("not a saved map: {error}");
    let schema: Schema = serde_json::from_slice(text).map_err(error)?;
    if schema.schema != MAP_SCHEMA {
        return Err(format!(
            "not a saved map: its schema is {}, not {MAP_SCHEMA}",
            printable(schema.schema.as_bytes())
        ));
    }
    let mut json: Value = serde_json::from_slice(text).map_err(error)?;
    make_printable(&mut json);
    let mut view: MapView = serde_json::from_value(json).map_err(error)?;
    for row in &mut view.kinds {
        let kind = kind_of(row.kind);
        (row.name, row.group_name) = kind.map_or(("", ""), |kind| (kind.name(), kind.group().name()));
    }
    for mapping in &mut view.mappings {
        let [start, end] = [&mapping.start, &mapping.end].map(|text| address(text));
        mapping.range = AddrRange { start, end: end.max(start) };
        for leaf in &mut mapping.leaves {
            leaf.name = kind_of(leaf.kind).map_or("", Kind::name);
        }
    }
    Ok(view)
}

/// A map that somebody else saved may hold what would steer a terminal. The depth is what `serde_json` reads.
fn make_printable(json: &mut Value) {
    match json {
        Value::String(text) => *text = printable(text.as_bytes()),
        Value::Array(values) => values.iter_mut().for_each(make_printable),
        Value::Object(fields) => fields.values_mut().for_each(make_printable),
        Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
}

fn kind_of(slug: &str) -> Option<Kind> {
    Kind::ALL.into_iter().find(|kind| kind.slug() == slug)
}

fn address(text: &str) -> VirtAddr {
    VirtAddr(u64::from_str_radix(text.trim_start_matches("0x"), 16).unwrap_or(0))
}

/// Reads the name of a kind.
pub(crate) fn kind<'de, D: Deserializer<'de>>(text: D) -> Result<&'static str, D::Error> {
    let text = String::deserialize(text)?;
    kind_of(&text).map(Kind::slug).ok_or_else(|| de::Error::custom("no such kind"))
}

/// Reads the name of a group.
pub(crate) fn group<'de, D: Deserializer<'de>>(text: D) -> Result<&'static str, D::Error> {
    let text = String::deserialize(text)?;
    let group = Group::ALL.into_iter().find(|group| group.slug() == text);
    group.map(Group::slug).ok_or_else(|| de::Error::custom("no such group"))
}

/// Reads a verdict on an arena.
pub(crate) fn verdict<'de, D: Deserializer<'de>>(text: D) -> Result<&'static str, D::Error> {
    let text = String::deserialize(text)?;
    let known = ["live", "retained", "fragmented"].into_iter().find(|verdict| *verdict == text);
    known.ok_or_else(|| de::Error::custom("no such verdict"))
}

#[cfg(test)]
mod tests {
    use snapshot::Snapshot;

    use super::*;
    use crate::map::{Detail, MapFacts};

    fn saved(view: &MapView) -> Vec<u8> {
        let mut text = Vec::new();
        crate::json::write(MAP_SCHEMA, view, &mut text).expect("a Vec takes everything");
        text
    }

    #[test]
    fn a_map_survives_being_saved() {
        let smaps = std::fs::read("/proc/self/smaps").expect("a Linux machine");
        let snapshot = Snapshot::from_maps_text(&smaps).expect("the kernel's text");
        let view = MapView::new(MapFacts::default(), &snapshot, Detail::Mappings);
        assert_eq!(read_map(&saved(&view)).as_ref(), Ok(&view));
        let summary = MapView::new(MapFacts::default(), &snapshot, Detail::Summary);
        assert_eq!(read_map(&saved(&summary)).as_ref(), Ok(&summary));
    }

    #[test]
    fn damage_is_told_in_one_line() {
        let snapshot = Snapshot::from_maps_text(b"1000-2000 rw-p 0 0:0 0 [heap]\n").expect("good text");
        let text = saved(&MapView::new(MapFacts::default(), &snapshot, Detail::Mappings));
        for end in 0..text.len() - 2 {
            let error = read_map(&text[..end]).expect_err("a cut text");
            assert!(error.starts_with("not a saved map: ") && !error.contains('\n'), "{error}");
        }
        let other = String::from_utf8(text).expect("UTF-8").replace("\"heap\"", "\"hope\"");
        assert!(read_map(other.as_bytes()).is_err());
        let hostile =
            String::from_utf8(saved(&MapView::new(MapFacts::default(), &snapshot, Detail::Mappings)));
        let hostile = hostile.expect("UTF-8").replace("[heap]", "\\u001b[2J");
        let view = read_map(hostile.as_bytes()).expect("JSON of a map");
        assert!(!view.mappings[0].name.contains('\x1b'), "{view:?}");
        assert!(read_map(b"{\"schema\": \"vmatlas.elf/1\"}").expect_err("another").contains("vmatlas.elf/1"));
    }
}
