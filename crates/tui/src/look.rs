//! What the terminal can show: frames are drawn in full, and made plainer where it can't.

use ratatui::buffer::Buffer;
use ratatui::style::Color;
use view::text::Glyphs;

/// Whether there are colours.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Colours {
    /// There are.
    Some,
    /// None are wanted: bold, reversed and letters say the same.
    None,
}

/// What the terminal can show.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Look {
    /// Its characters.
    pub glyphs: Glyphs,
    /// Its colours.
    pub colours: Colours,
}

impl Default for Look {
    fn default() -> Self {
        Self { glyphs: Glyphs::Unicode, colours: Colours::Some }
    }
}

impl Look {
    /// Takes from a frame what the terminal can't show.
    pub(crate) fn apply(self, frame: &mut Buffer) {
        for cell in &mut frame.content {
            if self.colours == Colours::None {
                cell.fg = Color::Reset;
                cell.bg = Color::Reset;
            }
            if self.glyphs == Glyphs::Ascii && !cell.symbol().is_ascii() {
                cell.set_symbol(plain(cell.symbol()));
            }
        }
    }
}

/// The nearest that every terminal can show.
fn plain(symbol: &str) -> &'static str {
    match symbol {
        "█" | "▇" | "▉" => "#",
        "▆" | "▅" | "▊" | "▋" => "=",
        "▄" | "▃" | "▌" | "▍" => "-",
        "▂" | "▁" | "▎" | "▏" => "_",
        "·" => ".",
        "–" | "─" => "-",
        "│" => "|",
        "┌" | "┐" | "└" | "┘" => "+",
        "←" => "<",
        "→" => ">",
        "↑" | "▲" => "^",
        "↓" | "▼" => "v",
        "“" | "”" => "\"",
        "…" => "~",
        _ => "?",
    }
}
