//! On which device the files of a mount are, as a map shows it.
//!
//! A map prints the device of the file system (`fs/proc/task_mmu.c: show_map_vma`). `stat` prints what the file system says
//! of the file, and that can be another: overlayfs gives a device to each layer (`fs/overlayfs/inode.c:
//! ovl_map_dev_ino`), btrfs one to each subvolume. A process's list of mounts has the one of the map
//! (`fs/proc_namespace.c: show_mountinfo`).

use std::collections::HashMap;
use std::fs;

use abi::{DevId, Tid};

/// Mounts remembered.
const MOUNTS_MAX: usize = 1 << 12;

/// The devices of mounts. A mount has a number that is never given again, and its device is one for ever.
#[derive(Debug, Default)]
pub(crate) struct Mounts {
    devices: HashMap<u64, DevId>,
}

/// A mount by its numbers.
#[derive(Clone, Copy, Debug)]
pub(super) struct Mount {
    /// The one that is never given again, where the kernel has it.
    pub(super) unique: Option<u64>,
    /// The one of the list of mounts, which another mount may have later.
    pub(super) listed: u64,
}

impl Mounts {
    /// The device of a mount that a thread's file is on. `None` if the mount is in neither the thread's list nor ours.
    pub(super) fn device(&mut self, tid: Tid, mount: Mount) -> Option<DevId> {
        if let Some(device) = mount.unique.and_then(|unique| self.devices.get(&unique)) {
            return Some(*device);
        }
        let lists = [format!("/proc/{tid}/mountinfo"), "/proc/self/mountinfo".to_owned()];
        let texts = lists.iter().filter_map(|list| fs::read_to_string(list).ok());
        let device = texts.into_iter().find_map(|text| listed(&text, mount.listed))?;
        if let Some(unique) = mount.unique {
            if self.devices.len() >= MOUNTS_MAX {
                self.devices.clear();
            }
            self.devices.insert(unique, device);
        }
        Some(device)
    }
}

/// The device of a mount in a list of them.
fn listed(text: &str, mount: u64) -> Option<DevId> {
    text.lines().find_map(|line| {
        let mut words = line.split(' ');
        (words.next()?.parse() == Ok(mount)).then_some(())?;
        let (major, minor) = words.nth(1)?.split_once(':')?;
        Some(DevId { major: major.parse().ok()?, minor: minor.parse().ok()? })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mount_has_the_device_of_its_line() {
        let text = "\
22 27 0:21 / /proc rw,relatime - proc proc rw
27 1 254:16 / / rw,relatime - ext4 /dev/vda rw
2 27 0:40 / /a\\040b rw - overlay overlay rw,lowerdir=/l
";
        assert_eq!(listed(text, 27), Some(DevId { major: 254, minor: 16 }));
        assert_eq!(listed(text, 2), Some(DevId { major: 0, minor: 40 }));
        assert_eq!(listed(text, 1), None);
        assert_eq!(listed("27\n27 1\n27 1 x:y / /", 27), None);
    }

    #[test]
    fn the_mount_of_our_own_file_is_on_the_device_of_its_line() {
        let tid = Tid(std::process::id() as i32);
        let text = fs::read_to_string("/proc/self/mountinfo").expect("ours");
        let first: u64 = text.split(' ').next().and_then(|word| word.parse().ok()).expect("a mount");
        let device = listed(&text, first);
        let mut mounts = Mounts::default();
        assert_eq!(mounts.device(tid, Mount { unique: Some(7), listed: first }), device);
        assert_eq!(
            mounts.device(tid, Mount { unique: Some(7), listed: u64::MAX }),
            device,
            "it is remembered"
        );
        assert_eq!(mounts.device(tid, Mount { unique: None, listed: u64::MAX }), None);
    }
}
