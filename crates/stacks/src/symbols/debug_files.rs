//! Separate files of debugging information, found by build id.

use std::env;
use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use crate::file::ObjectFile;

/// Where separate files of debugging information are looked for.
#[derive(Clone, Debug, Default)]
pub struct DebugFiles {
    /// Folders laid out as `/usr/lib/debug`.
    roots: Vec<PathBuf>,
    /// Folders that debuginfod's clients fill: `BUILDID/debuginfo`.
    caches: Vec<PathBuf>,
}

impl DebugFiles {
    /// Nowhere: each file has only what it holds itself.
    pub fn none() -> Self {
        Self::default()
    }

    /// In `/usr/lib/debug` and in debuginfod's cache (`DEBUGINFOD_CACHE_PATH`, else below `XDG_CACHE_HOME` or
    /// `~/.cache`). Nothing is ever fetched.
    pub fn from_environment() -> Self {
        let folder = |name: &str| env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
        let named = folder("DEBUGINFOD_CACHE_PATH").or_else(|| folder("DEBUGINFOD_CACHE"));
        let cache = named.or_else(|| {
            let home = folder("XDG_CACHE_HOME").or_else(|| Some(folder("HOME")?.join(".cache")));
            Some(home?.join("debuginfod_client"))
        });
        Self { roots: vec!["/usr/lib/debug".into()], caches: cache.into_iter().collect() }
    }

    /// Looks in this folder too, which is laid out as `/usr/lib/debug`.
    pub fn with_root(mut self, root: PathBuf) -> Self {
        self.roots.push(root);
        self
    }

    /// Whether anything tells the lines of an object: itself, or a separate file that is here.
    pub fn have_lines_of(&self, object: &ObjectFile) -> bool {
        let has_lines = |file: &ObjectFile| file.section(b".debug_info").is_some();
        has_lines(object) || self.find(object).is_some_and(|file| has_lines(&file))
    }

    /// Opens the file with an object's debugging information: only one whose build id is the object's own.
    pub(crate) fn find(&self, object: &ObjectFile) -> Option<ObjectFile> {
        if object.build_id().is_empty() {
            return None;
        }
        let is_right = |file: &ObjectFile| file.build_id() == object.build_id();
        self.places(object).iter().filter_map(|path| ObjectFile::open(path).ok()).find(is_right)
    }

    /// Opens the file that an object's debugging information shares with others (`.gnu_debugaltlink`).
    pub(crate) fn find_shared(&self, object: &ObjectFile) -> Option<ObjectFile> {
        let link = object.section_bytes(b".gnu_debugaltlink")?;
        let end = link.iter().position(|byte| *byte == 0)?;
        let (name, build_id) = (Path::new(OsStr::from_bytes(&link[..end])), &link[end + 1..]);
        let beside = object.path().parent().map(|folder| folder.join(name));
        let by_id = self.by_build_id(build_id);
        let is_right = |file: &ObjectFile| file.build_id() == build_id;
        by_id.into_iter().chain(beside).filter_map(|path| ObjectFile::open(&path).ok()).find(is_right)
    }

    fn by_build_id(&self, build_id: &[u8]) -> Vec<PathBuf> {
        let hex: String = build_id.iter().map(|byte| format!("{byte:02x}")).collect();
        let Some((first, rest)) = hex.split_at_checked(2) else { return Vec::new() };
        let root = |root: &PathBuf| root.join(".build-id").join(first).join(format!("{rest}.debug"));
        let cache = |cache: &PathBuf| cache.join(&hex).join("debuginfo");
        self.roots.iter().map(root).chain(self.caches.iter().map(cache)).collect()
    }

    fn places(&self, object: &ObjectFile) -> Vec<PathBuf> {
        let mut places = self.by_build_id(object.build_id());
        if let Some(link) = object.section_bytes(b".gnu_debuglink")
            && !self.roots.is_empty()
            && let Some(name) = link.split(|byte| *byte == 0).next().filter(|name| !name.is_empty())
            && let Some(folder) = object.path().parent()
        {
            let name = OsStr::from_bytes(name);
            places.extend([folder.join(name), folder.join(".debug").join(name)]);
            let inside = folder.strip_prefix("/").unwrap_or(folder);
            places.extend(self.roots.iter().map(|root| root.join(inside).join(name)));
        }
        places
    }
}
