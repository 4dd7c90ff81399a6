//! What `vmatlas top` takes of a processor, in a terminal of this program's own.

use std::fs::File;
use std::io::Read;
use std::os::fd::{FromRawFd, OwnedFd};
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use anyhow::{Result, ensure};

use super::processor_time;
use crate::map::Guest;

/// Until the first refreshes are done.
const BEFORE: Duration = Duration::from_secs(3);
/// How long it is watched.
const WATCHED: Duration = Duration::from_secs(30);

/// The share of one processor, in per cent, of `top` that refreshes once a second a process of 1,000 mappings.
pub fn percent(binary: &Path) -> Result<f64> {
    let guest = Guest::start(&["mappings", "1000"])?;
    let (master, slave) = terminal(120, 40)?;
    let mut command = Command::new(binary);
    command.args(["top", "--interval", "1", &guest.pid()]);
    command.stdin(slave.try_clone()?).stdout(slave.try_clone()?).stderr(slave);
    let mut child = command.spawn()?;
    drop(command);
    // What it draws is taken, or it would wait.
    std::thread::spawn(move || {
        let mut screen = File::from(master);
        let mut piece = [0; 65536];
        while screen.read(&mut piece).is_ok_and(|count| count > 0) {}
    });
    let measured = (|| {
        std::thread::sleep(BEFORE);
        let before = processor_time(child.id())?;
        std::thread::sleep(WATCHED);
        ensure!(child.try_wait()?.is_none(), "top has ended");
        Ok((processor_time(child.id())? - before).as_secs_f64() / WATCHED.as_secs_f64() * 100.0)
    })();
    let _ = child.kill();
    let _ = child.wait();
    measured
}

fn terminal(columns: u16, rows: u16) -> Result<(OwnedFd, OwnedFd)> {
    let (mut master, mut slave) = (-1, -1);
    let size = libc::winsize { ws_row: rows, ws_col: columns, ws_xpixel: 0, ws_ypixel: 0 };
    // SAFETY: two numbers are written, the size is read; all three are there.
    let done =
        unsafe { libc::openpty(&mut master, &mut slave, std::ptr::null_mut(), std::ptr::null(), &size) };
    ensure!(done == 0, "openpty: {}", std::io::Error::last_os_error());
    // SAFETY: openpty has opened it, and nothing else owns it.
    let master = unsafe { OwnedFd::from_raw_fd(master) };
    // SAFETY: as above.
    let slave = unsafe { OwnedFd::from_raw_fd(slave) };
    Ok((master, slave))
}
