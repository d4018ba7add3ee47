//! Graphite as its own web application answers, with values that the tools of its own store wrote.
//!
//! `GRAPHITE_BIN` names a folder of programs: `pip install graphite-web whisper`, then `<venv>/bin`.
#![allow(clippy::unwrap_used, reason = "a test stops at what it did not expect")]

use std::path::Path;
use std::process::{Command, Stdio};

use canary_metrics::{MetricError, MetricProviders, ProviderSpec};
use canary_tests::{Folder, Running, documented_query, free_port, program, wait_for};

/// Makes a series with a place for each second of an hour, and writes values of so many seconds ago.
fn store(programs: &Path, root: &Path, series: &str, values: &[(i64, f64)]) {
    let file = root.join("storage/whisper").join(series.replace('.', "/")).with_extension("wsp");
    std::fs::create_dir_all(file.parent().unwrap()).unwrap();
    let run = |tool: &str, arguments: &[String]| {
        let done =
            Command::new(programs.join(tool)).arg(&file).args(arguments).stdout(Stdio::null()).status();
        assert!(done.unwrap().success(), "{tool} {}", file.display());
    };
    run("whisper-create.py", &["1s:1h".into(), "--xFilesFactor=0".into()]);
    let now = jiff::Timestamp::now().as_second();
    let points: Vec<_> = values.iter().map(|(ago, value)| format!("{}:{value}", now - ago)).collect();
    run("whisper-update.py", &points);
}

/// Starts Graphite over the store below `root`.
fn start(programs: &Path, root: &Path) -> (Running, String) {
    let storage = root.join("storage");
    // It knows only the folders that it finds when it starts.
    for needed in ["whisper", "log/webapp"] {
        std::fs::create_dir_all(storage.join(needed)).unwrap();
    }
    let address = format!("127.0.0.1:{}", free_port().unwrap());
    let mut command = Command::new(programs.join("django-admin"));
    command.args(["runserver", "--noreload", &address]).current_dir(root);
    command.env("DJANGO_SETTINGS_MODULE", "graphite.settings");
    command.env("GRAPHITE_ROOT", root).env("GRAPHITE_STORAGE_DIR", &storage).env("GRAPHITE_CONF_DIR", root);
    (Running::start(&mut command).unwrap(), format!("http://{address}"))
}

#[tokio::test]
async fn a_template_finds_what_was_stored() {
    let how = "pip install graphite-web whisper, then <venv>/bin";
    let Some(programs) = program("GRAPHITE_BIN", how) else { return };
    let programs = Path::new(&programs);
    let _ = rustls::crypto::ring::default_provider().install_default();
    let folder = Folder::new("graphite").unwrap();
    let (_running, address) = start(programs, &folder.0);
    let provider = MetricProviders::default().build(&ProviderSpec::new("graphite", &address)).unwrap();
    let early = provider.check().await;
    assert!(early.is_ok() || matches!(early, Err(MetricError::Unreachable(_))), "{early:?}");
    wait_for("graphite", async || provider.check().await.ok()).await;

    let sum = documented_query("graphite.md", "test").unwrap();
    assert!(sum.starts_with("target=summarize(stats.podinfo.errors,'1min','sum',true)"), "{sum}");
    // What was asked once is answered from Graphite's cache for a minute, so nothing is asked before it is stored.
    store(programs, &folder.0, "stats.podinfo.errors", &[(20, 3.0), (10, 4.5)]);
    store(programs, &folder.0, "stats.podinfo.requests", &[(15, 100.0)]);
    store(programs, &folder.0, "stats.podinfo.infinite", &[(10, f64::INFINITY)]);
    store(programs, &folder.0, "stats.podinfo.none", &[(10, f64::NAN)]);

    for (query, expected) in [
        (sum.as_str(), Ok(Some(7.5))),
        // Most seconds have no value; the last that is one counts.
        ("target=stats.podinfo.errors&from=-1min", Ok(Some(4.5))),
        ("target=stats.podinfo.errors&target=stats.podinfo.requests&from=-1min", Ok(Some(100.0))),
        ("target=asPercent(integral(stats.podinfo.errors),100)&from=-1min", Ok(Some(7.5))),
        // What the query string means twice is sent as it is meant: a blank, a plus, a format of one's own.
        ("target=alias(stats.podinfo.errors,\n  'a b')&format=raw&from=-1min", Ok(Some(4.5))),
        ("target=stats.podinfo.errors&from=-1s", Ok(None)),
        ("target=stats.podinfo.none&from=-1min", Ok(None)),
        ("target=stats.podinfo.eror&from=-1min", Ok(None)),
    ] {
        assert_eq!(provider.query(query).await, expected, "{query}");
    }
    let measured =
        provider.measure("target=stats.podinfo.{errors,requests}&from=-1min").await.unwrap().samples;
    assert_eq!((measured.series, measured.count), (Some(2), Some(3)));
    let age = measured.age.unwrap().as_secs();
    assert!((10..60).contains(&age), "{measured}");
    let refused = provider.query("target=sumUp(stats.podinfo.errors)&from=-1min").await;
    assert!(matches!(&refused, Err(MetricError::Refused(text)) if text.contains("sumUp")), "{refused:?}");
    // Graphite writes an infinite value as a number beyond all, or as none.
    let infinite = provider.query("target=stats.podinfo.infinite&from=-1min").await;
    assert!(infinite != Ok(Some(0.0)), "{infinite:?}");
}
