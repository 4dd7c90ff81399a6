//! The header as a list of named texts: readable by any later version, which passes over names it does not know.

use abi::{Pid, Resource, Rlimit};

use crate::error::{Malformed, ReadError};
use crate::event::Bytes;
use crate::header::{CallSource, FaultSource, Header, Machine, PageSource, Run, Sources};
use crate::varint;

/// Named texts, in order; a name may occur more than once.
struct Facts(Vec<(String, Vec<u8>)>);

const CALL_SOURCES: &[(CallSource, &str)] =
    &[(CallSource::Notify, "notify"), (CallSource::TwoStops, "two-stops")];
const FAULT_SOURCES: &[(FaultSource, &str)] =
    &[(FaultSource::All, "all"), (FaultSource::UserOnly, "user-only"), (FaultSource::Off, "off")];
const PAGE_SOURCES: &[(PageSource, &str)] =
    &[(PageSource::Scan, "scan"), (PageSource::Pagemap, "pagemap"), (PageSource::Off, "off")];
const YES_NO: &[(bool, &str)] = &[(true, "yes"), (false, "no")];

/// Writes the payload of the header block.
pub(crate) fn to_payload(header: &Header) -> Vec<u8> {
    let Header { vmatlas, machine, run, sources } = header;
    let mut facts = Facts(Vec::new());
    facts.add("vmatlas", vmatlas);
    facts.add_machine(machine);
    facts.add_run(run);
    facts.add_sources(sources);
    let mut payload = Vec::new();
    for (name, value) in &facts.0 {
        for text in [name.as_bytes(), value] {
            varint::put(&mut payload, text.len() as u64);
            payload.extend_from_slice(text);
        }
    }
    payload
}

/// Reads the payload of the header block.
pub(crate) fn from_payload(payload: &[u8]) -> Result<Header, ReadError> {
    let facts = Facts::read(payload)
        .map_err(|Malformed(why)| ReadError::Corrupt { offset: crate::frame::PROLOGUE_BYTES as u64, why })?;
    Ok(Header {
        vmatlas: facts.text("vmatlas")?,
        machine: facts.machine()?,
        run: facts.run()?,
        sources: facts.sources()?,
    })
}

impl Facts {
    fn add(&mut self, name: &str, value: impl AsRef<[u8]>) {
        self.0.push((name.to_owned(), value.as_ref().to_vec()));
    }

    fn add_number(&mut self, name: &str, value: impl Into<u64>) {
        self.add(name, value.into().to_string());
    }

    fn add_pairs(&mut self, prefix: &str, pairs: &[(String, String)]) {
        for (name, value) in pairs {
            self.add(&format!("{prefix}{name}"), value);
        }
    }

    fn add_one_of<T: PartialEq>(&mut self, name: &str, value: T, texts: &[(T, &str)]) {
        let text = texts.iter().find(|(of, _)| *of == value).map_or("", |(_, text)| text);
        self.add(name, text);
    }

    fn add_machine(&mut self, machine: &Machine) {
        let Machine {
            kernel,
            arch,
            page_bytes,
            memory_bytes,
            swap_bytes,
            cpus,
            stack_guard_gap_pages,
            sysctls,
            thp,
            facts,
        } = machine;
        self.add("machine.kernel", kernel);
        self.add("machine.arch", arch);
        self.add_number("machine.page_bytes", *page_bytes);
        self.add_number("machine.memory_bytes", *memory_bytes);
        self.add_number("machine.swap_bytes", *swap_bytes);
        self.add_number("machine.cpus", *cpus);
        self.add_number("machine.stack_guard_gap_pages", *stack_guard_gap_pages);
        self.add_pairs("sysctl:", sysctls);
        self.add_pairs("thp:", thp);
        self.add_pairs("fact:", facts);
    }

    fn add_run(&mut self, run: &Run) {
        let Run {
            start_unix_ns,
            start_monotonic_ns,
            pid,
            command,
            directory,
            uid,
            gid,
            capabilities,
            limits,
            settings,
        } = run;
        self.add_number("run.start_unix_ns", *start_unix_ns);
        self.add_number("run.start_monotonic_ns", *start_monotonic_ns);
        self.add("run.pid", pid.to_string());
        if let Some(command) = command {
            self.add_number("run.arguments", command.len() as u64);
            command.iter().for_each(|arg| self.add("run.argument", arg));
        }
        if let Some(directory) = directory {
            self.add("run.directory", directory);
        }
        self.add_number("run.uid", *uid);
        self.add_number("run.gid", *gid);
        self.add_number("run.capabilities", *capabilities);
        for (resource, limit) in limits {
            self.add(&format!("limit:{}", resource.0), format!("{} {}", limit.soft, limit.hard));
        }
        self.add_pairs("setting:", settings);
    }

    fn add_sources(&mut self, sources: &Sources) {
        let Sources { calls, faults, mapped, pages, stacks, remarks } = sources;
        self.add_one_of("sources.calls", *calls, CALL_SOURCES);
        self.add_one_of("sources.faults", *faults, FAULT_SOURCES);
        self.add_one_of("sources.mapped", *mapped, YES_NO);
        self.add_one_of("sources.pages", *pages, PAGE_SOURCES);
        self.add_one_of("sources.stacks", *stacks, YES_NO);
        remarks.iter().for_each(|remark| self.add("sources.remark", remark));
    }

    fn read(mut payload: &[u8]) -> Result<Self, Malformed> {
        let mut facts = Self(Vec::new());
        while !payload.is_empty() {
            let name = take_text(&mut payload)?;
            let name = String::from_utf8(name.to_vec()).map_err(|_| Malformed("a fact's name is no text"))?;
            facts.0.push((name, take_text(&mut payload)?.to_vec()));
        }
        Ok(facts)
    }

    fn find(&self, name: &str) -> Option<&[u8]> {
        self.0.iter().find(|(of, _)| of == name).map(|(_, value)| value.as_slice())
    }

    fn all<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a [u8]> {
        self.0.iter().filter(move |(of, _)| of == name).map(|(_, value)| value.as_slice())
    }

    fn text(&self, name: &str) -> Result<String, ReadError> {
        let value = self.find(name).and_then(|value| std::str::from_utf8(value).ok());
        value.map(str::to_owned).ok_or_else(|| bad(name))
    }

    fn number<T: std::str::FromStr>(&self, name: &str) -> Result<T, ReadError> {
        self.text(name)?.parse().map_err(|_| bad(name))
    }

    fn one_of<T: Copy>(&self, name: &str, texts: &[(T, &str)]) -> Result<T, ReadError> {
        let text = self.text(name)?;
        texts.iter().find(|(_, of)| *of == text).map(|(value, _)| *value).ok_or_else(|| bad(name))
    }

    fn pairs(&self, prefix: &str) -> Vec<(String, String)> {
        let pair = |(name, value): &(String, Vec<u8>)| {
            let name = name.strip_prefix(prefix)?;
            Some((name.to_owned(), String::from_utf8_lossy(value).into_owned()))
        };
        self.0.iter().filter_map(pair).collect()
    }

    fn machine(&self) -> Result<Machine, ReadError> {
        Ok(Machine {
            kernel: self.text("machine.kernel")?,
            arch: self.text("machine.arch")?,
            page_bytes: self.number("machine.page_bytes")?,
            memory_bytes: self.number("machine.memory_bytes")?,
            swap_bytes: self.number("machine.swap_bytes")?,
            cpus: self.number("machine.cpus")?,
            stack_guard_gap_pages: self.number("machine.stack_guard_gap_pages")?,
            sysctls: self.pairs("sysctl:"),
            thp: self.pairs("thp:"),
            facts: self.pairs("fact:"),
        })
    }

    fn run(&self) -> Result<Run, ReadError> {
        let command = self.find("run.arguments").map(|_| self.all("run.argument").map(Bytes::from).collect());
        let limits = self.pairs("limit:").into_iter().map(|(no, text)| {
            let name = format!("limit:{no}");
            let (soft, hard) = text.split_once(' ').ok_or_else(|| bad(&name))?;
            let number = |text: &str| text.parse().map_err(|_| bad(&name));
            let resource = Resource(no.parse().map_err(|_| bad(&name))?);
            Ok((resource, Rlimit { soft: number(soft)?, hard: number(hard)? }))
        });
        Ok(Run {
            start_unix_ns: self.number("run.start_unix_ns")?,
            start_monotonic_ns: self.number("run.start_monotonic_ns")?,
            pid: Pid(self.number("run.pid")?),
            command,
            directory: self.find("run.directory").map(Bytes::from),
            uid: self.number("run.uid")?,
            gid: self.number("run.gid")?,
            capabilities: self.number("run.capabilities")?,
            limits: limits.collect::<Result<_, ReadError>>()?,
            settings: self.pairs("setting:"),
        })
    }

    fn sources(&self) -> Result<Sources, ReadError> {
        let remarks = self.all("sources.remark").map(|text| String::from_utf8_lossy(text).into_owned());
        Ok(Sources {
            calls: self.one_of("sources.calls", CALL_SOURCES)?,
            faults: self.one_of("sources.faults", FAULT_SOURCES)?,
            mapped: self.one_of("sources.mapped", YES_NO)?,
            pages: self.one_of("sources.pages", PAGE_SOURCES)?,
            stacks: self.one_of("sources.stacks", YES_NO)?,
            remarks: remarks.collect(),
        })
    }
}

fn bad(name: &str) -> ReadError {
    ReadError::BadHeader { name: name.to_owned() }
}

fn take_text<'a>(payload: &mut &'a [u8]) -> Result<&'a [u8], Malformed> {
    let length = usize::try_from(varint::get(payload)?).unwrap_or(usize::MAX);
    let (text, rest) = payload.split_at_checked(length).ok_or(Malformed("a fact is cut off"))?;
    *payload = rest;
    Ok(text)
}
