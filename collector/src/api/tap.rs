//! `/tap`: events as they are settled, one on each line, or as server-sent events.

use std::{convert::Infallible, sync::Arc};

use axum::{
    body::{Body, Bytes},
    extract::State,
    http::{HeaderMap, header},
    response::{IntoResponse, Response},
};
use futures_util::stream;
use tokio::sync::broadcast::{Receiver, error::RecvError};

use super::{Api, Shared};

struct Watch {
    events: Receiver<Bytes>,
    api: Arc<Api>,
    as_sse: bool,
    is_over: bool,
}

/// Streams from now on, until the client goes, falls too far behind, or the collector stops.
pub(super) async fn tap(State(api): Shared, headers: HeaderMap) -> Response {
    let accepts = headers
        .get(header::ACCEPT)
        .and_then(|accepts| accepts.to_str().ok());
    let as_sse = accepts.is_some_and(|accepts| accepts.contains("text/event-stream"));
    let kind = if as_sse {
        "text/event-stream"
    } else {
        "application/x-ndjson"
    };
    let watch = Watch {
        events: api.tap.watch(),
        api,
        as_sse,
        is_over: false,
    };
    let lines = stream::unfold(watch, |mut watch| async move {
        let line = watch.next().await?;
        Some((Ok::<_, Infallible>(line), watch))
    });
    ([(header::CONTENT_TYPE, kind)], Body::from_stream(lines)).into_response()
}

impl Watch {
    async fn next(&mut self) -> Option<Bytes> {
        if self.is_over {
            return None;
        }
        let event = tokio::select! {
            () = self.api.tasks.stopping() => return None,
            event = self.events.recv() => event,
        };
        match event {
            Ok(event) => Some(self.line(&event)),
            Err(RecvError::Closed) => None,
            Err(RecvError::Lagged(missed)) => {
                self.is_over = true;
                let last = format!(
                    r#"{{"error":{{"message":"cut off: {missed} events behind; read faster","type":"slow_reader","param":null,"code":"503"}}}}"#
                );
                Some(self.line(last.as_bytes()))
            }
        }
    }

    fn line(&self, json: &[u8]) -> Bytes {
        let (before, after): (&[u8], &[u8]) = if self.as_sse {
            (b"data: ", b"\n\n")
        } else {
            (b"", b"\n")
        };
        // An answer may have been printed over several lines; in JSON they mean nothing.
        let mut line = [before, json, after].concat();
        let end = line.len() - after.len();
        for byte in line[..end].iter_mut().filter(|byte| **byte == b'\n') {
            *byte = b' ';
        }
        line.into()
    }
}
