//! The puppet's executable file: a static ELF program of text, data and bss around the machine code.

use super::code;
use super::layout::{CODE_AT, TEXT};

const PAGE: usize = 4096;
const DATA_BYTES: u64 = 0x800;
const BSS_BYTES: u64 = 0x2000;

/// Returns the bytes of the file.
pub(super) fn elf() -> Vec<u8> {
    let text_len = CODE_AT + code::bytes().len() as u64;
    debug_assert!(text_len <= PAGE as u64);
    let mut file = Vec::with_capacity(2 * PAGE);
    file.extend(b"\x7fELF\x02\x01\x01\0\0\0\0\0\0\0\0\0");
    half(&mut file, &[2, 62]); // ET_EXEC, EM_X86_64
    word(&mut file, 1);
    long(&mut file, &[TEXT + CODE_AT, 64, 0]);
    word(&mut file, 0);
    half(&mut file, &[64, 56, 3, 64, 0, 0]);
    segment(&mut file, 1, 5, [0, TEXT, text_len, text_len, PAGE as u64]);
    let data = TEXT + PAGE as u64;
    segment(&mut file, 1, 6, [PAGE as u64, data, DATA_BYTES, PAGE as u64 + BSS_BYTES, PAGE as u64]);
    segment(&mut file, 0x6474_e551, 6, [0, 0, 0, 0, 16]); // PT_GNU_STACK
    file.resize(CODE_AT as usize, 0);
    file.extend(code::bytes());
    file.resize(2 * PAGE, 0);
    file
}

fn segment(file: &mut Vec<u8>, kind: u32, flags: u32, place: [u64; 5]) {
    let [offset, addr, file_bytes, bytes, align] = place;
    word(file, kind);
    word(file, flags);
    long(file, &[offset, addr, addr, file_bytes, bytes, align]);
}

fn half(file: &mut Vec<u8>, values: &[u16]) {
    file.extend(values.iter().flat_map(|value| value.to_le_bytes()));
}

fn word(file: &mut Vec<u8>, value: u32) {
    file.extend(value.to_le_bytes());
}

fn long(file: &mut Vec<u8>, values: &[u64]) {
    file.extend(values.iter().flat_map(|value| value.to_le_bytes()));
}
