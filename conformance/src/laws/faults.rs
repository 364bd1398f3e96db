//! What happens when the destination does not behave.

use std::time::Duration;

use libtest_mimic::Failed;
use serde_json::{Value, json};

use crate::{
    Fault, Stand,
    session::{self, Session, chain, ensure},
};

pub(super) fn a_fault_is_reported_as_what_it_is(stand: &dyn Stand) -> Result<(), Failed> {
    let items = Session::open(stand)?.plain(2);
    for &fault in Fault::ALL {
        let session = Session::open(stand)?;
        let Some(expected) = session.destination.suffer(fault) else {
            continue;
        };
        let Err(error) = session.try_deliver("fault", &items)? else {
            return Err(format!("{fault:?} was taken for success").into());
        };
        ensure(error.kind() == expected, || {
            format!(
                "{fault:?} has to be {expected:?} and was {:?}: {}",
                error.kind(),
                chain(&error)
            )
        })?;
        let pause = fault.pause();
        ensure(error.retry_after() == pause, || {
            format!(
                "{fault:?} asks for a pause of {pause:?}, not {:?}",
                error.retry_after()
            )
        })?;
    }
    Ok(())
}

pub(super) fn a_fault_that_is_over_is_over(stand: &dyn Stand) -> Result<(), Failed> {
    let items = Session::open(stand)?.plain(4);
    for &fault in Fault::ALL {
        let session = Session::open(stand)?;
        session.deliver("before", &items[..1])?;
        if session.destination.suffer(fault).is_none() {
            continue;
        }
        for _ in 0..2 {
            drop(session.try_deliver("during", &items[1..3])?);
        }
        session.destination.recover();
        session.deliver("during", &items[1..3])?;
        session.deliver("after", &items[3..])?;
        session.has(&items)?;
    }
    Ok(())
}

pub(super) fn a_dropped_delivery_leaves_the_sink_usable(stand: &dyn Stand) -> Result<(), Failed> {
    let session = Session::open(stand)?;
    let items = session.plain(40);
    let names: Vec<_> = (0..20_u64).map(|at| format!("dropped-{at}")).collect();
    for ((name, part), at) in names.iter().zip(items.chunks(2)).zip(0..) {
        session.drop_after(Duration::from_micros(at * 100), name, part)?;
        session.deliver(name, part)?;
    }
    session.has(&items)?;
    let session = Session::open(stand)?;
    if session.destination.suffer(Fault::Hangs).is_some() {
        session.drop_after(Duration::from_millis(50), "hung", &items)?;
        session.destination.recover();
        session.deliver("hung", &items)?;
        session.has(&items)?;
    }
    Ok(())
}

pub(super) fn no_secret_is_shown(stand: &dyn Stand) -> Result<(), Failed> {
    let session = Session::open(stand)?;
    let items = session.plain(2);
    let hidden = |shown: &str| {
        let secret = session
            .secrets
            .iter()
            .find(|&secret| shown.contains(secret.as_str()));
        ensure(secret.is_none(), || format!("a secret is shown: {shown}"))
    };
    hidden(&format!("{:?} {:#?}", session.sink(), session.sink()))?;
    for &fault in Fault::ALL {
        let session = Session::open(stand)?;
        if session.destination.suffer(fault).is_none() {
            continue;
        }
        let errors = [
            session.try_deliver("fault", &items)?.err(),
            session.probe()?.err(),
        ];
        for error in errors.iter().flatten() {
            hidden(&format!("{} {error:?}", chain(error)))?;
        }
    }
    let env = session::env()?;
    // Secrets in the wrong place: a message that quotes what it could not read would show them.
    let settings: Vec<_> = session
        .config
        .as_object()
        .into_iter()
        .flatten()
        .map(|(key, _)| key.as_str())
        .collect();
    for secret in &session.secrets {
        for &setting in settings.iter().chain(&["no_such_setting"]) {
            for value in [json!(secret), json!([secret]), json!({ "x": secret })] {
                let mut config = session.config.clone();
                if let Value::Object(config) = &mut config {
                    config.insert(setting.to_owned(), value);
                }
                if let Err(error) = stand.registration().open(config, &env) {
                    hidden(&format!("{} {error:?}", chain(&error)))?;
                }
            }
        }
    }
    Ok(())
}
