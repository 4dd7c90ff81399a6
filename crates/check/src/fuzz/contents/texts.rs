//! The texts of smaps and of its rollup: what the twin prints is what the kernel prints, byte by byte.
//!
//! What chance has a part in is bounded: the kernel's figure is printed as far as it stays within.

use abi::AddrRange;
use mm::{FileKind, ObjectId, Usage, Vma, Why};
use proc_text::{SmapsFields, SmapsRow, TextError};
use proc_twin::{Names, Smaps};

use super::chance::Sampled;
use super::run::Run;
use super::still::Texts;
use super::world::Space;
use crate::fuzz::divergence::What;
use crate::fuzz::run::Stop;

/// What pages add up to at least and at most.
#[derive(Clone, Copy, Default)]
pub(super) struct Bounds {
    pub(super) least: Usage,
    pub(super) most: Usage,
}

impl Bounds {
    /// The bounds of a mapping. What is dirty may be clean by now where it is of a disk's file, never the other way round.
    /// `Referenced` has the pages that the page table says were accessed, and of the others none but those that the
    /// kernel's queues may remember.
    fn of(vma: &Vma, usage: Usage, sampled: Sampled) -> Self {
        let (mut least, mut most) = (usage, usage);
        most.referenced = match sampled {
            Sampled::Never => usage.referenced_most,
            Sampled::Chance => usage.resident,
        };
        if vma.backing.file_kind() == Some(FileKind::Regular) {
            let Usage { pss_dirty, shared_dirty, private_dirty, .. } = Usage::default();
            least = Usage { pss_dirty, shared_dirty, private_dirty, ..least };
        }
        Self { least, most }
    }

    pub(super) fn add(&mut self, other: Self) {
        self.least += other.least;
        self.most += other.most;
    }
}

/// The fields that the twin prints: of those that have room between two the kernel's figure, as far as it stays there.
fn settled<'a>(least: &SmapsFields<'a>, most: SmapsFields<'a>, told: &SmapsFields<'_>) -> SmapsFields<'a> {
    let of = |field: Option<u64>| field.unwrap_or(0);
    let settle = |field: fn(&SmapsFields<'_>) -> Option<u64>| {
        let (least, most) = (field(least)?, field(&most)?);
        Some(of(field(told)).clamp(least, most.max(least)))
    };
    let (shared_dirty, private_dirty) = (settle(|of| of.shared_dirty), settle(|of| of.private_dirty));
    SmapsFields {
        pss: settle(|of| of.pss),
        pss_dirty: settle(|of| of.pss_dirty),
        pss_anon: settle(|of| of.pss_anon),
        pss_file: settle(|of| of.pss_file),
        pss_shmem: settle(|of| of.pss_shmem),
        shared_clean: Some(of(most.shared_clean) + of(most.shared_dirty) - of(shared_dirty)),
        shared_dirty,
        private_clean: Some(of(most.private_clean) + of(most.private_dirty) - of(private_dirty)),
        private_dirty,
        referenced: settle(|of| of.referenced),
        ..most
    }
}

impl Run<'_> {
    /// Compares both texts, and adds up what is outside the window.
    pub(super) fn compare_texts(&mut self, who: usize, texts: &mut Texts) -> Result<(), Stop> {
        let Texts { smaps: text, rollup: sums, outside, status: _ } = texts;
        let Some(actor) = &self.course.actors[who] else { return Ok(()) };
        learn_nameless(&mut self.names, &actor.space, self.window, text)?;
        let sampled = Sampled::now(self.window);
        let mut all = Bounds::default();
        let mut vmas = actor.space.vmas_in(self.window);
        for block in proc_text::smaps_blocks(text) {
            let Some(told) = proc_text::smaps(block).next().transpose()? else { continue };
            if !self.window.overlaps(told.map.range) {
                outside.add(&told);
                continue;
            }
            let Some(vma) = vmas.next() else { return Err(self.other_text(&[], block)) };
            let smaps = Smaps::of(&actor.space, &self.system, vma, &self.names);
            let bounds = Bounds::of(vma, smaps.usage, sampled);
            let ours = printed(&smaps, bounds, &told.fields);
            if ours != block {
                return Err(self.other_text(&ours, block));
            }
            all.add(bounds);
        }
        if let Some(vma) = vmas.next() {
            let missing = format!("{}\n", vma.range);
            return Err(self.other_text(missing.as_bytes(), &[]));
        }
        all.add(outside.bounds);
        let fields =
            settled(&proc_twin::rollup(&all.least), proc_twin::rollup(&all.most), &proc_text::rollup(sums)?);
        let mut ours = Vec::new();
        proc_text::write_rollup(proc_twin::span(&actor.space), &fields, &mut ours);
        if ours != *sums {
            return Err(self.other_text(&ours, sums));
        }
        Ok(())
    }

    /// A divergence in a text: the first line of it, and the lines that differ.
    pub(super) fn other_text(&self, twin: &[u8], kernel: &[u8]) -> Stop {
        let (twin, kernel) = (String::from_utf8_lossy(twin), String::from_utf8_lossy(kernel));
        let only = |text: &str, other: &str| {
            let head = text.lines().take(1);
            let lines = text.lines().skip(1).filter(|line| !other.lines().any(|other| other == *line));
            head.chain(lines).collect::<Vec<_>>().join("; ")
        };
        self.diverged(What::Usage, only(&twin, &kernel), only(&kernel, &twin), Why::default())
    }
}

/// What the twin prints of a mapping.
fn printed(smaps: &Smaps, bounds: Bounds, told: &SmapsFields<'_>) -> Vec<u8> {
    let (mut least, mut most) = (smaps.clone(), smaps.clone());
    (least.usage, most.usage) = (bounds.least, bounds.most);
    let row = most.row();
    let row = SmapsRow { fields: settled(&least.row().fields, row.fields, told), ..row };
    let mut text = Vec::new();
    proc_text::write_smaps_row(&row, &mut text);
    text
}

/// Learns from the first sight of nameless shared memory which file the kernel made for it: no two have the same one.
fn learn_nameless(names: &mut Names, space: &Space, window: AddrRange, text: &[u8]) -> Result<(), TextError> {
    let number = |vma: &Vma| match vma.backing.file()?.object {
        ObjectId::Nameless(number) => Some((vma.range.start, number)),
        ObjectId::File(_) => None,
    };
    let nameless: Vec<_> = space.vmas_in(window).filter_map(number).collect();
    if nameless.is_empty() {
        return Ok(());
    }
    for row in proc_text::smaps(text) {
        let map = row?.map;
        let of_mapping = nameless.iter().find(|(start, _)| *start == map.range.start);
        if let Some((_, number)) = of_mapping
            && !names.nameless.contains_key(number)
            && !names.nameless.values().any(|known| *known == map.file)
        {
            names.nameless.insert(*number, map.file);
        }
    }
    Ok(())
}
