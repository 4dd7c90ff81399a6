//! The vector that `mincore` fills: one byte a page.

/// Appends the vector of pages of which these are resident (`mm/mincore.c: mincore_pte_range`).
pub fn write_mincore(resident: impl IntoIterator<Item = bool>, out: &mut Vec<u8>) {
    out.extend(resident.into_iter().map(u8::from));
}

/// Reads a vector: tells of each page whether it is resident. All bits but the lowest are reserved.
pub fn mincore(vector: &[u8]) -> impl Iterator<Item = bool> {
    vector.iter().map(|byte| byte & 1 == 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_vector_survives_read_and_print() {
        let mut printed = Vec::new();
        write_mincore(mincore(&[1, 0, 1, 1]), &mut printed);
        assert_eq!(printed, [1, 0, 1, 1]);
        assert!(mincore(&[0xff]).eq([true]) && mincore(&[0xfe]).eq([false]));
    }
}
