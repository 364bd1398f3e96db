//! Messages read back, and a snapshot that follows is the snapshot that would be taken.

use super::*;
use crate::{Budget, Json, Usd, Window};

fn id(text: &str) -> EntityId {
    text.parse().unwrap()
}

fn budget(limit: &str) -> Budget {
    let text = format!(r#"{{"id":"b","entity":"key:k","terms":{{"limit":{limit}}}}}"#);
    serde_json::from_str(&text).unwrap()
}

fn generation() -> Generation {
    let source = id("gateway-1");
    Generation { source, start: 7 }
}

fn full() -> Snapshot {
    let mut snapshot = Snapshot {
        version: 4,
        prices: vec![PriceLayer {
            name: id("built in"),
            sha256: id(&"0".repeat(64)),
        }],
        end_user_terms: Some(budget("2").terms),
        ..Snapshot::default()
    };
    let key = Key {
        team: Some(id("t")),
        expires: Some(Timestamp::from_micros(1_795_185_951_397_412)),
        metadata: Json::parse(r#"{"a":1.50}"#.to_owned()).unwrap(),
        ..Key::default()
    };
    snapshot.keys.insert(id("k"), key);
    snapshot.keys.insert(id("old"), Key::default());
    snapshot.teams.insert(id("t"), Team::default());
    snapshot.users.insert(id("u"), User::default());
    snapshot
        .organizations
        .insert(id("o"), Organization::default());
    snapshot.end_users.insert(id("e"), EndUser::default());
    let member = "team_member:t/u".parse().unwrap();
    snapshot.members.insert(member, Member::default());
    snapshot.budgets.insert(id("b"), budget("1.5"));
    snapshot.spent.push(Spent {
        budget: id("b"),
        window: Window::ever().id,
        settled: Usd::from_picos(1),
    });
    snapshot
}

fn reads_back<T: Message + PartialEq + std::fmt::Debug>(message: &T) {
    let bytes = encode(message).unwrap();
    assert_eq!(&decode::<T>(&bytes).unwrap(), message);
}

#[test]
fn every_message_reads_back() {
    let amount = |picos| Usd::from_picos(picos);
    let (budget, window) = (id("b"), Window::ever().id);
    let sent_at = Timestamp::from_micros(1_795_185_951_397_412);
    reads_back(&full());
    reads_back(&Hello {
        generation: generation(),
        software: "0.1.0".to_owned(),
        snapshot: Some(4),
    });
    reads_back(&Welcome {
        version: 4,
        lease: Seconds::from_micros(30_000_000),
        longest_call: Seconds::from_micros(600_000_000),
    });
    let ask = Ask {
        number: 1,
        wanted: amount(3),
        returned: amount(2),
    };
    reads_back(&LeaseRequest {
        generation: generation(),
        sent_at,
        asks: vec![BudgetAsk {
            budget: budget.clone(),
            window: window.clone(),
            ask,
        }],
    });
    let lease = Lease {
        as_of: 5,
        given: amount(3),
        settled_below: 9,
        used: amount(1),
        limit: amount(100),
        settled: amount(-4),
        recall: amount(0),
        yields: false,
    };
    reads_back(&LeaseReply {
        sent_at,
        leases: vec![BudgetLease {
            budget,
            window,
            lease,
        }],
        version: 4,
    });
}

#[test]
fn what_is_newer_is_passed_over_or_refused_clearly() {
    let read = |text: &str| decode::<Hello>(text.as_bytes()).map_err(|error| error.to_string());
    let hello = r#"{"generation":{"source":"g","start":1,"new":2},"newer":[1]}"#;
    let known = read(&format!(r#"{{"format":1,"body":{hello},"more":0}}"#)).unwrap();
    assert_eq!(known.generation.start, 1);
    let other = read(&format!(r#"{{"format":2,"body":{hello}}}"#)).unwrap_err();
    assert!(
        other.starts_with("the hello has format 2, and 1 is"),
        "{other}"
    );
    for text in ["", "{}", "[]", r#"{"format":1,"body":{}}"#] {
        assert_eq!(
            read(text).unwrap_err(),
            "the hello cannot be read",
            "{text}"
        );
    }
    let long = " ".repeat(MIB + 1);
    let told = read(&long).unwrap_err();
    assert!(
        told.contains("1048577 bytes, more than the 1048576"),
        "{told}"
    );
    let source = "x".repeat(257);
    assert!(
        read(&format!(
            r#"{{"format":1,"body":{{"generation":{{"source":"{source}","start":1}}}}}}"#
        ))
        .is_err()
    );
}

#[test]
fn a_snapshot_that_follows_is_the_one_that_would_be_taken() {
    let mut following = full();
    let changes: Changes = serde_json::from_str(
        r#"{"since":4,"version":9,
            "keys":{"k":{"blocked":true},"new":{"models":["gpt-4o"]}},
            "budgets":{"b2":{"id":"b2","entity":"team:t","terms":{"limit":0.1}}},
            "gone":["key:old","team:t","user:u","organization:o","end_user:e","team_member:t/u"],
            "gone_budgets":["b"],"end_user_terms":{"now":null},"prices":[]}"#,
    )
    .unwrap();
    reads_back(&changes);
    following.apply(changes.clone()).unwrap();
    let expected: Snapshot = serde_json::from_str(
        r#"{"version":9,"keys":{"k":{"blocked":true},"new":{"models":["gpt-4o"]}},
            "budgets":{"b2":{"id":"b2","entity":"team:t","terms":{"limit":0.1}}},
            "spent":[{"budget":"b","window":"ever","settled":0.000000000001}]}"#,
    )
    .unwrap();
    assert_eq!(following, expected);
    let told = following.apply(changes).unwrap_err();
    assert_eq!(
        told,
        Gap {
            since: 4,
            version: 9
        }
    );
    assert_eq!(following, expected);
}
