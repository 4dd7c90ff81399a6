//! The page put together from its parts.

const HTML: &str = include_str!("../assets/index.html");
const STYLE: &str = include_str!("../assets/style.css");
/// The scripts in the order they need one another.
const SCRIPTS: [(&str, &str); 11] = [
    ("base.js", include_str!("../assets/base.js")),
    ("pixels.js", include_str!("../assets/pixels.js")),
    ("source.js", include_str!("../assets/source.js")),
    ("scale.js", include_str!("../assets/scale.js")),
    ("bands.js", include_str!("../assets/bands.js")),
    ("timeline.js", include_str!("../assets/timeline.js")),
    ("atlas.js", include_str!("../assets/atlas.js")),
    ("flame.js", include_str!("../assets/flame.js")),
    ("cards.js", include_str!("../assets/cards.js")),
    ("panel.js", include_str!("../assets/panel.js")),
    ("main.js", include_str!("../assets/main.js")),
];

/// Where the page's data is.
#[derive(Clone, Copy, Debug)]
pub enum Data<'a> {
    /// The page asks the server it came from.
    Served,
    /// This JSON text stands in the page.
    Embedded(&'a str),
}

/// Puts the page together.
pub fn page(data: Data<'_>) -> String {
    let style = format!("<style>\n{STYLE}</style>");
    let data = match data {
        Data::Served => String::new(),
        Data::Embedded(json) => {
            // In a script element only `<` could end it; in JSON it stands in texts alone.
            let json = json.replace('<', "\\u003c");
            format!("<script type=\"application/json\" id=\"data\">{json}</script>")
        }
    };
    let scripts: Vec<String> =
        SCRIPTS.iter().map(|(name, text)| format!("<script>\n// {name}\n{text}</script>")).collect();
    // The data may hold anything, a mark of ours too: it goes in last, and at its own mark only.
    let (before, after) = HTML.split_once("<!--DATA-->").unwrap_or((HTML, ""));
    let before = before.replacen("<!--STYLE-->", &style, 1);
    let after = after.replacen("<!--SCRIPTS-->", &scripts.join("\n"), 1);
    [before, data, after].concat()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_mark_is_filled_and_data_cannot_leave_its_element() {
        let hostile = r#"{"name":"</script><script>alert(1)</script><!--SCRIPTS-->"}"#;
        let page = page(Data::Embedded(hostile));
        assert!(!page.contains("</script><script>alert"));
        assert!(page.contains("\\u003c/script>\\u003cscript>alert"));
        assert!(
            !page.contains("<!--STYLE-->")
                && !page.contains("<!--DATA-->")
                && !page.contains("<!--SCRIPTS-->")
        );
        assert_eq!(page.matches("// main.js").count(), 1);
    }

    #[test]
    fn nothing_is_loaded_from_outside() {
        let page = page(Data::Served);
        for word in ["http://", "https://", "src=", "@import", "url("] {
            assert!(!page.contains(word), "{word} in the page");
        }
    }
}
