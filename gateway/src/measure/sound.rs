//! How long a recording is, as the head of its file says. Nothing is decoded.

/// Bytes of a second of speech, where the file does not say how long it is: 64 kbit/s.
const BYTES_PER_SECOND: u64 = 8000;
/// Boxes and chunks of a file that are looked at.
const CHUNKS_MAX: usize = 1000;
/// Bytes at the end of an Ogg file that hold its last page's head.
const LAST_PAGE_MAX: usize = 128 << 10;

/// The length in milliseconds; an estimate by the size where nothing says it.
pub(super) fn millis(file: &[u8]) -> Option<i64> {
    let known = match file {
        [b'R', b'I', b'F', b'F', ..] => wav(file),
        [b'f', b'L', b'a', b'C', ..] => flac(file),
        [b'O', b'g', b'g', b'S', ..] => ogg(file),
        [_, _, _, _, b'f', b't', b'y', b'p', ..] => mp4(file),
        _ => mp3(file),
    };
    let millis = known.or_else(|| of(len(file), BYTES_PER_SECOND))?;
    i64::try_from(millis).ok()
}

/// `count` of something of which there are `rate` a second, in milliseconds.
fn of(count: u64, rate: u64) -> Option<u64> {
    count.checked_mul(1000)?.checked_div(rate)
}

fn len(bytes: &[u8]) -> u64 {
    u64::try_from(bytes.len()).unwrap_or(u64::MAX)
}

fn big(bytes: &[u8], at: usize, count: usize) -> Option<u64> {
    let bytes = bytes.get(at..at.checked_add(count)?)?;
    Some(
        bytes
            .iter()
            .fold(0, |sum, byte| sum << 8 | u64::from(*byte)),
    )
}

fn little(bytes: &[u8], at: usize, count: usize) -> Option<u64> {
    let bytes = bytes.get(at..at.checked_add(count)?)?;
    let bytes = bytes.iter().rev();
    Some(bytes.fold(0, |sum, byte| sum << 8 | u64::from(*byte)))
}

/// The size of the data over its bytes a second.
fn wav(file: &[u8]) -> Option<u64> {
    let (mut at, mut rate) = (12, None);
    for _ in 0..CHUNKS_MAX {
        let size = little(file, at + 4, 4)?;
        match file.get(at..at + 4)? {
            b"fmt " => rate = little(file, at + 16, 4),
            b"data" => {
                // A recorder that streams does not know the size beforehand.
                let there = len(file.get(at + 8..)?);
                return of(size.min(there), rate?);
            }
            _ => {}
        }
        at = at.checked_add(usize::try_from(size + 8 + size % 2).ok()?)?;
    }
    None
}

/// The samples over the sample rate of the first block.
fn flac(file: &[u8]) -> Option<u64> {
    let packed = big(file, 18, 8)?;
    let (rate, samples) = (packed >> 44, packed & 0xF_FFFF_FFFF);
    of(samples, rate).filter(|millis| *millis > 0)
}

/// The position of the last page over the sample rate.
fn ogg(file: &[u8]) -> Option<u64> {
    let from = file.len().saturating_sub(LAST_PAGE_MAX);
    let last = from + memchr::memmem::rfind(file.get(from..)?, b"OggS")?;
    let position = little(file, last + 6, 8)?;
    let head = file.get(..file.len().min(200))?;
    if let Some(vorbis) = memchr::memmem::find(head, b"\x01vorbis") {
        return of(position, little(file, vorbis + 12, 4)?);
    }
    // Opus counts at one rate whatever the recording's; the first samples are not heard.
    let opus = memchr::memmem::find(head, b"OpusHead")?;
    let skipped = little(file, opus + 10, 2)?;
    of(position.saturating_sub(skipped), 48_000)
}

/// The duration over the time scale of the movie's head.
fn mp4(file: &[u8]) -> Option<u64> {
    let movie = inside(file, b"moov")?;
    let head = inside(movie, b"mvhd")?;
    let (scale, duration) = match head.first()? {
        0 => (big(head, 12, 4)?, big(head, 16, 4)?),
        _ => (big(head, 20, 4)?, big(head, 24, 8)?),
    };
    of(duration, scale).filter(|millis| *millis > 0)
}

/// What is inside the first box of a kind.
fn inside<'a>(file: &'a [u8], kind: &[u8; 4]) -> Option<&'a [u8]> {
    let mut at = 0;
    for _ in 0..CHUNKS_MAX {
        let (size, head) = match big(file, at, 4)? {
            0 => (len(file.get(at..)?), 8),
            1 => (big(file, at + 8, 8)?, 16),
            size => (size, 8),
        };
        let end = at.checked_add(usize::try_from(size).ok()?)?;
        if file.get(at + 4..at + 8)? == kind {
            return file.get(at + head..end.min(file.len()));
        }
        if end <= at {
            return None;
        }
        at = end;
    }
    None
}

/// The frames that the first one counts, or the size over the first frame's bit rate.
fn mp3(file: &[u8]) -> Option<u64> {
    const KBITS_1: [u64; 15] = [
        0, 32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320,
    ];
    const KBITS_2: [u64; 15] = [0, 8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160];
    let start = match file {
        [b'I', b'D', b'3', ..] => {
            // Seven bits of each byte count.
            let size = file.get(6..10)?.iter();
            let size = size.fold(0, |sum, byte| sum << 7 | usize::from(*byte));
            size.checked_add(10)?
        }
        _ => 0,
    };
    let sound = file.get(start..)?;
    let &[0xFF, second, third, ..] = sound else {
        return None;
    };
    let is_first = second & 0x18 == 0x18;
    if second & 0xE6 != 0xE2 {
        return None;
    }
    let rates = if is_first { KBITS_1 } else { KBITS_2 };
    let kbits = *rates.get(usize::from(third >> 4))?;
    let base: u64 = *[44_100, 48_000, 32_000].get(usize::from(third >> 2 & 3))?;
    let (rate, samples) = match second & 0x18 {
        0x18 => (base, 1152),
        0x10 => (base / 2, 576),
        _ => (base / 4, 576),
    };
    let first = sound.get(..sound.len().min(200))?;
    let count = memchr::memmem::find(first, b"Xing").or(memchr::memmem::find(first, b"Info"));
    if let Some(at) = count
        && big(sound, at + 4, 4)? & 1 == 1
    {
        return of(big(sound, at + 8, 4)? * samples, rate);
    }
    of(len(sound), kbits * 125)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wav_of(seconds: u32, told: u32) -> Vec<u8> {
        let data = vec![0_u8; usize::try_from(seconds * 32_000).unwrap()];
        let mut file = b"RIFF\0\0\0\0WAVEfmt \x10\0\0\0\x01\0\x01\0".to_vec();
        file.extend(16_000_u32.to_le_bytes());
        file.extend(32_000_u32.to_le_bytes());
        file.extend(b"\x02\0\x10\0LIST\x03\0\0\0abc\0data");
        file.extend(told.to_le_bytes());
        file.extend(data);
        file
    }

    #[test]
    fn the_length_is_what_the_file_says() {
        assert_eq!(millis(&wav_of(3, 96_000)), Some(3000));
        assert_eq!(millis(&wav_of(3, u32::MAX)), Some(3000));
        let mut flac = b"fLaC\0\0\0\x22".to_vec();
        flac.extend([0; 10]);
        flac.extend(((44_100_u64 << 44) | (44_100 * 5)).to_be_bytes());
        assert_eq!(millis(&flac), Some(5000));
        let mut movie = b"\0\0\0\x10ftypM4A \0\0\0\0\0\0\0\x24moov\0\0\0\x1cmvhd".to_vec();
        movie.extend([0; 12]);
        movie.extend(1000_u32.to_be_bytes());
        movie.extend(7500_u32.to_be_bytes());
        assert_eq!(millis(&movie), Some(7500));
        let mut opus = b"OggS\0\x02\0\0\0\0\0\0\0\0".to_vec();
        opus.extend([0; 13]);
        opus.extend(b"\x13OpusHead\x01\x01\x38\x01\0\0\0\0\0\0\0");
        opus.extend(b"OggS\0\x04");
        opus.extend((48_000_u64 * 2 + 312).to_le_bytes());
        assert_eq!(millis(&opus), Some(2000));
        // Layer III at 128 kbit/s, 44.1 kHz.
        let mut plain = b"ID3\x04\0\0\0\0\0\x02ab\xff\xfb\x90\0".to_vec();
        plain.extend([0; 16_000 - 4]);
        assert_eq!(millis(&plain), Some(1000));
        let mut counted = b"\xff\xfb\x90\0".to_vec();
        counted.extend([0; 32]);
        counted.extend(b"Xing\0\0\0\x01");
        counted.extend(1000_u32.to_be_bytes());
        assert_eq!(millis(&counted), Some(26_122));
    }

    #[test]
    fn what_says_nothing_counts_by_its_size() {
        assert_eq!(millis(&[0; 16_000]), Some(2000));
        assert_eq!(millis(b""), Some(0));
        let whole = wav_of(1, 32_000);
        for end in 0..60 {
            assert!(millis(&whole[..end]).is_some(), "cut at {end}");
        }
        for start in [
            "fLaC",
            "OggS",
            "\0\0\0\0ftyp",
            "ID3\u{7f}\u{7f}\u{7f}\u{7f}\u{7f}\u{7f}\u{7f}",
        ] {
            assert!(millis(start.as_bytes()).is_some(), "{start}");
        }
    }
}
