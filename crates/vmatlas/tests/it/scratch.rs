//! Folders: a test's own, which ordinary users may write to as well, removed at its end; and one for programs.

use std::fs::{self, Permissions};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};

/// A folder that lives as long as this value.
pub(crate) struct Scratch {
    folder: PathBuf,
}

impl Scratch {
    /// Makes an empty folder with this word in its name.
    pub(crate) fn new(word: &str) -> Self {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let name = format!("vmatlas-{word}-{}-{number}", std::process::id());
        let folder = std::env::temp_dir().join(name);
        fs::create_dir(&folder).expect("a new folder below the temporary one");
        fs::set_permissions(&folder, Permissions::from_mode(0o777)).expect("our own folder");
        Self { folder }
    }

    /// Returns the path of this name in the folder.
    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.join(name)
    }

    /// Returns what stands in a file of the folder.
    pub(crate) fn read(&self, name: &str) -> String {
        let bytes = fs::read(self.path(name)).expect("a file of our own");
        String::from_utf8_lossy(&bytes).into_owned()
    }

    /// Returns the folder.
    pub(crate) fn folder(&self) -> &Path {
        &self.folder
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        // What cannot be removed stays; the test's own verdict matters more.
        let _ = fs::remove_dir_all(&self.folder);
    }
}

/// Returns the folder for the programs under test, which ordinary users may run; one for each place where the tests
/// are built.
pub(crate) fn shared_folder() -> PathBuf {
    let mut hasher = DefaultHasher::new();
    env!("CARGO_BIN_EXE_vmatlas").hash(&mut hasher);
    rustix::process::geteuid().as_raw().hash(&mut hasher);
    let folder = std::env::temp_dir().join(format!("vmatlas-under-test-{:016x}", hasher.finish()));
    fs::create_dir_all(&folder).expect("a folder below the temporary one");
    folder
}
