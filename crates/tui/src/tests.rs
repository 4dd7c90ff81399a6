//! The whole view without a terminal: samples and keys in, the screen's text out.

use std::time::Duration;

use abi::{AddrRange, VirtAddr};
use ratatui::Terminal;
use ratatui::backend::TestBackend;
use ratatui::style::Color;
use snapshot::{Mapping, Snapshot};
use view::text::Glyphs;
use view::{Detail, MapFacts, MapView};

use crate::app::{App, Wish};
use crate::{Colours, Key, Look, Panel, draw};

/// Two anonymous mappings; the second is so many pages long.
fn view(pages: u64) -> MapView {
    let mapping = |start: u64, pages: u64| Mapping {
        range: AddrRange::new(VirtAddr(start), VirtAddr(start + pages * 4096)),
        prot: abi::Prot::RW,
        shared: false,
        offset: abi::FileOff(0),
        file: abi::FileId::default(),
        name: Vec::new().into(),
    };
    let mappings = vec![mapping(0x10_0000, 2), mapping(0x20_0000, pages)];
    let facts = MapFacts { program: "guest".to_owned(), pid: Some(42), ..MapFacts::default() };
    MapView::new(facts, &Snapshot { mappings, ..Snapshot::default() }, Detail::Mappings)
}

fn app(samples: &[u64]) -> App {
    let mut app = App::default();
    for (second, pages) in samples.iter().enumerate() {
        app.take(Duration::from_secs(second as u64), view(*pages));
    }
    app
}

fn screen(app: &App, width: u16, height: u16) -> String {
    let mut terminal = Terminal::new(TestBackend::new(width, height)).expect("no terminal is needed");
    terminal.draw(|frame| draw(frame, app)).expect("no terminal is needed");
    terminal.backend().to_string()
}

#[test]
fn every_panel_is_drawn_at_every_size() {
    let mut app = app(&[4, 8, 16]);
    for panel in Panel::ALL {
        app.panel = panel;
        for (width, height) in [(1, 1), (20, 5), (80, 24), (200, 60)] {
            let text = screen(&app, width, height);
            assert!(width < 80 || text.contains("guest (pid 42)"), "{panel:?}: {text}");
        }
    }
    app.key(Key::Char('?'));
    assert!(screen(&app, 80, 24).contains("keys"));
}

#[test]
fn a_narrow_screen_shows_whole_numbers_or_none() {
    let mut app = app(&[4, 8]);
    app.panel = Panel::Mappings;
    for width in 40..120 {
        let text = screen(&app, width, 24);
        assert!(text.contains("200000 ") && text.contains("100000 "), "{width}: {text}");
        let second = text.lines().nth(1).expect("a header").trim_matches(['"', ' ']).to_owned();
        assert!(second.starts_with("rss ") && !second.ends_with("Ki"), "{second}");
    }
}

#[test]
fn the_end_of_a_stack_is_whole_or_not_there() {
    let range = AddrRange::new(VirtAddr(0x7ffc_28d1_f000), VirtAddr(0x7ffc_28d4_0000));
    let mapping = Mapping {
        range,
        prot: abi::Prot::RW,
        shared: false,
        offset: abi::FileOff(0),
        file: abi::FileId::default(),
        name: b"[stack]".as_slice().into(),
    };
    let snapshot = Snapshot { mappings: vec![mapping], ..Snapshot::default() };
    let mut app = App::default();
    app.take(Duration::ZERO, MapView::new(MapFacts::default(), &snapshot, Detail::Mappings));
    app.panel = Panel::Stacks;
    for width in 30..120 {
        let text = screen(&app, width, 24);
        let row = text.lines().find(|line| line.contains("main")).expect("the main stack");
        assert_eq!(text.contains("END"), width >= 80, "{width}: {text}");
        assert_eq!(row.contains("7ffc28d40000"), width >= 80, "{width}: {text}");
        assert_eq!(row.contains("132 KiB"), width >= 36, "{width}: {text}");
    }
}

#[test]
fn a_plain_terminal_gets_ascii_and_no_colour() {
    let look = Look { glyphs: Glyphs::Ascii, colours: Colours::None };
    let mut app = App::new(look);
    for second in 0..5 {
        app.take(Duration::from_secs(second), view(4 << second));
    }
    for panel in Panel::ALL {
        app.panel = panel;
        for help in [false, true] {
            app.help = help;
            let buffer = |app: &App| {
                let mut terminal = Terminal::new(TestBackend::new(100, 40)).expect("no terminal is needed");
                terminal.draw(|frame| draw(frame, app)).expect("no terminal is needed");
                terminal.backend().buffer().clone()
            };
            app.look = look;
            let plain = buffer(&app);
            app.look = Look::default();
            for (cell, full) in plain.content.iter().zip(&buffer(&app).content) {
                let symbol = cell.symbol();
                assert!(symbol.is_ascii() && (symbol != "?" || full.symbol() == "?"), "{}", full.symbol());
                assert_eq!((cell.fg, cell.bg), (Color::Reset, Color::Reset));
            }
        }
    }
}

#[test]
fn time_goes_back_and_on() {
    let mut app = app(&[4, 8, 16]);
    assert!(screen(&app, 80, 24).contains("live"));
    app.key(Key::Left);
    app.key(Key::Left);
    assert!(screen(&app, 80, 24).contains("2 samples ago"));
    assert_eq!(app.shown().expect("kept").view.total.size, (2 + 4) * 4096);
    app.key(Key::Right);
    app.key(Key::Right);
    assert_eq!(app.at, None);
}

#[test]
fn an_end_stays_said() {
    let mut app = app(&[4, 8]);
    app.ended = true;
    app.key(Key::Char('g'));
    assert!(screen(&app, 80, 24).contains("the process has ended"));
    app.key(Key::Left);
    assert!(screen(&app, 80, 24).contains("1 sample ago"));
}

#[test]
fn changes_are_told_and_names_are_searched() {
    let mut app = app(&[4, 8]);
    app.key(Key::Char('4'));
    assert!(screen(&app, 80, 24).contains("grew"), "{}", screen(&app, 80, 24));
    app.key(Key::Char('/'));
    "no such".chars().for_each(|letter| {
        app.key(Key::Char(letter));
    });
    app.key(Key::Enter);
    assert!(app.mappings().is_empty());
    app.key(Key::Escape);
    assert_eq!(app.mappings().len(), 2);
    assert_eq!(app.key(Key::Char('q')), Wish::Quit);
}

#[test]
fn old_samples_go() {
    let app = app(&[1; 700]);
    assert_eq!(app.history.range(), 100..700);
}
