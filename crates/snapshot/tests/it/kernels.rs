//! Texts of smaps as other kernels write them: fields that are missing are not known, fields that were added change
//! nothing.

use expect_test::{Expect, expect};
use snapshot::{Amounts, Snapshot, Totals, classify};

/// Every kind with its size and what of its sums is known, in KiB.
fn summary(text: &str) -> String {
    let snapshot = Snapshot::from_maps_text(text.as_bytes()).expect("a good text");
    let leaves = classify(&snapshot);
    let totals = Totals::of(&snapshot, &leaves);
    assert_eq!(totals.all.size, snapshot.mappings.iter().map(|mapping| mapping.range.len()).sum::<u64>());
    let rows = totals.kinds.iter().map(|total| {
        let mark = if total.inferred { " ~" } else { "" };
        line(&format!("{}{mark}", total.kind.slug()), &total.amounts)
    });
    rows.chain([line("total", &totals.all)]).collect()
}

fn line(name: &str, amounts: &Amounts) -> String {
    let kib = |bytes: u64| (bytes / 1024).to_string();
    let sums = amounts.sums.unwrap_or_default();
    let named = [
        ("rss", sums.rss),
        ("pss", sums.pss),
        ("uss", sums.uss),
        ("dirty", sums.dirty),
        ("anonymous", sums.anonymous),
        ("swap", sums.swap),
        ("huge", sums.huge),
        ("huge_possible", sums.huge_possible),
        ("locked", sums.locked),
        ("charged", sums.charged),
    ];
    let known: Vec<String> =
        named.iter().filter_map(|(name, sum)| Some(format!("{name} {}", kib((*sum)?)))).collect();
    format!("{name}: {} KiB in {}; {}\n", kib(amounts.size), amounts.mappings, known.join(" "))
}

fn check(text: &str, expected: &Expect) {
    expected.assert_eq(&summary(text));
    // Every prefix is a text cut off, or none: never a panic.
    for end in 0..text.len() {
        if let Ok(snapshot) = Snapshot::from_maps_text(&text.as_bytes()[..end]) {
            let _ = Totals::of(&snapshot, &classify(&snapshot));
        }
    }
}

#[test]
fn linux_2_6_32_knows_no_anonymous_no_huge_and_no_flags() {
    check(
        include_str!("smaps/linux-2.6.32.txt"),
        &expect![[r#"
        text ~: 20 KiB in 1; rss 16 pss 16 uss 16 dirty 0 swap 0
        data ~: 4 KiB in 1; rss 4 pss 4 uss 4 dirty 4 swap 0
        heap: 132 KiB in 1; rss 20 pss 10 uss 0 dirty 20 swap 96
        main_stack: 84 KiB in 1; rss 12 pss 12 uss 12 dirty 12 swap 0
        vdso: 4 KiB in 1; rss 4 pss 0 uss 0 dirty 0 swap 0
        vsyscall: 4 KiB in 1; rss 0 pss 0 uss 0 dirty 0 swap 0
        total: 248 KiB in 6; rss 56 pss 42 uss 32 dirty 36 swap 96
    "#]],
    );
}

#[test]
fn android_names_its_memory() {
    check(
        include_str!("smaps/android-4.14.txt"),
        &expect![[r#"
            thread_stack: 1008 KiB in 1; rss 24 pss 24 uss 24 dirty 24 anonymous 24 swap 0 locked 0 charged 1008
            stack_guard: 4 KiB in 1; rss 0 pss 0 uss 0 dirty 0 anonymous 0 swap 0 locked 0 charged 4
            arena: 524296 KiB in 2; rss 5128 pss 4104 uss 3080 dirty 5128 anonymous 5128 swap 512 locked 0 charged 524296
            jit_code: 1024 KiB in 1; rss 100 pss 100 uss 100 dirty 100 anonymous 0 swap 0 locked 0 charged 0
            total: 526332 KiB in 5; rss 5252 pss 4228 uss 3204 dirty 5252 anonymous 5152 swap 512 locked 0 charged 525308
        "#]],
    );
}

#[test]
fn fields_and_flags_of_a_later_kernel_change_nothing() {
    check(
        include_str!("smaps/later.txt"),
        &expect![[r#"
        text ~: 8 KiB in 1; rss 8 pss 8 uss 8 dirty 0 anonymous 0 swap 0 huge 0 huge_possible 0 locked 0 charged 0
        arena: 4096 KiB in 1; rss 2048 pss 2048 uss 2048 dirty 2048 anonymous 2048 swap 0 huge 2048 huge_possible 0 locked 2048 charged 4096
        total: 4104 KiB in 2; rss 2056 pss 2056 uss 2056 dirty 2048 anonymous 2048 swap 0 huge 2048 huge_possible 0 locked 2048 charged 4096
    "#]],
    );
}

#[test]
fn what_only_some_fields_tell_is_not_known() {
    check(
        include_str!("smaps/no-flags.txt"),
        &expect![[r#"
        text ~: 4 KiB in 1; rss 4 pss 4
        sysv_shm: 64 KiB in 1; rss 64 pss 32
        shared_anonymous: 64 KiB in 1; rss 0 pss 0
        total: 132 KiB in 3; rss 68 pss 36
    "#]],
    );
}

#[test]
fn a_text_of_maps_tells_sizes_alone() {
    check(
        include_str!("smaps/maps-only.txt"),
        &expect![[r#"
        text ~: 1244 KiB in 3; 
        data ~: 52 KiB in 3; 
        jit_code: 16 KiB in 2; 
        anonymous: 16 KiB in 1; 
        total: 1328 KiB in 9; 
    "#]],
    );
}
