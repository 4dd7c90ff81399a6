//! The kernel that made a recording, as the twin's profile.

use mm::{Caps, OvercommitMode, Profile, Settings, Thp};
use recording::Machine;

use super::adopt::{Direction, Placing, Stacks};

/// Makes the profile: what the header does not tell is the pinned kernel's default.
pub(super) fn of(machine: &Machine) -> Profile {
    let mut profile = Profile::linux_6_18_x86_64();
    if let Some(version) = version(&machine.kernel) {
        profile.version = version;
    }
    profile.stack_guard_gap = machine.stack_guard_gap_pages;
    let number = |name: &str| sysctl(machine, name).and_then(|text| text.parse::<u64>().ok());
    if let Some(count) = number("vm.max_map_count") {
        profile.max_map_count = count;
    }
    if let Some(addr) = number("vm.mmap_min_addr") {
        profile.dac_mmap_min_addr = abi::VirtAddr(addr);
        profile.mmap_min_addr = profile.mmap_min_addr.max(profile.dac_mmap_min_addr);
    }
    if machine.cpus > 0 {
        profile.possible_cpus = u64::from(machine.cpus);
    }
    if let Some(events) = number("fs.aio-max-nr") {
        profile.aio_max_events = events;
    }
    let page = machine.page_bytes.max(1);
    profile.overcommit.ram_and_swap = machine.memory_bytes.saturating_add(machine.swap_bytes) / page;
    profile.overcommit.mode = match number("vm.overcommit_memory") {
        Some(1) => OvercommitMode::Always,
        Some(2) => OvercommitMode::Never,
        _ => OvercommitMode::Guess,
    };
    set_commit_limit(&mut profile, machine, &number);
    if let Some(thp) = setting(machine, "enabled") {
        profile.thp = thp;
    }
    if let Some(thp) = setting(machine, "shmem_enabled") {
        profile.shmem_thp = thp;
    }
    let has = |fact: &str| machine.facts.iter().any(|(name, value)| name == fact && value == "y");
    profile.options.anon_vma_name = has("config.ANON_VMA_NAME");
    profile.options.soft_dirty = has("config.MEM_SOFT_DIRTY");
    profile
}

/// What it says of where mappings go.
///
/// Linux: `arch/x86/mm/mmap.c: mmap_is_legacy`; `fs/binfmt_elf.c: load_elf_binary` (`PF_RANDOMIZE`).
pub(super) fn placing(machine: &Machine, profile: &Profile) -> Placing {
    let is_legacy = sysctl(machine, "vm.legacy_va_layout").is_some_and(|text| text != "0");
    let direction = if is_legacy { Direction::Up } else { Direction::Down };
    let is_fixed = sysctl(machine, "kernel.randomize_va_space").is_some_and(|text| text == "0");
    let stacks = if is_fixed { Stacks::Fixed } else { Stacks::Moved };
    Placing { guard_bytes: profile.guard_bytes(), direction, stacks }
}

/// Linux: `mm/util.c: vm_commit_limit`.
fn set_commit_limit(profile: &mut Profile, machine: &Machine, number: &impl Fn(&str) -> Option<u64>) {
    let page = machine.page_bytes.max(1);
    let kib = |name| number(name).map(|kib| kib.saturating_mul(1 << 10) / page);
    let ratio = number("vm.overcommit_ratio").unwrap_or(50);
    let of_memory = match number("vm.overcommit_kbytes") {
        None | Some(0) => {
            let small = machine.memory_bytes.saturating_sub(in_huge_pools(machine)) / page;
            small.saturating_mul(ratio) / 100
        }
        Some(_) => kib("vm.overcommit_kbytes").unwrap_or(0),
    };
    profile.overcommit.limit = of_memory + machine.swap_bytes / page;
    if let Some(pages) = kib("vm.admin_reserve_kbytes") {
        profile.overcommit.admin_reserve = pages;
    }
    if let Some(pages) = kib("vm.user_reserve_kbytes") {
        profile.overcommit.user_reserve = pages;
    }
}

/// The bytes of the pools of huge pages. Linux: `mm/hugetlb.c: hugetlb_total_pages`.
fn in_huge_pools(machine: &Machine) -> u64 {
    let bytes_of = |(name, count): &(String, String)| {
        let pool = name.strip_prefix("hugepages/hugepages-")?.strip_suffix("kB/nr_hugepages")?;
        pool.parse::<u64>().ok()?.checked_mul(1 << 10)?.checked_mul(count.trim().parse().ok()?)
    };
    machine.facts.iter().filter_map(bytes_of).fold(0, u64::saturating_add)
}

/// The privileges that memory calls ask for, out of a process's effective capabilities.
pub(super) fn caps(effective: u64) -> Caps {
    let has = |bit: u32| effective >> bit & 1 == 1;
    Caps {
        ipc_lock: has(14),
        sys_rawio: has(17),
        sys_admin: has(21),
        sys_nice: has(23),
        sys_resource: has(24),
    }
}

fn sysctl<'a>(machine: &'a Machine, name: &str) -> Option<&'a str> {
    machine.sysctls.iter().find(|(of, _)| of == name).map(|(_, value)| value.trim())
}

/// Reads `always [madvise] never`.
fn setting(machine: &Machine, name: &str) -> Option<Thp> {
    let (_, text) = machine.thp.iter().find(|(of, _)| of == name)?;
    let chosen = text.split(['[', ']']).nth(1)?;
    match chosen {
        "always" | "force" | "within_size" => Some(Thp::Always),
        "madvise" | "advise" => Some(Thp::Madvise),
        _ => Some(Thp::Never),
    }
}

/// What a process inherits, as the operations of `prctl` tell it of its parent.
///
/// Linux: `kernel/sys.c: prctl_get_mdwe`, `prctl_get_thp_disable`.
pub(super) fn inherited(settings: &[(String, String)]) -> Settings {
    let told = |name: &str| {
        let value = settings.iter().find(|(of, _)| of == name).and_then(|(_, value)| value.parse().ok());
        value.unwrap_or(0u64)
    };
    let (mdwe, thp) = (told("PR_GET_MDWE"), told("PR_GET_THP_DISABLE"));
    let of_parent = Settings {
        refuse_exec_gain: mdwe & 1 != 0,
        mdwe_no_inherit: mdwe & 2 != 0,
        merge_any: told("PR_GET_MEMORY_MERGE") != 0,
        thp_disabled: thp & 1 != 0 && thp & 2 == 0,
        thp_disabled_except_advised: thp & 1 != 0 && thp & 2 != 0,
        ..Settings::default()
    };
    of_parent.inherited()
}

/// Reads `6.18.44-something`.
fn version(release: &str) -> Option<(u16, u16)> {
    let mut numbers = release.split(['.', '-']).map(str::parse);
    Some((numbers.next()?.ok()?, numbers.next()?.ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn settings_and_sysctls_are_read() {
        let pair = |name: &str, value: &str| (name.to_owned(), value.to_owned());
        let machine = Machine {
            kernel: "6.18.44-x".to_owned(),
            page_bytes: 4096,
            memory_bytes: 1 << 30,
            sysctls: vec![pair("vm.max_map_count", "1000\n"), pair("vm.overcommit_memory", "2")],
            thp: vec![pair("enabled", "always madvise [never]")],
            ..Machine::default()
        };
        let profile = of(&machine);
        assert_eq!((profile.version, profile.max_map_count), ((6, 18), 1000));
        assert_eq!((profile.overcommit.mode, profile.thp), (OvercommitMode::Never, Thp::Never));
        assert_eq!(profile.overcommit.limit, 1 << 17);
    }

    #[test]
    fn what_is_inherited_is_read() {
        let told = |name: &str, value: &str| inherited(&[(name.to_owned(), value.to_owned())]);
        let none = Settings::default();
        assert_eq!(told("PR_GET_MDWE", "1"), Settings { refuse_exec_gain: true, ..none });
        assert_eq!(told("PR_GET_MDWE", "3"), none);
        assert_eq!(told("PR_GET_THP_DISABLE", "1"), Settings { thp_disabled: true, ..none });
        assert_eq!(told("PR_GET_THP_DISABLE", "3"), Settings { thp_disabled_except_advised: true, ..none });
        assert_eq!(told("PR_GET_MEMORY_MERGE", "1"), Settings { merge_any: true, ..none });
    }

    #[test]
    fn the_commit_limit_is_of_memory_but_for_huge_pools_or_as_set() {
        let limit = |sysctls: &[(&str, &str)]| {
            let pairs = |pairs: &[(&str, &str)]| {
                pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
            };
            let machine = Machine {
                page_bytes: 4096,
                memory_bytes: 1 << 30,
                swap_bytes: 1 << 20,
                sysctls: pairs(sysctls),
                facts: pairs(&[
                    ("hugepages/hugepages-2048kB/nr_hugepages", "128"),
                    ("hugepages/hugepages-1048576kB/nr_hugepages", "0"),
                ]),
                ..Machine::default()
            };
            let overcommit = of(&machine).overcommit;
            (overcommit.limit, overcommit.admin_reserve, overcommit.user_reserve)
        };
        // 768 MiB are left beside the pool; 1 MiB is swap.
        assert_eq!(limit(&[]), ((384 << 8) + 256, 2048, 32_768));
        assert_eq!(limit(&[("vm.overcommit_ratio", "75")]).0, (576 << 8) + 256);
        assert_eq!(limit(&[("vm.overcommit_ratio", "75"), ("vm.overcommit_kbytes", "4096")]).0, 1024 + 256);
        let none = [
            ("vm.admin_reserve_kbytes", "0"),
            ("vm.user_reserve_kbytes", "8"),
            ("vm.overcommit_kbytes", "0"),
        ];
        assert_eq!(limit(&none), ((384 << 8) + 256, 0, 2));
    }
}
