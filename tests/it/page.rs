//! The files of the page: they are complete, sent with the right headers, and type-correct.

mod types;

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use reqwest::header::{CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE, ETAG, IF_NONE_MATCH};
use reqwest::{Method, Response, StatusCode};

use crate::place::Place;
use crate::place::Stack::Embedded;
use crate::support::{Game, beside_others, with_auth};

/// The sources of the page.
fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../crates/server/web")
}

/// The names of the sources that browsers load: styles and scripts.
fn names() -> Vec<String> {
    let entries = std::fs::read_dir(folder()).unwrap();
    let names = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap());
    let mut names: Vec<_> = names.filter(|name| name.ends_with(".js") || name.ends_with(".css")).collect();
    names.sort_unstable();
    names
}

/// The texts between `before` and the next quotation mark.
fn quoted<'a>(text: &'a str, before: &str) -> BTreeSet<&'a str> {
    text.split(before).skip(1).filter_map(|rest| rest.split('"').next()).collect()
}

async fn get(game: &Game, path: &str) -> Response {
    game.request(Method::GET, path).send().await.unwrap()
}

fn header<'a>(response: &'a Response, name: &reqwest::header::HeaderName) -> &'a str {
    response.headers()[name].to_str().unwrap()
}

#[tokio::test]
async fn every_file_is_sent_with_its_type_and_policy() {
    let _beside = beside_others().await;
    let place = Place::new(Embedded).await;
    let game = Game::start(&place, "all", &with_auth(&[])).await;
    let mut paths = vec![("/".to_owned(), "index.html".to_owned())];
    paths.extend(names().into_iter().map(|name| (format!("/web/{name}"), name)));
    assert!(paths.len() > 10, "{paths:?}");
    for (path, name) in paths {
        let response = get(&game, &path).await;
        let media = match name.rsplit('.').next() {
            Some("html") => "text/html; charset=utf-8",
            Some("css") => "text/css; charset=utf-8",
            _ => "text/javascript; charset=utf-8",
        };
        assert_eq!((response.status(), header(&response, &CONTENT_TYPE)), (StatusCode::OK, media), "{path}");
        assert_eq!(header(&response, &CACHE_CONTROL), "no-cache", "{path}");
        assert_eq!(response.headers()["x-content-type-options"], "nosniff", "{path}");
        let policy = header(&response, &CONTENT_SECURITY_POLICY);
        assert!(policy.starts_with("default-src 'none';") && !policy.contains("unsafe"), "{path}: {policy}");
        let tag = header(&response, &ETAG).to_owned();
        let source = std::fs::read_to_string(folder().join(&name)).unwrap();
        assert_eq!(response.text().await.unwrap(), source.replace("__OPERATOR_TOKEN__", ""), "{path}");

        // A browser that has the file gets no body, also through a proxy that made the tag weak.
        for has in [tag.clone(), format!("\"other\", W/{tag}")] {
            let again = game.request(Method::GET, &path).header(IF_NONE_MATCH, has).send().await.unwrap();
            assert_eq!(
                (again.status(), header(&again, &ETAG)),
                (StatusCode::NOT_MODIFIED, tag.as_str()),
                "{path}"
            );
        }
        let other = game.request(Method::GET, &path).header(IF_NONE_MATCH, "\"other\"").send().await.unwrap();
        assert_eq!(other.status(), StatusCode::OK, "{path}");
    }
    for path in ["/web/package.json", "/web/none.js", "/web/", "/web/..%2FCargo.toml", "/web/%FF"] {
        assert_eq!(get(&game, path).await.status(), StatusCode::NOT_FOUND, "{path}");
    }
    assert!(game.stop().await.success());
}

#[tokio::test]
async fn only_dev_gives_its_operator_token_away() {
    let _beside = beside_others().await;
    for (role, shown) in [("dev", "content=\"&quot;>&lt;b&amp;\""), ("all", "content=\"\"")] {
        let place = Place::new(Embedded).await;
        let game = Game::start(&place, role, &with_auth(&[("OPERATOR_TOKEN", "\"><b&")])).await;
        let page = get(&game, "/").await.text().await.unwrap();
        assert!(page.contains(&format!("<meta name=\"operator-token\" {shown}>")), "{role}: {page}");
        assert!(game.stop().await.success());
    }
}

#[test]
fn files_are_small_and_name_no_other_host() {
    let index = std::fs::read_to_string(folder().join("index.html")).unwrap();
    let names = names();
    let scripts: BTreeSet<_> =
        names.iter().map(String::as_str).filter(|name| name.ends_with(".js")).collect();
    // Scripts are preloaded together, not one after another as they import each other.
    let mut loaded = quoted(&index, "modulepreload\" href=\"/web/");
    loaded.extend(quoted(&index, "<script type=\"module\" src=\"/web/"));
    assert_eq!(loaded, scripts);
    for name in names.iter().map(String::as_str).chain(["index.html"]) {
        let text = std::fs::read_to_string(folder().join(name)).unwrap();
        let lines = text.lines().count();
        assert!(lines < if name.ends_with(".js") { 250 } else { 400 }, "{name} has {lines} lines");
        let hosts = text.replace("http://www.w3.org/2000/svg", "");
        assert!(!hosts.contains("http:") && !hosts.contains("https:") && !hosts.contains("\"//"), "{name}");
        for import in quoted(&text, "from \"") {
            assert!(import.strip_prefix("./").is_some_and(|name| scripts.contains(name)), "{name}: {import}");
        }
    }
}
