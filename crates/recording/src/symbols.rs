//! The names of the frames of a recording's call chains, as they were found when it was made.

use std::collections::HashMap;

use crate::error::Malformed;
use crate::event::Bytes;
use crate::varint;

/// The names of all frames: what of them was asked for at the end of the recording.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Symbols {
    /// The files that frames lie in.
    pub objects: Vec<SymbolObject>,
    /// The places that frames are at.
    pub places: Vec<Place>,
    /// For each call chain in the order of its number the places of its frames, innermost first.
    pub chains: Vec<Vec<u32>>,
    /// How the chains of calls end.
    pub ends: ChainEnds,
    /// How the chains of page faults end.
    pub fault_ends: ChainEnds,
    /// What was asked for.
    pub detail: Detail,
}

/// What of the places is known.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Detail {
    /// The functions whose code it is, from symbol tables: what a recorder finds without delay.
    Functions,
    /// Inlined functions, source files and lines too, where there is debugging information.
    #[default]
    Lines,
}

/// A file that frames lie in.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct SymbolObject {
    /// Its path.
    pub path: Bytes,
    /// Its GNU build id, empty if it has none.
    pub build_id: Bytes,
    /// Its size in bytes and when it was last changed, in nanoseconds since 1970: what tells whether it is still the
    /// same file where it has no build id. 0 where not known.
    pub bytes: u64,
    /// See `bytes`.
    pub modified_ns: u64,
}

/// A place in a program's code.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Place {
    /// The file, by its number; `None` for code that no file holds.
    pub object: Option<u32>,
    /// The file's own address; the process's where there is no file.
    pub address: u64,
    /// The functions there: inlined ones innermost first, then the one whose code it is. Empty where no name is known.
    pub functions: Vec<Function>,
}

/// A function at a place.
#[derive(Clone, PartialEq, Eq, Hash, Debug, Default)]
pub struct Function {
    /// Its name, empty if it is not known.
    pub name: Bytes,
    /// The source file, empty if it is not known.
    pub file: Bytes,
    /// The line, 0 if it is not known.
    pub line: u32,
}

/// How chains end, each call or fault counted.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct ChainEnds {
    /// At the thread's first function.
    pub root: u64,
    /// More of the stack was needed than was copied.
    pub cut: u64,
    /// A register was needed that could not be read.
    pub unsaved: u64,
    /// Nothing says who called the last frame.
    pub lost: u64,
    /// Nothing could be copied at all, or too much waited.
    pub missed: u64,
    /// Of those at the thread's first function: the copy was cut, and they were led on by the thread's last whole stack,
    /// in which the last frames copied stand at the same addresses, or those stand that frame pointers led to.
    pub joined: u64,
    /// Stacks copied whole on which it was tried what the first KiB of them would have been joined to, and those of them
    /// of which that would have been wrong in any frame.
    pub tried: u64,
    /// See [`Self::tried`].
    pub tried_wrong: u64,
}

impl ChainEnds {
    /// All of them.
    pub fn all(&self) -> u64 {
        let Self { root, cut, unsaved, lost, missed, joined: _, tried: _, tried_wrong: _ } = *self;
        root + cut + unsaved + lost + missed
    }

    fn words(self) -> [u64; 5] {
        // What was joined stands behind everything else.
        let Self { root, cut, unsaved, lost, missed, joined: _, tried: _, tried_wrong: _ } = self;
        [root, cut, unsaved, lost, missed]
    }
}

impl Symbols {
    /// Writes the payload of the block.
    pub(crate) fn to_payload(&self) -> Vec<u8> {
        let Self { objects, places, chains, ends, fault_ends, detail } = self;
        let mut out = Out::default();
        out.list(objects, |out, object| {
            out.text(&object.path);
            out.text(&object.build_id);
        });
        out.list(places, |out, place| {
            out.number(place.object.map_or(0, |object| u64::from(object) + 1));
            out.number(place.address);
            out.list(&place.functions, |out, function| {
                out.text(&function.name);
                out.text(&function.file);
                out.number(function.line.into());
            });
        });
        out.list(chains, |out, chain| {
            out.list(chain, |out, place| out.number(u64::from(*place)));
        });
        [ends, fault_ends].into_iter().flat_map(|ends| ends.words()).for_each(|word| out.number(word));
        out.number(u64::from(*detail == Detail::Lines));
        for object in objects {
            out.number(object.bytes);
            out.number(object.modified_ns);
        }
        out.number(ends.joined);
        out.number(fault_ends.joined);
        out.number(fault_ends.tried);
        out.number(fault_ends.tried_wrong);
        let mut payload = Vec::new();
        varint::put(&mut payload, out.texts.len() as u64);
        for text in &out.texts {
            varint::put(&mut payload, text.len() as u64);
            payload.extend_from_slice(text);
        }
        payload.extend_from_slice(&out.bytes);
        payload
    }

    /// Reads the payload of the block.
    pub(crate) fn from_payload(payload: &[u8]) -> Result<Self, Malformed> {
        let mut input = In { left: payload, texts: Vec::new() };
        for _ in 0..input.count()? {
            let length = input.count()?;
            let (text, left) = input.left.split_at(length);
            input.left = left;
            input.texts.push(text.into());
        }
        let mut objects: Vec<SymbolObject> = input.list(|input| {
            Ok(SymbolObject { path: input.text()?, build_id: input.text()?, bytes: 0, modified_ns: 0 })
        })?;
        let places: Vec<Place> = input.list(|input| place(input, objects.len()))?;
        let chains = input.list(|input| {
            input.list(|input| {
                let place = input.number()?;
                let place = u32::try_from(place).ok().filter(|place| (*place as usize) < places.len());
                place.ok_or(Malformed("a chain names a place that is not there"))
            })
        })?;
        let mut ends = ends(&mut input)?;
        // Recordings made before there were stacks of faults end here.
        let mut fault_ends =
            if input.left.is_empty() { ChainEnds::default() } else { self::ends(&mut input)? };
        let mut detail = Detail::Lines;
        // Those in which all lines stood at once end here.
        if !input.left.is_empty() {
            detail = if input.number()? == 0 { Detail::Functions } else { Detail::Lines };
            for object in &mut objects {
                object.bytes = input.number()?;
                object.modified_ns = input.number()?;
            }
        }
        // Those in which nothing was joined end here.
        if !input.left.is_empty() {
            (ends.joined, fault_ends.joined) = (input.number()?, input.number()?);
        }
        // Those in which no join was tried out end here.
        if !input.left.is_empty() {
            (fault_ends.tried, fault_ends.tried_wrong) = (input.number()?, input.number()?);
        }
        Ok(Self { objects, places, chains, ends, fault_ends, detail })
    }
}

fn ends(input: &mut In<'_>) -> Result<ChainEnds, Malformed> {
    let [root, cut, unsaved, lost, missed] =
        [input.number()?, input.number()?, input.number()?, input.number()?, input.number()?];
    Ok(ChainEnds { root, cut, unsaved, lost, missed, ..ChainEnds::default() })
}

fn place(input: &mut In<'_>, objects: usize) -> Result<Place, Malformed> {
    let object = match input.number()? {
        0 => None,
        no if no <= objects as u64 => Some(no as u32 - 1),
        _ => return Err(Malformed("a place names a file that is not there")),
    };
    let address = input.number()?;
    let functions = input.list(|input| {
        let (name, file) = (input.text()?, input.text()?);
        let line = u32::try_from(input.number()?).map_err(|_| Malformed("a line is too large"))?;
        Ok(Function { name, file, line })
    })?;
    Ok(Place { object, address, functions })
}

#[derive(Default)]
struct Out {
    texts: Vec<Bytes>,
    known: HashMap<Bytes, u64>,
    bytes: Vec<u8>,
}

impl Out {
    fn number(&mut self, value: u64) {
        varint::put(&mut self.bytes, value);
    }

    fn text(&mut self, text: &Bytes) {
        let fresh = self.texts.len() as u64;
        let no = *self.known.entry(text.clone()).or_insert(fresh);
        if no == fresh {
            self.texts.push(text.clone());
        }
        self.number(no);
    }

    fn list<T>(&mut self, items: &[T], mut put: impl FnMut(&mut Self, &T)) {
        self.number(items.len() as u64);
        items.iter().for_each(|item| put(self, item));
    }
}

struct In<'a> {
    left: &'a [u8],
    texts: Vec<Bytes>,
}

impl In<'_> {
    fn number(&mut self) -> Result<u64, Malformed> {
        varint::get(&mut self.left)
    }

    /// A count of things of which each takes at least one byte.
    fn count(&mut self) -> Result<usize, Malformed> {
        let count = self.number()?;
        usize::try_from(count)
            .ok()
            .filter(|count| *count <= self.left.len())
            .ok_or(Malformed("a list is longer than its block"))
    }

    fn text(&mut self) -> Result<Bytes, Malformed> {
        let no = usize::try_from(self.number()?).ok();
        no.and_then(|no| self.texts.get(no)).cloned().ok_or(Malformed("a name is not there"))
    }

    fn list<T>(
        &mut self,
        mut get: impl FnMut(&mut Self) -> Result<T, Malformed>,
    ) -> Result<Vec<T>, Malformed> {
        let count = self.count()?;
        (0..count).map(|_| get(self)).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn example() -> Symbols {
        let name = |text: &str| Bytes::from(text.as_bytes());
        let function = |text: &str, line| Function { name: name(text), file: name("/src/a.c"), line };
        Symbols {
            objects: vec![SymbolObject {
                path: name("/bin/a"),
                build_id: name("\u{1}\u{2}"),
                bytes: 12,
                modified_ns: 1 << 60,
            }],
            places: vec![
                Place {
                    object: Some(0),
                    address: 0x1234,
                    functions: vec![function("inner", 7), function("outer", 9)],
                },
                Place { object: None, address: u64::MAX, functions: Vec::new() },
            ],
            chains: vec![vec![0, 1, 0], Vec::new(), vec![1]],
            ends: ChainEnds {
                root: 1,
                cut: 2,
                unsaved: 3,
                lost: 4,
                missed: 5,
                joined: 1,
                tried: 0,
                tried_wrong: 0,
            },
            fault_ends: ChainEnds {
                root: 6,
                cut: 7,
                unsaved: 8,
                lost: 9,
                missed: 10,
                joined: 2,
                tried: 4,
                tried_wrong: 1,
            },
            detail: Detail::Functions,
        }
    }

    #[test]
    fn they_come_back() {
        let payload = example().to_payload();
        assert_eq!(Symbols::from_payload(&payload), Ok(example()));
        assert_eq!(Symbols::from_payload(&Symbols::default().to_payload()), Ok(Symbols::default()));
    }

    #[test]
    fn damage_does_no_harm() {
        let payload = example().to_payload();
        // Up to there it is a block of before joins were tried out, of before stacks were joined, of before lines were
        // added later, and of before there were stacks of faults.
        let tried = payload.len() - 2;
        let joined = tried - 2;
        let lines = joined - 1 - 1 - 9;
        let older = [tried, joined, lines, lines - 5];
        for at in 0..payload.len() {
            assert_eq!(Symbols::from_payload(&payload[..at]).is_ok(), older.contains(&at), "cut at {at}");
            for bit in 0..8 {
                let mut bad = payload.clone();
                bad[at] ^= 1 << bit;
                let _any = Symbols::from_payload(&bad);
            }
        }
    }
}
