//! Claims: ranges whose kind a rule knows exactly, and who wins where two overlap.

use std::collections::BTreeMap;

use abi::{AddrRange, VirtAddr};

use super::Verdict;

/// A range whose kind is known.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Claim {
    pub(super) range: AddrRange,
    pub(super) verdict: Verdict,
}

/// Makes the claims ascending and disjoint: where two overlap, the one made first keeps its range and the
/// other gets what is left of its own.
pub(super) fn settle(claims: Vec<Claim>) -> Vec<Claim> {
    let mut settled: BTreeMap<VirtAddr, Claim> = BTreeMap::new();
    for claim in claims {
        // From the highest taken range that overlaps down to the lowest.
        let mut end = claim.range.end;
        let below = settled.range(..claim.range.end).rev().map(|(_, taken)| taken.range);
        let mut free = Vec::new();
        for taken in below.take_while(|taken| taken.end > claim.range.start) {
            if taken.end < end {
                free.push(AddrRange::new(taken.end, end));
            }
            end = taken.start;
        }
        if claim.range.start < end {
            free.push(AddrRange::new(claim.range.start, end));
        }
        settled.extend(free.into_iter().map(|range| (range.start, Claim { range, ..claim })));
    }
    settled.into_values().collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kind::Kind;
    use crate::rule::Rule;

    #[test]
    fn the_first_keeps_its_range() {
        let claim = |start, end, kind| Claim {
            range: AddrRange::new(VirtAddr(start), VirtAddr(end)),
            verdict: Verdict::new(kind, Rule::Segment),
        };
        //  first:   ..HHH..TT.
        //  second:  .BBBBBBBBB
        //  settled: .BHHHBBTTB
        let settled = settle(vec![
            claim(2, 5, Kind::Heap),
            claim(7, 9, Kind::Text),
            claim(1, 10, Kind::Bss),
            claim(3, 4, Kind::Data),
        ]);
        let shown: Vec<_> =
            settled.iter().map(|c| (c.range.start.0, c.range.end.0, c.verdict.kind)).collect();
        assert_eq!(
            shown,
            [
                (1, 2, Kind::Bss),
                (2, 5, Kind::Heap),
                (5, 7, Kind::Bss),
                (7, 9, Kind::Text),
                (9, 10, Kind::Bss)
            ]
        );
    }
}
