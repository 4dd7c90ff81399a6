//! `vmatlas view`, looked at in a real browser: served, and as one file from disk.

use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use serde_json::Value;

use crate::browser::Browser;
use crate::guest::{Build, guest};
use crate::run::{Run, User, has, vmatlas};
use crate::scratch::Scratch;

/// A browser; `None`, said as skipped, where there is none.
fn a_browser() -> Option<Browser> {
    (has("chromedriver") && has("chromium")).then(Browser::start)
}

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

/// Where an element is: its left edge, its width, the height of its middle.
fn place(browser: &Browser, id: &str) -> (i64, i64, i64) {
    let number = |what: &str| browser.value(&format!("Math.round({what})")).as_i64().expect("a number");
    let bounds = format!("document.getElementById('{id}').getBoundingClientRect()");
    let left = number(&format!("{bounds}.left"));
    let width = number(&format!("{bounds}.width"));
    (left, width, number(&format!("{bounds}.top + {bounds}.height / 2")))
}

/// What is asked of the server must be answered before the next step.
fn answered(browser: &Browser) {
    // What was just set becomes a question in the next frame, or when the page is at rest.
    browser
        .value("new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(() => done(true))))");
    browser.until("!/asking|unsettled/.test(document.documentElement.className)");
}

/// Uses the page as a person would, and holds what it shows against the report.
fn use_page(browser: &Browser, report: &Value) {
    numbers(browser, report);
    scrub_and_zoom(browser);
    select_and_search(browser);
    tabs(browser, report);
    assert_eq!(browser.complaints(), Vec::<String>::new());
}

/// The numbers of the overview, the map and the flame graph are the report's.
fn numbers(browser: &Browser, report: &Value) {
    let text = |selector: &str| browser.value(&format!("document.querySelector('{selector}').innerText"));
    let cards = browser.value(
        "[...document.querySelectorAll('.card b')].slice(2).map((b) => b.innerText.replaceAll(',', ''))",
    );
    let (run, findings) = (&report["run"], report["findings"].as_array().map_or(0, Vec::len));
    let both = format!("{} / {}", run["processes"], run["threads"]);
    let counts = [&report["memory"]["total"]["mappings"], &run["calls"], &run["faults"]["recorded"]];
    let [mappings, calls, faults] = counts.map(Value::to_string);
    assert_eq!(cards, serde_json::json!([mappings, calls, faults, both, findings.to_string()]));
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
    answered(browser);
    browser.until(&format!("document.querySelectorAll('#panel tr.link').length === {count}"));
    if browser.value("VM.source.isServer") == true {
        let ask = "VM.source.map({ mm: VM.state.mm, at: Math.round(VM.state.now) })";
        let kinds = browser.value(&format!("{ask}.then((map) => map.kinds)"));
        let groups = report["memory"]["groups"].as_array().expect("a list");
        let told: Vec<Value> = groups
            .iter()
            .flat_map(|group| group["kinds"].as_array().expect("a list"))
            .map(|kind| serde_json::json!([kind["kind"], kind["size"], kind["resident"]]))
            .collect();
        assert_eq!(kinds, Value::Array(told), "size and resident bytes of each kind");
    }
    let ask =
        "VM.source.flame({ mm: VM.state.mm, from: 0, to: Math.round(VM.state.now), measure: 'mapped' })";
    let mapped = browser.value(&format!("{ask}.then((answer) => answer.root.value)"));
    assert_eq!(mapped, report["memory"]["total"]["size"], "all that is mapped is in the flame graph");
    // A process has a lane, and no thread of it outlives it.
    let lanes =
        browser.value("VM.overview.threads.every((t) => t.from_ns <= t.to_ns && t.to_ns <= VM.duration)");
    assert_eq!(lanes, true);
}

fn scrub_and_zoom(browser: &Browser) {
    // A drag over the timeline moves the cursor and selects a span.
    let (left, width, _) = place(browser, "timeline");
    let y = browser.value("Math.round(document.getElementById('timeline').getBoundingClientRect().top + 30)");
    let y = y.as_i64().expect("a number");
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
    answered(browser);
}

fn select_and_search(browser: &Browser) {
    // A click on the largest band of the heap selects it and tells its story.
    let spot = browser.run(
        "const r = VM.rects.filter((r) => r.kind === 'heap').sort((a, b) => b.size * (b.to_ns - b.from_ns) - a.size * (a.to_ns - a.from_ns))[0];\n\
         VM.set({ selected: null, low: VM.heightOf(r.start), high: VM.heightOf(r.start + r.size) }); return (r.from_ns + r.to_ns) / 2 / VM.duration;",
    );
    let part = spot.as_f64().expect("there is a heap");
    browser.until("VM.state.high < 1");
    let (left, width, y) = place(browser, "atlas");
    let x = left + (width as f64 * part) as i64;
    browser.drag((x, y), (x, y));
    browser
        .until("VM.state.tab === 'story' && VM.state.selected !== null && VM.state.selected.kind === 'heap'");
    answered(browser);
    browser.until("document.querySelectorAll('#panel ol.story li').length > 0");
    browser.until("document.querySelector('#panel').innerText.includes('[heap]')");
    growth_and_stacks(browser);
    // The search fades what does not match, and goes from hit to hit.
    browser.press(&["0", "/"]);
    browser.press(&["h", "e", "a", "p", "\u{e007}"]);
    browser.until("VM.state.query === 'heap' && !VM.rects.every(VM.matches) && VM.rects.some(VM.matches)");
    browser.until("document.getElementById('hits').innerText.startsWith('1 of ')");
    browser.run("document.activeElement.blur();");
    browser.press(&["n"]);
    browser.until("/^[12] of /.test(document.getElementById('hits').innerText)");
    browser.press(&["N"]);
    browser.until("document.getElementById('hits').innerText.startsWith('1 of ')");
    assert_eq!(browser.value("VM.matches(VM.state.selected)"), true);
    answered(browser);
    browser.press(&["/", "\u{e00c}"]);
    browser.run("VM.$('search').value = ''; VM.set({ query: '' });");
    browser.until("VM.state.query === '' && VM.rects.every(VM.matches)");
}

/// The heap grows band by band; a stack tells who was on it; a part of a file its section.
fn growth_and_stacks(browser: &Browser) {
    let grows = "VM.rects.filter((r) => r.kind === 'heap').sort((a, b) => a.from_ns - b.from_ns)\
                 .some((r, i, all) => i > 0 && r.start === all[i - 1].start && r.size > all[i - 1].size && r.from_ns === all[i - 1].to_ns)";
    assert_eq!(
        browser.value(grows),
        true,
        "no two bands of the heap, one after another, the later one larger"
    );
    let is_served = browser.value("VM.source.isServer") == true;
    for (kind, told) in [("main_stack", "On this stack"), ("text", "Sections in this mapping")] {
        browser.run(&format!(
            "const now = VM.overview.peak_ns; const r = VM.aliveAt(now).find((r) => r.kind === '{kind}'); VM.select(r, r.start + r.size - 1, now);"
        ));
        answered(browser);
        browser.until(&format!("VM.state.selected !== null && VM.state.selected.kind === '{kind}'"));
        browser.until("document.querySelector('#panel').innerText.includes('This address over time')");
        if is_served {
            browser.until(&format!("document.querySelector('#panel').innerText.includes('{told}')"));
        }
    }
}

fn tabs(browser: &Browser, report: &Value) {
    // Two marks make a comparison.
    let within = |part: f64| {
        // Of the memory shown: it may live for a small part of the run.
        let life = "VM.overview.memories.find((memory) => memory.mm === VM.state.mm)";
        let now = format!("life.from_ns + (life.to_ns - life.from_ns) * {part}");
        browser.run(&format!("const life = {life}; VM.set({{ now: {now} }});"));
    };
    browser.run("VM.set({ marks: [] });");
    within(0.1);
    browser.press(&["m"]);
    within(0.9);
    browser.press(&["m", "4"]);
    browser.until("document.querySelectorAll('#panel table tr').length > 1");
    // What the report finds is told.
    browser.press(&["5"]);
    let found = report["findings"].as_array().map_or(0, Vec::len);
    browser.until(&format!("document.querySelectorAll('#panel .finding').length === {found}"));
    // Help opens and closes.
    browser.press(&["?"]);
    browser.until("document.getElementById('help').open");
    browser.press(&["\u{e00c}"]);
    browser.until("!document.getElementById('help').open");
    // Light and dark.
    let theme = browser.value("document.documentElement.dataset.theme");
    browser.press(&["t"]);
    browser.until(&format!("document.documentElement.dataset.theme !== {theme}"));
    // At the very end the process may have ended: that is no failure.
    browser.run("VM.set({ now: VM.duration });");
    for tab in ["3", "6", "2", "1"] {
        browser.press(&[tab]);
        answered(browser);
    }
    browser.until("document.querySelector('#panel').dataset.tab === 'map'");
}

#[test]
fn a_recording_served_and_from_disk() {
    let Some(browser) = a_browser() else { return };
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
    let Some(browser) = a_browser() else { return };
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
