//! `mbind` and `set_mempolicy_home_node`: NUMA policies, which split and merge mappings as flags do.
//!
//! The policy of a process (`set_mempolicy`) belongs to no mapping: it changes none.

use abi::{AddrRange, Errno, PAGE_SIZE, VirtAddr};

use super::Answer;
use super::piece::Piece;
use crate::input::{Input, Pointers};
use crate::merge::existing::Change;
use crate::op::Op;
use crate::pages::Memory;
use crate::vma::{Extra, Policy};
use crate::why::Refusal;

/// `MPOL_*`.
mod mode {
    pub(super) const DEFAULT: u64 = 0;
    pub(super) const PREFERRED: u64 = 1;
    pub(super) const BIND: u64 = 2;
    pub(super) const LOCAL: u64 = 4;
    pub(super) const PREFERRED_MANY: u64 = 5;
    pub(super) const END: u64 = 7;
    pub(super) const STATIC_NODES: u64 = 1 << 15;
    pub(super) const RELATIVE_NODES: u64 = 1 << 14;
    pub(super) const NUMA_BALANCING: u64 = 1 << 13;
}

/// `MPOL_MF_*`.
mod flag {
    pub(super) const STRICT: u64 = 1;
    pub(super) const MOVE: u64 = 2;
    pub(super) const MOVE_ALL: u64 = 4;
}

/// `MAX_NUMNODES`.
const NODES_MAX: u64 = 1024;

/// The registers of `mbind`.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Mbind {
    pub(crate) addr: VirtAddr,
    pub(crate) len: u64,
    pub(crate) mode: u64,
    pub(crate) nodemask: VirtAddr,
    pub(crate) maxnode: u64,
    pub(crate) flags: u64,
}

/// A mode, taken apart, and the nodes asked for.
#[derive(Clone, Copy, Debug)]
struct Asked {
    mode: u64,
    mode_flags: u64,
    /// The lowest 64 nodes.
    nodes: u64,
    /// Whether any node above those is asked for.
    more: bool,
}

impl<M: Memory> Op<'_, M> {
    /// Linux: `mm/mempolicy.c: kernel_mbind`, `do_mbind`.
    pub(crate) fn mbind(&mut self, call: Mbind, input: &Input) -> Answer {
        let (mode, mode_flags) = split_mode(call.mode)?;
        let (nodes, more) = self.nodes(call, input)?;
        let asked = Asked { mode, mode_flags, nodes, more };
        let mut flags = call.flags & 0xffff_ffff;
        if flags & !(flag::STRICT | flag::MOVE | flag::MOVE_ALL) != 0 {
            return Err(Refusal::MbindArguments);
        }
        if flags & flag::MOVE_ALL != 0 && !self.caps.sys_nice {
            return Err(Refusal::MbindMoveAll);
        }
        if mode == mode::DEFAULT {
            flags &= !flag::STRICT;
        }
        let range = policy_range(call.addr, call.len).ok_or(Refusal::MbindArguments)?;
        if range.is_empty() {
            return Ok(0);
        }
        let policy = self.new_policy(asked)?;
        // Pages on nodes that were not asked for: whether there are any, and can be moved, is not the map's.
        let strict = flags & flag::STRICT != 0 && self.sys.profile.memory_nodes & !nodes != 0;
        if strict && flags == flag::STRICT && matches!(input.observed, None | Some(Err(Errno::EIO))) {
            return self.take_over(input);
        }
        let holes_allowed = policy.is_none();
        let nothing = self.space.vmas.is_free(range);
        if nothing || (!holes_allowed && !self.is_mapped_whole(range)) {
            return Err(Refusal::MbindHole);
        }
        self.set_policy(range, policy.as_ref())?;
        if strict { self.take_over(input) } else { Ok(0) }
    }

    /// Linux: `mm/mempolicy.c: set_mempolicy_home_node`.
    pub(crate) fn set_mempolicy_home_node(
        &mut self,
        addr: VirtAddr,
        len: u64,
        home_node: u64,
        flags: u64,
    ) -> Answer {
        if !addr.is_page_aligned() || flags != 0 {
            return Err(Refusal::HomeNodeArguments);
        }
        if home_node >= u64::from(u64::BITS) || self.sys.profile.memory_nodes >> home_node & 1 == 0 {
            return Err(Refusal::HomeNodeArguments);
        }
        let range = policy_range(addr, len).ok_or(Refusal::HomeNodeArguments)?;
        if range.is_empty() {
            return Ok(0);
        }
        let mut rest = range;
        let mut found = false;
        while let Some(piece) = self.piece(rest) {
            rest.start = piece.range.end;
            let Some(old) = piece.vma.policy() else { continue };
            if old.mode & !mode_flags_mask() != mode::BIND
                && old.mode & !mode_flags_mask() != mode::PREFERRED_MANY
            {
                return Err(Refusal::HomeNodeMode);
            }
            let new = Policy { home_node: Some(home_node), ..old.clone() };
            self.set_policy_of(&piece, Some(&new))?;
            found = true;
        }
        if found { Ok(0) } else { Err(Refusal::HomeNodeNone) }
    }

    fn set_policy(&mut self, range: AddrRange, policy: Option<&Policy>) -> Result<(), Refusal> {
        let mut rest = range;
        while let Some(piece) = self.piece(rest) {
            rest.start = piece.range.end;
            self.set_policy_of(&piece, policy)?;
        }
        Ok(())
    }

    /// Linux: `mm/mempolicy.c: mbind_range`.
    fn set_policy_of(&mut self, piece: &Piece, policy: Option<&Policy>) -> Result<(), Refusal> {
        let vma = &piece.vma;
        if vma.policy() == policy {
            return Ok(());
        }
        let extra = Extra::changed(vma.extra.as_ref(), |extra| extra.policy = policy.cloned());
        self.modify(piece.range, Change::extra(vma.flags, extra))?;
        Ok(())
    }

    /// Reads the nodes: those of the lowest word, and whether there are more.
    ///
    /// Words above those that the kernel has nodes for are read one by one from the end, each whole, and must be zero.
    ///
    /// Linux: `mm/mempolicy.c: get_nodes`.
    fn nodes(&mut self, call: Mbind, input: &Input) -> Result<(u64, bool), Refusal> {
        let bits = call.maxnode.wrapping_sub(1);
        if bits == 0 || call.nodemask == VirtAddr::NULL {
            return Ok((0, false));
        }
        if bits > PAGE_SIZE * 8 {
            return Err(Refusal::MbindArguments);
        }
        if input.pointers == Pointers::Bad {
            return Err(Refusal::Unreadable);
        }
        let word = |at: u64| {
            let whole = input.words.get(at as usize).copied();
            whole.unwrap_or(if at == 0 { input.nodes } else { 0 })
        };
        for at in (NODES_MAX / 64..bits.div_ceil(64)).rev() {
            self.user_read(VirtAddr(call.nodemask.0.wrapping_add(at * 8)), 8)?;
            if word(at) != 0 {
                return Err(Refusal::MbindArguments);
            }
        }
        let words = bits.min(NODES_MAX).div_ceil(64);
        self.user_read(call.nodemask, words * 8)?;
        let within = |at: u64| {
            let left = bits - at * 64;
            if left < 64 { word(at) & ((1 << left) - 1) } else { word(at) }
        };
        Ok((within(0), (1..words).any(|at| within(at) != 0)))
    }

    /// Makes a policy; `None`: the default.
    ///
    /// Linux: `mm/mempolicy.c: mpol_new`, `mpol_set_nodemask`.
    fn new_policy(&self, asked: Asked) -> Result<Option<Policy>, Refusal> {
        let Asked { mut mode, mode_flags, nodes, more } = asked;
        let empty = nodes == 0 && !more;
        let bound = mode_flags & (mode::STATIC_NODES | mode::RELATIVE_NODES) != 0;
        let allowed = match mode {
            mode::DEFAULT if empty => return Ok(None),
            mode::DEFAULT => false,
            mode::PREFERRED if empty && !bound => {
                mode = mode::LOCAL;
                true
            }
            mode::LOCAL => empty && !bound,
            _ => !empty,
        };
        if !allowed {
            return Err(Refusal::MbindArguments);
        }
        let mode_word = mode | mode_flags;
        if mode == mode::LOCAL {
            return Ok(Some(Policy { mode: mode_word, nodes: 0, asked_nodes: None, home_node: None }));
        }
        let memory = self.sys.profile.memory_nodes;
        let mut effective =
            if mode_flags & mode::RELATIVE_NODES != 0 { relative(nodes, memory) } else { nodes & memory };
        if effective == 0 {
            return Err(Refusal::MbindArguments);
        }
        if mode == mode::PREFERRED {
            effective &= effective.wrapping_neg();
        }
        let asked_nodes = bound.then_some(nodes);
        Ok(Some(Policy { mode: mode_word, nodes: effective, asked_nodes, home_node: None }))
    }
}

const fn mode_flags_mask() -> u64 {
    mode::STATIC_NODES | mode::RELATIVE_NODES | mode::NUMA_BALANCING
}

/// Takes a mode and its flags apart.
///
/// Linux: `mm/mempolicy.c: sanitize_mpol_flags`.
fn split_mode(word: u64) -> Result<(u64, u64), Refusal> {
    // The kernel reads an int.
    let word = word & 0xffff_ffff;
    let (mode, flags) = (word & !mode_flags_mask(), word & mode_flags_mask());
    let both = mode::STATIC_NODES | mode::RELATIVE_NODES;
    let balancing = flags & mode::NUMA_BALANCING != 0;
    if mode >= mode::END
        || flags & both == both
        || (balancing && mode != mode::BIND && mode != mode::PREFERRED_MANY)
    {
        return Err(Refusal::MbindArguments);
    }
    Ok((mode, flags))
}

/// The range of a policy: the length is rounded up, and may wrap to nothing.
fn policy_range(addr: VirtAddr, len: u64) -> Option<AddrRange> {
    let len = VirtAddr(len).page_up_wrapping().0;
    if addr.is_page_aligned() { AddrRange::from_len(addr, len) } else { None }
}

/// Counts the nodes asked for within the nodes there are.
///
/// Linux: `mm/mempolicy.c: mpol_relative_nodemask`.
fn relative(nodes: u64, memory: u64) -> u64 {
    let weight = memory.count_ones();
    if weight == 0 {
        return 0;
    }
    let folded =
        (0..u64::BITS).filter(|bit| nodes >> bit & 1 == 1).fold(0, |sum, bit| sum | 1 << (bit % weight));
    let there = (0..u64::BITS).filter(|bit| memory >> bit & 1 == 1).enumerate();
    there.filter(|(nth, _)| folded >> nth & 1u64 == 1).fold(0, |sum, (_, bit)| sum | 1 << bit)
}
