//! The flame graph: resident or mapped bytes by the stack that mapped them.

use std::collections::BTreeMap;

use serde_json::{Value, json};
use view::OriginsView;

/// Which bytes are drawn.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Measure {
    Resident,
    Mapped,
}

#[derive(Default)]
struct Node {
    value: u64,
    children: BTreeMap<String, Node>,
}

/// The graph as the page takes it: the root's name, value and children.
pub(super) fn graph(view: &OriginsView, measure: Measure, is_reversed: bool) -> Value {
    let mut root = Node::default();
    for row in &view.rows {
        let value = match measure {
            Measure::Resident => row.resident,
            Measure::Mapped => row.size,
        };
        if value == 0 {
            continue;
        }
        let mut names: Vec<String> = row.frames.iter().map(view::FrameWords::line_words).collect();
        if names.is_empty() {
            names.push(row.name.clone());
        }
        // Frames come innermost first.
        if !is_reversed {
            names.reverse();
        }
        root.value += value;
        let mut node = &mut root;
        for name in names {
            node = node.children.entry(name).or_default();
            node.value += value;
        }
    }
    json!({ "root": shown("all", &root), "note": view.stacks })
}

fn shown(name: &str, node: &Node) -> Value {
    let children: Vec<Value> = node.children.iter().map(|(name, node)| shown(name, node)).collect();
    json!({ "name": name, "value": node.value, "children": children })
}

#[cfg(test)]
mod tests {
    use view::{By, FrameWords, OriginRow};

    use super::*;

    #[test]
    fn values_add_up_towards_the_root() {
        let frame = |function: &str| FrameWords { function: function.into(), ..FrameWords::default() };
        let row = |leaf: &str, resident| OriginRow {
            name: leaf.into(),
            size: 2 * resident,
            resident,
            pieces: 1,
            frames: vec![frame(leaf), frame("main")],
        };
        let view = OriginsView { rows: vec![row("a", 5), row("b", 3)], ..OriginsView::empty(By::Stack) };
        let graph = graph(&view, Measure::Mapped, false);
        assert_eq!(graph["root"]["value"], 16);
        assert_eq!(graph["root"]["children"][0]["name"], "main");
        assert_eq!(graph["root"]["children"][0]["children"][1]["value"], 6);
        let reversed = super::graph(&view, Measure::Resident, true);
        assert_eq!(reversed["root"]["children"][0]["name"], "a");
    }
}
