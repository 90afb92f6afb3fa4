//! What customers say yes and no to, with what proves it, through the API, the page and events.

use serde_json::{Value, json};

use super::bench::{Bench, Sink};
use crate::app::Service;

const RISK: &str = "model: risk\ntype: pushed\nabout: How likely somebody leaves.\n";
const POLICY: &str = "\
quiet_hours: []
caps: []
purposes:
  marketing: {consent: opt_out, unknown_zone: assume, holdout: exempt, together: all}
";

fn trigger(name: &str, more: &str) -> String {
    format!(
        "trigger: {name}\nkind: behavior\nabout: A test.\nowner: a@b.example\n\
         when: {{event: Signed Up}}\n{more}\
         send: {{purpose: marketing, via: [email], message: {{en: {{subject: x, body: \"{{{{ unsubscribe_url }}}}\"}}}}}}\n"
    )
}

async fn bench(sink: &Sink) -> Bench {
    let mut bench = Bench::new(sink);
    bench.config.unsubscribe.url = Some("https://care.example".to_owned());
    bench.write("triggers/welcome.yaml", &trigger("plain", ""));
    bench.write(
        "triggers/scored.yaml",
        &trigger("scored", "if: \"!has(score.risk) || 0 <= score.risk\"\n"),
    );
    bench.write("triggers/policy.yaml", POLICY);
    bench.write("models/risk.yaml", RISK);
    bench
}

async fn prefer(bench: &Bench, service: &Service, change: Value) -> (u16, String) {
    bench.ask(service, "POST", "/api/v1/customers/ada/preferences", None, Some(change)).await
}

/// The verdict on the last decision of each trigger.
async fn last(bench: &Bench, service: &Service, trigger: &str) -> String {
    let path = format!("/api/v1/decisions?customer=ada&trigger={trigger}");
    let decisions = bench.get(service, &path).await;
    let newest = &decisions["items"][0];
    format!("{} {}", newest["verdict"].as_str().unwrap(), newest["reason"].as_str().unwrap_or("-"))
}

#[tokio::test]
async fn an_answer_is_kept_with_what_proves_it_until_its_customer_is_forgotten() {
    let sink = Sink::start().await;
    let bench = bench(&sink).await;
    let service = bench.start().await;
    bench.sign_up(&service, "ada").await;
    bench.until_decided(&service, 2).await;
    let yes =
        json!({"purpose": "marketing", "granted": true, "source": "shop", "evidence": "doi-9"});
    assert_eq!(prefer(&bench, &service, yes).await.0, 204);
    let long = json!({"granted": true, "evidence": "x".repeat(257)});
    let (status, told) = prefer(&bench, &service, long).await;
    assert_eq!((status, told.contains("257 bytes")), (400, true), "{told}");
    let traits = json!({"userId": "ada", "traits": {"consent": {
        "marketing": {"email": {"granted": true, "evidence": "form-7", "source": "crm"}},
    }}});
    assert_eq!(bench.ask(&service, "POST", "/v1/identify", None, Some(traits)).await.0, 200);
    service.stop().await.unwrap();

    let service = bench.start().await;
    let page = bench.get(&service, "/api/v1/customers/ada").await;
    let kept = page["consents"].as_array().unwrap().iter();
    let kept: Vec<_> = kept.map(|one| (one["source"].clone(), one["evidence"].clone())).collect();
    let wanted = [("shop", "doi-9"), ("crm", "form-7")];
    assert_eq!(kept, wanted.map(|(one, other)| (json!(one), json!(other))), "{page}");
    let told = bench.text(&service, "/api/v1/customers/ada/explain").await;
    assert!(told.contains("yes to `marketing` ("), "{told}");
    assert!(told.contains("from `shop`, proven by `doi-9`)"), "{told}");
    assert_eq!(bench.ask(&service, "DELETE", "/api/v1/customers/ada", None, None).await.0, 202);
    let mut gone = false;
    for _ in 0..500 {
        gone = bench.ask(&service, "GET", "/api/v1/customers/ada", None, None).await.0 == 404;
        if gone {
            break;
        }
        tokio::time::sleep(std::time::Duration::from_millis(10)).await;
    }
    assert!(gone, "everything of her goes");
    service.stop().await.unwrap();
}

#[tokio::test]
async fn whoever_will_not_be_profiled_hears_what_no_score_decides() {
    let sink = Sink::start().await;
    let bench = bench(&sink).await;
    let service = bench.start().await;
    bench.sign_up(&service, "ada").await;
    bench.until_decided(&service, 2).await;
    assert_eq!(last(&bench, &service, "scored").await, "sent -");
    let received = sink.received(2).await;
    let body: Value = serde_json::from_str(&received[0].body).unwrap();
    let link = body["data"]["content"]["unsubscribe_url"].as_str().unwrap().to_owned();
    let path = link.strip_prefix("https://care.example").unwrap();

    // To look changes nothing; the box with its button does.
    let shown = bench.text(&service, path).await;
    assert!(shown.contains("no_profiling") && !shown.contains("checked"), "{shown}");
    let save = |ticked: &str| Some(json!(format!("x=1&{ticked}action=profiling&y=1")));
    assert_eq!(bench.ask(&service, "POST", path, None, save("no_profiling=yes&")).await.0, 200);
    assert!(bench.text(&service, path).await.contains("checked"));
    bench.sign_up(&service, "ada").await;
    bench.until_decided(&service, 4).await;
    assert_eq!(last(&bench, &service, "scored").await, "suppressed profiling");
    assert_eq!(last(&bench, &service, "plain").await, "sent -");
    let told = bench.text(&service, "/api/v1/customers/ada/explain?trigger=scored").await;
    assert!(told.contains("that no score decides (from `unsubscribe link of "), "{told}");

    // A link asks for less, never for more.
    assert_eq!(bench.ask(&service, "POST", path, None, save("")).await.0, 400);
    let yes = json!({"profiling": true, "source": "call"});
    assert_eq!(prefer(&bench, &service, yes).await.0, 204);
    bench.sign_up(&service, "ada").await;
    bench.until_decided(&service, 6).await;
    assert_eq!(last(&bench, &service, "scored").await, "sent -");
    let no = json!({"profiling": false, "evidence": "call 7"});
    assert_eq!(prefer(&bench, &service, no).await.0, 204);
    let page = bench.get(&service, "/api/v1/customers/ada").await;
    let said = (&page["profiling"]["granted"], &page["profiling"]["evidence"]);
    assert_eq!(said, (&json!(false), &json!("call 7")));
    let traits = json!({"userId": "ada", "traits": {"consent": {"profiling": true}}});
    assert_eq!(bench.ask(&service, "POST", "/v1/identify", None, Some(traits)).await.0, 200);
    bench.sign_up(&service, "ada").await;
    bench.until_decided(&service, 8).await;
    assert_eq!(last(&bench, &service, "scored").await, "sent -");
    service.stop().await.unwrap();
}
