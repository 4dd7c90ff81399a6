//! The kernel that the twin is: its version, sizes, sysctls and options, as data.

use abi::VirtAddr;

/// One kernel with its settings.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Profile {
    /// Its version: major, minor.
    pub version: (u16, u16),
    /// The base page size in bytes.
    pub page_size: u64,
    /// The end of user addresses (`TASK_SIZE`).
    pub task_size: VirtAddr,
    /// `vm.mmap_min_addr` as the search for free places sees it: the higher of the two settings.
    pub mmap_min_addr: VirtAddr,
    /// The sysctl alone (`dac_mmap_min_addr`): below it `EPERM` without `CAP_SYS_RAWIO`.
    pub dac_mmap_min_addr: VirtAddr,
    /// The pages kept free below a growing stack (`stack_guard_gap`).
    pub stack_guard_gap: u64,
    /// `vm.max_map_count`.
    pub max_map_count: u64,
    /// The commit rules.
    pub overcommit: Overcommit,
    /// Transparent huge pages of anonymous memory.
    pub thp: Thp,
    /// Large folios of anonymous memory below a huge page.
    pub large_folios: FolioOrders,
    /// Whether reads share one huge page of zeroes (`use_zero_page`).
    pub huge_zero_page: bool,
    /// Transparent huge pages of shared anonymous memory and tmpfs.
    pub shmem_thp: Thp,
    /// The size of a transparent huge page in bytes.
    pub pmd_size: u64,
    /// The NUMA nodes with memory, one bit each.
    pub memory_nodes: u64,
    /// The processors there may ever be (`num_possible_cpus`): an AIO ring has room for so many.
    pub possible_cpus: u64,
    /// The pages read around one of a file that is not in the page cache (`read_ahead_kb`).
    pub read_around_pages: u64,
    /// The pages that there is swap for: what `MADV_PAGEOUT` may use.
    pub swap_pages: u64,
    /// The pages mapped together when one of a file is read (`fault_around_bytes`): a power of two.
    pub fault_around_pages: u64,
    /// `fs.aio-max-nr`.
    pub aio_max_events: u64,
    /// The options the kernel was built with.
    pub options: Options,
    /// One rule of the twin changed on purpose, to prove that tests notice.
    #[cfg(feature = "mutants")]
    pub mutation: Option<crate::Mutation>,
}

/// How memory is promised.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Overcommit {
    /// `vm.overcommit_memory`.
    pub mode: OvercommitMode,
    /// The commit limit in pages (mode 2; `vm_commit_limit`).
    pub limit: u64,
    /// Pages kept for the administrator (mode 2).
    pub admin_reserve: u64,
    /// Pages kept for the user (mode 2).
    pub user_reserve: u64,
    /// Memory and swap together in pages.
    pub ram_and_swap: u64,
}

/// `vm.overcommit_memory`.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum OvercommitMode {
    /// 0: refuses only what could never be.
    Guess,
    /// 1: refuses nothing.
    Always,
    /// 2: keeps the limit.
    Never,
}

/// When transparent huge pages are used.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Thp {
    /// Wherever they fit.
    Always,
    /// Where the program asked for them.
    Madvise,
    /// Never.
    Never,
}

/// Which sizes of large folios a write to anonymous memory may map at once (`hugepages-*kB/enabled`): bit `n` is `1 << n` pages.
/// What is inherited is resolved by whoever reads the settings.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct FolioOrders {
    /// Wherever they fit.
    pub always: u16,
    /// Where the program asked for huge pages.
    pub madvise: u16,
}

/// Options the kernel was built with or the processor has.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Options {
    /// `CONFIG_ANON_VMA_NAME`.
    pub anon_vma_name: bool,
    /// `CONFIG_MEM_SOFT_DIRTY`.
    pub soft_dirty: bool,
    /// Protection keys.
    pub pkeys: bool,
    /// Shadow stacks.
    pub shadow_stack: bool,
    /// `CONFIG_KSM`.
    pub ksm: bool,
    /// `CONFIG_TRANSPARENT_HUGEPAGE`.
    pub thp: bool,
    /// Huge pages of 1 GiB.
    pub gib_pages: bool,
    /// `CONFIG_USERFAULTFD` with write protection.
    pub userfaultfd: bool,
}

impl Profile {
    /// Returns the pinned profile: Linux 6.18, x86-64, four-level page tables, 4 KiB pages, default sysctls.
    pub const fn linux_6_18_x86_64() -> Self {
        Self {
            version: (6, 18),
            page_size: abi::PAGE_SIZE,
            task_size: VirtAddr(0x7fff_ffff_f000),
            mmap_min_addr: VirtAddr(0x1_0000),
            dac_mmap_min_addr: VirtAddr(0x1000),
            stack_guard_gap: 256,
            max_map_count: 65_530,
            overcommit: Overcommit {
                mode: OvercommitMode::Guess,
                limit: u64::MAX >> 1,
                admin_reserve: 2048,
                user_reserve: 32_768,
                ram_and_swap: 1 << 22,
            },
            thp: Thp::Madvise,
            large_folios: FolioOrders { always: 0, madvise: 0 },
            huge_zero_page: true,
            shmem_thp: Thp::Never,
            pmd_size: 2 << 20,
            memory_nodes: 1,
            possible_cpus: 2,
            read_around_pages: 32,
            swap_pages: 0,
            fault_around_pages: 16,
            aio_max_events: 65_536,
            options: Options {
                anon_vma_name: false,
                soft_dirty: false,
                pkeys: false,
                shadow_stack: false,
                ksm: true,
                thp: true,
                gib_pages: true,
                userfaultfd: true,
            },
            #[cfg(feature = "mutants")]
            mutation: None,
        }
    }

    /// Returns the guard gap below a growing stack in bytes.
    pub const fn guard_bytes(&self) -> u64 {
        self.stack_guard_gap * self.page_size
    }
}
