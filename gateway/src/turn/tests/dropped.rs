//! A call whose client leaves while its started record is being stored has its event all the same.

use std::{
    num::NonZeroUsize,
    sync::{Arc, atomic::AtomicBool},
};

use bus::{Log, MemoryLog, ReadLimit};
use egress::EgressPolicy;
use event::{CallRecord, Outcome, codec};
use http::Request;
use serde_json::json;

use crate::{
    admission::{Permit, Rates, Recent},
    cache::Cache,
    call::Call,
    clock,
    config::Config,
    credentials::Credentials,
    draft::Draft,
    gateway::{Core, Shared},
    media::MediaClient,
    metrics::Metrics,
    open_calls::OpenCalls,
    operation::Operation,
    routing::Groups,
    tasks::Tasks,
    turn::Turn,
    unwritten::Unwritten,
    upstream::{self, Upstream},
};

fn shared(log: Arc<dyn Log>) -> Arc<Shared> {
    let tree = json!({"model_list": [
        {"model_name": "m", "litellm_params": {"model": "openai/m", "api_key": "k"}},
    ]});
    let (config, _warnings) = Config::from_tree(tree.as_object().unwrap()).unwrap();
    let tls = upstream::tls().unwrap();
    let core = Core {
        groups: Groups::new(&config),
        cache: Cache::open(config.cache.clone(), Metrics::new().cache).unwrap(),
        config,
        log,
        open_calls: OpenCalls::default(),
        unwritten: Unwritten::default(),
        credentials: Credentials::default(),
        media: MediaClient::new(&tls, EgressPolicy::public()),
        metrics: Metrics::new(),
        control: Arc::default(),
        rates: Rates::default(),
        recent: Recent::default(),
        clock: clock::system,
        refused_at: 0.into(),
    };
    Arc::new(Shared {
        core: Arc::new(core),
        upstream: Upstream::new(&tls),
        tasks: Tasks::default(),
        turn: Turn::default(),
        stopping: AtomicBool::new(false),
    })
}

fn records(log: &MemoryLog) -> Vec<CallRecord> {
    let limit = ReadLimit {
        records: NonZeroUsize::new(100).unwrap(),
        bytes: NonZeroUsize::new(1 << 20).unwrap(),
    };
    let mut reader = log.reader("test").unwrap();
    let batch = reader.try_read(limit).unwrap();
    let read = |record: &bus::Record| codec::decode_call(&record.bytes).unwrap();
    batch.records.iter().map(read).collect()
}

#[tokio::test]
async fn a_call_that_is_dropped_while_its_record_is_stored_has_its_event() {
    for stored_first in [false, true] {
        let log = Arc::new(MemoryLog::default());
        let shared = shared(Arc::clone(&log) as Arc<dyn Log>);
        let head = Request::new(()).into_parts().0;
        let route = ("/v1/chat/completions", Operation::Chat);
        let draft = Box::new(Draft::new(&head, route, None, (shared.clock)()));
        let call_id = draft.call_id.clone();
        let found = shared.groups.find("m").unwrap();
        let deployment = Arc::clone(&found.group.members()[0].deployment);
        let (permit, by_call) = (Permit::default(), Arc::clone(&shared));
        let mut admitted = Box::pin(Call::admit(by_call, draft, deployment, permit));
        // The record waits for the end of the turn.
        let waits = tokio::select! {
            biased;
            _call = &mut admitted => false,
            () = std::future::ready(()) => true,
        };
        assert!(waits);
        assert!(records(&log).is_empty());
        if stored_first {
            shared.turn.end(&shared);
            drop(admitted);
        } else {
            drop(admitted);
            shared.turn.end(&shared);
        }
        let records = records(&log);
        let [CallRecord::Started(started), CallRecord::Finished(finished)] = &records[..] else {
            panic!("stored first: {stored_first}: {} records", records.len());
        };
        assert_eq!(started.call_id, call_id);
        assert_eq!(finished.litellm_call_id, call_id);
        let ours = finished.tollkeeper.as_ref().unwrap();
        assert_eq!(ours.outcome, Outcome::ClientDisconnected);
        assert_eq!(ours.started_sequence, Some(0));
        assert_eq!(shared.open_calls.count(), 0, "no call is open any more");
    }
}
