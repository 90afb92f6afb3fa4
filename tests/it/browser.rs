//! The demo's page, and messages on a page of somebody else, in a real browser: Chromium, driven
//! over `WebDriver` by Debian's own packages.

use std::fs;
use std::io::{BufRead, BufReader};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

use crate::demo::Demo;
use crate::service::{Place, Sink, exchange, get, post, until};
use crate::skip::skip;

/// What Debian and others call it.
const BROWSERS: [&str; 3] = ["chromium", "chromium-browser", "google-chrome"];
const DRIVER: &str = "chromedriver";
/// A name that would be code, were it ever taken for markup.
const HOSTILE: &str = "<img src=x onerror=\"document.title='taken'\">";

/// One window of a browser without a screen; it is closed with this.
struct Browser {
    driver: Child,
    address: SocketAddr,
    session: String,
}

impl Browser {
    /// `None` when there is no browser or no driver on this machine.
    fn open() -> Option<Self> {
        let browser = BROWSERS.into_iter().find_map(program)?;
        let mut driver = Command::new(program(DRIVER)?)
            .arg("--port=0")
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let mut said = BufReader::new(driver.stdout.take().unwrap()).lines();
        let port = said.find_map(|line| {
            let line = line.unwrap();
            line.rsplit_once("started successfully on port ")?.1.trim_end_matches('.').parse().ok()
        });
        let address = SocketAddr::from(([127, 0, 0, 1], port.expect("the driver gives its port")));
        let mut opened = Self { driver, address, session: String::new() };
        // Its sandbox needs rights that containers and root do not have; it sees our page only.
        let options = json!({
            "binary": browser,
            "args": ["--headless=new", "--no-sandbox", "--disable-dev-shm-usage", "--disable-gpu"],
        });
        let wanted =
            json!({"goog:chromeOptions": options, "goog:loggingPrefs": {"browser": "ALL"}});
        let session = opened.call("POST", "", &json!({"capabilities": {"alwaysMatch": wanted}}));
        opened.session = format!("/{}", session["sessionId"].as_str().unwrap());
        Some(opened)
    }

    fn call(&self, method: &str, what: &str, body: &Value) -> Value {
        let path = format!("/session{}{what}", self.session);
        let body = if method == "POST" { body.to_string() } else { String::new() };
        let (status, answer) =
            exchange(self.address, method, &path, body.as_bytes()).expect("the driver answers");
        let answer: Value = serde_json::from_slice(&answer).unwrap();
        assert_eq!(status, 200, "{path}: {answer}");
        answer["value"].clone()
    }

    fn go(&self, url: &str) {
        self.call("POST", "/url", &json!({"url": url}));
    }

    /// Runs a function's body in the page and gives what it returns.
    fn run(&self, script: &str) -> Value {
        self.call("POST", "/execute/sync", &json!({"script": script, "args": []}))
    }

    fn text(&self, selector: &str) -> String {
        let found = self.run(&format!("return document.querySelector({selector:?})?.innerText"));
        found.as_str().unwrap_or_default().to_owned()
    }

    fn click(&self, selector: &str) {
        let found =
            self.call("POST", "/element", &json!({"using": "css selector", "value": selector}));
        let (_, id) = found.as_object().unwrap().iter().next().unwrap();
        self.call("POST", &format!("/element/{}/click", id.as_str().unwrap()), &json!({}));
    }

    /// As wide as that, with all of the page in sight to the right and to the left.
    fn is_whole_at(&self, width: u32) {
        let params =
            json!({"width": width, "height": 1_000, "deviceScaleFactor": 1, "mobile": false});
        let command = json!({"cmd": "Emulation.setDeviceMetricsOverride", "params": params});
        self.call("POST", "/goog/cdp/execute", &command);
        let wider = self.run(
            "const room = document.querySelector('dialog[open]') || document.documentElement;
             return [innerWidth, room.scrollWidth - room.clientWidth,
               [...document.querySelectorAll('section, nav, header, summary')]
                 .filter((one) => innerWidth < one.getBoundingClientRect().right)
                 .map((one) => one.outerHTML.slice(0, 80))]",
        );
        self.keep(&format!("demo-{width}.png"));
        assert_eq!(wider, json!([width, 0, []]), "something stands beyond the edge");
    }

    /// Keeps what it looks like, for people.
    fn keep(&self, name: &str) {
        let shot = self.call("GET", "/screenshot", &Value::Null);
        let shot = STANDARD.decode(shot.as_str().unwrap()).unwrap();
        fs::write(Path::new(env!("CARGO_TARGET_TMPDIR")).join(name), shot).unwrap();
    }

    /// What the page complained of.
    fn complaints(&self) -> Vec<Value> {
        let lines = self.call("POST", "/se/log", &json!({"type": "browser"}));
        lines.as_array().unwrap().clone()
    }
}

impl Drop for Browser {
    fn drop(&mut self) {
        if !self.session.is_empty() {
            drop(exchange(self.address, "DELETE", &format!("/session{}", self.session), b""));
        }
        drop(self.driver.kill());
        drop(self.driver.wait());
    }
}

fn program(name: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH")?;
    std::env::split_paths(&path).map(|folder| folder.join(name)).find(|file| file.is_file())
}

#[test]
fn the_page_shows_every_verdict_with_its_why_and_each_customer() {
    let Some(browser) = Browser::open() else {
        return skip("the demo's page in a browser", "chromium and chromedriver are not there");
    };
    let demo = Demo::open("600");
    browser.go(&format!("http://{}/", demo.address));
    until("it is live", || browser.text("#connection") == "live");
    until("it counts", || browser.text("#count-matched").len() > 2);
    let kinds = browser.text("#funnels");
    for kind in ["behavior", "status", "lifecycle"] {
        assert!(kinds.contains(kind), "{kinds}");
    }
    browser.is_whole_at(1280);
    browser.is_whole_at(390);
    browser.is_whole_at(1280);

    for (verdict, why) in [
        ("sent", "every rule let it pass"),
        ("task", "person"),
        ("held_out", "holdout"),
        ("suppressed", "the customer said no to `marketing`"),
        ("suppressed", "holds it back until"),
        ("deferred", "and quiet until"),
        ("expired", "cap `marketing: 3 per rolling 7d` is held by"),
    ] {
        browser.click(&format!("button[data-verdict={verdict}]"));
        // Code stands between backticks in the API and in a face of its own on the page.
        let why = why.replace('`', "");
        let seen = format!(
            "return [[...document.querySelectorAll('#feed details.{verdict} .why')]
                .map((one) => one.innerText).join(),
              document.querySelectorAll('#feed details:not(.{verdict})').length]"
        );
        until(&format!("nothing but {verdict}, because {why}"), || {
            let seen = browser.run(&seen);
            seen[0].as_str().unwrap().contains(&why) && seen[1] == 0
        });
    }
    browser.click("#funnels button[data-reason=capped]");
    until("nothing but what a cap held back, each with its why", || {
        let seen = browser.run(
            "return [[...document.querySelectorAll('#feed > li')].map((one) => one.dataset.reason),
               document.querySelector('#feed .why')?.innerText]",
        );
        seen[0].as_array().unwrap().iter().all(|reason| reason == "capped")
            && seen[1].as_str().is_some_and(|why| why.contains("3 per rolling 7d"))
            && browser.text("#narrowed").contains("trial-tips, held back because of capped")
    });
    browser.click("button[data-verdict='']");
    browser.click("#pause");
    browser.click("#feed summary .badge");
    until("it opens", || {
        browser.text("#feed details[open] .detail").contains("Rules of the governor")
    });

    browser.click("#risk a");
    until("a customer", || browser.text("dialog[open]").contains("Health, point by point"));
    let page = browser.text("dialog[open]");
    for part in ["Timeline", "Logged In", "Consent and caps", "Coming up", "Decisions"] {
        assert!(page.contains(part), "{part} is not in\n{page}");
    }
    browser.is_whole_at(390);
    browser.is_whole_at(1280);
    browser.click("#close");
    assert_eq!(browser.run("return document.querySelector('dialog').open"), false);

    assert_eq!(browser.complaints(), Vec::<Value>::new());
    drop(browser);
    assert_eq!(demo.close().code(), Some(0));
}

#[test]
fn what_customers_typed_never_becomes_part_of_the_page() {
    let Some(browser) = Browser::open() else {
        return skip("hostile names in a browser", "chromium and chromedriver are not there");
    };
    let demo = Demo::open("60");
    let name = format!("{HOSTILE} {}", "long".repeat(200));
    let person = json!({"userId": HOSTILE, "traits": {"name": name, "plan": HOSTILE}});
    let track = json!({"userId": HOSTILE, "event": HOSTILE, "properties": {}});
    for (path, body) in [("/v1/identify", person), ("/v1/track", track)] {
        let (status, _) = post(demo.address, path, body.to_string().as_bytes()).unwrap();
        assert_eq!(status, 200);
    }
    let id: String = HOSTILE.bytes().map(|byte| format!("%{byte:02x}")).collect();
    browser.go(&format!("http://{}/#{id}", demo.address));
    until("they are shown", || {
        browser.run("showCustomer()");
        browser.text("#customer-body").contains(HOSTILE)
    });
    assert!(browser.text("#customer-name").contains(HOSTILE));
    assert_eq!(browser.run("return document.images.length"), 0);
    assert_eq!(browser.run("return document.title"), "Heedful demo");
    browser.is_whole_at(390);
    drop(browser);
    assert_eq!(demo.close().code(), Some(0));
}

/// A trigger that writes into the app what customers typed.
const HELLO: &str = "\
trigger: hello
kind: behavior
about: A test.
owner: ops@shop.example
when: {event: Asked}
send:
  purpose: transactional
  via: [in_app]
  message:
    en: {title: \"Hello {{ event.name }}\", body: \"{{ event.name }} asked.\", url: \"{{ event.url }}\", action: Look}
";

fn ask(at: SocketAddr, customer: &str, (id, url): (&str, &str)) {
    let event = json!({"customer": customer, "event": "Asked", "id": id,
                       "with": {"name": HOSTILE, "url": url}});
    assert_eq!(post(at, "/events", event.to_string().as_bytes()).unwrap().0, 200);
}

/// What was done with the messages of a customer, oldest first, and whether they clicked.
fn answers(at: SocketAddr, customer: &str) -> Value {
    let inbox = get(at, &format!("/api/v1/customers/{customer}/inbox")).unwrap_or_default();
    let items = inbox["items"].as_array().cloned().unwrap_or_default();
    let page = get(at, &format!("/api/v1/customers/{customer}")).unwrap_or_default();
    let clicks = page["timeline"].to_string().matches("Message Clicked").count();
    json!([items.iter().rev().map(|item| &item["answer"]).collect::<Vec<_>>(), clicks])
}

fn unread(at: SocketAddr, customer: &str) -> usize {
    let inbox = get(at, &format!("/api/v1/customers/{customer}/inbox")).unwrap_or_default();
    let items = inbox["items"].as_array().cloned().unwrap_or_default();
    items.iter().filter(|item| item["read_at"].is_null()).count()
}

#[test]
fn a_page_of_somebody_shows_what_comes_into_the_inbox_of_its_customer() {
    let Some(browser) = Browser::open() else {
        return skip("messages on a page", "chromium and chromedriver are not there");
    };
    let place = Place::new(&Sink::start(0));
    place.write("triggers/hello.yaml", HELLO);
    let (process, at) = place.start();
    ask(at, "ada", ("a1", "https://shop.example/help"));
    until("it is in the inbox", || unread(at, "ada") == 1);
    let (status, token) = post(at, "/api/v1/customers/ada/inbox/token", b"").unwrap();
    assert_eq!(status, 200);
    let token = token["token"].as_str().unwrap();

    // The name makes it another origin; pages from elsewhere may not ask this machine at all.
    browser.go(&format!("http://localhost:{}/", at.port()));
    browser.run(&format!(
        "const script = document.createElement('script');
         Object.assign(script.dataset, {{ token: '{token}', close: 'Dicht' }});
         script.src = 'http://{at}/in-app.js';
         document.body.append(script)"
    ));
    let count = || browser.run("return document.querySelectorAll('.heedful-message').length");
    until("what came before is shown", || count() == 1);
    let text = browser.text(".heedful-message");
    assert!(text.contains(&format!("Hello {HOSTILE}")), "{text}");
    assert_eq!(browser.run("return document.images.length"), 0);
    let room = browser.run(
        "const room = document.querySelector('.heedful-messages');
         return [room.getAttribute('aria-live'), room.getAttribute('aria-label'),
           room.querySelector('a').href, room.querySelector('button').getAttribute('aria-label')]",
    );
    assert_eq!(room, json!(["polite", "Messages", "https://shop.example/help", "Dicht"]));

    // One that comes now, with a link that would be code, and one that is another customer's.
    ask(at, "bob", ("b1", "https://shop.example/"));
    until("it is in the inbox of the other", || unread(at, "bob") == 1);
    ask(at, "ada", ("a2", "javascript:document.title='taken'"));
    until("what comes is shown", || count() == 2);
    let links = "return document.querySelectorAll('.heedful-message a').length";
    assert_eq!(browser.run(links), 1);
    browser.click(".heedful-message button");
    until("what was closed is read", || unread(at, "ada") == 1);
    assert_eq!(count(), 1);
    assert_eq!(browser.run("return document.title"), "Heedful");
    assert_eq!(browser.complaints(), Vec::<Value>::new());
    assert_eq!(answers(at, "ada"), json!([["dismissed", null], 0]), "to close it is no click");
    ask(at, "ada", ("a3", "https://shop.example/new"));
    until("the third is shown", || count() == 2);
    browser.click(".heedful-message a");
    until("the click is told apart", || {
        answers(at, "ada") == json!([["dismissed", null, "clicked"], 1])
    });

    // Nobody else's token, and no token for anything else.
    for (path, expected) in [
        (format!("/in-app/{token}/messages"), 200),
        (format!("/in-app/{}/messages", token.replace('A', "B")), 404),
        (format!("/u/{token}"), 404),
        (format!("/in-app/{token}/messages/{}/read", "07".repeat(16)), 405),
    ] {
        assert_eq!(exchange(at, "GET", &path, b"").unwrap().0, expected, "{path}");
    }
    drop(browser);
    assert!(process.stop().success());
}
