//! Call chains in words.

use recording::{ChainEnds, Function, StackId, Symbols};

use crate::words;

/// The names of call chains, where the recording has them.
pub struct Chains<'a>(Option<&'a Symbols>);

/// A frame in words.
#[derive(Clone, PartialEq, Eq, Hash, Debug, Default, serde::Serialize)]
pub struct FrameWords {
    /// The function, or where its code is.
    pub function: String,
    /// The source file; empty if it is not known.
    pub file: String,
    /// The line, 0 if it is not known.
    pub line: u32,
    /// The file that holds the code; empty for code made at run time.
    pub object: String,
}

impl<'a> Chains<'a> {
    /// Takes the names that a recording holds.
    pub fn new(symbols: Option<&'a Symbols>) -> Self {
        Self(symbols)
    }

    /// Whether there are any.
    pub fn are_known(&self) -> bool {
        self.0.is_some()
    }

    /// Returns the frames of a chain, innermost first; empty where it is not known.
    pub fn frames(&self, stack: Option<StackId>) -> Vec<FrameWords> {
        let places = self.0.zip(stack).and_then(|(symbols, stack)| {
            let chain = symbols.chains.get(stack.0 as usize)?;
            Some(
                chain
                    .iter()
                    .filter_map(|place| symbols.places.get(*place as usize))
                    .map(move |at| (symbols, at)),
            )
        });
        places
            .into_iter()
            .flatten()
            .flat_map(|(symbols, place)| {
                let path = place.object.and_then(|no| symbols.objects.get(no as usize));
                let path = path.map(|object| words::printable(&object.path)).unwrap_or_default();
                let words = |function: &Function| FrameWords {
                    function: words::printable(&function.name),
                    file: words::printable(&function.file),
                    line: function.line,
                    object: path.clone(),
                };
                let mut frames: Vec<FrameWords> = place.functions.iter().map(words).collect();
                let file = path.rsplit('/').next().unwrap_or_default();
                let unnamed = || match file {
                    // The upper half of the addresses: the kernel touched memory for the program.
                    "" if place.address >> 63 == 1 => "in the kernel".to_owned(),
                    "" => format!("{:#x}", place.address),
                    file => format!("{file}+{:#x}", place.address),
                };
                if frames.is_empty() {
                    frames.push(FrameWords {
                        function: unnamed(),
                        file: String::new(),
                        line: 0,
                        object: path.clone(),
                    });
                }
                for frame in frames.iter_mut().filter(|frame| frame.function.is_empty()) {
                    frame.function = unnamed();
                }
                frames
            })
            .collect()
    }

    /// How the chains of calls and faults end, in words; `None` where nothing is known.
    pub fn ends(&self) -> Option<String> {
        let symbols = self.0?;
        let of_calls = ends_words(symbols.ends, "calls");
        let copied = ChainEnds { missed: 0, ..symbols.fault_ends };
        let of_faults = ends_words(copied, "recorded faults").map(|text| {
            let missed = symbols.fault_ends.missed;
            let rest = format!(
                " Of {} more no stack was copied: the kernel's chain by frame pointers is kept.",
                words::count(missed)
            );
            if missed > 0 { text + &rest } else { text }
        });
        let texts: Vec<String> = of_calls.into_iter().chain(of_faults).collect();
        (!texts.is_empty()).then(|| texts.join(" "))
    }
}

fn ends_words(ends: ChainEnds, what: &str) -> Option<String> {
    if ends.all() == 0 {
        return None;
    }
    let percent = ends.root as f64 * 100.0 / ends.all() as f64;
    let mut text = format!(
        "Of {} {what}' stacks {percent:.1} % reach the thread's first function",
        words::count(ends.all())
    );
    if ends.joined > 0 {
        text.push_str(&format!(
            " ({} of them by a whole stack of the thread, in which the last frames copied stand at the same addresses, \
             or those stand that frame pointers led to",
            words::count(ends.joined)
        ));
        if ends.tried > 0 {
            let (wrong, tried) = (words::count(ends.tried_wrong), words::count(ends.tried));
            text.push_str(&format!("; of {tried} tried on stacks copied whole {wrong} came out wrong"));
        }
        text.push(')');
    }
    for (count, why) in [
        (ends.cut, "end where the copied stack ends"),
        (ends.unsaved, "need a register that can't be read while a thread waits"),
        (ends.lost, "end in code that tells no caller"),
        (ends.missed, "could not be copied"),
    ] {
        if count > 0 {
            text.push_str(&format!("; {} {why}", words::count(count)));
        }
    }
    text.push('.');
    Some(text)
}

impl FrameWords {
    /// The frame in one line: `function (file:line)`.
    pub fn line_words(&self) -> String {
        let file = self.file.rsplit('/').next().unwrap_or_default();
        match (file, self.line) {
            ("", _) => self.function.clone(),
            (file, 0) => format!("{} ({file})", self.function),
            (file, line) => format!("{} ({file}:{line})", self.function),
        }
    }
}

/// The first frame that is not the C library's way into the kernel nor an allocator: the place in the program's own
/// code, as far as names tell; else the innermost.
pub fn own_frame(frames: &[FrameWords]) -> Option<&FrameWords> {
    let is_library = |frame: &&FrameWords| {
        let object = frame.object.rsplit('/').next().unwrap_or_default();
        [
            "libc.so",
            "libc-",
            "ld-linux",
            "libpthread",
            "libjemalloc",
            "libtcmalloc",
            "libmimalloc",
            "libstdc++",
        ]
        .iter()
        .any(|name| object.starts_with(name))
    };
    frames.iter().find(|frame| !is_library(frame)).or(frames.first())
}
