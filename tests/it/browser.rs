//! The page in a real browser, against the real binary: one story of one round.

mod driver;
mod screenshots;

use fantoccini::Locator;
use fantoccini::key::Key;
use rstest::rstest;

use self::driver::{Browser, Step};
use crate::place::Place;
use crate::place::Stack::{self, Embedded, Services};
use crate::support::{Game, beside_others};

/// A name that would break the page if it were treated as markup.
const EVIL: &str = "<img src=x onerror=document.body.remove()>";
/// Grace period after the end that the page shows, in milliseconds.
const GRACE_MS: &str = "500";
/// No round opens before "Light it now" is clicked.
const SETTINGS: [(&str, &str); 5] = [
    ("WINDOW_MS", "8000"),
    ("GRACE_MS", GRACE_MS),
    ("ROUND_GAP_MS", "3600000"),
    ("ROUND_ODDS", "0"),
    ("FIRST_ROUND_MS", "3600000"),
];

#[rstest]
#[tokio::test]
async fn a_player_plays_a_round_in_the_browser(#[values(Embedded, Services)] stack: Stack) -> Step {
    let _beside = beside_others().await;
    let place = Place::new(stack).await;
    let game = Game::start(&place, "dev", &SETTINGS).await;
    let browser = Browser::start().await?;
    let told = plays(&browser, &game.url).await;
    browser.close().await?;
    told
}

async fn plays(browser: &Browser, url: &str) -> Step {
    browser.page.goto(url).await?;
    joins_by_keyboard(browser).await?;
    is_told_no_in_the_dark(browser).await?;
    presses_in_the_light(browser).await?;
    is_remembered(browser).await?;
    comes_too_late_under_an_evil_name(browser).await?;
    follows_a_clock_that_is_set_back(browser).await
}

async fn joins_by_keyboard(browser: &Browser) -> Step {
    let tab = String::from(char::from(Key::Tab));
    let enter = String::from(char::from(Key::Enter));
    browser.shows("link", "live").await?;
    browser.shows("how", "1, 2, 3 … and from the 10th on 100, 121, 144").await?;
    browser.keys(&tab).await?;
    assert_eq!(browser.focus().await?.as_deref(), Some("button"));
    browser.keys(&enter).await?;
    browser.shows("outcome", "Pick a name first").await?;
    assert_eq!(browser.focus().await?.as_deref(), Some("username"));
    browser.keys("ada").await?;
    browser.keys(&tab).await?;
    browser.keys("Ada L.").await?;
    browser.keys(&enter).await?;
    browser.shows("me", "Ada L.").await?;
    browser.shows("board", "Ada L.").await?;
    // Prices, levels and durations come from /rules.
    browser.shows("shop", "for 6 hours").await?;
    assert_eq!(browser.text("#shop [data-kind=EXTENDER][data-quantity='1.5']").await?, "×1.5\n60 pts");
    assert_eq!(browser.focus().await?.as_deref(), Some("button"));
    Ok(())
}

async fn is_told_no_in_the_dark(browser: &Browser) -> Step {
    browser.shows("round-state", "Dark").await?;
    browser.keys(" ").await?;
    browser.shows("outcome", "The button was dark").await?;
    browser.click("#shop [data-kind=MULTIPLIER][data-quantity='3']").await?;
    browser.shows("shop-outcome", "Not enough points: Multiplier ×3 costs 150").await?;
    assert_eq!(browser.text("#score").await?, "0");
    Ok(())
}

async fn presses_in_the_light(browser: &Browser) -> Step {
    browser.click("#light-now").await?;
    browser.shows("light-outcome", "Round 1 is on its way").await?;
    browser.until(Locator::Css("body[data-light=lit]")).await?;
    browser.shows("round-state", "It is lit").await?;
    browser.shows("countdown", "s left").await?;
    browser.script("document.getElementById('button').focus()").await?;
    browser.keys(" ").await?;
    browser.shows("outcome", "Counted! +1 point").await?;
    browser.until(Locator::Css("body[data-light=pressed]")).await?;
    assert_eq!(
        (browser.text("#score").await?, browser.text("#streak").await?),
        ("1".to_owned(), "1".to_owned())
    );
    browser.shows("rank", "1").await?;
    browser.until(Locator::XPath("//*[@id='board']/li[@class='me'][.='1.Ada L.1']")).await?;
    browser.click("#button").await?;
    browser.shows("outcome", "already pressed in this round").await?;
    assert_eq!(browser.text("#score").await?, "1");
    browser.click("#light-now").await?;
    browser.shows("light-outcome", "Wait ").await?;
    let told = browser.text("#light-outcome").await?;
    let wait_s =
        told.split_once("Wait ").and_then(|(_, rest)| rest.split_once(" s more")?.0.parse::<u64>().ok());
    assert!(wait_s.is_some_and(|wait_s| (1..=60).contains(&wait_s)), "{told}");
    Ok(())
}

async fn is_remembered(browser: &Browser) -> Step {
    browser.page.refresh().await?;
    browser.shows("outcome", "Your last press: Counted! +1 point").await?;
    assert_eq!(browser.text("#me").await?, "Ada L.");
    assert_eq!(browser.text("#score").await?, "1");
    Ok(())
}

async fn comes_too_late_under_an_evil_name(browser: &Browser) -> Step {
    browser.shows("round-state", "The light is out").await?;
    browser.until_true(&format!("serverNow() > state.live.closes_at + {GRACE_MS}")).await?;
    browser.click("#leave").await?;
    let username = browser.page.find(Locator::Id("username")).await?;
    username.clear().await?;
    username.send_keys(EVIL).await?;
    browser.click("#join").await?;
    browser.until(Locator::Css("#board .me")).await?;
    assert_eq!(browser.text("#me").await?, EVIL);
    assert_eq!(browser.text("#board .me bdi").await?, EVIL);
    assert_eq!(browser.script("return document.images.length").await?, 0);
    browser.click("#button").await?;
    browser.shows("outcome", "Too late").await?;
    let too_wide =
        browser.script("return document.documentElement.scrollWidth - document.documentElement.clientWidth");
    assert_eq!(too_wide.await?, 0, "the page scrolls sideways on a phone of 360 px");
    assert_eq!(browser.script("return document.documentElement.clientWidth").await?, 360);
    Ok(())
}

/// The response after 50 ms carries a time one minute before the previous response; the next one is correct again.
async fn follows_a_clock_that_is_set_back(browser: &Browser) -> Step {
    let script = "const before = serverNow();
        const light = () => { render(); return document.body.dataset.light; };
        state.lit = { ...state.live, opens_at: before - 1_000, closes_at: before + 60_000 };
        const seen = [light()];
        for (const now of [before - 60_000, before]) {
            hearTime(now, performance.now() - 50);
            seen.push(Math.round((serverNow() - before) / 1_000), light());
        }
        state.lit = state.live;
        return seen;";
    let seen = browser.in_modules(script).await?;
    assert_eq!(seen, serde_json::json!(["lit", -60, "dark", 0, "lit"]));
    Ok(())
}
