//! Where programs run: an origin process, the files open in it, and the twin of both.

use std::sync::Arc;

use abi::{Call, DevId, Fd, FileId, Rlimit, ShmFlags, VirtAddr};
use live::{Answer, Live, Setup, Step};
use mm::{
    AddressSpace, Caps, DescriptionId, FileKind, MapFile, Memory, Mutation, ObjectId, OpenMode, Profile,
    System,
};
use sys::segment::HugeSegment;

use super::error::FuzzError;
use super::files::{self, FuzzFile};
use super::origin::{Direction, Origin, OriginPlan, unexpected};
use super::pool::{HUGE, HUGE_SEGMENT_PAGES, Pool};

/// A System V segment.
#[derive(Clone, Debug)]
pub struct Segment {
    /// How programs call it.
    pub number: usize,
    /// Its identifier.
    pub id: i32,
    /// What the twin knows of it.
    pub map: Arc<MapFile>,
}

/// An origin with the files and segments that programs find, and its twin, which may keep pages.
pub struct Furnished<M: Memory> {
    /// The process and the twin.
    pub origin: Origin<M>,
    /// The files that are open in every process: [`Setup::fd`] gives their descriptors.
    pub files: Vec<FuzzFile>,
    /// The segments, which live as long as the origin is attached to them.
    pub segments: Vec<Segment>,
    /// What keeps the segment of huge pages.
    pub kept: Option<HugeSegment>,
}

impl<M: Memory> Furnished<M> {
    /// Starts an origin and learns its memory. The twin has a rule changed where a mutation is given.
    ///
    /// # Errors
    /// If the kernel is another than the twin's, or something needed is refused.
    pub fn start(
        direction: Direction,
        mutation: Option<Mutation>,
        pool: Pool,
        system: impl FnOnce(Profile) -> System<M>,
    ) -> Result<Self, FuzzError> {
        let files = files::make(pool)?;
        let copies: Result<Vec<_>, _> = files.iter().map(|file| file.open.try_clone()).collect();
        let copies = copies.map_err(|error| FuzzError::Io("copying a descriptor", error))?;
        let plan = OriginPlan {
            files: copies.into_iter().map(Into::into).collect(),
            direction,
            stack_limit: STACK_LIMIT,
            library: None,
            mutation,
        };
        let mut segments = Vec::new();
        let origin = Origin::start(plan, system, |live| {
            let numbered = SEGMENTS.iter().enumerate();
            segments = numbered
                .map(|(number, (bytes, at))| segment(live, number, *bytes, *at))
                .collect::<Result<_, _>>()?;
            Ok(segments.iter().map(|segment: &Segment| Arc::clone(&segment.map)).collect())
        })?;
        let huge = files.iter().find(|file| file.is_huge()).and_then(|file| file.map.clone());
        let kept = match huge {
            Some(file) => huge_segment(&file, &mut segments),
            None => None,
        };
        Ok(Self { origin, files, segments, kept })
    }
}

/// The number of the segment of huge pages; between it and the others is one that never exists.
pub(crate) const HUGE_SEGMENT: usize = SEGMENTS.len() + 1;

/// Makes a segment of huge pages where the pool has them and privilege allows it. What of it `file` does not tell, a file of the same
/// file system, is known without looking.
fn huge_segment(file: &MapFile, segments: &mut Vec<Segment>) -> Option<HugeSegment> {
    let bytes = HUGE_SEGMENT_PAGES * HUGE;
    let kept = HugeSegment::new(bytes as usize).ok()?;
    let ObjectId::File(of) = file.object else { return None };
    let ino = u64::from(kept.id().cast_unsigned());
    let map = MapFile {
        object: ObjectId::File(FileId { ino, ..of }),
        description: DescriptionId::Known(SEGMENT_DESCRIPTIONS + ino),
        kind: FileKind::SysVHuge,
        bytes,
        ..file.clone()
    };
    segments.push(Segment { number: HUGE_SEGMENT, id: kept.id(), map: Arc::new(map) });
    Some(kept)
}

/// An origin process and its twin.
pub struct World {
    pub(crate) live: Live,
    pub(crate) files: Vec<FuzzFile>,
    /// System V segments, which live as long as the origin is attached to them.
    pub(crate) segments: Vec<Segment>,
    /// The twin of what all processes share, as it is when a program begins.
    pub(crate) system: System,
    /// The twin of the origin.
    pub(crate) origin: AddressSpace,
    /// The privileges of the processes.
    pub(crate) caps: Caps,
    /// Whether a program changed the size of a file.
    pub(crate) sizes_changed: bool,
    /// The huge pages that programs may have.
    pub(crate) pool: Pool,
    _kept: Option<HugeSegment>,
}

const STACK_LIMIT: Rlimit = Rlimit { soft: 1 << 20, hard: Rlimit::INFINITY };
/// The descriptions of segments have numbers from here on.
const SEGMENT_DESCRIPTIONS: u64 = 1 << 21;
/// The segments: bytes, and where the origin is attached.
const SEGMENTS: [(u64, u64); 2] = [(3 * 4096 + 100, 0x3_0000_0000), (2 << 20, 0x3_4000_0000)];

impl World {
    /// Starts an origin and learns its memory. The twin has a rule changed where a mutation is given.
    ///
    /// # Errors
    /// If the kernel is another than the twin's, or something needed is refused.
    pub fn start(direction: Direction, mutation: Option<Mutation>, pool: Pool) -> Result<Self, FuzzError> {
        let Furnished { origin, files, segments, kept } =
            Furnished::start(direction, mutation, pool, System::new)?;
        let Origin { live, system, space, caps } = origin;
        Ok(Self {
            live,
            files,
            segments,
            system,
            origin: space,
            caps,
            sizes_changed: false,
            pool,
            _kept: kept,
        })
    }

    /// Gives every file the size that programs begin with; huge pages go back to the pool.
    pub(crate) fn reset_files(&mut self) -> Result<(), FuzzError> {
        if self.sizes_changed {
            for file in &self.files {
                if let Some(bytes) = file.bytes {
                    let emptied = if file.is_huge() { file.open.set_len(0) } else { Ok(()) };
                    let sized = emptied.and_then(|()| file.open.set_len(bytes));
                    sized.map_err(|error| FuzzError::Io("sizing a file", error))?;
                }
            }
            self.sizes_changed = false;
        }
        Ok(())
    }

    /// Returns the place of the file with this descriptor in the processes.
    pub(crate) fn file(&self, fd: Fd) -> Option<&FuzzFile> {
        let at = fd.0.checked_sub(Setup::fd(0).0)?;
        self.files.get(usize::try_from(at).ok()?)
    }
}

/// Makes a System V segment that lives as long as the origin.
fn segment(live: &mut Live, number: usize, bytes: u64, at: u64) -> Result<Segment, FuzzError> {
    const SHMGET: u32 = 29;
    const SHMCTL: u32 = 31;
    // IPC_CREAT, for its owner to do everything with: without the last bit SHM_EXEC asks for a privilege.
    const CREATE: u64 = 0o1700;
    let origin = live.origin();
    let made = live.act(origin, Step::Raw { nr: SHMGET, args: [0, bytes, CREATE, 0, 0, 0] })?;
    let Answer::Returned(Ok(id)) = made else { return Err(unexpected("shmget", made)) };
    let call = Call::Shmat { id: id as i32, addr: VirtAddr(at), flags: ShmFlags::NONE };
    let attached = live.act(origin, Step::Call(call))?;
    live.act(origin, Step::Raw { nr: SHMCTL, args: [id, 0, 0, 0, 0, 0] })?;
    if attached != Answer::Returned(Ok(at)) {
        return Err(unexpected("shmat", attached));
    }
    let object = ObjectId::File(FileId { dev: DevId { major: 0, minor: 1 }, ino: id });
    let map = MapFile {
        object,
        description: DescriptionId::Known(SEGMENT_DESCRIPTIONS + id),
        kind: FileKind::SysV,
        mode: OpenMode { read: true, write: true, append_only: false },
        bytes,
        seals: 0,
        noexec: false,
    };
    Ok(Segment { number, id: id as i32, map: Arc::new(map) })
}
