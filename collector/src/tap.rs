//! Events as they are settled, for whoever looks on; a slow onlooker is cut off.

use bytes::Bytes;
use event::codec;
use tokio::sync::broadcast;

/// Events an onlooker may fall behind.
const BEHIND_MAX: usize = 4096;

/// Where events can be watched.
#[derive(Clone, Debug)]
pub(crate) struct Tap(broadcast::Sender<Bytes>);

impl Tap {
    pub(crate) fn new() -> Self {
        Self(broadcast::Sender::new(BEHIND_MAX))
    }

    /// The JSON of every event from now on.
    pub(crate) fn watch(&self) -> broadcast::Receiver<Bytes> {
        self.0.subscribe()
    }

    /// Shows records of the priced log; costs nothing while nobody looks.
    pub(crate) fn tell(&self, records: &[Vec<u8>]) {
        if self.0.receiver_count() == 0 {
            return;
        }
        for record in records {
            if let Ok(opened) = codec::open_priced(record) {
                // Nobody is left to look on: that is no error.
                let _left = self.0.send(Bytes::copy_from_slice(opened.json));
            }
        }
    }
}
