//! `/proc/sysvipc/shm`: the System V segments of an IPC namespace.

/// A segment (`ipc/shm.c: sysvipc_shm_proc_show`).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct SysvShmRow {
    /// Its key; 0 for `IPC_PRIVATE`.
    pub key: u32,
    /// Its id, which is also the inode that maps shows.
    pub id: u64,
    /// Its size in bytes.
    pub bytes: u64,
    /// How many mappings it has, in all processes.
    pub attached: u64,
}

/// Reads the segments; lines that are not of such a text are passed over.
pub fn sysv_shm(text: &[u8]) -> impl Iterator<Item = SysvShmRow> {
    text.split(|byte| *byte == b'\n').filter_map(|line| {
        let line = std::str::from_utf8(line).ok()?;
        let mut words = line.split_ascii_whitespace();
        // The key is printed as a signed number.
        let key = words.next()?.parse::<i64>().ok()? as u32;
        let id = words.next()?.parse().ok()?;
        let bytes = words.nth(1)?.parse().ok()?;
        let attached = words.nth(2)?.parse().ok()?;
        Some(SysvShmRow { key, id, bytes, attached })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn segments_are_read_and_the_heading_is_not_one() {
        let text = b"       key      shmid perms                  size  cpid  lpid nattch   uid   gid  cuid  cgid      \
            atime      dtime      ctime                   rss                  swap\n\
            \x20-559038737          3  1600                 65536  4190  4191      2     0     0     0     0 1 2 3 0 0\n\
            \x20        0         32770  1600                  4096  4190  4191      0     0     0     0     0 1 2 3 0 0\n\
            cut off -1";
        let rows: Vec<SysvShmRow> = sysv_shm(text).collect();
        assert_eq!(
            rows,
            [
                SysvShmRow { key: 0xdead_beef, id: 3, bytes: 65536, attached: 2 },
                SysvShmRow { key: 0, id: 32770, bytes: 4096, attached: 0 },
            ]
        );
    }
}
