//! The words for protections, flags and advice: the C names without their beginning, in small letters.

use abi::{Advice, Errno, MapFlags, MlockFlags, MlockallFlags, MsyncFlags, Prot, RemapFlags, Resource};

/// Tells whether a C name is meant by a word: `MAP_POPULATE` by `populate`.
fn is_short_of(c_name: &str, prefix: &str, word: &str) -> bool {
    let upper = word.bytes().any(|byte| byte.is_ascii_uppercase());
    let short = c_name.strip_prefix(prefix).unwrap_or(c_name);
    !upper && short.eq_ignore_ascii_case(word)
}

/// Letters of `rwx`, or `none`.
pub(super) fn protection(word: &str) -> Option<Prot> {
    if word == "none" {
        return Some(Prot::NONE);
    }
    let mut prot = Prot::NONE;
    for letter in word.chars() {
        let bit = match letter {
            'r' => Prot::READ,
            'w' => Prot::WRITE,
            'x' => Prot::EXEC,
            _ => return None,
        };
        if prot.contains(bit) {
            return None;
        }
        prot = prot | bit;
    }
    (!prot.is_empty()).then_some(prot)
}

/// A flag of `mmap` beside its type.
pub(super) fn map_flag(word: &str) -> Option<MapFlags> {
    let types = MapFlags::SHARED | MapFlags::PRIVATE | MapFlags::ANONYMOUS;
    let named = MapFlags::NAMED.iter().find(|(_, name)| is_short_of(name, "MAP_", word));
    let named = named.map(|(flag, _)| *flag).filter(|flag| !types.contains(*flag));
    named.or_else(|| (word == "noreplace").then_some(MapFlags::FIXED_NOREPLACE))
}

/// The type of a mapping.
pub(super) fn map_type(word: &str) -> Option<MapFlags> {
    Some(match word {
        "private" => MapFlags::PRIVATE,
        "shared" => MapFlags::SHARED,
        "shared_validate" => MapFlags::SHARED_VALIDATE,
        "droppable" => MapFlags::DROPPABLE,
        "notype" => MapFlags::NONE,
        _ => return None,
    })
}

/// How `mprotect` extends its range.
pub(super) fn grows(word: &str) -> Option<Prot> {
    Some(match word {
        "growsdown" => Prot::GROWSDOWN,
        "growsup" => Prot::GROWSUP,
        _ => return None,
    })
}

/// A flag of `mremap`.
pub(super) fn remap_flag(word: &str) -> Option<RemapFlags> {
    RemapFlags::NAMED.iter().find(|(_, name)| is_short_of(name, "MREMAP_", word)).map(|(flag, _)| *flag)
}

/// A flag of `msync`.
pub(super) fn msync_flag(word: &str) -> Option<MsyncFlags> {
    MsyncFlags::NAMED.iter().find(|(_, name)| is_short_of(name, "MS_", word)).map(|(flag, _)| *flag)
}

/// A flag of `mlock2`.
pub(super) fn mlock_flag(word: &str) -> Option<MlockFlags> {
    MlockFlags::NAMED.iter().find(|(_, name)| is_short_of(name, "MLOCK_", word)).map(|(flag, _)| *flag)
}

/// A flag of `mlockall`.
pub(super) fn mlockall_flag(word: &str) -> Option<MlockallFlags> {
    MlockallFlags::NAMED.iter().find(|(_, name)| is_short_of(name, "MCL_", word)).map(|(flag, _)| *flag)
}

/// An advice to `madvise`.
pub(super) fn advice(word: &str) -> Option<Advice> {
    Advice::NAMED.iter().find(|(_, name)| is_short_of(name, "MADV_", word)).map(|(advice, _)| *advice)
}

/// A limit.
pub(super) fn resource(word: &str) -> Option<Resource> {
    Some(match word {
        "as" => Resource::AS,
        "data" => Resource::DATA,
        "stack" => Resource::STACK,
        "memlock" => Resource::MEMLOCK,
        _ => return None,
    })
}

/// An errno by its C name.
pub(super) fn errno(word: &str) -> Option<Errno> {
    (1..=Errno::MAX).map(Errno).find(|errno| errno.name() == Some(word))
}

/// A signal by its C name.
pub(super) fn signal(word: &str) -> Option<i32> {
    match word {
        "SIGSEGV" => Some(11),
        "SIGBUS" => Some(7),
        _ => None,
    }
}

/// The code of a signal.
pub(super) fn code(word: &str) -> Option<i32> {
    match word {
        "MAPERR" => Some(1),
        "ACCERR" | "ADRERR" => Some(2),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_the_c_names() {
        assert_eq!(map_flag("fixed_noreplace"), Some(MapFlags::FIXED_NOREPLACE));
        assert_eq!(map_flag("32bit"), Some(MapFlags::MAP_32BIT));
        assert_eq!(map_flag("shared"), None);
        assert_eq!(advice("dontneed"), Some(Advice::DONTNEED));
        assert_eq!(advice("DONTNEED"), None);
        assert_eq!(remap_flag("maymove"), Some(RemapFlags::MAYMOVE));
        assert_eq!(errno("ENOMEM"), Some(Errno::ENOMEM));
        assert_eq!(protection("rw"), Some(Prot::RW));
        assert_eq!(protection("rr"), None);
        assert_eq!(protection(""), None);
    }
}
