//! Numbers of as many bytes as they need, the low seven bits first, as protocol buffers and Thrift have them.

pub(crate) fn put(out: &mut Vec<u8>, mut value: u64) {
    while value >= 0x80 {
        out.push(value as u8 | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
}
