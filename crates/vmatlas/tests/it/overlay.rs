//! Programs and files of a container: overlayfs, whose files have a device and a mapping of another file system's behind
//! them.

use crate::guest::{Build, guest};
use crate::recording::Report;
use crate::run::{Run, is_root, vmatlas};
use crate::scratch::Scratch;

/// Where the changes of an overlay go.
#[derive(Clone, Copy, Debug)]
enum Upper {
    /// To the file system that it lies over.
    Same,
    /// To another: then `stat` shows devices that no map shows.
    Other,
}

/// Runs words in a mount namespace where `merged` is an overlay with the guest as `pieces` and a large file as `file`.
/// `None`, said as skipped, if that can't be mounted.
fn over(scratch: &Scratch, upper: Upper, words: &str, moves: &str) -> Option<String> {
    let program = guest("pieces", Build::Dynamic)?;
    if !is_root() {
        println!("SKIPPED: files of an overlay, only root may mount one");
        return None;
    }
    let other = match upper {
        Upper::Same => "true",
        Upper::Other => "mount -t tmpfs none top",
    };
    let script = format!(
        "mkdir -p lower top merged && {other} && mkdir -p top/upper top/work &&\n\
         cp {program} lower/pieces && truncate -s 8M lower/file &&\n\
         mount -t overlay overlay -o lowerdir=lower,upperdir=top/upper,workdir=top/work merged || exit 99\n\
         {vmatlas} {words} -- merged/pieces merged/file {moves}",
        program = program.display(),
        vmatlas = vmatlas().display(),
    );
    let ran = Run::new(scratch, ["unshare", "--mount", "sh", "-c", &script]).alone();
    if ran.shell_status() == 99 {
        println!("SKIPPED: files of an overlay, none can be mounted here: {}", ran.stderr.trim());
        return None;
    }
    assert_eq!((ran.shell_status(), ran.stdout.as_str()), (0, "0 failed\n"), "{upper:?}: {}", ran.stderr);
    Some(ran.stderr)
}

#[test]
fn a_program_of_an_overlay_does_not_diverge() {
    for upper in [Upper::Same, Upper::Other] {
        let Some(report) = over(&Scratch::new("overlay-check"), upper, "check", "moves") else { return };
        assert!(report.contains(" 0 diverged"), "{upper:?}: {report}");
        assert!(report.contains(" 1 execs predicted"), "{upper:?}: {report}");
    }
}

#[test]
fn a_recording_of_an_overlay_holds() {
    for upper in [Upper::Same, Upper::Other] {
        let scratch = Scratch::new("overlay-record");
        let Some(_) = over(&scratch, upper, "record -q -o r.vmatlas", "") else { return };
        Report::open(&scratch.path("r.vmatlas")).assert_held();
    }
}
