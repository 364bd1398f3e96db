//! A batch that is several requests, one after the other.

use sink::{Receipt, SinkError};

/// A request and where its items stand in the batch.
pub(crate) struct Turn<T> {
    pub(crate) part: T,
    pub(crate) items: Vec<usize>,
}

/// Sends the parts in turn. If the first fails, the batch has failed; if a later one does, the batch
/// must not be sent again, since its beginning has arrived: the rest is delivered on its own.
///
/// # Errors
///
/// That of the first part.
pub(crate) async fn take<T, F: Future<Output = Result<(), SinkError>>>(
    turns: Vec<Turn<T>>,
    receipt: &mut Receipt,
    send: impl Fn(T) -> F,
) -> Result<(), SinkError> {
    let mut turns = turns.into_iter();
    if let Some(first) = turns.next() {
        send(first.part).await?;
    }
    while let Some(Turn { part, items }) = turns.next() {
        if send(part).await.is_err() {
            let rest = turns.flat_map(|turn| turn.items);
            let left = items.into_iter().chain(rest);
            left.for_each(|index| receipt.defer(index));
            break;
        }
    }
    Ok(())
}
