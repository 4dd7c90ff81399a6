//! What all processes share: the kernel's settings, the memory promised, files' sizes, identities.

use alloc::collections::BTreeMap;
use alloc::sync::Arc;

use crate::anon_vma::AnonVmas;
use crate::file::{DescriptionId, FileKind, MapFile, ObjectId, OpenMode};
use crate::pages::{Contents, Memory, NoPages, Pages, States};
use crate::profile::{OvercommitMode, Profile};
use crate::why::Refusal;

/// What all processes share.
#[derive(Clone, Debug)]
pub struct System<M: Memory = NoPages> {
    /// The kernel and its settings.
    pub profile: Arc<Profile>,
    /// Linux: `vm_committed_as`, in pages: what the address spaces of this system have charged.
    pub(crate) committed: u64,
    pub(crate) anon_vmas: AnonVmas,
    /// The present sizes of files, where they changed or are the twin's own. Linux: `i_size`.
    pub(crate) sizes: Arc<BTreeMap<ObjectId, u64>>,
    pub(crate) nameless: u64,
    /// Frames and files' pages.
    pub(crate) pool: M::Pool,
}

impl System {
    /// Makes a system without processes that keeps mappings only.
    pub fn new(profile: Profile) -> Self {
        Self::empty(profile)
    }
}

impl System<Pages<States>> {
    /// Makes a system without processes that keeps the states of pages.
    pub fn with_states(profile: Profile) -> Self {
        Self::empty(profile)
    }
}

impl System<Pages<Contents>> {
    /// Makes a system without processes that keeps pages with their contents: loads and stores work.
    pub fn with_contents(profile: Profile) -> Self {
        Self::empty(profile)
    }
}

impl<M: Memory> System<M> {
    /// Makes a system without processes.
    pub(crate) fn empty(profile: Profile) -> Self {
        Self {
            profile: Arc::new(profile),
            committed: 0,
            anon_vmas: AnonVmas::default(),
            sizes: Arc::default(),
            nameless: 0,
            pool: M::Pool::default(),
        }
    }

    /// Returns the pages charged by the address spaces of this system.
    pub fn committed_pages(&self) -> u64 {
        self.committed
    }

    /// Says that a file has a new size in bytes: accesses past its last page raise `SIGBUS` from now on.
    pub fn set_file_size(&mut self, object: ObjectId, bytes: u64) {
        Arc::make_mut(&mut self.sizes).insert(object, bytes);
        M::resized(self, object, bytes);
    }

    /// Returns the present size of a mapped file in bytes.
    pub fn file_size(&self, file: &MapFile) -> u64 {
        self.sizes.get(&file.object).copied().unwrap_or(file.bytes)
    }

    /// Makes the nameless file of shared anonymous memory or of anonymous huge pages.
    ///
    /// Linux: `mm/shmem.c: shmem_zero_setup`, `fs/hugetlbfs/inode.c: hugetlb_file_setup`.
    pub(crate) fn nameless_file(&mut self, kind: FileKind, bytes: u64) -> Arc<MapFile> {
        let id = self.nameless;
        self.nameless += 1;
        Arc::new(MapFile {
            object: ObjectId::Nameless(id),
            description: DescriptionId::Nameless(id),
            kind,
            mode: OpenMode { read: true, write: true, append_only: false },
            bytes,
            seals: 0,
            // The file system of rings forbids it.
            noexec: kind == FileKind::AioRing,
        })
    }

    /// Makes the identity of a file opened once more.
    pub(crate) fn new_description(&mut self) -> DescriptionId {
        self.nameless += 1;
        DescriptionId::Nameless(self.nameless - 1)
    }

    /// Returns what others than the address spaces of this system have charged, where the sum of all is told: what it
    /// itself charges from now on counts besides. The sum is only near the truth, so it may be less than nothing.
    pub(crate) fn charged_elsewhere(&self, all: Option<u64>) -> i64 {
        all.map_or(0, |all| all.cast_signed().saturating_sub(self.committed.cast_signed()))
    }

    /// Charges pages if they may be promised.
    ///
    /// Linux: `mm/util.c: __vm_enough_memory`.
    ///
    /// # Errors
    /// [`Refusal::Overcommit`]; then nothing is charged.
    pub(crate) fn charge(&mut self, pages: u64, by: Charger) -> Result<(), Refusal> {
        let rules = &self.profile.overcommit;
        let allowed = match rules.mode {
            OvercommitMode::Always => true,
            OvercommitMode::Guess => pages <= rules.ram_and_swap,
            OvercommitMode::Never => {
                let mut limit = rules.limit;
                if !by.sys_admin {
                    limit = limit.saturating_sub(rules.admin_reserve);
                }
                limit = limit.saturating_sub((by.total_vm / 32).min(rules.user_reserve));
                let all = self.committed.saturating_add_signed(by.elsewhere);
                all.saturating_add(pages) < limit
            }
        };
        if !allowed {
            return Err(Refusal::Overcommit);
        }
        self.committed += pages;
        Ok(())
    }

    /// Charges pages that were charged before: not asked again.
    pub(crate) fn recharge(&mut self, pages: u64) {
        self.committed += pages;
    }

    /// Takes back a charge.
    pub(crate) fn uncharge(&mut self, pages: u64) {
        self.committed = self.committed.saturating_sub(pages);
    }
}

/// Who asks for memory, as far as the answer depends on it.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Charger {
    pub(crate) sys_admin: bool,
    pub(crate) total_vm: u64,
    /// What others have charged.
    pub(crate) elsewhere: i64,
}
