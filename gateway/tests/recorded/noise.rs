//! Damaged answers: whatever a provider sends, nothing panics, and what the client gets is bounded.

use bytes::Bytes;
use event::Usage;
use gateway::provider::{Answer, Fault, Step};
use http::{HeaderMap, StatusCode};

use crate::case::{self, Asked};

/// Damaged copies of each answer.
const COPIES: u64 = 60;
/// What is written around each byte of the provider at most; an element of a stream is a chunk.
const GROWTH: usize = 64;
/// The same for an answer without any bytes.
const LEAST: usize = 16 << 10;

/// A small generator of numbers: SplitMix64.
struct Dice(u64);

impl Dice {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    fn below(&mut self, bound: usize) -> usize {
        let bound = u64::try_from(bound.max(1)).unwrap();
        usize::try_from(self.next() % bound).unwrap()
    }
}

/// What stands in answers and means something there.
const WORDS: &[&[u8]] = &[
    b"null",
    b"-1",
    b"1e999",
    b"[]",
    b"{}",
    b"\"",
    b"\\u0000",
    b"\\ud800",
    b"\xff",
    b"\n\n",
    b"\r",
    b"data: ",
    b"data: [DONE]\n\n",
    b"event: error\n",
    b"18446744073709551616",
    b"[[[[[[[[",
    b",",
    b":",
    b"}",
    b"true",
];

/// Changes a few places.
fn damaged(whole: &[u8], dice: &mut Dice) -> Vec<u8> {
    let mut bytes = whole.to_vec();
    for _ in 0..=dice.below(4) {
        let at = dice.below(bytes.len() + 1);
        let end = (at + dice.below(12)).min(bytes.len());
        match dice.below(6) {
            0 => bytes.truncate(at),
            1 => drop(bytes.drain(at..end)),
            2 => {
                let word = WORDS[dice.below(WORDS.len())];
                bytes.splice(at..end, word.iter().copied());
            }
            3 => {
                let again = bytes[at..end].to_vec();
                bytes.splice(at..at, again);
            }
            _ if at < bytes.len() => bytes[at] ^= 1 << dice.below(8),
            _ => {}
        }
    }
    bytes
}

fn whole(asked: &Asked, body: Vec<u8>, status: StatusCode) -> usize {
    let answer = Answer {
        status,
        headers: HeaderMap::new(),
        body: body.into(),
    };
    let reader = asked.reader();
    if !status.is_success() {
        return reader.fault(&answer).message.len();
    }
    match reader.whole(answer) {
        Ok(Step::Done(whole)) => whole.body.len(),
        Ok(Step::Again(..)) => 0,
        Err(fault) => fault.message.len(),
    }
}

/// What a damaged stream is in the end, and how much the client gets of it.
fn streamed(
    asked: &Asked,
    body: &[u8],
    cut: usize,
) -> ((Option<Usage>, Option<Fault>, bool), usize) {
    let mut answer = asked.reader().stream(false);
    let (head, tail) = body.split_at(cut);
    let mut out = answer.chunk(Bytes::copy_from_slice(head)).len();
    out += answer.chunk(Bytes::copy_from_slice(tail)).len();
    out += answer.rest().len();
    let is_finished = answer.is_finished();
    let observed = answer.observed();
    ((observed.usage, observed.error, is_finished), out)
}

#[test]
fn damaged_answers_are_read_or_refused() {
    for (number, case) in (0..).zip(case::all()) {
        let answer = case.answers.last().unwrap();
        let asked = case.read();
        let good = answer.bytes("http://provider.test");
        for copy in 0..COPIES {
            let mut dice = Dice(number * COPIES + copy);
            let body = damaged(&good, &mut dice);
            let bound = LEAST + GROWTH * body.len();
            let cut = dice.below(body.len());
            let status = StatusCode::from_u16(answer.status()).unwrap();
            let got = if answer.is_stream() {
                let (told, length) = streamed(&asked, &body, cut);
                assert_eq!(told, streamed(&asked, &body, 0).0, "{} {copy}", case.name);
                length
            } else {
                whole(&asked, body, status)
            };
            assert!(got < bound, "{} {copy}: {got} bytes", case.name);
        }
    }
}

/// An answer in the place of another: no dialect takes another's for its own and panics.
#[test]
fn answers_of_others_are_read_or_refused() {
    let cases = case::all();
    for case in &cases {
        let asked = case.read();
        for other in cases.iter().step_by(7) {
            let body = other.answers.last().unwrap().bytes("http://provider.test");
            if case.request["stream"] == true {
                streamed(&asked, &body, body.len() / 2);
            } else {
                whole(&asked, body.to_vec(), StatusCode::OK);
            }
        }
    }
}
