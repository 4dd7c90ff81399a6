//! `vmatlas view`, looked at in a real browser: served, and as one file from disk.

use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use serde_json::Value;

use crate::browser::Browser;
use crate::guest::{Build, guest};
use crate::run::{Run, User, vmatlas};
use crate::scratch::Scratch;

/// A server that ends with the test.
struct Serving(Child, String);

impl Serving {
    fn of(recording: &Path) -> Self {
        let mut child = Command::new(vmatlas())
            .args([Path::new("view"), Path::new("--no-open"), recording])
            .stdout(Stdio::piped())
            .spawn()
            .expect("our own binary");
        let mut url = String::new();
        BufReader::new(child.stdout.take().expect("a pipe"))
            .read_line(&mut url)
            .expect("it prints its address");
        Self(child, url.trim().to_owned())
    }
}

impl Drop for Serving {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn record(scratch: &Scratch, command: &[&str]) -> PathBuf {
    let file = scratch.path("run.vmatlas");
    let head = [
        vmatlas().as_os_str(),
        "record".as_ref(),
        "-q".as_ref(),
        "-o".as_ref(),
        file.as_os_str(),
        "--".as_ref(),
    ];
    let words = head.into_iter().chain(command.iter().map(AsRef::as_ref));
    let ran = Run::new(scratch, words).user(User::Same).alone();
    assert_eq!(ran.shell_status(), 0, "{}", ran.stderr);
    file
}

fn report(scratch: &Scratch, recording: &Path) -> Value {
    let words = [vmatlas(), Path::new("report"), Path::new("--json"), recording];
    let ran = Run::new(scratch, words).alone();
    serde_json::from_str(&ran.stdout).expect("JSON")
}

/// Uses the page as a person would, and holds what it shows against the report.
fn use_page(browser: &Browser, report: &Value) {
    let text = |selector: &str| browser.value(&format!("document.querySelector('{selector}').innerText"));
    // The numbers of the overview are the report's.
    let calls = report["run"]["calls"].as_u64().expect("a count");
    let digits = browser.value("document.querySelectorAll('.card b')[3].innerText.replaceAll(',', '')");
    assert_eq!(digits, calls.to_string());
    let peak = &report["memory"]["peak_resident"];
    assert_eq!(browser.value("VM.state.now"), peak["time_ns"], "the cursor begins at the peak");
    assert_eq!(text("#proof").as_str().map(|line| line.starts_with("twin: ")), Some(true));
    // The map at the peak adds up to the report's mappings and size.
    browser.press(&["1"]);
    browser.until("document.querySelectorAll('#panel tr.link').length > 5");
    let alive = browser.value("VM.aliveAt(VM.state.now).reduce((sum, r) => sum + r.size, 0)");
    assert_eq!(alive, report["memory"]["total"]["size"]);
    let count = browser.value("VM.aliveAt(VM.state.now).length");
    assert_eq!(count, report["memory"]["total"]["mappings"]);
    // Scrubbing: a drag over the timeline moves the cursor and selects a span.
    let middle = |id: &str| {
        let number = |what: &str| browser.value(&format!("Math.round({what})")).as_i64().expect("a number");
        let bounds = format!("document.getElementById('{id}').getBoundingClientRect()");
        let left = number(&format!("{bounds}.left"));
        let width = number(&format!("{bounds}.width"));
        (left, width, number(&format!("{bounds}.top + {bounds}.height / 2")))
    };
    let (left, width, y) = middle("timeline");
    browser.drag((left + width / 4, y), (left + width / 2, y));
    browser.until("VM.state.span !== null && VM.state.now > VM.state.span[0]");
    // The wheel zooms, 0 shows everything again.
    browser.wheel((left + width / 2, y), -300);
    browser.until("VM.state.to - VM.state.from < VM.duration * 0.95");
    browser.press(&["0"]);
    browser.until("VM.state.to - VM.state.from === VM.duration");
    // Arrows go from change to change.
    let before = browser.value("VM.state.now");
    browser.press(&["\u{e014}"]);
    browser.until(&format!("VM.state.now > {before}"));
    // A click selects a band and tells its story.
    let spot = browser.run(
        "const r = VM.rects.filter((r) => r.kind === 'heap').sort((a, b) => (b.to_ns - b.from_ns) - (a.to_ns - a.from_ns))[0];\n\
         VM.select(r, r.start, r.from_ns + (r.to_ns - r.from_ns) / 2); return r.start;",
    );
    assert!(spot.as_u64().is_some(), "there is a heap");
    browser.until("document.querySelectorAll('#panel ol.story li').length > 0");
    let (left, width, y) = middle("atlas");
    browser.drag((left + width / 2, y), (left + width / 2, y));
    browser.until("VM.state.tab === 'story' || VM.state.selected === null");
    // The search fades what does not match.
    browser.press(&["/"]);
    browser.press(&["h", "e", "a", "p"]);
    browser.until("VM.state.query === 'heap' && !VM.rects.every(VM.matches) && VM.rects.some(VM.matches)");
    browser.press(&["\u{e00c}"]);
    // Two marks make a comparison.
    browser.run("document.activeElement.blur(); VM.set({ now: VM.duration * 0.1, marks: [] });");
    browser.press(&["m"]);
    browser.run("VM.set({ now: VM.duration * 0.9 });");
    browser.press(&["m", "4"]);
    browser.until("document.querySelectorAll('#panel table tr').length > 1");
    // Light and dark.
    let theme = browser.value("document.documentElement.dataset.theme");
    browser.press(&["t"]);
    browser.until(&format!("document.documentElement.dataset.theme !== {theme}"));
    for tab in ["3", "5", "6", "2", "1"] {
        browser.press(&[tab]);
        // What is asked of the server must be answered before it may end.
        browser.until("!document.documentElement.classList.contains('asking')");
    }
    assert_eq!(browser.complaints(), Vec::<String>::new());
}

#[test]
fn a_recording_served_and_from_disk() {
    let Some(browser) = Browser::start() else { return };
    let scratch = Scratch::new("view");
    let recording =
        record(&scratch, &["python3", "-c", "import json, sqlite3; x = [bytes(100000) for _ in range(200)]"]);
    let report = report(&scratch, &recording);
    let serving = Serving::of(&recording);
    browser.open(&serving.1);
    use_page(&browser, &report);
    for url in browser.requests() {
        let is_ours = url.starts_with(&serving.1) || url.starts_with("data:");
        assert!(is_ours, "the page asked for {url}");
    }
    drop(serving);
    let page = scratch.path("page.html");
    let words = [vmatlas(), Path::new("view"), &recording, Path::new("--html"), &page];
    let ran = Run::new(&scratch, words).alone();
    assert_eq!(ran.shell_status(), 0, "{}", ran.stderr);
    let bytes = std::fs::metadata(&page).expect("it was written").len();
    assert!(bytes < 5 << 20, "{bytes} bytes");
    let again = Run::new(&scratch, words).alone();
    assert_eq!(again.shell_status(), 1, "nothing is overwritten");
    let url = format!("file://{}", page.display());
    browser.open(&url);
    use_page(&browser, &report);
    let asked: Vec<String> = browser.requests().into_iter().filter(|asked| *asked != url).collect();
    assert_eq!(asked, Vec::<String>::new(), "a page from disk asks for nothing");
}

#[test]
fn hostile_names_are_text() {
    let Some(browser) = Browser::start() else { return };
    let Some(program) = guest("hostile_names", Build::Dynamic) else { return };
    let scratch = Scratch::new("hostile");
    let long = "<script>document.title='caught'</script>".repeat(2500);
    let recording = record(&scratch, &[&program.display().to_string(), &long]);
    let page = scratch.path("page.html");
    let words = [vmatlas(), Path::new("view"), &recording, Path::new("--html"), &page];
    assert_eq!(Run::new(&scratch, words).alone().shell_status(), 0);
    let serving = Serving::of(&recording);
    for url in [serving.1.clone(), format!("file://{}", page.display())] {
        browser.open(&url);
        assert_eq!(browser.value("VM.names.some((name) => name.includes('<img src=x onerror='))"), true);
        browser.run(
            "const r = VM.rects.find((r) => VM.nameOf(r).includes('<img')); VM.select(r, r.start, r.from_ns);",
        );
        browser.until("document.querySelector('#panel').innerText.includes('<img src=x')");
        assert_eq!(browser.value("document.querySelectorAll('img, iframe, #panel script').length"), 0);
        assert_ne!(browser.value("document.title"), "caught");
        assert_eq!(browser.value("window.caught === undefined"), true);
        assert_eq!(browser.complaints(), Vec::<String>::new());
    }
}
