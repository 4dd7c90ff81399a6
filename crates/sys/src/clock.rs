//! `CLOCK_MONOTONIC`, the clock that the kernel stamps its records with.

/// Reads the clock, in nanoseconds.
pub fn monotonic_ns() -> u64 {
    let mut time = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: `time` is the structure that the call writes; this clock always exists.
    unsafe { libc::clock_gettime(libc::CLOCK_MONOTONIC, &raw mut time) };
    time.tv_sec.cast_unsigned() * 1_000_000_000 + time.tv_nsec.cast_unsigned()
}

#[cfg(test)]
mod tests {
    #[test]
    fn it_never_goes_back() {
        let first = super::monotonic_ns();
        assert!(super::monotonic_ns() >= first && first > 0);
    }
}
