//! Bytes that mean harm.

/// The start of a message of AWS's event stream, whose own checksum is right.
pub(super) fn prelude(total: u32, headers: u32) -> Vec<u8> {
    let mut prelude = total.to_be_bytes().to_vec();
    prelude.extend(headers.to_be_bytes());
    prelude.extend(crc32(&prelude).to_be_bytes());
    prelude.extend([0; 100]);
    prelude
}

/// A message of AWS's event stream that is sound.
pub(super) fn message(payload: &[u8]) -> Vec<u8> {
    let mut headers = vec![11];
    headers.extend(b":event-type");
    headers.extend([7, 0, 12]);
    headers.extend(b"messageStart");
    let total = u32::try_from(16 + headers.len() + payload.len()).unwrap();
    let mut message = total.to_be_bytes().to_vec();
    message.extend(u32::try_from(headers.len()).unwrap().to_be_bytes());
    message.extend(crc32(&message).to_be_bytes());
    message.extend(headers);
    message.extend(payload);
    message.extend(crc32(&message).to_be_bytes());
    message
}

/// CRC-32 as gzip has it.
fn crc32(bytes: &[u8]) -> u32 {
    let mut crc = u32::MAX;
    for byte in bytes {
        crc ^= u32::from(*byte);
        for _ in 0..8 {
            let carry = crc & 1;
            crc >>= 1;
            if carry == 1 {
                crc ^= 0xedb8_8320;
            }
        }
    }
    !crc
}

/// A few megabytes that gzip makes a gigabyte of zeros of: one zero, and then matches of 258 bytes
/// at distance 1, in deflate's fixed code.
pub(super) fn gzip_bomb() -> Vec<u8> {
    let mut bits = Bits {
        bytes: vec![0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 3],
        ..Bits::default()
    };
    // The last block, of the fixed kind; the literal 0 is `00110000`.
    bits.push(0b1, 1);
    bits.push(0b01, 2);
    bits.push(0b0000_1100, 8);
    for _ in 0..(1_u32 << 30) / 258 {
        // The length 285 is `11000101`, the distance 0 is `00000`; codes come highest bit first.
        bits.push(0b1010_0011, 8);
        bits.push(0, 5);
    }
    // The end of the block is `0000000`.
    bits.push(0, 7 + 7);
    bits.bytes
}

/// Bits in the order of deflate: the lowest of a byte first.
#[derive(Default)]
struct Bits {
    bytes: Vec<u8>,
    held: u32,
    count: u32,
}

impl Bits {
    fn push(&mut self, bits: u32, count: u32) {
        self.held |= bits << self.count;
        self.count += count;
        while self.count >= 8 {
            self.bytes.push(u8::try_from(self.held & 0xff).unwrap());
            self.held >>= 8;
            self.count -= 8;
        }
    }
}
