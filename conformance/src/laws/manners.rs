//! What a sink does when it is not delivering.

use libtest_mimic::Failed;
use serde_json::{Value, json};
use sink::SinkErrorKind;

use crate::{
    Fault, Stand,
    session::{self, Session, chain, ensure},
};

pub(super) fn open_does_nothing_yet(stand: &dyn Stand) -> Result<(), Failed> {
    let rig = stand.rig();
    let before = rig.destination.contents();
    if rig.destination.suffer(Fault::Away).is_none() {
        rig.destination.recover();
    }
    // A runtime without drivers: whoever opens a socket or starts a timer panics.
    let runtime = tokio::runtime::Builder::new_current_thread().build()?;
    let env = session::env()?;
    let opened = runtime.block_on(async { stand.registration().open(rig.config.clone(), &env) });
    opened.map_err(|error| format!("nobody is there, and `open` minds: {}", chain(&error)))?;
    rig.destination.recover();
    let after = rig.destination.contents();
    ensure(before == after, || {
        format!("`open` has changed {before:?} to {after:?}")
    })
}

pub(super) fn a_probe_leaves_nothing_behind(stand: &dyn Stand) -> Result<(), Failed> {
    let session = Session::open(stand)?;
    let items = session.plain(4);
    let probe = || -> Result<(), Failed> {
        let before = session.destination.contents();
        session.probe()?.map_err(|error| chain(&error))?;
        let after = session.destination.contents();
        ensure(before == after, || {
            format!("`probe` has changed {before:?} to {after:?}")
        })
    };
    probe()?;
    session.deliver("before", &items[..2])?;
    probe()?;
    session.deliver("after", &items[2..])?;
    session.has(&items)
}

pub(super) fn a_probe_notices_that_nobody_is_there(stand: &dyn Stand) -> Result<(), Failed> {
    let session = Session::open(stand)?;
    let Some(expected) = session.destination.suffer(Fault::Away) else {
        return Ok(());
    };
    let reported = session.probe()?.err().map(|error| error.kind());
    ensure(reported == Some(expected), || {
        format!("that nobody is there has to be {expected:?} and was {reported:?}")
    })?;
    session.destination.recover();
    session.probe()?.map_err(|error| chain(&error).into())
}

pub(super) fn unknown_settings_are_refused(stand: &dyn Stand) -> Result<(), Failed> {
    let rig = stand.rig();
    let mut config = rig.config.clone();
    let Value::Object(settings) = &mut config else {
        return Err("a configuration is an object".into());
    };
    settings.insert("no_such_setting".to_owned(), json!(1));
    let Err(error) = stand.registration().open(config, &session::env()?) else {
        return Err("`no_such_setting` was taken".into());
    };
    ensure(error.kind() == SinkErrorKind::Misconfigured, || {
        format!("it was {:?}", error.kind())
    })?;
    ensure(chain(&error).contains("no_such_setting"), || {
        format!("the message does not name the setting: {}", chain(&error))
    })
}
