//! What a campaign has met: which check refused which call, and which flags calls had. What never occurs is a weak
//! spot of the generator.

use std::collections::BTreeMap;
use std::fmt;

use abi::Call;
use mm::Refusal;

/// How often each call was answered how, and with which flags.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Seen {
    /// By the call's name and the check that refused it, as its place in [`Refusal::ALL`]; `None`: allowed.
    answers: BTreeMap<(&'static str, Option<usize>), u64>,
    /// By the call's name and one flag, or a whole argument that is no set of flags.
    flags: BTreeMap<(&'static str, u64), [u64; 2]>,
}

/// How an argument is told apart.
#[derive(Clone, Copy)]
enum Parted {
    /// By each bit.
    Bits,
    /// As a whole.
    Whole,
}

/// The argument that says what a call does, and how its values are told apart.
fn argument_of(name: &str) -> Option<(usize, Parted)> {
    Some(match name {
        "mmap" => (3, Parted::Bits),
        "mprotect" | "pkey_mprotect" | "mlock2" | "msync" | "shmat" => (2, Parted::Bits),
        "mremap" => (3, Parted::Whole),
        "remap_file_pages" => (4, Parted::Bits),
        "madvise" | "mseal" => (2, Parted::Whole),
        "process_madvise" => (3, Parted::Whole),
        "mbind" => (2, Parted::Whole),
        "arch_prctl" | "mlockall" | "prctl" | "prlimit64" | "personality" => (0, Parted::Whole),
        "ioctl" => (1, Parted::Whole),
        _ => return None,
    })
}

impl Seen {
    /// Counts a call and its answer.
    pub(crate) fn note(&mut self, call: Call, refused: Option<Refusal>) {
        let name = call.name();
        let place = refused.and_then(|refusal| Refusal::ALL.iter().position(|other| *other == refusal));
        *self.answers.entry((name, place)).or_default() += 1;
        let Some((index, parted)) = argument_of(name) else { return };
        let (_, args) = call.encode_x86_64();
        let value = args[index];
        let mut count = |flag| {
            let counts = self.flags.entry((name, flag)).or_default();
            counts[usize::from(refused.is_some())] += 1;
        };
        match parted {
            Parted::Whole => count(value),
            Parted::Bits => (0..64).map(|bit| value & 1 << bit).filter(|flag| *flag != 0).for_each(count),
        }
    }

    /// Adds what another program met.
    pub(crate) fn add(&mut self, other: &Self) {
        let Self { answers, flags } = other;
        for (key, count) in answers {
            *self.answers.entry(*key).or_default() += count;
        }
        for (key, [allowed, refused]) in flags {
            let counts = self.flags.entry(*key).or_default();
            counts[0] += allowed;
            counts[1] += refused;
        }
    }

    /// Returns the checks that refused no call.
    pub fn never_refused(&self) -> impl Iterator<Item = Refusal> + '_ {
        let met = |place| self.answers.keys().any(|(_, refused)| *refused == Some(place));
        Refusal::ALL.iter().enumerate().filter(move |(place, _)| !met(*place)).map(|(_, refusal)| *refusal)
    }
}

impl fmt::Display for Seen {
    /// Writes a line for each call and answer, then for each call and flag, then for each check that never refused.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for ((name, place), count) in &self.answers {
            match place.and_then(|place| Refusal::ALL.get(place)) {
                None => writeln!(f, "{count:>10} {name}")?,
                Some(refusal) => writeln!(f, "{count:>10} {name}: {refusal}")?,
            }
        }
        for ((name, flag), [allowed, refused]) in &self.flags {
            writeln!(f, "{allowed:>10} {name} {flag:#x}, and {refused} refused")?;
        }
        self.never_refused().try_for_each(|refusal| writeln!(f, "     never {refusal}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use abi::VirtAddr;

    #[test]
    fn what_was_met_is_counted_and_what_was_not_is_told() {
        let mut seen = Seen::default();
        let call = Call::Munmap { addr: VirtAddr(1), len: 0 };
        seen.note(call, Some(Refusal::UnmapRange));
        let mut all = Seen::default();
        all.add(&seen);
        all.add(&seen);
        let text = all.to_string();
        assert!(text.starts_with("         2 munmap: EINVAL from "), "{text}");
        assert!(all.never_refused().all(|refusal| refusal != Refusal::UnmapRange));
        assert_eq!(all.never_refused().count() + 1, Refusal::ALL.len());
    }
}
