//! Writes records as JSON, byte for byte as `serde_json` does and in half its time: names of fields
//! are constants that need no escaping, and a text is looked through many bytes at once.

use serde::{
    Serialize, Serializer,
    ser::{
        Error as _, SerializeMap, SerializeSeq, SerializeStruct, SerializeStructVariant,
        SerializeTuple, SerializeTupleStruct, SerializeTupleVariant,
    },
};

/// What `serde_json` calls a text that is JSON already. The tests show it if that changes.
const RAW: &str = "$serde_json::private::RawValue";

/// The bytes of a text that are looked at together.
const CHUNK: usize = 64;

/// Appends `value` as JSON.
pub(super) fn write(record: &mut Vec<u8>, value: &impl Serialize) -> serde_json::Result<()> {
    let start = record.len();
    let mut writer = Writer {
        out: record,
        is_raw: false,
    };
    value.serialize(&mut writer).or_else(|_unusual| {
        // What has no place in a record is left to the library, numbers as keys for one.
        record.truncate(start);
        serde_json::to_writer(record, value)
    })
}

struct Writer<'a> {
    out: &'a mut Vec<u8>,
    /// Whether the next text is JSON already.
    is_raw: bool,
}

impl Writer<'_> {
    /// Appends a name that needs no escaping.
    fn name(&mut self, name: &'static str) {
        debug_assert!(name.bytes().all(|byte| !needs_escape(byte)), "{name}");
        self.out.push(b'"');
        self.out.extend_from_slice(name.as_bytes());
        self.out.push(b'"');
    }

    fn text(&mut self, text: &str) {
        self.out.push(b'"');
        for chunk in text.as_bytes().chunks(CHUNK) {
            // No way out in between: so it is done for many bytes with one instruction.
            let found = chunk
                .iter()
                .fold(false, |found, byte| found | needs_escape(*byte));
            if found {
                chunk.iter().for_each(|byte| escape(self.out, *byte));
            } else {
                self.out.extend_from_slice(chunk);
            }
        }
        self.out.push(b'"');
    }

    /// Begins what is written between `open` and `close`.
    fn open(&mut self, open: u8, close: &'static [u8]) -> Members<'_> {
        self.out.push(open);
        Members {
            writer: Writer {
                out: self.out,
                is_raw: false,
            },
            is_first: true,
            close,
        }
    }

    /// Begins a variant that has a value.
    fn variant(&mut self, variant: &'static str) {
        self.out.push(b'{');
        self.name(variant);
        self.out.push(b':');
    }
}

const fn needs_escape(byte: u8) -> bool {
    byte < 0x20 || byte == b'"' || byte == b'\\'
}

fn escape(out: &mut Vec<u8>, byte: u8) {
    const HEX: &[u8; 16] = b"0123456789abcdef";
    let short = match byte {
        b'"' | b'\\' => byte,
        b'\n' => b'n',
        b'\r' => b'r',
        b'\t' => b't',
        0x08 => b'b',
        0x0c => b'f',
        0x00..0x20 => {
            let [high, low] = [byte >> 4, byte & 0xf].map(|digit| HEX[usize::from(digit)]);
            return out.extend_from_slice(&[b'\\', b'u', b'0', b'0', high, low]);
        }
        plain => return out.push(plain),
    };
    out.extend_from_slice(&[b'\\', short]);
}

/// Forwards what is rare or a number to the library.
macro_rules! numbers {
    ($($method:ident: $kind:ty),* $(,)?) => {
        $(fn $method(self, value: $kind) -> Result<(), Self::Error> {
            serde_json::to_writer(&mut *self.out, &value)
        })*
    };
}

impl<'w> Serializer for &'w mut Writer<'_> {
    type Ok = ();
    type Error = serde_json::Error;
    type SerializeSeq = Members<'w>;
    type SerializeTuple = Members<'w>;
    type SerializeTupleStruct = Members<'w>;
    type SerializeTupleVariant = Members<'w>;
    type SerializeMap = Members<'w>;
    type SerializeStruct = Members<'w>;
    type SerializeStructVariant = Members<'w>;

    numbers! {
        serialize_i8: i8, serialize_i16: i16, serialize_i32: i32, serialize_i64: i64,
        serialize_u8: u8, serialize_u16: u16, serialize_u32: u32, serialize_u64: u64,
        serialize_i128: i128, serialize_u128: u128, serialize_f32: f32, serialize_f64: f64,
        serialize_bool: bool, serialize_char: char, serialize_bytes: &[u8],
    }

    fn serialize_str(self, text: &str) -> Result<(), Self::Error> {
        if std::mem::take(&mut self.is_raw) {
            self.out.extend_from_slice(text.as_bytes());
        } else {
            self.text(text);
        }
        Ok(())
    }

    fn serialize_none(self) -> Result<(), Self::Error> {
        self.serialize_unit()
    }

    fn serialize_some<T: Serialize + ?Sized>(self, value: &T) -> Result<(), Self::Error> {
        value.serialize(self)
    }

    fn serialize_unit(self) -> Result<(), Self::Error> {
        self.out.extend_from_slice(b"null");
        Ok(())
    }

    fn serialize_unit_struct(self, _name: &'static str) -> Result<(), Self::Error> {
        self.serialize_unit()
    }

    fn serialize_unit_variant(
        self,
        _name: &'static str,
        _index: u32,
        variant: &'static str,
    ) -> Result<(), Self::Error> {
        self.name(variant);
        Ok(())
    }

    fn serialize_newtype_struct<T: Serialize + ?Sized>(
        self,
        _name: &'static str,
        value: &T,
    ) -> Result<(), Self::Error> {
        value.serialize(self)
    }

    fn serialize_newtype_variant<T: Serialize + ?Sized>(
        self,
        _name: &'static str,
        _index: u32,
        variant: &'static str,
        value: &T,
    ) -> Result<(), Self::Error> {
        self.variant(variant);
        value.serialize(&mut *self)?;
        self.out.push(b'}');
        Ok(())
    }

    fn serialize_seq(self, _length: Option<usize>) -> Result<Members<'w>, Self::Error> {
        Ok(self.open(b'[', b"]"))
    }

    fn serialize_tuple(self, _length: usize) -> Result<Members<'w>, Self::Error> {
        Ok(self.open(b'[', b"]"))
    }

    fn serialize_tuple_struct(
        self,
        _name: &'static str,
        _length: usize,
    ) -> Result<Members<'w>, Self::Error> {
        Ok(self.open(b'[', b"]"))
    }

    fn serialize_tuple_variant(
        self,
        _name: &'static str,
        _index: u32,
        variant: &'static str,
        _length: usize,
    ) -> Result<Members<'w>, Self::Error> {
        self.variant(variant);
        Ok(self.open(b'[', b"]}"))
    }

    fn serialize_map(self, _length: Option<usize>) -> Result<Members<'w>, Self::Error> {
        Ok(self.open(b'{', b"}"))
    }

    fn serialize_struct(
        self,
        name: &'static str,
        _length: usize,
    ) -> Result<Members<'w>, Self::Error> {
        if name != RAW {
            return Ok(self.open(b'{', b"}"));
        }
        let writer = Writer {
            out: self.out,
            is_raw: true,
        };
        Ok(Members {
            writer,
            is_first: true,
            close: b"",
        })
    }

    fn serialize_struct_variant(
        self,
        _name: &'static str,
        _index: u32,
        variant: &'static str,
        _length: usize,
    ) -> Result<Members<'w>, Self::Error> {
        self.variant(variant);
        Ok(self.open(b'{', b"}}"))
    }
}

/// The members of an array or object that has been begun.
struct Members<'a> {
    writer: Writer<'a>,
    is_first: bool,
    /// What stands at its end.
    close: &'static [u8],
}

impl Members<'_> {
    fn separate(&mut self) {
        if !std::mem::take(&mut self.is_first) {
            self.writer.out.push(b',');
        }
    }

    fn element(&mut self, value: &(impl Serialize + ?Sized)) -> serde_json::Result<()> {
        self.separate();
        value.serialize(&mut self.writer)
    }

    fn field(
        &mut self,
        key: &'static str,
        value: &(impl Serialize + ?Sized),
    ) -> serde_json::Result<()> {
        if !self.writer.is_raw {
            self.separate();
            self.writer.name(key);
            self.writer.out.push(b':');
        }
        value.serialize(&mut self.writer)
    }

    fn close(self) {
        self.writer.out.extend_from_slice(self.close);
    }
}

/// What a trait for compounds of the same look asks for.
macro_rules! compound {
    ($($compound:ident: $method:ident($($key:ident: $kind:ty)?) by $by:ident),* $(,)?) => {
        $(impl $compound for Members<'_> {
            type Ok = ();
            type Error = serde_json::Error;

            fn $method<T: Serialize + ?Sized>(
                &mut self,
                $($key: $kind,)?
                value: &T,
            ) -> Result<(), Self::Error> {
                self.$by($($key,)? value)
            }

            fn end(self) -> Result<(), Self::Error> {
                self.close();
                Ok(())
            }
        })*
    };
}

compound! {
    SerializeSeq: serialize_element() by element,
    SerializeTuple: serialize_element() by element,
    SerializeTupleStruct: serialize_field() by element,
    SerializeTupleVariant: serialize_field() by element,
    SerializeStruct: serialize_field(key: &'static str) by field,
    SerializeStructVariant: serialize_field(key: &'static str) by field,
}

impl SerializeMap for Members<'_> {
    type Ok = ();
    type Error = serde_json::Error;

    fn serialize_key<T: Serialize + ?Sized>(&mut self, key: &T) -> Result<(), Self::Error> {
        self.separate();
        let start = self.writer.out.len();
        key.serialize(&mut self.writer)?;
        match self.writer.out.get(start) {
            Some(b'"') => Ok(()),
            _ => Err(Self::Error::custom("a key that is no text")),
        }
    }

    fn serialize_value<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), Self::Error> {
        self.writer.out.push(b':');
        value.serialize(&mut self.writer)
    }

    fn end(self) -> Result<(), Self::Error> {
        self.close();
        Ok(())
    }
}

#[cfg(test)]
mod tests;
