//! The running kernel as a profile: its settings, read and tried out.

use std::fs;

use abi::VirtAddr;
use mm::{Caps, FolioOrders, Mutation, OvercommitMode, Profile, Thp};

use super::error::FuzzError;

/// Reads the settings of the running kernel. What must be tried out in a process is set later.
pub(crate) fn profile(mutation: Option<Mutation>) -> Result<Profile, FuzzError> {
    let mut profile = Profile::linux_6_18_x86_64();
    mutate(&mut profile, mutation)?;
    let release = text("/proc/sys/kernel/osrelease")?;
    let mut version = release.split('.').filter_map(|part| part.parse::<u16>().ok());
    let version = (version.next().unwrap_or(0), version.next().unwrap_or(0));
    if version != profile.version {
        let (major, minor) = profile.version;
        return Err(FuzzError::Setup(format!(
            "this is Linux {}; the twin is Linux {major}.{minor}: there is nothing to compare",
            release.trim()
        )));
    }
    profile.max_map_count = number("/proc/sys/vm/max_map_count")?;
    profile.dac_mmap_min_addr = VirtAddr(number("/proc/sys/vm/mmap_min_addr")?);
    profile.overcommit.mode = match number("/proc/sys/vm/overcommit_memory")? {
        0 => OvercommitMode::Guess,
        1 => OvercommitMode::Always,
        mode => {
            return Err(FuzzError::Setup(format!(
                "vm.overcommit_memory is {mode}: what all processes together may promise cannot be compared"
            )));
        }
    };
    let memory = text("/proc/meminfo")?;
    let pages = |name: &str| {
        let line = memory.lines().find(|line| line.starts_with(name));
        line.and_then(|line| line.split_whitespace().nth(1)?.parse::<u64>().ok()).map(|kb| kb / 4)
    };
    let missing = || FuzzError::Setup("/proc/meminfo does not tell memory and swap".into());
    profile.overcommit.ram_and_swap =
        pages("MemTotal:").ok_or_else(missing)? + pages("SwapTotal:").ok_or_else(missing)?;
    profile.thp = huge_pages("/sys/kernel/mm/transparent_hugepage/enabled");
    let zeroes = fs::read_to_string("/sys/kernel/mm/transparent_hugepage/use_zero_page");
    profile.huge_zero_page = zeroes.is_ok_and(|text| text.trim() == "1");
    profile.large_folios = large_folios();
    profile.shmem_thp = huge_pages("/sys/kernel/mm/transparent_hugepage/shmem_enabled");
    profile.options.ksm = fs::exists("/sys/kernel/mm/ksm").unwrap_or(false);
    profile.options.gib_pages = fs::exists("/sys/kernel/mm/hugepages/hugepages-1048576kB").unwrap_or(false);
    profile.options.thp = fs::exists("/sys/kernel/mm/transparent_hugepage").unwrap_or(false);
    let cpu = text("/proc/cpuinfo")?;
    profile.options.pkeys = cpu.contains(" ospke");
    profile.options.shadow_stack = cpu.contains(" user_shstk");
    Ok(profile)
}

#[cfg(feature = "mutants")]
fn mutate(profile: &mut Profile, mutation: Option<Mutation>) -> Result<(), FuzzError> {
    profile.mutation = mutation;
    Ok(())
}

#[cfg(not(feature = "mutants"))]
fn mutate(_profile: &mut Profile, mutation: Option<Mutation>) -> Result<(), FuzzError> {
    match mutation {
        None => Ok(()),
        Some(_) => Err(FuzzError::Setup("built without the feature `mutants`".into())),
    }
}

fn huge_pages(path: &str) -> Thp {
    let setting = fs::read_to_string(path).unwrap_or_default();
    match setting.split(['[', ']']).nth(1) {
        Some("always") => Thp::Always,
        Some("madvise" | "advise") => Thp::Madvise,
        _ => Thp::Never,
    }
}

/// Reads which sizes of large folios are allowed below a huge page.
fn large_folios() -> FolioOrders {
    let mut orders = FolioOrders::default();
    for order in 2..9 {
        let path = format!("/sys/kernel/mm/transparent_hugepage/hugepages-{}kB/enabled", 4 << order);
        let setting = fs::read_to_string(path).unwrap_or_default();
        let mode = match setting.split(['[', ']']).nth(1) {
            Some("always") => Thp::Always,
            Some("madvise") => Thp::Madvise,
            Some("inherit") => huge_pages("/sys/kernel/mm/transparent_hugepage/enabled"),
            _ => Thp::Never,
        };
        match mode {
            Thp::Always => orders.always |= 1 << order,
            Thp::Madvise => orders.madvise |= 1 << order,
            Thp::Never => {}
        }
    }
    orders
}

fn text(path: &'static str) -> Result<String, FuzzError> {
    fs::read_to_string(path).map_err(|error| FuzzError::Io(path, error))
}

fn number(path: &'static str) -> Result<u64, FuzzError> {
    let text = text(path)?;
    text.trim().parse().map_err(|_| FuzzError::Setup(format!("{path} holds no number: {text}")))
}

/// Returns the privileges of this process, which its children have too.
pub(crate) fn caps() -> Result<Caps, FuzzError> {
    let me = abi::Tid(std::process::id().cast_signed());
    let bits = sys::process::memory_capabilities(me).map_err(|error| FuzzError::Setup(error.to_string()))?;
    let has = |bit: u32| bits >> bit & 1 == 1;
    Ok(Caps {
        ipc_lock: has(14),
        sys_admin: has(21),
        sys_rawio: has(17),
        sys_resource: has(24),
        sys_nice: has(23),
    })
}
