//! The facts of the header: the machine as it is, and the run as it begins.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

use abi::{Pid, Resource, Rlimit};
use recording::{Bytes, Machine, Run};

/// Sysctls that decide what a memory call answers or what memory comes of it.
const SYSCTLS: &[&str] = &[
    "kernel.perf_event_mlock_kb",
    "kernel.perf_event_paranoid",
    "kernel.randomize_va_space",
    "kernel.shmall",
    "kernel.shmmax",
    "kernel.shmmni",
    "kernel.threads-max",
    "kernel.unprivileged_userns_clone",
    "kernel.yama.ptrace_scope",
    "vm.admin_reserve_kbytes",
    "vm.legacy_va_layout",
    "vm.max_map_count",
    "vm.memfd_noexec",
    "vm.memory_failure_early_kill",
    "vm.mmap_min_addr",
    "vm.mmap_rnd_bits",
    "vm.mmap_rnd_compat_bits",
    "vm.nr_hugepages",
    "vm.nr_overcommit_hugepages",
    "vm.overcommit_kbytes",
    "vm.overcommit_memory",
    "vm.overcommit_ratio",
    "vm.swappiness",
    "vm.unprivileged_userfaultfd",
    "vm.user_reserve_kbytes",
];
const THP: &str = "/sys/kernel/mm/transparent_hugepage";
const HUGE_POOLS: &str = "/sys/kernel/mm/hugepages";
/// `stack_guard_gap=` of the kernel's command line counts pages; this is its value when it is not given.
const STACK_GUARD_GAP_PAGES: u64 = 256;

/// Reads the facts of the machine. What this kernel does not have is left out.
pub fn machine() -> Machine {
    let meminfo = read(Path::new("/proc/meminfo")).unwrap_or_default();
    let mut thp = Vec::new();
    read_tree(Path::new(THP), "", &mut thp);
    let mut facts = kernel_options();
    let mut pools = Vec::new();
    read_tree(Path::new(HUGE_POOLS), "hugepages/", &mut pools);
    facts.extend(pools.into_iter().filter(|(name, _)| name.ends_with("/nr_hugepages")));
    Machine {
        kernel: read(Path::new("/proc/sys/kernel/osrelease")).unwrap_or_default(),
        arch: std::env::consts::ARCH.to_owned(),
        page_bytes: abi::PAGE_SIZE,
        memory_bytes: kib_of(&meminfo, "MemTotal:") << 10,
        swap_bytes: kib_of(&meminfo, "SwapTotal:") << 10,
        cpus: u32::try_from(online_cpus().len()).unwrap_or(u32::MAX),
        stack_guard_gap_pages: stack_guard_gap_pages(&read(Path::new("/proc/cmdline")).unwrap_or_default()),
        sysctls: SYSCTLS.iter().filter_map(|name| Some(((*name).to_owned(), sysctl(name)?))).collect(),
        thp,
        facts,
    }
}

/// Reads the facts of a run that begins now: who runs it, under which limits. The command line and the directory are
/// as given: `None` leaves them out.
pub fn run(pid: Pid, start_monotonic_ns: u64, command: Option<Vec<Bytes>>, directory: Option<Bytes>) -> Run {
    let status = read(&process_file(pid, "status")).unwrap_or_default();
    let since_1970 = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    // The two clocks are read one after the other; what lies between them is taken off.
    let since_start = sys::clock::monotonic_ns().saturating_sub(start_monotonic_ns);
    let start_unix_ns = u64::try_from(since_1970.as_nanos()).unwrap_or(u64::MAX).saturating_sub(since_start);
    Run {
        start_unix_ns,
        start_monotonic_ns,
        pid,
        command,
        directory,
        uid: id_of(&status, "Uid:"),
        gid: id_of(&status, "Gid:"),
        capabilities: sys::process::memory_capabilities(abi::Tid(pid.0)).unwrap_or(0),
        limits: limits(pid),
        settings: settings(),
    }
}

/// What the program inherits from here that steers its memory.
fn settings() -> Vec<(String, String)> {
    let pair = |(name, value): (&str, u64)| (name.to_owned(), value.to_string());
    sys::process::memory_settings().into_iter().map(pair).collect()
}

/// Reads the limits of a process that steer memory.
pub fn limits(pid: Pid) -> Vec<(Resource, Rlimit)> {
    const NAMES: [(Resource, &[u8]); 4] = [
        (Resource::DATA, b"Max data size"),
        (Resource::STACK, b"Max stack size"),
        (Resource::MEMLOCK, b"Max locked memory"),
        (Resource::AS, b"Max address space"),
    ];
    let text = fs::read(process_file(pid, "limits")).unwrap_or_default();
    let rows: Vec<_> = proc_text::limits(&text).filter_map(Result::ok).collect();
    let limit = |name: &[u8]| {
        let row = rows.iter().find(|row| row.name == name)?;
        let bytes = |limit: Option<u64>| limit.unwrap_or(Rlimit::INFINITY);
        Some(Rlimit { soft: bytes(row.soft), hard: bytes(row.hard) })
    };
    NAMES.iter().filter_map(|(resource, name)| Some((*resource, limit(name)?))).collect()
}

/// Reads which processors are on.
pub fn online_cpus() -> Vec<u32> {
    let text = read(Path::new("/sys/devices/system/cpu/online")).unwrap_or_default();
    let cpus = cpu_list(&text);
    if cpus.is_empty() { vec![0] } else { cpus }
}

/// Reads a list such as `0-3,8`.
fn cpu_list(text: &str) -> Vec<u32> {
    let part = |part: &str| {
        let (first, last) = part.split_once('-').unwrap_or((part, part));
        Some(first.trim().parse::<u32>().ok()?..=last.trim().parse().ok()?)
    };
    text.split(',').filter_map(part).flatten().collect()
}

/// Reads a sysctl by its dotted name.
pub fn sysctl(name: &str) -> Option<String> {
    read(&Path::new("/proc/sys").join(name.replace('.', "/")))
}

/// Tells which options that change what memory looks like this kernel was built with, by trying them.
fn kernel_options() -> Vec<(String, String)> {
    let said = |name: &str, has: bool| (format!("config.{name}"), if has { "y" } else { "n" }.to_owned());
    vec![
        said("ANON_VMA_NAME", sys::probe::names_anonymous_memory()),
        said("MEM_SOFT_DIRTY", sys::probe::tracks_soft_dirty()),
    ]
}

fn process_file(pid: Pid, file: &str) -> PathBuf {
    PathBuf::from(format!("/proc/{pid}/{file}"))
}

fn read(path: &Path) -> Option<String> {
    fs::read_to_string(path).ok().map(|text| text.trim_end().to_owned())
}

/// Reads the files of a folder and of its folders, each named by its way from there, in order of their names.
fn read_tree(folder: &Path, prefix: &str, files: &mut Vec<(String, String)>) {
    let Ok(entries) = fs::read_dir(folder) else { return };
    let mut paths: Vec<PathBuf> = entries.filter_map(|entry| Some(entry.ok()?.path())).collect();
    paths.sort();
    for path in paths {
        let Some(name) = path.file_name().and_then(|name| name.to_str()) else { continue };
        let name = format!("{prefix}{name}");
        if path.is_dir() {
            // Counters of what has happened are no settings.
            if !name.ends_with("/stats") {
                read_tree(&path, &format!("{name}/"), files);
            }
        } else if let Some(text) = read(&path) {
            files.push((name, text));
        }
    }
}

/// The first word behind a key at the beginning of a line.
fn field<'a>(text: &'a str, key: &str) -> Option<&'a str> {
    text.lines().find_map(|line| line.strip_prefix(key))?.split_ascii_whitespace().next()
}

fn kib_of(text: &str, key: &str) -> u64 {
    field(text, key).and_then(|number| number.parse().ok()).unwrap_or(0)
}

fn id_of(text: &str, key: &str) -> u32 {
    field(text, key).and_then(|number| number.parse().ok()).unwrap_or(0)
}

fn stack_guard_gap_pages(command_line: &str) -> u64 {
    let given =
        command_line.split_ascii_whitespace().filter_map(|word| word.strip_prefix("stack_guard_gap="));
    given.filter_map(|number| number.parse().ok()).next_back().unwrap_or(STACK_GUARD_GAP_PAGES)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn this_machine_is_read() {
        let machine = machine();
        assert!(machine.memory_bytes > 1 << 20 && machine.cpus > 0 && machine.kernel.contains('.'));
        assert!(
            machine
                .sysctls
                .iter()
                .any(|(name, value)| name == "vm.max_map_count" && value.parse::<u64>().is_ok())
        );
        assert!(machine.facts.iter().any(|(name, _)| name == "config.ANON_VMA_NAME"));
    }

    #[test]
    fn this_run_is_read() {
        let start = sys::clock::monotonic_ns();
        let run = run(Pid(std::process::id().cast_signed()), start, None, None);
        assert!(run.limits.iter().any(|(resource, limit)| *resource == Resource::STACK && limit.soft > 0));
        assert_eq!(run.limits.len(), 4);
        assert!(run.start_unix_ns > 1_600_000_000_000_000_000);
    }

    #[test]
    fn lists_and_options_are_read() {
        assert_eq!(cpu_list("0-2,8\n"), [0, 1, 2, 8]);
        assert_eq!(cpu_list(""), [0u32; 0]);
        assert_eq!(stack_guard_gap_pages("ro stack_guard_gap=1 quiet"), 1);
        assert_eq!(stack_guard_gap_pages("ro quiet"), 256);
    }
}
