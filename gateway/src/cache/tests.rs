//! The laws of every store, and what only the disk and Redis can do wrong.

use std::{fs, path::Path, time::Duration};

use tempfile::TempDir;

use super::*;
use crate::config::RedisSettings;

fn opened(place: CachePlace, bytes_max: usize) -> Cache {
    let settings = CacheSettings {
        is_on: true,
        bytes_max,
        place,
        ..CacheSettings::default()
    };
    Cache::open(settings, CacheMetrics::default()).unwrap()
}

fn on_disk(folder: &Path, bytes_max: usize) -> Cache {
    let folder = Some(folder.to_owned());
    opened(CachePlace::Disk { folder }, bytes_max)
}

fn at(seconds: i64) -> Timestamp {
    Timestamp::from_micros(seconds * 1_000_000)
}

async fn keep(cache: &Cache, name: &str, body: &'static str, control: &CacheControl, now: i64) {
    let body = Bytes::from_static(body.as_bytes());
    if let Some(rest) = cache.keep(Key::of_text(name), control, body, at(now)) {
        rest.await;
    }
}

async fn find(cache: &Cache, name: &str, control: &CacheControl, now: i64) -> Option<Bytes> {
    cache.find(&Key::of_text(name), control, at(now)).await
}

/// A cache in memory and one on disk that hold so many bytes of answers.
fn stores(folder: &TempDir, answers: usize, each: usize) -> [Cache; 2] {
    [
        opened(CachePlace::Memory, answers * each),
        on_disk(folder.path(), answers * (each + framed::HEAD)),
    ]
}

#[tokio::test]
async fn an_answer_is_kept_for_its_time_and_no_longer() {
    let folder = TempDir::new().unwrap();
    for cache in stores(&folder, 10, 6) {
        let control = CacheControl {
            ttl: Some(Duration::from_secs(10)),
            ..CacheControl::default()
        };
        keep(&cache, "a", "answer", &control, 0).await;
        assert_eq!(find(&cache, "a", &control, 1).await.unwrap(), "answer");
        assert_eq!(find(&cache, "b", &control, 1).await, None);
        let young = CacheControl {
            max_age: Some(Duration::from_secs(4)),
            ..CacheControl::default()
        };
        assert_eq!(find(&cache, "a", &young, 5).await, None);
        assert!(find(&cache, "a", &control, 9).await.is_some());
        assert_eq!(find(&cache, "a", &control, 10).await, None);
        // It is gone, and not only hidden.
        assert_eq!(find(&cache, "a", &control, 9).await, None);
        let metrics = &cache.desk.metrics;
        let counts = (metrics.hits.get(), metrics.misses.get(), metrics.kept.get());
        assert_eq!(counts, (2, 4, 1), "{cache:?}");
    }
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0);
}

#[tokio::test]
async fn what_was_not_asked_for_lately_makes_room() {
    let folder = TempDir::new().unwrap();
    for cache in stores(&folder, 2, 5) {
        let control = CacheControl::default();
        keep(&cache, "a", "five.", &control, 0).await;
        keep(&cache, "b", "five.", &control, 0).await;
        find(&cache, "a", &control, 0).await.unwrap();
        keep(&cache, "c", "five.", &control, 0).await;
        for (name, is_kept) in [("a", true), ("b", false), ("c", true)] {
            let found = find(&cache, name, &control, 0).await;
            assert_eq!(found.is_some(), is_kept, "{name} in {cache:?}");
        }
        keep(&cache, "a", "new", &control, 0).await;
        assert_eq!(find(&cache, "a", &control, 0).await.unwrap(), "new");
        assert!(find(&cache, "c", &control, 0).await.is_some());
    }
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 2);
}

#[tokio::test]
async fn an_answer_larger_than_everything_pushes_nothing_out() {
    let folder = TempDir::new().unwrap();
    for cache in stores(&folder, 1, 5) {
        let control = CacheControl::default();
        keep(&cache, "a", "five.", &control, 0).await;
        let long = "much larger than the answers that fit, together with their frame";
        keep(&cache, "b", long, &control, 0).await;
        assert_eq!(find(&cache, "b", &control, 0).await, None);
        assert!(find(&cache, "a", &control, 0).await.is_some());
    }
}

#[tokio::test]
async fn a_request_may_want_nothing_kept_or_nothing_old() {
    let cache = opened(CachePlace::Memory, 100);
    let control = |no_cache, no_store| CacheControl {
        no_cache,
        no_store,
        ..CacheControl::default()
    };
    keep(&cache, "a", "x", &control(false, true), 0).await;
    assert_eq!(find(&cache, "a", &control(false, false), 0).await, None);
    keep(&cache, "a", "x", &control(false, false), 0).await;
    assert_eq!(find(&cache, "a", &control(true, false), 0).await, None);
    assert!(find(&cache, "a", &control(false, false), 0).await.is_some());
}

#[tokio::test]
async fn files_outlive_the_process_and_keep_within_their_bound() {
    let folder = TempDir::new().unwrap();
    let control = CacheControl::default();
    let one = 5 + framed::HEAD;
    {
        let cache = on_disk(folder.path(), 3 * one);
        keep(&cache, "a", "five.", &control, 0).await;
        keep(&cache, "b", "five.", &control, 0).await;
    }
    fs::write(folder.path().join("7.draft"), "half an ans").unwrap();
    fs::write(folder.path().join("notes.txt"), "somebody else's").unwrap();
    let cache = on_disk(folder.path(), 3 * one);
    assert_eq!(find(&cache, "a", &control, 1).await.unwrap(), "five.");
    assert!(!folder.path().join("7.draft").exists());
    assert!(folder.path().join("notes.txt").exists());
    keep(&cache, "c", "five.", &control, 1).await;
    keep(&cache, "d", "five.", &control, 1).await;
    // What the earlier run left counts, and is the first to go.
    assert_eq!(find(&cache, "b", &control, 1).await, None);
    drop(cache);
    let smaller = on_disk(folder.path(), one);
    let mut left = 0;
    for name in ["a", "c", "d"] {
        left += usize::from(find(&smaller, name, &control, 1).await.is_some());
    }
    assert_eq!(left, 1);
}

#[tokio::test]
async fn a_damaged_file_is_a_miss_and_is_counted() {
    let folder = TempDir::new().unwrap();
    let cache = on_disk(folder.path(), 1000);
    let control = CacheControl::default();
    let file = folder.path().join(Key::of_text("a").digest());
    for damage in [&b""[..], b"tka1", b"something else altogether, and longer"] {
        let errors = cache.desk.metrics.errors.get();
        keep(&cache, "a", "five.", &control, 0).await;
        fs::write(&file, damage).unwrap();
        assert_eq!(find(&cache, "a", &control, 0).await, None);
        assert_eq!(cache.desk.metrics.errors.get(), errors + 1);
        assert!(!file.exists());
    }
    keep(&cache, "a", "five.", &control, 0).await;
    assert!(find(&cache, "a", &control, 0).await.is_some());
}

#[tokio::test]
async fn answers_are_for_nobody_else_on_the_machine() {
    use std::os::unix::fs::PermissionsExt as _;
    let folder = TempDir::new().unwrap();
    let inner = folder.path().join("cache");
    let cache = on_disk(&inner, 1000);
    keep(&cache, "a", "five.", &CacheControl::default(), 0).await;
    let file = inner.join(Key::of_text("a").digest());
    for (path, mode) in [(&inner, 0o700), (&file, 0o600)] {
        let found = fs::metadata(path).unwrap().permissions().mode() & 0o777;
        assert_eq!(found, mode, "{}", path.display());
    }
}

#[test]
fn a_directory_that_cannot_be_used_is_named() {
    let folder = TempDir::new().unwrap();
    let taken = folder.path().join("taken");
    fs::write(&taken, "a file").unwrap();
    let error = Disk::open(&taken, 1).unwrap_err().to_string();
    assert!(
        error.contains("taken") && error.contains("disk_cache_dir"),
        "{error}"
    );
}

/// A Redis that takes connections and never says anything.
#[tokio::test]
async fn a_redis_that_is_silent_costs_one_call_its_wait_and_the_next_ones_nothing() {
    let silent = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let settings = RedisSettings {
        url: None,
        host: Some("127.0.0.1".to_owned()),
        port: Some(silent.local_addr().unwrap().port()),
        username: None,
        password: Some(event::Secret::new("never-shown".to_owned())),
        database: 0,
        tls: false,
        wait: Duration::from_millis(50),
    };
    let cache = opened(CachePlace::Redis(settings), 1000);
    assert!(!format!("{cache:?}").contains("never-shown"));
    let control = CacheControl::default();
    let asked = tokio::time::Instant::now();
    assert_eq!(find(&cache, "a", &control, 100).await, None);
    let waited = asked.elapsed();
    assert!(waited >= Duration::from_millis(50), "{waited:?}");
    assert_eq!(cache.desk.metrics.errors.get(), 1);
    // Within the same moment it is not asked again.
    for _ in 0..100 {
        assert_eq!(find(&cache, "a", &control, 100).await, None);
    }
    keep(&cache, "a", "five.", &control, 100).await;
    assert_eq!(cache.desk.metrics.errors.get(), 102);
    assert_eq!(cache.desk.metrics.kept.get(), 0);
    assert!(asked.elapsed() < waited * 20, "{:?}", asked.elapsed());
}
