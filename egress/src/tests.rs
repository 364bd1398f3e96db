//! Addresses in every form that somebody might try.

use super::*;

fn policy(config: serde_json::Value) -> EgressPolicy {
    serde_json::from_value(config).unwrap()
}

fn check(policy: &EgressPolicy, url: &str) -> Result<(), EgressError> {
    let (scheme, rest) = url.split_once("://").unwrap();
    let host = rest.split('/').next().unwrap();
    policy.check(host, scheme == "https")
}

#[test]
fn only_the_public_internet_is_allowed() {
    let policy = EgressPolicy::default();
    for (address, kind) in [
        ("0.0.0.0", "unspecified"),
        ("0.1.2.3", "unspecified"),
        ("10.0.0.1", "private"),
        ("100.64.0.1", "carrier-grade NAT"),
        ("100.127.255.255", "carrier-grade NAT"),
        ("127.0.0.1", "loopback"),
        ("127.255.255.254", "loopback"),
        ("169.254.1.1", "link-local"),
        ("172.16.0.1", "private"),
        ("172.31.255.255", "private"),
        ("192.0.0.8", "reserved"),
        ("192.0.2.1", "documentation"),
        ("192.168.1.1", "private"),
        ("198.18.0.1", "benchmarking"),
        ("198.19.255.255", "benchmarking"),
        ("224.0.0.1", "multicast"),
        ("239.255.255.255", "multicast"),
        ("240.0.0.1", "reserved"),
        ("255.255.255.255", "reserved"),
        ("::", "unspecified"),
        ("::1", "loopback"),
        ("::7f00:1", "reserved"),
        ("::ffff:127.0.0.1", "loopback"),
        ("::ffff:10.1.2.3", "private"),
        ("64:ff9b::10.1.2.3", "private"),
        ("64:ff9b::7f00:1", "loopback"),
        ("64:ff9b:1::a00:1", "reserved"),
        ("100::1", "reserved"),
        ("2001::1", "Teredo"),
        ("2001:10::1", "reserved"),
        ("2001:db8::1", "documentation"),
        ("2002:7f00:1::", "loopback"),
        ("2002:c0a8:101::1", "private"),
        ("3fff::1", "documentation"),
        ("5f00::1", "reserved"),
        ("fc00::1", "unique local"),
        ("fdff::1", "unique local"),
        ("fe80::1", "link-local"),
        ("febf::1", "link-local"),
        ("fec0::1", "site-local"),
        ("ff02::1", "multicast"),
    ] {
        let address: IpAddr = address.parse().unwrap();
        let error = policy.vet("host", &[address], true).unwrap_err();
        let kind = kind.to_owned();
        assert_eq!(
            error,
            EgressError::NotPublic {
                host: "host".to_owned(),
                address,
                kind
            }
        );
    }
}

#[test]
fn public_addresses_are_allowed_up_to_the_edges() {
    let policy = EgressPolicy::default();
    for address in [
        "1.1.1.1",
        "9.255.255.255",
        "11.0.0.0",
        "100.63.255.255",
        "100.128.0.0",
        "126.255.255.255",
        "128.0.0.0",
        "169.253.255.255",
        "172.15.255.255",
        "172.32.0.0",
        "192.167.255.255",
        "198.17.255.255",
        "198.20.0.0",
        "223.255.255.255",
        "2001:200::1",
        "2606:4700:4700::1111",
        "2a00:1450::1",
        "::ffff:8.8.8.8",
        "64:ff9b::8.8.8.8",
        "2002:808:808::1",
    ] {
        assert_eq!(
            policy.vet("host", &[address.parse().unwrap()], true),
            Ok(()),
            "{address}"
        );
    }
}

#[test]
fn a_metadata_service_is_never_allowed() {
    let open = policy(serde_json::json!({
        "allow": ["0.0.0.0/0", "::/0", "metadata.google.internal"], "allow_http": true,
    }));
    for url in [
        "http://169.254.169.254/latest/meta-data",
        "http://[::ffff:169.254.169.254]/",
        "http://[fd00:ec2::254]/",
        "http://100.100.100.200/",
        "http://168.63.129.16/",
        "http://metadata.google.internal/",
        "http://Metadata.Google.Internal./",
    ] {
        assert!(
            matches!(check(&open, url), Err(EgressError::Metadata(_))),
            "{url}"
        );
    }
    let rebound = open.vet(
        "harmless.example",
        &["169.254.169.254".parse().unwrap()],
        true,
    );
    assert!(matches!(rebound, Err(EgressError::Metadata(_))));
}

#[test]
fn one_address_of_several_is_enough_to_be_refused() {
    let addresses = ["8.8.8.8".parse().unwrap(), "10.0.0.1".parse().unwrap()];
    assert!(
        EgressPolicy::default()
            .vet("two.example", &addresses, true)
            .is_err()
    );
}

#[test]
fn what_is_named_is_allowed_even_over_plain_http() {
    let policy = policy(serde_json::json!({
        "allow": ["127.0.0.0/8", "10.1.0.0/16", "fd00::/8", "192.168.7.7", "Hooks.Internal"],
    }));
    for (host, address, allowed) in [
        ("a", "127.9.9.9", true),
        ("a", "::ffff:127.0.0.1", true),
        ("a", "::1", false),
        ("a", "10.1.255.255", true),
        ("a", "10.2.0.0", false),
        ("a", "fd12::1", true),
        ("a", "192.168.7.7", true),
        ("a", "192.168.7.8", false),
        ("hooks.internal", "192.168.7.8", true),
        ("a.hooks.internal", "192.168.7.8", false),
        ("a", "8.8.8.8", false),
    ] {
        let vetted = policy.vet(host, &[address.parse().unwrap()], false);
        assert_eq!(vetted.is_ok(), allowed, "{host} at {address}: {vetted:?}");
    }
    assert_eq!(check(&policy, "http://127.0.0.1/"), Ok(()));
    assert_eq!(check(&policy, "http://hooks.internal/"), Ok(()));
    assert!(check(&policy, "http://8.8.8.8/").is_err());
}

#[test]
fn plain_http_is_refused_unless_it_is_allowed() {
    let error = check(&EgressPolicy::default(), "http://example.com/").unwrap_err();
    assert!(error.to_string().contains("egress.allow_http"), "{error}");
    assert_eq!(
        check(&EgressPolicy::default(), "https://example.com/"),
        Ok(())
    );
    let plain = policy(serde_json::json!({ "allow_http": true }));
    assert_eq!(check(&plain, "http://example.com/"), Ok(()));
    assert!(check(&plain, "http://10.0.0.1/").is_err());
}

#[test]
fn an_entry_that_cannot_be_read_is_refused_by_name() {
    for entry in [
        "10.0.0.0/33",
        "::/129",
        "10.0.0.0/x",
        "host:80",
        "http://host",
        "",
        "1.2.3",
    ] {
        let config = serde_json::json!({ "allow": [entry] });
        let error = serde_json::from_value::<EgressPolicy>(config)
            .unwrap_err()
            .to_string();
        assert!(error.contains(&format!("`{entry}`")), "{error}");
    }
    assert!(serde_json::from_value::<EgressPolicy>(serde_json::json!({ "alow": [] })).is_err());
}

#[test]
fn what_users_name_may_be_anywhere_public_or_where_it_was_opened() {
    let (public, anywhere) = (EgressPolicy::public(), EgressPolicy::anywhere());
    for (url, by_public, by_anywhere) in [
        ("http://8.8.8.8/", true, true),
        ("http://example.com/", true, true),
        ("http://10.0.0.1/", false, true),
        ("https://[::1]/", false, true),
        ("http://169.254.169.254/", false, false),
        ("http://metadata.google.internal/", false, false),
    ] {
        assert_eq!(check(&public, url).is_ok(), by_public, "{url}");
        assert_eq!(check(&anywhere, url).is_ok(), by_anywhere, "{url}");
    }
}
