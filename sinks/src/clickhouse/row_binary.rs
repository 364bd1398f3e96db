//! Writes values as `ClickHouse` reads them in its `RowBinary` formats: little-endian, lengths as LEB128.

use event::{EventId, Timestamp, Usd};

/// Rows that are being written.
#[derive(Debug, Default)]
pub(super) struct Writer {
    bytes: Vec<u8>,
}

impl Writer {
    pub(super) fn with_capacity(bytes: usize) -> Self {
        Self {
            bytes: Vec::with_capacity(bytes),
        }
    }

    pub(super) fn finish(self) -> Vec<u8> {
        self.bytes
    }

    pub(super) fn length(&mut self, length: usize) {
        let mut rest = length;
        while let Some(byte) = low_bits(rest) {
            self.bytes.push(byte);
            rest >>= 7;
            if rest == 0 {
                break;
            }
        }
    }

    pub(super) fn text(&mut self, text: &str) {
        self.length(text.len());
        self.bytes.extend_from_slice(text.as_bytes());
    }

    pub(super) fn texts(&mut self, texts: &[String]) {
        self.length(texts.len());
        for text in texts {
            self.text(text);
        }
    }

    pub(super) fn u32(&mut self, number: u32) {
        self.bytes.extend_from_slice(&number.to_le_bytes());
    }

    pub(super) fn u64(&mut self, number: u64) {
        self.bytes.extend_from_slice(&number.to_le_bytes());
    }

    pub(super) fn flag(&mut self, flag: bool) {
        self.bytes.push(flag.into());
    }

    /// `DateTime64(6)` is what a [`Timestamp`] is.
    pub(super) fn time(&mut self, time: Timestamp) {
        self.bytes.extend_from_slice(&time.micros().to_le_bytes());
    }

    /// `Nullable(Decimal(38, 12))` has a [`Usd`]'s unit, so no digit changes.
    pub(super) fn usd(&mut self, amount: Option<Usd>) {
        self.flag(amount.is_none());
        if let Some(amount) = amount {
            self.bytes.extend_from_slice(&amount.picos().to_le_bytes());
        }
    }

    /// The high half of a `UUID` comes first, each half little-endian.
    pub(super) fn id(&mut self, id: EventId) {
        let (high, low) = id.uuid().as_u64_pair();
        self.u64(high);
        self.u64(low);
    }
}

/// The last seven bits, marked if more bits follow.
fn low_bits(number: usize) -> Option<u8> {
    let low = u8::try_from(number & 0x7f).ok()?;
    Some(if number > 0x7f { low | 0x80 } else { low })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(write: impl FnOnce(&mut Writer)) -> Vec<u8> {
        let mut writer = Writer::default();
        write(&mut writer);
        writer.finish()
    }

    #[test]
    fn a_length_takes_seven_bits_a_byte() {
        for (length, bytes) in [
            (0, &[0][..]),
            (127, &[0x7f]),
            (128, &[0x80, 1]),
            (300, &[0xac, 2]),
            (1 << 20, &[0x80, 0x80, 0x40]),
        ] {
            assert_eq!(written(|writer| writer.length(length)), bytes, "{length}");
        }
    }

    #[test]
    fn an_amount_keeps_every_digit_and_none_is_not_zero() {
        assert_eq!(written(|writer| writer.usd(None)), [1]);
        let mut one = vec![0_u8; 17];
        one[1] = 1;
        let least = Some(Usd::from_picos(1));
        assert_eq!(written(|writer| writer.usd(least)), one);
        let negative = written(|writer| writer.usd(Some(Usd::from_picos(-1))));
        assert_eq!((negative[0], &negative[1..]), (0, &[0xff; 16][..]));
    }

    #[test]
    fn an_id_is_two_halves() {
        let id = event::Json::of(&"00112233-4455-6677-8899-aabbccddeeff");
        let bytes = written(|writer| writer.id(id.read().unwrap()));
        assert_eq!(
            hex::encode(bytes),
            "7766554433221100ffeeddccbbaa9988".to_owned()
        );
    }
}
