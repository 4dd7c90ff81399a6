//! Both maps in one form: a row for each mapping. Identities are numbered as they appear, on both sides alike.

use alloc::vec::Vec;

use abi::{PAGE_SHIFT, VirtAddr};

use super::model::{FIRST, Object, Oracle};
use crate::file::{Backing, DescriptionId};
use crate::flags::VmFlags;
use crate::space::AddressSpace;

/// A mapping.
#[derive(Clone, PartialEq, Eq)]
pub(super) struct Row {
    at: usize,
    end: usize,
    flags: VmFlags,
    object: Object,
    pgoff: u64,
    /// Its own anon_vma, and all it is linked to.
    chain: Option<(usize, Vec<usize>)>,
    name: Option<char>,
}

impl core::fmt::Debug for Row {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        let Self { at, end, flags, object, pgoff, chain, name } = self;
        write!(f, "{at}..{end} {object:?}+{pgoff} [{flags:?}] {chain:?} {name:?}")
    }
}

/// The numbers of identities, in the order in which they were seen.
#[derive(Default)]
struct Numbers(Vec<u64>);

impl Numbers {
    fn of(&mut self, id: u64) -> usize {
        self.0.iter().position(|seen| *seen == id).unwrap_or_else(|| {
            self.0.push(id);
            self.0.len() - 1
        })
    }
}

#[derive(Default)]
struct Namer {
    chains: Numbers,
    objects: Numbers,
}

impl Namer {
    fn chain(&mut self, own: u64, links: impl Iterator<Item = u64>) -> (usize, Vec<usize>) {
        (self.chains.of(own), links.map(|link| self.chains.of(link)).collect())
    }

    fn object(&mut self, object: Object) -> Object {
        match object {
            Object::Nameless(id) => Object::Nameless(self.objects.of(id) as u64),
            other => other,
        }
    }
}

/// Returns the oracle's mappings, process by process.
pub(super) fn oracle_rows(oracle: &Oracle) -> Vec<Vec<Row>> {
    let mut namer = Namer::default();
    let row = |namer: &mut Namer, memory: &super::model::Memory, at: usize| {
        let page = memory.page(at).expect("a mapping begins there");
        let links = |chain: &super::model::Chain| chain.links.clone().into_iter().map(|link| link as u64);
        Row {
            at,
            end: memory.end_of(at),
            flags: page.flags,
            object: namer.object(page.object),
            pgoff: page.pgoff,
            chain: page.chain.as_ref().map(|chain| namer.chain(chain.own as u64, links(chain))),
            name: page.name,
        }
    };
    let mut rows = Vec::new();
    for memory in &oracle.memories {
        rows.push(memory.starts().into_iter().map(|at| row(&mut namer, memory, at)).collect());
    }
    rows
}

/// Returns the twin's mappings, process by process.
pub(super) fn twin_rows(spaces: &[AddressSpace]) -> Vec<Vec<Row>> {
    let mut namer = Namer::default();
    let at = |addr: VirtAddr| ((addr.0 >> PAGE_SHIFT) - FIRST) as usize;
    let mut rows = Vec::new();
    for space in spaces {
        let mut those = Vec::new();
        for vma in space.vmas() {
            let object = match &vma.backing {
                Backing::Anonymous => Object::Anonymous,
                Backing::File(file) => match file.description {
                    DescriptionId::Known(id) => Object::File(id),
                    DescriptionId::Nameless(id) => Object::Nameless(id),
                    other => unreachable!("{other:?} was not opened"),
                },
                Backing::Kernel(id) => unreachable!("pages {id} of the kernel"),
            };
            let chain = vma.anon.as_ref();
            those.push(Row {
                at: at(vma.range.start),
                end: at(vma.range.end),
                flags: vma.flags,
                object: namer.object(object),
                pgoff: vma.pgoff.0,
                chain: chain.map(|chain| namer.chain(chain.own().0, chain.links().iter().map(|id| id.0))),
                name: vma.name().map(|name| char::from(name[0])),
            });
        }
        rows.push(those);
    }
    rows
}
