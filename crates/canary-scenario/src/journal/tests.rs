//! What a journal knows after a restart, and who may open it.

use super::*;

fn header(run: &str) -> RunHeader {
    RunHeader {
        run: run.into(),
        file: "a.yaml".into(),
        text: "name: a".into(),
        params: BTreeMap::new(),
        canary: None,
        base: None,
    }
}

fn entry(run: &str) -> Entry {
    Entry { run: run.into(), flow: "order".into(), arm: None, values: Values::new() }
}

fn place() -> PathBuf {
    let folder = std::env::temp_dir().join(format!("canary-journal-{}", uuid::Uuid::new_v4()));
    std::fs::create_dir(&folder).unwrap();
    folder.join("journal")
}

#[tokio::test]
async fn what_was_entered_and_not_closed_is_there_after_a_restart() {
    let path = place();
    let journal = Journal::open(&path).unwrap();
    journal.begin(header("one"));
    let (first, synced) = journal.enter(entry("one")).unwrap();
    synced.await;
    let (second, synced) = journal.enter(entry("one")).unwrap();
    synced.await;
    journal.complete(second, Values::from([("order".into(), 7.into())]));
    journal.close(first);
    // No farewell: the process may be gone at any time.
    drop(journal);
    let again = Journal::open(&path).unwrap();
    let pending = again.pending();
    assert_eq!(pending.len(), 1);
    assert_eq!(pending[0].0, header("one"));
    assert_eq!(pending[0].1.keys().collect::<Vec<_>>(), [&second]);
    assert_eq!(pending[0].1[&second].values["order"], 7);
    let (third, _) = again.enter(entry("one")).unwrap();
    assert!(third > second);
    std::fs::remove_dir_all(path.parent().unwrap()).unwrap();
}

#[test]
fn a_line_that_the_crash_cut_off_is_left_out() {
    let path = place();
    let whole = serde_json::to_string(&Line::Enter { id: 4, entry: entry("one") }).unwrap();
    let run = serde_json::to_string(&Line::Run(header("one"))).unwrap();
    std::fs::write(&path, format!("{run}\n{whole}\n{}", &whole[..20])).unwrap();
    let journal = Journal::open(&path).unwrap();
    assert_eq!(journal.pending()[0].1.len(), 1);
    std::fs::remove_dir_all(path.parent().unwrap()).unwrap();
}

#[cfg(unix)]
#[test]
fn nobody_else_may_read_it() {
    use std::os::unix::fs::PermissionsExt;
    let path = place();
    Journal::open(&path).unwrap();
    assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
    std::fs::remove_dir_all(path.parent().unwrap()).unwrap();
}

#[tokio::test]
async fn a_run_that_left_nothing_leaves_nothing_in_the_file() {
    let path = place();
    let journal = Journal::open(&path).unwrap();
    journal.begin(header("one"));
    let (id, synced) = journal.enter(entry("one")).unwrap();
    synced.await;
    journal.close(id);
    journal.end("one");
    assert_eq!(std::fs::read_to_string(&path).unwrap(), "");
    std::fs::remove_dir_all(path.parent().unwrap()).unwrap();
}

#[test]
fn nobody_opens_a_journal_that_somebody_has_open() {
    let path = place();
    let journal = Journal::open(&path).unwrap();
    journal.begin(header("one"));
    let (id, _) = journal.enter(entry("one")).unwrap();
    let error = Journal::open(&path).unwrap_err();
    assert_eq!(error.kind(), io::ErrorKind::ResourceBusy);
    assert!(error.to_string().ends_with("journal.lock"), "{error}");
    // A rewriting puts another file into its place.
    journal.close(id);
    journal.end("one");
    let again = journal.clone();
    drop(journal);
    assert!(Journal::open(&path).is_err());
    drop(again);
    assert!(Journal::open(&path).is_ok());
    std::fs::remove_dir_all(path.parent().unwrap()).unwrap();
}
