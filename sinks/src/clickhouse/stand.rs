//! A `ClickHouse` that has its tables, and reads what is inserted as strictly as the real one.

use std::{collections::BTreeMap, io::Read};

use conformance::{
    Destination, Fault, Rig, Stored,
    http::{HttpDestination, Request},
};
use event::{EventId, Json, Timestamp, Usd};
use lz4_flex::frame::FrameDecoder;
use serde_json::json;
use sink::{Registration, SinkErrorKind};

use super::ClickHouse;

const CANARY: &str = "canary-clickhouse-5e1f";
const SCHEMA: &str = include_str!("schema.sql");
const INSERT: &str = "INSERT INTO llm.tk_events (";
const FORMAT: &str = ") FORMAT RowBinaryWithNamesAndTypes";

/// A server that has its tables.
#[derive(Debug)]
pub struct Stand;

impl conformance::Stand for Stand {
    fn registration(&self) -> Registration {
        Registration::of::<ClickHouse>()
    }

    #[expect(clippy::expect_used, reason = "without a port there is no test")]
    fn rig(&self) -> Rig {
        let http = HttpDestination::start().expect("a free port");
        http.answer("");
        Rig {
            config: json!({
                "url": http.url(), "username": "writer", "password": CANARY,
                "database": "llm", "table_prefix": "tk_",
            }),
            secrets: vec![CANARY.to_owned()],
            destination: Box::new(Server(http)),
        }
    }
}

struct Server(HttpDestination);

impl Destination for Server {
    fn stored(&self) -> Result<Vec<Stored>, String> {
        if let Some(complaint) = self.0.complaints().first() {
            return Err(complaint.clone());
        }
        let mut tokens: BTreeMap<String, Vec<u8>> = BTreeMap::new();
        let mut rows: Vec<(EventId, u32, Stored)> = Vec::new();
        for request in self.0.taken() {
            let Some((token, body)) = insert(&request)? else {
                continue;
            };
            match tokens.get(&token) {
                Some(first) if *first == body => continue,
                Some(_) => return Err(format!("what is inserted as {token} has changed")),
                None => {}
            }
            for row in read(&body)? {
                match rows.iter_mut().find(|(id, ..)| *id == row.0) {
                    Some(before) if before.1 > row.1 => {}
                    Some(before) => *before = row,
                    None => rows.push(row),
                }
            }
            tokens.insert(token, body);
        }
        Ok(rows.into_iter().map(|(_id, _revision, row)| row).collect())
    }

    fn suffer(&self, fault: Fault) -> Option<SinkErrorKind> {
        self.0.suffer(fault);
        Some(fault.kind())
    }

    fn recover(&self) {
        self.0.recover();
    }
}

/// The token and the rows of an insert; `None` for a question.
fn insert(request: &Request) -> Result<Option<(String, Vec<u8>)>, String> {
    let header = |name: &str| request.header(name).unwrap_or_default();
    if request.method != "POST"
        || header("x-clickhouse-user") != "writer"
        || header("x-clickhouse-key") != CANARY
    {
        return Err(format!("it is not a POST by `writer`: {}", request.method));
    }
    let settings = query(&request.target)?;
    let setting = |name: &str| settings.get(name).map_or("", String::as_str);
    if setting("wait_end_of_query") != "1" {
        return Err("the answer would come before the end".to_owned());
    }
    if setting("query").is_empty() {
        return match &*request.body {
            b"SELECT 1 FORMAT Null" => Ok(None),
            other => Err(format!("unexpected: {}", String::from_utf8_lossy(other))),
        };
    }
    let columns = setting("query").strip_prefix(INSERT);
    let columns = columns.and_then(|rest| rest.strip_suffix(FORMAT));
    let columns = columns.ok_or_else(|| format!("no insert: {}", setting("query")))?;
    let token = setting("insert_deduplication_token").to_owned();
    if setting("async_insert") != "0" || setting("insert_deduplicate") != "1" || token.is_empty() {
        return Err(format!("it would not be deduplicated: {settings:?}"));
    }
    if header("content-encoding") != "lz4" {
        return Err("the rows are not compressed".to_owned());
    }
    let mut rows = Vec::new();
    FrameDecoder::new(&*request.body)
        .read_to_end(&mut rows)
        .map_err(|error| error.to_string())?;
    let mut rest = &*rows;
    let named: Vec<_> = (0..length(&mut rest)?)
        .map(|_at| text(&mut rest))
        .collect::<Result<_, _>>()?;
    if named.join(", ") != columns {
        return Err(format!("the query names {columns}, the rows {named:?}"));
    }
    Ok(Some((token, rows)))
}

fn query(target: &str) -> Result<BTreeMap<String, String>, String> {
    let (_path, query) = target.split_once('?').unwrap_or((target, ""));
    let pairs = query.split('&').filter(|pair| !pair.is_empty());
    pairs
        .map(|pair| {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            Ok((decoded(name)?, decoded(value)?))
        })
        .collect()
}

fn decoded(text: &str) -> Result<String, String> {
    let mut bytes = Vec::new();
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        bytes.push(match byte {
            b'+' => b' ',
            b'%' => {
                let digits: Vec<u8> = rest.by_ref().take(2).collect();
                let digits = String::from_utf8_lossy(&digits).into_owned();
                u8::from_str_radix(&digits, 16).map_err(|error| error.to_string())?
            }
            other => other,
        });
    }
    String::from_utf8(bytes).map_err(|error| error.to_string())
}

/// Every row, with its event's id and revision.
fn read(rows: &[u8]) -> Result<Vec<(EventId, u32, Stored)>, String> {
    let mut rest = rows;
    let count = length(&mut rest)?;
    let mut texts = |_at| text(&mut rest);
    let names: Vec<_> = (0..count).map(&mut texts).collect::<Result<_, _>>()?;
    let kinds: Vec<_> = (0..count).map(&mut texts).collect::<Result<_, _>>()?;
    for (name, kind) in names.iter().zip(&kinds) {
        let column = format!("\n    {name} {kind}");
        let made = SCHEMA.match_indices(&column);
        let mut ends = made.filter_map(|(at, _)| SCHEMA.get(at + column.len()..)?.chars().next());
        if !ends.any(|end| end == ',' || end == ' ') {
            return Err(format!("the table has no column `{name} {kind}`"));
        }
    }
    let mut read = Vec::new();
    while !rest.is_empty() {
        let mut row: BTreeMap<&str, Json> = BTreeMap::new();
        for (name, kind) in names.iter().zip(&kinds) {
            row.insert(name, value(kind, &mut rest)?);
        }
        read.push(stored(&row).ok_or_else(|| format!("a row is not whole: {row:?}"))?);
    }
    Ok(read)
}

fn value(kind: &str, rest: &mut &[u8]) -> Result<Json, String> {
    Ok(match kind {
        "UUID" => {
            let (high, low) = (
                u64::from_le_bytes(take(rest)?),
                u64::from_le_bytes(take(rest)?),
            );
            let digits = format!("{high:016x}{low:016x}");
            Json::of(&digits)
        }
        "String" | "LowCardinality(String)" => Json::of(&text(rest)?),
        "Array(LowCardinality(String))" => {
            let texts: Vec<_> = (0..length(rest)?)
                .map(|_at| text(rest))
                .collect::<Result<_, _>>()?;
            Json::of(&texts)
        }
        "UInt32" => Json::of(&u32::from_le_bytes(take(rest)?)),
        "UInt64" => Json::of(&u64::from_le_bytes(take(rest)?)),
        "Bool" => Json::of(&(take::<1>(rest)? == [1])),
        "DateTime64(6, 'UTC')" => {
            Json::of(&Timestamp::from_micros(i64::from_le_bytes(take(rest)?)))
        }
        "Nullable(Decimal(38, 12))" if take::<1>(rest)? == [1] => Json::default(),
        "Nullable(Decimal(38, 12))" => Json::of(&Usd::from_picos(i128::from_le_bytes(take(rest)?))),
        other => return Err(format!("no column has the type {other}")),
    })
}

/// In the event's own words; an empty text may be one that is not there.
fn stored(row: &BTreeMap<&str, Json>) -> Option<(EventId, u32, Stored)> {
    let id: EventId = row.get("event_id")?.read()?;
    let mut said = BTreeMap::new();
    for (column, field) in [
        ("response_id", "id"),
        ("call_id", "litellm_call_id"),
        ("start_time", "startTime"),
        ("end_time", "endTime"),
        ("call_type", "call_type"),
        ("status", "status"),
        ("model", "model"),
        ("model_group", "model_group"),
        ("end_user", "end_user"),
        ("error_message", "error_str"),
        ("tags", "request_tags"),
        ("prompt_tokens", "prompt_tokens"),
        ("completion_tokens", "completion_tokens"),
        ("total_tokens", "total_tokens"),
        ("cost", "response_cost"),
    ] {
        let value = row.get(column)?;
        if value.text() != "\"\"" {
            said.insert(field, value.clone());
        }
    }
    for field in ["messages", "response"] {
        let text: String = row.get(field)?.read()?;
        if !text.is_empty() {
            said.insert(field, Json::parse(text)?);
        }
    }
    let said = Json::of(&said);
    Some((id, row.get("revision")?.read()?, Stored { id, said }))
}

fn take<const N: usize>(rest: &mut &[u8]) -> Result<[u8; N], String> {
    let (bytes, behind) = rest.split_first_chunk().ok_or("a row ends too early")?;
    *rest = behind;
    Ok(*bytes)
}

fn length(rest: &mut &[u8]) -> Result<usize, String> {
    let mut length = 0;
    for shift in (0..63).step_by(7) {
        let [byte] = take(rest)?;
        length |= usize::from(byte & 0x7f) << shift;
        if byte < 0x80 {
            return Ok(length);
        }
    }
    Err("a length has no end".to_owned())
}

fn text(rest: &mut &[u8]) -> Result<String, String> {
    let length = length(rest)?;
    let (bytes, behind) = rest
        .split_at_checked(length)
        .ok_or("a text is longer than its row")?;
    *rest = behind;
    String::from_utf8(bytes.to_vec()).map_err(|error| error.to_string())
}
