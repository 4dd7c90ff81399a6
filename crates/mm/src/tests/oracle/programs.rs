//! How programs are made: dense, so that pieces meet, and each without some families of steps.

use alloc::vec;
use alloc::vec::Vec;

use abi::{Advice, MapFlags, MlockallFlags, RemapFlags, Resource};
use proptest::prelude::*;
use proptest::sample::select;

use super::model::{HEAP, PAGES};
use super::steps::{Ask, Bound, Kind, Remap, Span, Step, Where, family};

/// The advice that is given; most of it splits.
const ADVICE: [Advice; 16] = [
    Advice::NORMAL,
    Advice::SEQUENTIAL,
    Advice::RANDOM,
    Advice::DONTFORK,
    Advice::DOFORK,
    Advice::WIPEONFORK,
    Advice::KEEPONFORK,
    Advice::DONTDUMP,
    Advice::DODUMP,
    Advice::DONTNEED,
    Advice::DONTNEED_LOCKED,
    Advice::FREE,
    Advice::GUARD_INSTALL,
    Advice::GUARD_REMOVE,
    Advice::POPULATE_READ,
    Advice::POPULATE_WRITE,
];

/// Makes places; many lie on a grid and below the heap, so that pieces meet.
fn places() -> impl Strategy<Value = usize> {
    prop_oneof![4 => (0..HEAP / 4).prop_map(|at| at * 4), 2 => 0..HEAP, 1 => 0..PAGES - 8]
}

fn lengths() -> impl Strategy<Value = usize> {
    prop_oneof![3 => Just(4_usize), 1 => Just(2), 2 => 1..9_usize]
}

fn spans() -> impl Strategy<Value = Span> {
    (places(), lengths()).prop_map(|(at, pages)| Span { at, pages })
}

fn prots() -> impl Strategy<Value = u64> {
    select(&[3, 3, 3, 1, 0, 5, 7, 2][..])
}

fn asks() -> impl Strategy<Value = Ask> {
    let place = prop_oneof![
        6 => places().prop_map(Where::Fixed),
        1 => places().prop_map(Where::Free),
        1 => places().prop_map(Where::Hint),
        2 => Just(Where::Anywhere),
    ];
    // Mostly as if the file lay in the world: pieces of it continue each other.
    let file = (1..3_u64, any::<bool>(), select(&[0, 0, 0, 1][..]));
    let kind = prop_oneof![
        10 => Just(Kind::Private),
        1 => Just(Kind::Stack),
        2 => Just(Kind::Shared),
        4 => file.prop_map(|(file, shared, pgoff)| Kind::File { file, shared, pgoff }),
    ];
    let kind = prop_oneof![60 => kind, 1 => Just(Kind::Closed)];
    let flags = [
        MapFlags::NONE,
        MapFlags::NONE,
        MapFlags::NONE,
        MapFlags::LOCKED,
        MapFlags::POPULATE,
        MapFlags::NORESERVE,
    ];
    let pages = prop_oneof![30 => lengths(), 1 => Just(0)];
    (place, pages, prots(), kind, select(flags.to_vec())).prop_map(|(place, pages, prot, kind, flags)| {
        let kind = match (kind, place) {
            (Kind::File { file, shared, pgoff }, Where::Fixed(at) | Where::Free(at) | Where::Hint(at)) => {
                Kind::File { file, shared, pgoff: pgoff + at as u64 }
            }
            (kind, _) => kind,
        };
        Ask { place, pages, prot, kind, flags }
    })
}

fn remaps() -> impl Strategy<Value = Remap> {
    let (may, fixed, keep) = (RemapFlags::MAYMOVE, RemapFlags::FIXED, RemapFlags::DONTUNMAP);
    let flags = [
        RemapFlags::NONE,
        may,
        may,
        may | fixed,
        may | fixed,
        may | fixed,
        may | fixed | keep,
        may | keep,
        fixed,
    ];
    let new = prop_oneof![2 => Just(None), 1 => (0..16_usize).prop_map(Some)];
    let old = prop_oneof![8 => lengths(), 1 => Just(0)];
    (places(), old, new, select(flags.to_vec()), places()).prop_map(|(at, old, new, flags, to)| Remap {
        at,
        old,
        new: new.unwrap_or(old),
        flags,
        to,
    })
}

fn limits() -> impl Strategy<Value = Step> {
    let resource = select(&Resource::OF_MEMORY[..]);
    let spare = |most: usize| prop_oneof![4 => Just(Bound::None), 1 => Just(Bound::Zero), 6 => (0..most).prop_map(Bound::Spare)];
    prop_oneof![
        2 => (resource, spare(6)).prop_map(|(resource, bound)| Step::Limit { resource, bound }),
        1 => spare(8).prop_map(Step::Mappings),
    ]
}

/// Makes the steps that concern more than a range.
fn others() -> impl Strategy<Value = Step> {
    let all = (1..8_u64).prop_map(|flags| Step::LockAll(MlockallFlags(flags)));
    prop_oneof![
        3 => (0..20_usize).prop_map(Step::Brk),
        1 => all,
        1 => Just(Step::UnlockAll),
        3 => any::<bool>().prop_map(|follow| Step::Fork { follow }),
        2 => (0..3_usize).prop_map(Step::Process),
        1 => Just(Step::Exit),
        3 => limits(),
    ]
}

fn any_steps() -> impl Strategy<Value = Step> {
    let name = proptest::option::of(select(&['a', 'b'][..]));
    prop_oneof![
        8 => asks().prop_map(Step::Map),
        2 => spans().prop_map(Step::Unmap),
        4 => (spans(), prots(), select(&[false, false, false, false, true][..]))
            .prop_map(|(span, prot, down)| Step::Protect { span, prot, down }),
        1 => (spans(), name).prop_map(|(span, name)| Step::Name { span, name }),
        3 => (spans(), select(&ADVICE[..])).prop_map(|(span, advice)| Step::Advise { span, advice }),
        2 => (spans(), any::<bool>()).prop_map(|(span, on_fault)| Step::Lock { span, on_fault }),
        1 => spans().prop_map(Step::Unlock),
        1 => spans().prop_map(|Span { at, pages }| Step::Seal(Span { at, pages: pages.div_ceil(3) })),
        4 => remaps().prop_map(Step::Remap),
        6 => (prop_oneof![3 => 0..HEAP, 1 => 0..PAGES], select(&[true, true, true, false][..])).prop_map(|(at, write)| Step::Touch { at, write }),
        4 => others(),
    ]
}

/// Makes programs. Each does without some families of steps: where there is less of everything, there is more of the rest.
pub(super) fn programs() -> impl Strategy<Value = Vec<Step>> {
    (proptest::collection::vec(any_steps(), 1..80), 0..1_u32 << 9).prop_map(|(mut steps, families)| {
        steps.retain(|step| (families | 1) >> family(*step) & 1 == 1);
        steps
    })
}
