//! The one table of what a line can say: help, completion and hints come from it.

/// What a line can say.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Verb {
    /// Its word.
    pub name: &'static str,
    /// What stands behind it.
    pub usage: &'static str,
    /// What it does.
    pub about: &'static str,
    /// A line with it.
    pub example: &'static str,
    /// Whether its answer can have a name.
    pub gives: bool,
}

macro_rules! verbs {
    ($( $name:literal $gives:literal $usage:literal $about:literal $example:literal; )*) => {
        /// Everything that a line can say.
        pub const VERBS: &[Verb] = &[ $( Verb {
            name: $name,
            usage: $usage,
            about: $about,
            example: $example,
            gives: $gives,
        } ),* ];
    };
}

verbs! {
    "mmap" true "LEN PROT private|shared anon|FILE[@OFFSET] [at ADDR] [FLAG...]" "maps memory; PROT is letters of rwx, or none" "a = mmap 64K rw private anon";
    "munmap" false "ADDR LEN" "unmaps a range" "munmap a 4K";
    "mprotect" false "ADDR LEN PROT [growsdown]" "changes the protection of a range" "mprotect a+4K 4K r";
    "mremap" true "ADDR OLD-LEN NEW-LEN [maymove] [dontunmap] [to ADDR]" "grows, shrinks or moves a mapping" "b = mremap a 64K 128K maymove";
    "madvise" false "ADDR LEN ADVICE" "advises the kernel: dontneed, free, populate_write, ..." "madvise a 64K dontneed";
    "mlock" false "ADDR LEN [onfault]" "locks a range in memory" "mlock a 4K";
    "munlock" false "ADDR LEN" "unlocks a range" "munlock a 4K";
    "mlockall" false "[current] [future] [onfault]" "locks everything" "mlockall current";
    "munlockall" false "" "unlocks everything" "munlockall";
    "msync" false "ADDR LEN [sync] [async] [invalidate]" "writes shared file pages back" "msync a 4K sync";
    "mincore" false "ADDR LEN" "tells which pages are in memory" "mincore a 64K";
    "mseal" false "ADDR LEN" "seals mappings against change, for good" "mseal a 4K";
    "brk" true "[ADDR | +LEN | -LEN]" "moves the end of the heap, or tells it" "brk +64K";
    "limit" false "as|data|stack|memlock = SIZE|unlimited" "sets a resource limit of the process" "limit as = 1G";
    "touch" false "ADDR [LEN]" "stores a byte into each page of a range" "touch a 64K";
    "load" false "ADDR [LEN]" "loads a byte of each page of a range" "load a 64K";
    "read" false "ADDR|FILE@OFFSET LEN" "reads bytes of memory, or of a file as another process sees it" "read a 5";
    "write" false "ADDR|FILE@OFFSET \"TEXT\"" "writes bytes to memory, or to a file" "write a+4096 \"hello\"";
    "fill" false "ADDR|FILE@OFFSET LEN BYTE" "writes a byte again and again" "fill a 4K 0x2a";
    "exec" false "ADDR" "fetches and executes one harmless instruction" "exec a";
    "file" true "SIZE|\"TEXT\" [memfd] [readonly|writeonly]" "makes a file, of the alphabet or of a text, and opens it" "f = file 10000";
    "open" true "FILE [readonly|writeonly]" "opens a file once more" "g = open f readonly";
    "truncate" false "FILE SIZE" "gives a file another size" "truncate f 4K";
    "fork" true "" "makes a child process" "c = fork";
    "thread" true "[STACK-LEN]" "makes a thread with a stack and a guard page of its own" "t = thread 256K";
    "exit" false "" "ends the present process" "c: exit";
    "switch" false "NAME" "lets another process or thread do the next lines; main is first" "switch c";
    "call" false "FUNCTION BYTES" "sets a frame up on the present thread's stack" "call f 256";
    "return" false "" "gives the last frame back" "return";
    "malloc" true "BYTES" "allocates with the child's C library; shows the calls it makes" "p = malloc 100";
    "free" false "ADDR" "gives a block of malloc back" "free p";
    "maps" false "" "shows the map" "maps";
    "pages" false "ADDR LEN" "shows the state of each page" "pages a 64K";
    "smaps" false "ADDR" "shows what smaps says of the mapping there, and the twin beside" "smaps a";
    "why" false "" "shows the reasons of the last answer, which the twin can tell" "why";
    "frames" false "" "shows the frames on the present stack" "frames";
    "elf" false "" "shows the program headers and sections of the executable" "elf";
    "names" false "" "shows the names and what they mean" "names";
    "expect" false "ok|ERRNO|SIGNAL|VALUE|\"BYTES\"|zeros|maps ...|pages ...|why \"TEXT\"" "judges the line before it" "expect maps a 12K: rw 4K, hole 4K, r 4K";
    "repeat" false "COUNT LINE" "does a line several times, until it answers an errno or a signal" "repeat 100 call f 4K";
    "fuzz" false "[bottomup] [unprivileged]" "begins as the fuzzer's programs do: their files and segments" "fuzz";
    "raw" false "ACT" "does an act as the fuzzer's programs say it" "raw name 0x1000 0x1000 6162";
    "undo" false "" "goes back to before the last line (twin only)" "undo";
    "goto" false "LINE" "goes to the state after a line (twin only)" "goto 3";
    "help" false "[WORD]" "explains" "help mmap";
    "quit" false "" "ends the lab" "quit";
}

/// The words that stand behind the others, for completion.
pub const KEYWORDS: &[&str] = &[
    "private",
    "shared",
    "anon",
    "fixed",
    "noreplace",
    "populate",
    "locked",
    "growsdown",
    "noreserve",
    "maymove",
    "dontunmap",
    "dontneed",
    "dontneed_locked",
    "free",
    "willneed",
    "populate_read",
    "populate_write",
    "guard_install",
    "guard_remove",
    "dontfork",
    "wipeonfork",
    "sync",
    "async",
    "invalidate",
    "readonly",
    "writeonly",
    "memfd",
    "memlock",
    "unlimited",
    "current",
    "future",
    "onfault",
    "zeros",
    "hole",
    "heap_end",
    "SIGSEGV",
    "SIGBUS",
    "MAPERR",
    "ACCERR",
    "ADRERR",
    "EINVAL",
    "ENOMEM",
    "EPERM",
    "EACCES",
    "EAGAIN",
    "EBADF",
    "EEXIST",
    "EFAULT",
    "EBUSY",
    "EOVERFLOW",
    "ENODEV",
];

/// Names that mean something in every session.
pub(super) const BUILT_IN: &[&str] = &["main", "heap", "heap_end", "stack", "sp", "anon", "badfd"];

/// Returns what a word means.
pub fn verb(name: &str) -> Option<&'static Verb> {
    VERBS.iter().find(|verb| verb.name == name)
}

/// Returns the word that a misspelt one is likely to mean.
pub(super) fn nearest(wrong: &str) -> Option<&'static str> {
    let of = |verb: &&Verb| distance(verb.name, wrong);
    let key = |verb: &&Verb| (of(verb), verb.name.len().abs_diff(wrong.len()));
    VERBS.iter().min_by_key(key).filter(|verb| of(verb) <= 2 && wrong.len() > 2).map(|verb| verb.name)
}

/// How many letters must be changed, left out or put in to make one word the other.
fn distance(a: &str, b: &str) -> usize {
    let b: Vec<char> = b.chars().collect();
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, x) in a.chars().enumerate() {
        let mut diagonal = std::mem::replace(&mut row[0], i + 1);
        for (j, y) in b.iter().enumerate() {
            let change = diagonal + usize::from(x != *y);
            diagonal = row[j + 1];
            row[j + 1] = change.min(diagonal + 1).min(row[j] + 1);
        }
    }
    row[b.len()]
}
