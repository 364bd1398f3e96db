//! What is in the files after things went wrong.
//!
//! A batch here is a name and lines; what goes in as an event is for the laws.

use std::{
    fs,
    path::{Path, PathBuf},
};

use serde_json::{Value, json};
use tempfile::TempDir;

use super::*;

struct Place {
    directory: TempDir,
}

impl Place {
    fn new() -> Self {
        Self {
            directory: tempfile::tempdir().unwrap(),
        }
    }

    fn path(&self, ending: &str) -> PathBuf {
        self.directory.path().join(format!("calls.{ending}"))
    }

    fn shelf(&self, change: &Value) -> Shelf {
        let mut config = json!({ "path": self.directory.path().join("calls") });
        for (key, value) in change.as_object().unwrap() {
            config[key] = value.clone();
        }
        Shelf::new(serde_json::from_value(config).unwrap()).unwrap()
    }

    fn text(&self, number: u64) -> String {
        fs::read_to_string(self.path(&format!("{number:06}.jsonl"))).unwrap()
    }

    fn files(&self) -> Vec<String> {
        let entries = fs::read_dir(self.directory.path()).unwrap();
        let names = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap());
        let mut names: Vec<_> = names.filter(|name| name.ends_with(".jsonl")).collect();
        names.sort_unstable();
        names
    }
}

#[test]
fn a_batch_that_is_marked_is_not_written_again() {
    let place = Place::new();
    let shelf = place.shelf(&json!({}));
    for name in ["a", "b", "b", "a"] {
        shelf.put(name, format!("{name}\n").as_bytes()).unwrap();
    }
    place
        .shelf(&json!({ "fsync": false }))
        .put("b", b"b\n")
        .unwrap();
    assert_eq!(place.text(1), "a\nb\n");
}

#[test]
fn what_an_attempt_left_behind_the_mark_is_cut_off() {
    let place = Place::new();
    let shelf = place.shelf(&json!({}));
    shelf.put("a", b"aaa\n").unwrap();
    fs::write(place.path("000001.jsonl"), "aaa\nbbb\nbbb\nbbb\nb").unwrap();
    fs::write(place.path("state.tmp"), "{\"fi").unwrap();
    shelf.put("b", b"bbb\nbbb\n").unwrap();
    assert_eq!(place.text(1), "aaa\nbbb\nbbb\n");
}

#[test]
fn the_first_attempt_of_all_may_break_off_too() {
    let place = Place::new();
    let shelf = place.shelf(&json!({}));
    shelf.put("a", b"a\n").unwrap();
    // As after a crash between the first data and the second mark.
    let mark = json!({ "file": 1, "length": 0, "batches": [] });
    fs::write(place.path("state.json"), mark.to_string()).unwrap();
    shelf.put("a", b"a\n").unwrap();
    assert_eq!((place.text(1), place.files().len()), ("a\n".to_owned(), 1));
}

#[test]
fn a_file_that_an_attempt_began_is_not_left_if_the_next_does_not_need_it() {
    let place = Place::new();
    place.shelf(&json!({})).put("a", b"aaa\n").unwrap();
    fs::write(place.path("000002.jsonl"), "bbb\nbb").unwrap();
    place.shelf(&json!({})).put("b", b"bbb\nbbb\n").unwrap();
    assert_eq!(place.files(), ["calls.000001.jsonl"]);
    assert_eq!(place.text(1), "aaa\nbbb\nbbb\n");
    // And if it needs it, it begins at its beginning.
    fs::write(place.path("000002.jsonl"), "ccc\ncccccccc").unwrap();
    place
        .shelf(&json!({ "rotate_bytes": 13 }))
        .put("c", b"ccc\n")
        .unwrap();
    assert_eq!(place.text(2), "ccc\n");
}

#[test]
fn a_file_is_full_at_its_limit_and_the_oldest_are_forgotten() {
    let place = Place::new();
    let shelf = place.shelf(&json!({ "rotate_bytes": 8, "keep": 2 }));
    for name in ["a", "b", "c", "d", "e"] {
        shelf
            .put(name, format!("{name}{name}{name}\n").as_bytes())
            .unwrap();
    }
    assert_eq!(place.files(), ["calls.000002.jsonl", "calls.000003.jsonl"]);
    assert_eq!(
        (place.text(2), place.text(3)),
        ("ccc\nddd\n".to_owned(), "eee\n".to_owned())
    );
    shelf.put("long", &[b'x'; 100]).unwrap();
    assert_eq!(place.files(), ["calls.000003.jsonl", "calls.000004.jsonl"]);
}

#[test]
fn files_that_have_no_mark_are_not_touched() {
    let place = Place::new();
    fs::write(place.path("000007.jsonl"), "old").unwrap();
    fs::write(place.path("x.jsonl"), "other").unwrap();
    place.shelf(&json!({})).put("a", b"a\n").unwrap();
    assert_eq!(
        (place.text(7), place.text(8)),
        ("old".to_owned(), "a\n".to_owned())
    );
}

#[test]
fn no_line_is_joined_to_half_of_another() {
    for left in [Some("aa"), None] {
        let place = Place::new();
        let shelf = place.shelf(&json!({}));
        shelf.put("a", b"aaaa\n").unwrap();
        match left {
            Some(text) => fs::write(place.path("000001.jsonl"), text).unwrap(),
            None => fs::remove_file(place.path("000001.jsonl")).unwrap(),
        }
        shelf.put("b", b"b\n").unwrap();
        assert_eq!(place.text(2), "b\n");
    }
}

#[test]
fn a_mark_that_cannot_be_read_stops_the_sink() {
    let place = Place::new();
    let shelf = place.shelf(&json!({}));
    shelf.put("a", b"a\n").unwrap();
    fs::write(place.path("state.json"), "{").unwrap();
    let error = shelf.put("b", b"b\n").unwrap_err();
    assert_eq!(error.kind(), SinkErrorKind::Misconfigured);
    assert!(error.detail().contains("remove it"), "{error}");
    assert_eq!(place.text(1), "a\n");
}

#[test]
fn two_processes_do_not_write_at_once() {
    let place = Place::new();
    let shelf = place.shelf(&json!({}));
    let other = fs::File::create(place.path("lock")).unwrap();
    other.lock().unwrap();
    assert_eq!(
        shelf.put("a", b"a\n").unwrap_err().kind(),
        SinkErrorKind::Failing
    );
    drop(other);
    shelf.put("a", b"a\n").unwrap();
}

#[cfg(target_os = "linux")]
#[test]
fn a_full_disk_is_tried_again() {
    let place = Place::new();
    let shelf = place.shelf(&json!({ "fsync": false }));
    shelf.put("a", b"a\n").unwrap();
    fs::remove_file(place.path("000001.jsonl")).unwrap();
    let mark = json!({ "file": 1, "length": 0, "batches": [] });
    fs::write(place.path("state.json"), mark.to_string()).unwrap();
    std::os::unix::fs::symlink("/dev/full", place.path("000001.jsonl")).unwrap();
    assert_eq!(
        shelf.put("b", b"b\n").unwrap_err().kind(),
        SinkErrorKind::Failing
    );
    fs::remove_file(place.path("000001.jsonl")).unwrap();
    shelf.put("b", b"b\n").unwrap();
    assert_eq!(place.text(1), "b\n");
}

#[test]
fn a_path_names_files_or_a_directory() {
    for (path, first) in [
        ("/var/log/calls", Some("/var/log/calls.000001.jsonl")),
        ("/var/log/", Some("/var/log/events.000001.jsonl")),
        ("/calls", Some("/calls.000001.jsonl")),
        ("calls", Some("./calls.000001.jsonl")),
        ("", None),
        ("/var/log/..", None),
        (".", None),
    ] {
        let shelf = Shelf::new(serde_json::from_value(json!({ "path": path })).unwrap());
        let file = shelf.ok().map(|shelf| shelf.file(1));
        assert_eq!(file.as_deref(), first.map(Path::new), "{path}");
    }
}

#[test]
fn settings_that_cannot_work_are_refused() {
    for config in [
        json!({}),
        json!({ "path": "a", "keep": 0 }),
        json!({ "path": "a", "rotate_bytes": 0 }),
        json!({ "path": "a", "colour": 1 }),
    ] {
        assert!(
            serde_json::from_value::<Config>(config.clone()).is_err(),
            "{config}"
        );
    }
}
