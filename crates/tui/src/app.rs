//! What is shown, and how keys change it.

use std::time::Duration;

use abi::AddrRange;
use view::{MapView, MappingLine, PagesView};

use crate::changes::changes;
use crate::history::{History, Sample};
use crate::keys::Key;
use crate::look::Look;

/// Changes kept.
const CHANGES_MAX: usize = 1000;
/// Lines that a page key moves by.
const PAGE: usize = 20;

/// The parts of the screen that take keys.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Panel {
    /// The table by kind.
    Kinds,
    /// Every mapping.
    Mappings,
    /// The stacks by thread.
    Stacks,
    /// What changed.
    Changes,
}

impl Panel {
    /// Every panel, in the order of Tab.
    pub const ALL: [Self; 4] = [Self::Kinds, Self::Mappings, Self::Stacks, Self::Changes];
}

/// What the mappings are sorted by.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Column {
    /// Address, the highest first.
    Address,
    /// Virtual size.
    Size,
    /// Resident size.
    Rss,
    /// Written to.
    Dirty,
    /// Change of the resident size since the sample before.
    Change,
}

impl Column {
    const ALL: [Self; 5] = [Self::Address, Self::Size, Self::Rss, Self::Dirty, Self::Change];

    fn next(self) -> Self {
        let at = Self::ALL.iter().position(|column| *column == self).unwrap_or(0);
        Self::ALL[(at + 1) % Self::ALL.len()]
    }
}

/// What the loop around has to do after a key.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Wish {
    /// Nothing but drawing.
    Draw,
    /// Ending.
    Quit,
    /// Saving the sample shown.
    Save,
}

/// The whole state.
#[derive(Debug)]
pub struct App {
    /// What the terminal can show.
    pub(crate) look: Look,
    pub(crate) history: History,
    /// The sample shown; `None`: the newest.
    pub(crate) at: Option<usize>,
    pub(crate) paused: bool,
    /// The process is gone: what is shown is its last.
    pub(crate) ended: bool,
    pub(crate) panel: Panel,
    pub(crate) column: Column,
    pub(crate) reversed: bool,
    pub(crate) selected: usize,
    pub(crate) search: String,
    pub(crate) typing: bool,
    pub(crate) help: bool,
    pub(crate) message: Option<String>,
    /// Changes, newest last: when, and what.
    pub(crate) changes: Vec<(Duration, String)>,
    /// The pages of the mapping selected, now and as they were drawn last.
    pub(crate) pages: Option<PagesView>,
    pub(crate) pages_before: Option<PagesView>,
}

/// A mapping as the table shows it.
#[derive(Clone, Debug)]
pub(crate) struct Shown<'a> {
    pub(crate) line: &'a MappingLine,
    /// Change of the resident size since the sample before.
    pub(crate) change: i64,
}

impl Default for App {
    fn default() -> Self {
        Self {
            look: Look::default(),
            history: History::default(),
            at: None,
            paused: false,
            ended: false,
            panel: Panel::Kinds,
            column: Column::Rss,
            reversed: false,
            selected: 0,
            search: String::new(),
            typing: false,
            help: false,
            message: None,
            changes: Vec::new(),
            pages: None,
            pages_before: None,
        }
    }
}

impl App {
    /// Begins with what the terminal can show.
    pub fn new(look: Look) -> Self {
        Self { look, ..Self::default() }
    }

    /// Takes a new sample in.
    pub fn take(&mut self, time: Duration, view: MapView) {
        if let Some(last) = self.newest().and_then(|no| self.history.get(no)) {
            self.changes.extend(changes(&last.view, &view).into_iter().map(|line| (time, line)));
            let surplus = self.changes.len().saturating_sub(CHANGES_MAX);
            self.changes.drain(..surplus);
        }
        self.history.push(Sample { time, view });
    }

    /// Says something until the next key.
    pub fn say(&mut self, message: String) {
        self.message = Some(message);
    }

    /// Whether samples are to be taken.
    pub(crate) fn wants_samples(&self) -> bool {
        !self.paused
    }

    pub(crate) fn newest(&self) -> Option<usize> {
        self.history.range().last()
    }

    /// The number of the sample shown.
    pub(crate) fn shown_no(&self) -> Option<usize> {
        let newest = self.newest()?;
        Some(self.at.map_or(newest, |at| at.clamp(self.history.range().start, newest)))
    }

    /// The sample shown.
    pub(crate) fn shown(&self) -> Option<&Sample> {
        self.history.get(self.shown_no()?)
    }

    /// The sample before the one shown.
    pub(crate) fn before(&self) -> Option<&Sample> {
        self.history.get(self.shown_no()?.checked_sub(1)?)
    }

    /// The mappings to be shown, chosen and sorted.
    pub(crate) fn mappings(&self) -> Vec<Shown<'_>> {
        let Some(sample) = self.shown() else { return Vec::new() };
        let before = self.before();
        let was = |line: &MappingLine| {
            let old = before?.view.mappings.binary_search_by_key(&line.range.start, |old| old.range.start);
            before?.view.mappings.get(old.ok()?)?.sums.rss
        };
        let mut shown: Vec<Shown<'_>> = sample
            .view
            .mappings
            .iter()
            .filter(|line| self.matches(line))
            .map(|line| {
                let rss = line.sums.rss.unwrap_or(0);
                let old = if before.is_some() { was(line).unwrap_or(0) } else { rss };
                Shown { line, change: rss.cast_signed() - old.cast_signed() }
            })
            .collect();
        shown.sort_by_key(|shown| {
            let line = shown.line;
            let key = match self.column {
                Column::Address => line.range.start.0,
                Column::Size => line.range.len(),
                Column::Rss => line.sums.rss.unwrap_or(0),
                Column::Dirty => line.sums.dirty.unwrap_or(0),
                Column::Change => shown.change.unsigned_abs(),
            };
            std::cmp::Reverse(key)
        });
        if self.reversed {
            shown.reverse();
        }
        shown
    }

    fn matches(&self, line: &MappingLine) -> bool {
        let text = self.search.to_lowercase();
        let kind = |leaf: &view::LeafLine| leaf.name.to_lowercase().contains(&text);
        text.is_empty() || line.name.to_lowercase().contains(&text) || line.leaves.iter().any(kind)
    }

    /// The range whose pages are to be drawn: that of the mapping selected, as long as the newest is shown.
    pub(crate) fn pages_wanted(&self) -> Option<AddrRange> {
        if self.panel != Panel::Mappings || self.at.is_some() {
            return None;
        }
        self.mappings().get(self.selected).map(|shown| shown.line.range)
    }

    /// Takes the pages of the mapping selected.
    pub fn take_pages(&mut self, pages: Option<PagesView>) {
        self.pages_before = std::mem::replace(&mut self.pages, pages);
    }

    /// Does what a key means.
    pub(crate) fn key(&mut self, key: Key) -> Wish {
        self.message = None;
        if self.typing {
            self.type_search(key);
            return Wish::Draw;
        }
        if self.help {
            self.help = false;
            return Wish::Draw;
        }
        match key {
            Key::Char('q') => return Wish::Quit,
            Key::Char('w') => return Wish::Save,
            Key::Char(' ') => self.paused = !self.paused,
            Key::Char('s') => self.column = self.column.next(),
            Key::Char('r') => self.reversed = !self.reversed,
            Key::Char('/') => self.typing = true,
            Key::Char('?') => self.help = true,
            Key::Char('g') => self.at = None,
            Key::Char(digit @ '1'..='4') => self.go_to(Panel::ALL[digit as usize - '1' as usize]),
            Key::Tab => {
                let at = Panel::ALL.iter().position(|panel| *panel == self.panel).unwrap_or(0);
                self.go_to(Panel::ALL[(at + 1) % Panel::ALL.len()]);
            }
            Key::Left => self.step(-1),
            Key::Right => self.step(1),
            Key::Up => self.selected = self.selected.saturating_sub(1),
            Key::Down => self.selected += 1,
            Key::PageUp => self.selected = self.selected.saturating_sub(PAGE),
            Key::PageDown => self.selected += PAGE,
            Key::Home => self.selected = 0,
            Key::End => self.selected = usize::MAX,
            Key::Escape => self.search.clear(),
            Key::Char(_) | Key::Enter | Key::Backspace => {}
        }
        self.selected = self.selected.min(self.lines().saturating_sub(1));
        Wish::Draw
    }

    fn type_search(&mut self, key: Key) {
        match key {
            Key::Char(letter) => self.search.push(letter),
            Key::Backspace => {
                self.search.pop();
            }
            Key::Escape => {
                self.search.clear();
                self.typing = false;
            }
            _ => self.typing = false,
        }
        self.selected = 0;
    }

    fn go_to(&mut self, panel: Panel) {
        self.panel = panel;
        self.selected = 0;
    }

    /// Goes a sample back or forward; past the newest one time goes on by itself.
    fn step(&mut self, by: isize) {
        let (Some(shown), Some(newest)) = (self.shown_no(), self.newest()) else { return };
        let to = shown.saturating_add_signed(by).max(self.history.range().start);
        self.at = (to < newest).then_some(to);
    }

    /// How many lines the panel has.
    fn lines(&self) -> usize {
        let Some(sample) = self.shown() else { return 0 };
        match self.panel {
            Panel::Kinds => sample.view.kinds.len(),
            Panel::Mappings => self.mappings().len(),
            Panel::Stacks => sample.view.stacks.len(),
            Panel::Changes => self.changes.len(),
        }
    }
}
