//! What happens when the destination does not behave.

use std::time::Duration;

use libtest_mimic::Failed;
use serde_json::{Value, json};
use sink::SinkErrorKind;

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

/// Each with the kind that has to be reported: for sinks whose settings have an `http` URL.
const NOWHERE: [(&str, &str, SinkErrorKind); 4] = [
    // The destination does not speak TLS.
    ("http://", "https://", SinkErrorKind::Unreachable),
    // No such name; whether that is seen as such depends on the resolver, not on the sink.
    (
        "http://127.0.0.1",
        "https://no-such-host.invalid",
        SinkErrorKind::Unreachable,
    ),
    // Addresses inside the network.
    (
        "http://127.0.0.1",
        "http://169.254.169.254",
        SinkErrorKind::Misconfigured,
    ),
    (
        "http://127.0.0.1",
        "https://[fd00::1]",
        SinkErrorKind::Misconfigured,
    ),
];

pub(super) fn a_url_that_leads_nowhere_good_is_reported(stand: &dyn Stand) -> Result<(), Failed> {
    for (from, to, expected) in NOWHERE {
        let mut session = Session::open(stand)?;
        let mut config = session.config.clone();
        if !lead_elsewhere(&mut config, from, to) {
            continue;
        }
        session.config = config;
        let items = session.plain(2);
        let error = match session.reopen(stand) {
            Err(error) => error,
            Ok(()) => match session.try_deliver("elsewhere", &items)? {
                Ok(receipt) => return Err(format!("{to} was taken: {receipt:?}").into()),
                Err(error) => error,
            },
        };
        ensure(error.kind() == expected, || {
            format!("{to} has to be {expected:?} and was: {}", chain(&error))
        })?;
        // What is not of its protocol, the destination may complain of.
        let stored = session.destination.stored().unwrap_or_default();
        ensure(stored.is_empty(), || {
            format!("{to}: something arrived all the same")
        })?;
    }
    Ok(())
}

/// Puts `to` in the place of `from` in every text of a configuration that begins with it; whether
/// there was one.
fn lead_elsewhere(config: &mut Value, from: &str, to: &str) -> bool {
    match config {
        Value::String(text) => match text.strip_prefix(from) {
            Some(rest) => {
                *text = format!("{to}{rest}");
                true
            }
            None => false,
        },
        Value::Array(values) => {
            let changed = values
                .iter_mut()
                .map(|value| lead_elsewhere(value, from, to));
            changed.filter(|changed| *changed).count() > 0
        }
        Value::Object(values) => {
            let changed = values
                .values_mut()
                .map(|value| lead_elsewhere(value, from, to));
            changed.filter(|changed| *changed).count() > 0
        }
        _ => false,
    }
}
