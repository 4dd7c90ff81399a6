//! `smaps ADDR`: the twin's text alone, and beside the kernel's, which says the same of anonymous memory.

use lab::{Child, LabError, On, Session, Shown};

const LINES: [&str; 5] =
    ["a = mmap 64K rw private anon", "touch a 16K", "c = fork", "c: write a \"x\"", "smaps a"];

fn text_on(on: On) -> Result<String, LabError> {
    let mut session = Session::start(on, Child::Alone)?;
    let mut last = String::new();
    for (number, line) in LINES.into_iter().enumerate() {
        let report = session.line(number + 1, line);
        assert!(report.trouble.is_none(), "{line}: {:?}", report.trouble);
        if let Some(Shown::Text(text)) = report.shown.into_iter().next_back() {
            last = text;
        }
    }
    Ok(last)
}

#[test]
fn a_twin_alone_says_what_smaps_would() {
    let text = text_on(On::Twin).expect("a twin");
    assert!(text.contains(" rw-p 00000000 00:00 0 \nSize:                 64 kB\n"), "{text}");
    // Three of the four pages are shared with the child.
    assert!(text.contains("\nRss:                  16 kB\nPss:                  10 kB\n"), "{text}");
    assert!(text.ends_with("\nVmFlags: rd wr mr mw me ac "), "{text}");
}

#[test]
fn the_kernel_says_the_same() {
    let both = match text_on(On::Both) {
        Ok(text) => text,
        Err(LabError::Setup(why)) => return println!("SKIPPED: the kernel's smaps, {why}"),
        Err(error) => panic!("{error}"),
    };
    assert!(!both.contains("twin"), "{both}");
    let without_place = |text: &str| text.split_once('\n').map(|(_, fields)| fields.to_owned());
    assert_eq!(without_place(&both), without_place(&text_on(On::Twin).expect("a twin")));
}
