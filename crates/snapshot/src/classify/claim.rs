//! Claims: ranges whose kind a rule knows exactly, and who wins where two overlap.

use abi::AddrRange;

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
    let mut settled: Vec<Claim> = Vec::with_capacity(claims.len());
    for claim in claims {
        let mut at = claim.range.start;
        let mut pieces = Vec::new();
        let first = settled.partition_point(|s| s.range.end <= claim.range.start);
        let overlapping = settled[first..].iter().take_while(|s| s.range.start < claim.range.end);
        for taken in overlapping {
            if at < taken.range.start {
                pieces.push(Claim { range: AddrRange::new(at, taken.range.start), ..claim });
            }
            at = taken.range.end.max(at);
        }
        if at < claim.range.end {
            pieces.push(Claim { range: AddrRange::new(at, claim.range.end), ..claim });
        }
        for piece in pieces {
            let place = settled.partition_point(|s| s.range.start < piece.range.start);
            settled.insert(place, piece);
        }
    }
    settled
}

#[cfg(test)]
mod tests {
    use abi::VirtAddr;

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
