//! A file of instances, in all the ways in which files are changed.
#![cfg(all(feature = "file", unix, not(loom)))]

use std::{
    fs::{self, File},
    future::Future,
    io::Write,
    os::unix::fs::symlink,
    path::{Path, PathBuf},
    time::Duration,
};

use plugin_discovery::{
    Discovery, DiscoveryConfig, FaultKind,
    file::{FileConfig, FileSource},
};
use tempfile::TempDir;

async fn within<F: Future>(future: F) -> F::Output {
    tokio::time::timeout(Duration::from_secs(20), future).await.expect("it takes no 20 seconds")
}

fn place() -> (TempDir, PathBuf) {
    let dir = tempfile::tempdir().expect("a directory");
    let path = dir.path().join("instances.json");
    (dir, path)
}

fn list(addresses: &[&str]) -> String {
    let each: Vec<_> = addresses.iter().map(|address| format!("{{\"address\": \"{address}\"}}")).collect();
    format!("[\n{}\n]\n", each.join(",\n"))
}

/// Writes it beside and moves it into its place.
fn replace(path: &Path, text: &str) {
    let beside = path.with_extension("new");
    fs::write(&beside, text).expect("written");
    fs::rename(beside, path).expect("moved");
}

fn start(path: &Path) -> Discovery {
    start_with(DiscoveryConfig::default(), path)
}

fn start_with(config: DiscoveryConfig, path: &Path) -> Discovery {
    let often = FileConfig::builder().with_interval(Duration::from_millis(5)).build().expect("in bounds");
    Discovery::start_with(config, FileSource::new(path).with_config(often))
}

fn names(discovery: &Discovery) -> Vec<String> {
    discovery.instances().iter().map(|found| found.name().to_owned()).collect()
}

async fn until(what: impl Fn() -> bool) {
    within(async {
        while !what() {
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    })
    .await;
}

async fn until_found(discovery: &Discovery, wanted: &[&str]) {
    until(|| names(discovery) == wanted && discovery.fault().is_none()).await;
}

/// Waits for a fault, and says it without the path.
async fn fault(discovery: &Discovery, path: &Path) -> String {
    until(|| discovery.fault().is_some()).await;
    let fault = discovery.fault().expect("it has one");
    assert_eq!(fault.kind(), FaultKind::Unreadable);
    let path = format!("{}: ", path.display());
    fault.message().strip_prefix(&path).unwrap_or_else(|| panic!("{path} is not in {fault}")).to_owned()
}

#[tokio::test]
async fn a_file_that_another_one_is_moved_in_the_place_of_is_followed() {
    let (_dir, path) = place();
    replace(&path, &list(&["a:1"]));
    let discovery = start(&path);
    until_found(&discovery, &["a:1"]).await;
    for set in [&["a:1", "b:1"][..], &["c:1"], &["a:1"]] {
        replace(&path, &list(set));
        until_found(&discovery, set).await;
    }
}

#[tokio::test]
async fn one_that_is_written_in_place_is_followed_once_it_is_whole() {
    let (_dir, path) = place();
    fs::write(&path, list(&["a:1", "b:1"])).expect("written");
    let discovery = start(&path);
    until_found(&discovery, &["a:1", "b:1"]).await;
    let mut file = File::create(&path).expect("empty for now");
    assert!(fault(&discovery, &path).await.starts_with("EOF while parsing"));
    let text = list(&["c:1", "d:1"]);
    let (first, rest) = text.split_at(text.len() / 2);
    file.write_all(first.as_bytes()).expect("written");
    until(|| discovery.fault().is_some_and(|fault| fault.message().contains("line 2"))).await;
    assert_eq!(names(&discovery), ["a:1", "b:1"], "half a file is none");
    file.write_all(rest.as_bytes()).expect("written");
    until_found(&discovery, &["c:1", "d:1"]).await;
}

#[tokio::test]
async fn a_change_that_keeps_length_and_time_is_seen() {
    let (_dir, path) = place();
    fs::write(&path, list(&["a:1"])).expect("written");
    let time = fs::metadata(&path).expect("there").modified().expect("a time");
    let discovery = start(&path);
    until_found(&discovery, &["a:1"]).await;
    let file = File::options().write(true).open(&path).expect("there");
    (&file).write_all(list(&["b:1"]).as_bytes()).expect("written over it");
    file.set_modified(time).expect("set");
    until_found(&discovery, &["b:1"]).await;
}

/// As the kubelet does: `instances.json` is a link to `..data/instances.json`, and `..data` one to a directory, which
/// is swapped for another one.
#[tokio::test]
async fn a_config_map_that_is_swapped_is_followed() {
    let (dir, path) = place();
    let version = |name: &str, set: &[&str]| {
        let version = dir.path().join(name);
        fs::create_dir(&version).expect("made");
        fs::write(version.join("instances.json"), list(set)).expect("written");
        symlink(name, dir.path().join("..data_tmp")).expect("linked");
        fs::rename(dir.path().join("..data_tmp"), dir.path().join("..data")).expect("swapped");
    };
    version("..1", &["a:1"]);
    symlink("..data/instances.json", &path).expect("linked");
    let discovery = start(&path);
    until_found(&discovery, &["a:1"]).await;
    version("..2", &["b:1"]);
    fs::remove_dir_all(dir.path().join("..1")).expect("removed");
    until_found(&discovery, &["b:1"]).await;
}

#[tokio::test]
async fn a_file_that_is_removed_takes_nothing_away_and_one_that_comes_is_read() {
    let (_dir, path) = place();
    let none = DiscoveryConfig::builder().with_keep_empty_for(Duration::ZERO).build().expect("in bounds");
    let discovery = start_with(none, &path);
    assert!(fault(&discovery, &path).await.starts_with("No such file"));
    replace(&path, &list(&["a:1"]));
    until_found(&discovery, &["a:1"]).await;
    fs::remove_file(&path).expect("removed");
    assert!(fault(&discovery, &path).await.starts_with("No such file"));
    assert_eq!(names(&discovery), ["a:1"]);
    // The same as before is as good as another one.
    replace(&path, &list(&["a:1"]));
    until_found(&discovery, &["a:1"]).await;
}

#[tokio::test]
async fn the_same_file_is_found_again_after_its_set_was_dropped() {
    let (_dir, path) = place();
    let short = DiscoveryConfig::builder().with_keep_for(Duration::from_millis(50)).build().expect("in bounds");
    replace(&path, &list(&["a:1"]));
    let discovery = start_with(short, &path);
    until_found(&discovery, &["a:1"]).await;
    fs::rename(&path, path.with_extension("away")).expect("moved");
    until(|| names(&discovery).is_empty()).await;
    fs::rename(path.with_extension("away"), &path).expect("moved");
    until_found(&discovery, &["a:1"]).await;
}

#[tokio::test]
async fn an_empty_list_is_one_and_is_believed_when_it_has_lasted() {
    let (_dir, path) = place();
    let keep = Duration::from_millis(200);
    let config = DiscoveryConfig::builder().with_keep_empty_for(keep).build().expect("in bounds");
    replace(&path, &list(&["a:1"]));
    let discovery = start_with(config, &path);
    until_found(&discovery, &["a:1"]).await;
    replace(&path, "[]");
    until(|| discovery.fault().is_some_and(|fault| fault.kind() == FaultKind::Empty)).await;
    let since = discovery.fault().expect("it has one");
    assert_eq!(names(&discovery), ["a:1"]);
    until(|| names(&discovery).is_empty()).await;
    assert!(since.age() >= keep, "{:?}", since.age());
    until(|| discovery.age().is_some_and(|age| age < keep)).await;
}

#[tokio::test]
async fn a_mistake_is_said_with_its_place_and_the_last_good_set_is_kept() {
    let (_dir, path) = place();
    replace(&path, &list(&["a:1"]));
    let discovery = start(&path);
    until_found(&discovery, &["a:1"]).await;
    replace(&path, "[\n{\"address\": \"b:1\"},\n{\"address\": \"c:1\", \"wieght\": 2}]");
    let fault = fault(&discovery, &path).await;
    assert!(fault.starts_with("unknown field `wieght`") && fault.ends_with("at line 3 column 27"), "{fault}");
    assert_eq!(names(&discovery), ["a:1"]);
}

#[tokio::test]
async fn a_mistake_that_is_a_megabyte_long_is_said_in_two_kilobytes_with_its_place() {
    let (_dir, path) = place();
    replace(&path, &format!("[\n{{\"address\": \"{}\"}}]", "é".repeat(1 << 19)));
    let fault = fault(&start(&path), &path).await;
    assert!(fault.len() <= 2048, "{} bytes", fault.len());
    assert!(fault.starts_with("\"éé") && fault.ends_with("at line 2 column 1048591"), "{fault}");
}

#[tokio::test]
async fn what_is_no_regular_file_is_not_read() {
    let (_dir, path) = place();
    fs::create_dir(&path).expect("made");
    assert_eq!(fault(&start(&path), &path).await, "it is no regular file");
    fs::remove_dir(&path).expect("removed");
    // To open a pipe that nobody writes to would take for ever.
    let made = std::process::Command::new("mkfifo").arg(&path).status().expect("`mkfifo` is there");
    assert!(made.success());
    assert_eq!(fault(&start(&path), &path).await, "it is no regular file");
}

#[tokio::test]
async fn a_file_that_is_too_long_is_not_read_to_its_end() {
    let (_dir, path) = place();
    let file = File::create(&path).expect("made");
    file.set_len(FileSource::MAX_LENGTH + 1).expect("a file of holes");
    let discovery = start(&path);
    assert_eq!(fault(&discovery, &path).await, "it is longer than 16MiB");
    file.set_len(FileSource::MAX_LENGTH).expect("a byte shorter");
    until(|| discovery.fault().is_some_and(|fault| fault.message().contains("expected value at line 1"))).await;
}

#[tokio::test]
async fn a_file_that_may_not_be_read_says_so() {
    let (_dir, path) = place();
    symlink(&path, &path).expect("a link to itself, which not even root may read");
    let fault = fault(&start(&path), &path).await;
    assert!(fault.starts_with("Too many levels of symbolic links"), "{fault}");
}
