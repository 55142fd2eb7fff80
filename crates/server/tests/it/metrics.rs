//! Metrics: each has a help text, and each name in code and documents exists.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use engine::metrics::{CATALOGUE, Metric, MetricKind};
use metrics::{counter, gauge, histogram};
use metrics_exporter_prometheus::PrometheusBuilder;

/// The folder of the workspace.
const ROOT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../..");

/// The files that declare metrics.
const DEFINED_IN: [&str; 2] = ["crates/engine/src/metrics.rs", "crates/serve/src/metrics.rs"];

/// Suffixes of the series of a histogram.
const SUFFIXES: [&str; 3] = ["_bucket", "_sum", "_count"];

/// Names with the prefix of a metric that are none: logins, a command's own name, a program's folder.
const OTHER: [&str; 6] = [
    "buttonparty_writer",
    "buttonparty_reader",
    "buttonparty_push",
    "buttonparty_scheduler",
    "buttonparty_lambda",
    // The type of the metadata of a message in Slack.
    "buttonparty_effect",
];

fn names() -> BTreeSet<&'static str> {
    let http = [serve::metrics::REQUEST_SECONDS, serve::metrics::REQUESTS_REJECTED];
    CATALOGUE.iter().map(|metric| metric.name).chain(http).collect()
}

#[test]
fn every_series_has_its_kind_and_a_help_text() {
    let recorder = PrometheusBuilder::new().build_recorder();
    metrics::with_local_recorder(&recorder, || {
        engine::metrics::describe();
        serve::metrics::describe();
        for Metric { name, kind, .. } in CATALOGUE.iter().copied() {
            match kind {
                MetricKind::Counter => counter!(name).increment(1),
                MetricKind::Gauge => gauge!(name).set(1.0),
                MetricKind::Histogram => histogram!(name).record(1.0),
            }
        }
        histogram!(serve::metrics::REQUEST_SECONDS).record(1.0);
        counter!(serve::metrics::REQUESTS_REJECTED).increment(1);
    });
    let text = recorder.handle().render();
    for name in names() {
        let help = text.lines().find_map(|line| line.strip_prefix(&format!("# HELP {name} ")));
        assert!(help.is_some_and(|help| help.ends_with('.')), "{name}: {help:?}");
    }
    assert_eq!(text.matches("# HELP ").count(), names().len(), "{text}");
    assert_eq!(text.matches("# TYPE ").count(), names().len(), "{text}");
}

/// All files below a folder that people write.
fn files(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            files(&path, found);
        } else if path
            .extension()
            .is_some_and(|of| ["rs", "md", "json", "py", "sh", "js", "html"].iter().any(|it| of == *it))
        {
            found.push(path);
        }
    }
}

#[test]
fn whoever_names_a_metric_names_one_that_exists() {
    let root = Path::new(ROOT).canonicalize().unwrap();
    let mut all = vec![root.join("cftemplate.json"), root.join("README.md"), root.join("ARCHITECTURE.md")];
    for folder in ["crates", "tests", "benches", "docs"] {
        files(&root.join(folder), &mut all);
    }
    let names = names();
    for path in all {
        let text = fs::read_to_string(&path).unwrap();
        let own = path.strip_prefix(&root).unwrap().display().to_string();
        for (begin, _) in text.match_indices("buttonparty_") {
            let rest = &text[begin..];
            let end = rest.find(|of: char| !of.is_ascii_lowercase() && of != '_').unwrap_or(rest.len());
            let name = &rest[..end];
            let base = SUFFIXES.iter().find_map(|suffix| name.strip_suffix(suffix)).unwrap_or(name);
            let known = [name, base].into_iter().find_map(|it| names.get(it).copied());
            // A prefix of several metrics, as in a filter.
            let is_prefix = name.ends_with('_') && names.iter().any(|it| it.starts_with(name));
            assert!(
                known.is_some() || is_prefix || OTHER.contains(&name) || name == "buttonparty_",
                "{own}: {name}"
            );
            let is_code = own.ends_with(".rs") && own.contains("/src/") && !own.contains("/cost");
            assert!(
                !is_code
                    || DEFINED_IN.contains(&own.as_str())
                    || known.is_none()
                    || is_comment(&text[..begin]),
                "{own} names {name} as text, not by its constant"
            );
        }
    }
}

/// Whether the text after this is in a comment or in a file's test module.
fn is_comment(before: &str) -> bool {
    let line = before.rsplit('\n').next().unwrap_or_default();
    line.trim_start().starts_with("//") || before.contains("#[cfg(test)]")
}
