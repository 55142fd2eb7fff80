//! A headless Chromium that ends with its test, and functions that wait for content of its page.

use std::error::Error;
use std::process::Stdio;
use std::time::Duration;

use fantoccini::wd::Capabilities;
use fantoccini::{Client, ClientBuilder, Locator};
use hyper_util::client::legacy::connect::HttpConnector;
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::{Child, ChildStdout, Command};
use tokio::time::timeout;

/// Result of a step.
pub(crate) type Step<T = ()> = Result<T, Box<dyn Error>>;

/// How long the page may take to show something.
const SHOW_MAX: Duration = Duration::from_secs(20);
/// Interval between checks of the page.
const LOOK_EVERY: Duration = Duration::from_millis(25);
/// How long the driver may take to start.
const START_MAX: Duration = Duration::from_secs(30);

/// Imports for scripts of the tests. They load the same module instances as the page, with their state.
const MODULES: &str = "const { hearTime, serverNow } = await import('/web/clock.js');
    const { render } = await import('/web/stage.js');
    const { state } = await import('/web/state.js');";

const CHROMIUM: &str = "/usr/bin/chromium";
const CHROMEDRIVER: &str = "/usr/bin/chromedriver";

/// The screen of a browser.
#[derive(Clone, Copy)]
pub(crate) struct Screen {
    pub(crate) width: u32,
    pub(crate) height: u32,
    /// Device pixels per CSS pixel.
    pub(crate) pixel_ratio: f64,
    /// Whether the user prefers a dark color scheme.
    pub(crate) is_dark: bool,
}

/// A narrow phone.
const NARROW: Screen = Screen { width: 360, height: 740, pixel_ratio: 1.0, is_dark: false };

/// A browser with one page.
pub(crate) struct Browser {
    /// The page.
    pub(crate) page: Client,
    chromium: Option<u64>,
    _driver: Child,
    _profile: TempDir,
}

impl Browser {
    /// Starts a browser on a narrow phone, with an empty profile.
    pub(crate) async fn start() -> Step<Self> {
        Self::start_on(NARROW).await
    }

    /// Starts a browser with this screen.
    pub(crate) async fn start_on(screen: Screen) -> Step<Self> {
        for program in [CHROMIUM, CHROMEDRIVER] {
            if !std::path::Path::new(program).exists() {
                return Err(
                    format!("{program} is missing: apt-get install -y chromium chromium-driver").into()
                );
            }
        }
        let profile = tempfile::tempdir()?;
        let mut command = Command::new(CHROMEDRIVER);
        let mut driver = command.arg("--port=0").stdout(Stdio::piped()).kill_on_drop(true).spawn()?;
        let started = line_with(driver.stdout.take(), "started successfully on port ").await?;
        let url = format!("http://127.0.0.1:{}", started.trim_end_matches('.'));
        let mut builder = ClientBuilder::new(HttpConnector::new());
        let page = builder.capabilities(capabilities(&profile, screen)).connect(&url).await?;
        let chromium = page.capabilities().and_then(|told| told.get("goog:processID")?.as_u64());
        Ok(Self { page, chromium, _driver: driver, _profile: profile })
    }

    /// Closes the browser and waits until it has exited, so that nothing writes into its profile any more.
    pub(crate) async fn close(mut self) -> Step {
        self.page.clone().close().await?;
        self.chromium = None;
        Ok(())
    }

    /// Waits until the text of the element with this id contains this text.
    pub(crate) async fn shows(&self, id: &str, text: &str) -> Step {
        self.until(Locator::XPath(&format!("//*[@id='{id}'][contains(., '{text}')]"))).await
    }

    /// Waits until an element matches the locator.
    pub(crate) async fn until(&self, locator: Locator<'_>) -> Step {
        let found = self.page.wait().at_most(SHOW_MAX).every(LOOK_EVERY).for_element(locator).await;
        match found {
            Ok(_) => Ok(()),
            Err(error) => {
                let shown = self.script("return document.body.innerText").await?;
                Err(format!("waited for {locator:?}: {error}; the page shows {shown}").into())
            }
        }
    }

    /// Waits until this expression is true in the page's modules.
    pub(crate) async fn until_true(&self, expression: &str) -> Step {
        let script = format!("while (!({expression})) await new Promise((done) => setTimeout(done, 20));");
        timeout(SHOW_MAX, self.in_modules(&script)).await??;
        Ok(())
    }

    /// Runs a script that uses exports of the page's modules; returns its result.
    pub(crate) async fn in_modules(&self, script: &str) -> Step<Value> {
        // The driver waits for the promise.
        self.script(&format!("return (async () => {{ {MODULES} {script} }})()")).await
    }

    /// Runs a script in the page; returns its result.
    pub(crate) async fn script(&self, script: &str) -> Step<Value> {
        Ok(self.page.execute(script, Vec::new()).await?)
    }

    /// The text of the first element that matches this selector.
    pub(crate) async fn text(&self, selector: &str) -> Step<String> {
        Ok(self.page.find(Locator::Css(selector)).await?.text().await?)
    }

    /// Clicks the first element that matches this selector.
    pub(crate) async fn click(&self, selector: &str) -> Step {
        Ok(self.page.find(Locator::Css(selector)).await?.click().await?)
    }

    /// Types into the focused element.
    pub(crate) async fn keys(&self, keys: &str) -> Step {
        Ok(self.page.active_element().await?.send_keys(keys).await?)
    }

    /// The id of the focused element.
    pub(crate) async fn focus(&self) -> Step<Option<String>> {
        Ok(self.page.active_element().await?.attr("id").await?)
    }
}

impl Drop for Browser {
    fn drop(&mut self) {
        // Needed after a failed assertion: the driver is killed with its handle, but leaves the browser running.
        if let Some(pid) = self.chromium {
            let _ = std::process::Command::new("kill").arg(pid.to_string()).status();
        }
    }
}

/// Waits for an output line that contains `mark`; returns the rest of the line.
async fn line_with(output: Option<ChildStdout>, mark: &str) -> Step<String> {
    let mut lines = BufReader::new(output.ok_or("the output is not piped")?).lines();
    let found = timeout(START_MAX, async {
        while let Some(line) = lines.next_line().await? {
            if let Some((_, rest)) = line.split_once(mark) {
                return Ok(rest.to_owned());
            }
        }
        Err(format!("the program ended without saying \"{mark}\"").into())
    });
    found.await?
}

fn capabilities(profile: &TempDir, screen: Screen) -> Capabilities {
    let Screen { width, height, pixel_ratio, is_dark } = screen;
    let user_data = format!("--user-data-dir={}", profile.path().display());
    // Chromium has no flag for the color scheme but this one: 0 is dark, 1 is light.
    let scheme = format!("--blink-settings=preferredColorScheme={}", u8::from(!is_dark));
    let args = [
        "--headless=new",
        "--no-sandbox",
        "--disable-gpu",
        "--disable-background-networking",
        "--hide-scrollbars",
        &scheme,
        &user_data,
    ];
    let metrics = json!({ "width": width, "height": height, "pixelRatio": pixel_ratio, "touch": false });
    let options =
        json!({ "binary": CHROMIUM, "args": args, "mobileEmulation": { "deviceMetrics": metrics } });
    Capabilities::from_iter([("goog:chromeOptions".to_owned(), options)])
}
