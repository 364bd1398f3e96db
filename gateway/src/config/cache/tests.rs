//! `cache_params` mean what they mean to LiteLLM, and what cannot be done is refused by name.

use serde_json::json;

use super::*;

fn read(params: &Value) -> Result<(CacheSettings, Vec<String>), ConfigError> {
    let mut settings = CacheSettings {
        is_on: true,
        ..CacheSettings::default()
    };
    let mut warnings = Vec::new();
    settings.set(params, "p", &mut warnings)?;
    let warned = warnings.into_iter().map(|warning| warning.path).collect();
    Ok((settings, warned))
}

#[test]
fn every_place_is_read() {
    let (memory, _) = read(&json!({"type": "local", "ttl": 5, "mode": "default_off"})).unwrap();
    assert_eq!(memory.place, CachePlace::Memory);
    assert_eq!((memory.ttl.as_secs(), memory.is_default), (5, false));
    assert_eq!(memory.shared_by, SharedBy::Team);
    let (mut disk, _) = read(&json!({"type": "disk", "shared_by": "everyone"})).unwrap();
    assert_eq!(disk.bytes_max, DISK_BYTES_MAX);
    assert_eq!(disk.shared_by, SharedBy::Everyone);
    disk.place_under(Path::new("data"));
    let folder = Some("data/response-cache".into());
    assert_eq!(disk.place, CachePlace::Disk { folder });
    let named = json!({"type": "disk", "disk_cache_dir": "mine", "max_size_on_disk": "1MiB"});
    let (mut disk, _) = read(&named).unwrap();
    disk.place_under(Path::new("data"));
    let folder = Some("mine".into());
    assert_eq!(disk.place, CachePlace::Disk { folder });
    assert_eq!(disk.bytes_max, 1 << 20);
    let (redis, _) = read(&json!({
        "type": "redis", "host": "h", "port": "6380", "password": "p", "namespace": "n",
        "socket_timeout": 0.25, "ssl": true, "supported_call_types": ["acompletion"],
    }))
    .unwrap();
    assert_eq!(redis.namespace.as_deref(), Some("n"));
    assert!(redis.serves(Operation::Chat) && !redis.serves(Operation::Embedding));
    let CachePlace::Redis(settings) = redis.place else {
        panic!("not Redis");
    };
    assert_eq!(settings.wait.as_millis(), 250);
    let address = settings.address().unwrap();
    assert_eq!(address.addr().to_string(), "h:6380");
    assert_eq!(address.redis_settings().password(), Some("p"));
}

#[test]
fn what_does_not_exist_here_is_refused_by_its_name() {
    for name in [
        "s3",
        "gcs",
        "azure-blob",
        "redis-semantic",
        "qdrant-semantic",
        "memcached",
    ] {
        let error = read(&json!({ "type": name })).unwrap_err();
        assert_eq!(error.path, "p.type");
        assert!(error.message.contains(name), "{error}");
        assert!(error.message.contains("`redis`"), "{error}");
    }
    assert_eq!(read(&json!({"mode": "on"})).unwrap_err().path, "p.mode");
    assert_eq!(read(&json!({"tll": 5})).unwrap_err().path, "p.tll");
    let (_, warned) = read(&json!({"s3_bucket_name": "b", "max_messages": 4})).unwrap();
    assert_eq!(warned, ["p.s3_bucket_name", "p.max_messages"]);
}

#[test]
fn redis_is_found_in_the_environment_and_missed_by_name() {
    let (mut settings, _) = read(&json!({"type": "redis"})).unwrap();
    let error = settings.clone().fill(&|_| None).unwrap_err();
    assert!(error.message.contains("REDIS_HOST"), "{error}");
    let environment = |name: &str| {
        let found = [
            ("REDIS_HOST", "h"),
            ("REDIS_PORT", "7"),
            ("REDIS_PASSWORD", "w"),
        ];
        let found = found.iter().find(|(known, _)| *known == name);
        found.map(|(_, text)| (*text).to_owned())
    };
    settings.fill(&environment).unwrap();
    let CachePlace::Redis(redis) = &settings.place else {
        panic!("not Redis");
    };
    let address = redis.address().unwrap();
    assert_eq!(address.addr().to_string(), "h:7");
    assert_eq!(address.redis_settings().password(), Some("w"));
}

#[test]
fn no_error_shows_a_password() {
    let url = "redis://user:never-shown@host:port/x";
    let error = read(&json!({"type": "redis", "url": url})).unwrap_err();
    assert!(
        !format!("{error} {error:?}").contains("never-shown"),
        "{error:?}"
    );
    let params = json!({"type": "redis", "host": "h", "password": "never-shown"});
    let (settings, _) = read(&params).unwrap();
    assert!(!format!("{settings:?}").contains("never-shown"));
}
