//! Each chain equals what the guest's source says.

use abi::VirtAddr;
use stacks::{Chain, End, PerfMap};

use crate::guest::{Dump, Folder, build};

/// The ways to compile C that change how frames are found.
const FLAGS: [&[&str]; 5] = [
    &["-O2", "-fomit-frame-pointer"],
    &["-O2", "-fno-omit-frame-pointer"],
    &["-O0"],
    &["-O3", "-fomit-frame-pointer", "-mpush-args"],
    &["-O2", "-static"],
];

/// Drops what the C library calls before main.
fn from_main(names: &[String]) -> &[String] {
    let main = names.iter().position(|name| name == "main").expect("main is reached");
    assert!(names.len() > main + 1, "the chain goes on to its root: {names:?}");
    &names[..=main]
}

fn names_to_root(dump: &Dump) -> Vec<String> {
    let chain = dump.unwind(usize::MAX);
    let names = dump.names(&chain);
    assert_eq!(chain.end, End::Root, "{names:?}");
    assert_eq!(names.last().map(String::as_str), Some("_start"));
    from_main(&names).to_vec()
}

#[test]
fn c_with_and_without_frame_pointers() {
    for flags in FLAGS {
        let folder = Folder::new();
        let Some(program) = build(&folder, "plain.c", flags) else { return };
        let names = names_to_root(&Dump::of(&program, &[]));
        assert_eq!(names, ["dump_stack", "leaf", "inner", "middle", "outer", "main"], "{flags:?}");
    }
}

#[test]
fn with_two_registers_a_chain_is_the_same() {
    for flags in FLAGS {
        let folder = Folder::new();
        let Some(program) = build(&folder, "plain.c", flags) else { return };
        let dump = Dump::of(&program, &[]);
        let (whole, chain) = (dump.unwind(usize::MAX), dump.unwind_waiting());
        assert_eq!(chain, whole, "{flags:?}");
    }
    for (source, flags) in [
        ("plain.c", &["-O0", "-fno-optimize-sibling-calls"][..]),
        ("generic.rs", &["-C", "force-frame-pointers=yes"]),
        ("inlined.cpp", &["-fno-omit-frame-pointer"]),
        ("thread.c", &["-fno-omit-frame-pointer"]),
    ] {
        let folder = Folder::new();
        let Some(program) = build(&folder, source, flags) else { return };
        let dump = Dump::of(&program, &["500"]);
        assert_eq!(dump.unwind_waiting(), dump.unwind(usize::MAX), "{source}");
    }
}

#[test]
fn recursion_of_500_frames_and_its_cuts() {
    let folder = Folder::new();
    let Some(program) = build(&folder, "plain.c", &["-fno-optimize-sibling-calls"]) else { return };
    let dump = Dump::of(&program, &["500"]);
    let names = names_to_root(&dump);
    assert_eq!(names.iter().filter(|name| *name == "middle").count(), 500);
    assert_eq!(names.len(), 505);
    let whole = dump.unwind(usize::MAX);
    let mut last = 0;
    for bytes in [0, 8, 2 << 10, 16 << 10] {
        let Chain { frames, stack, end } = dump.unwind(bytes);
        assert_eq!(frames.len(), stack.len());
        assert!(matches!(end, End::Cut { .. }), "{bytes} bytes: {end:?}");
        assert_eq!(frames, whole.frames[..frames.len()], "a cut chain is the innermost part of the whole");
        assert!(frames.len() > last, "{bytes} bytes: {} frames", frames.len());
        last = frames.len();
    }
}

#[test]
fn rust() {
    let folder = Folder::new();
    let Some(program) = build(&folder, "generic.rs", &[]) else { return };
    let names = names_to_root(&Dump::of(&program, &[]));
    let own: Vec<&str> = names.iter().map(String::as_str).filter(|name| name.contains("generic::")).collect();
    let expected = [
        "<generic::Walker as generic::Visit>::visit",
        "generic::generic::<dyn generic::Visit>",
        "generic::main::{closure#0}",
        "generic::with::<generic::main::{closure#0}>",
        "generic::main",
    ];
    // The older scheme of names leaves type arguments out.
    let older = [
        "<generic::Walker as generic::Visit>::visit",
        "generic::generic",
        "generic::main::{{closure}}",
        "generic::with",
        "generic::main",
    ];
    assert!(own == expected || own == older, "{own:?}");
}

#[test]
fn cpp_with_inlining() {
    let folder = Folder::new();
    let Some(program) = build(&folder, "inlined.cpp", &[]) else { return };
    let names = names_to_root(&Dump::of(&program, &[]));
    let expected = [
        "dump_stack",
        "(innermost)",
        "(between)",
        "shapes::Square<double>::area(int) const",
        "shapes::total(shapes::Shape const&, std::__cxx11::basic_string<char, std::char_traits<char>, \
         std::allocator<char> > const&)",
        "main",
    ];
    // A function that is only ever inlined has no symbol, so its information says no more than the bare name.
    assert_eq!(names, expected);
}

#[test]
fn a_handler_on_a_stack_of_its_own() {
    let folder = Folder::new();
    let Some(program) = build(&folder, "signal.c", &[]) else { return };
    let dump = Dump::of(&program, &[]);
    let names = names_to_root(&dump);
    let frame = names.iter().position(|name| name == "interrupted").expect("the interrupted function");
    // Between the two is what the C library lets the handler return to.
    let without = [&names[..frame - 1], &names[frame..]].concat();
    assert_eq!(without, ["dump_stack", "in_handler", "handler", "interrupted", "outer", "main"]);
}

#[test]
fn a_thread_begins_at_its_start() {
    let folder = Folder::new();
    let Some(program) = build(&folder, "thread.c", &[]) else { return };
    let dump = Dump::of(&program, &[]);
    let chain = dump.unwind(usize::MAX);
    let names = dump.names(&chain);
    assert_eq!(chain.end, End::Root, "{names:?}");
    assert_eq!(names[..3], ["dump_stack", "worker", "start"]);
    assert!(names.len() > 3, "the library's own first functions follow: {names:?}");
}

#[test]
fn code_made_while_the_program_runs() {
    let folder = Folder::new();
    let Some(program) = build(&folder, "jit.c", &["-fno-omit-frame-pointer"]) else { return };
    let list = folder.0.join("perf.map");
    let dump = Dump::of(&program, &[list.to_str().expect("a plain path")]);
    let chain = dump.unwind(usize::MAX);
    let map = PerfMap::parse(&std::fs::read(&list).expect("the guest wrote it"));
    let mut names = dump.names(&chain);
    for (no, name) in names.iter_mut().enumerate().filter(|(_, name)| *name == "?") {
        let inside = VirtAddr(chain.frames[no].0 - 1);
        *name = map.find(inside).unwrap_or("?").to_owned();
    }
    assert_eq!(chain.end, End::Root, "{names:?}");
    assert_eq!(from_main(&names), ["dump_stack", "callee", "JS:*compiled /app/index.js:1:1", "main"]);
}
