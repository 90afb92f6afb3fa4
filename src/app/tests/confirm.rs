//! Messages that a person on the other side has to confirm, and what a channel takes of one customer.

use crate::config::{Config, Flags};

use super::bench::{Bench, NO_NIGHT, Sink, TIPS};

#[tokio::test]
async fn what_waits_to_be_confirmed_says_so_and_the_channel_takes_one_a_day() {
    let sink = Sink::start().await;
    let mut bench = Bench::new(&sink);
    bench.write("triggers/welcome.yaml", TIPS);
    bench.write("triggers/policy.yaml", NO_NIGHT);
    let url = format!("http://{}/hook", sink.address);
    let channels = format!(
        "channels:\n  email:\n    type: http\n    url: {url}\n    allow_private: true\n    \
         headers: {{webhook-id: '{{{{ decision }}}}', webhook-signature: x}}\n    \
         body: '{{\"text\": {{{{ message }}}}}}'\n    external_id: \"'m1'\"\n    at_most: {{day: 1}}\n    \
         confirm:\n      url: {url}\n      sent_when: body == 'sent'\n      not_sent_when: body == 'gone'\n      \
         by: \"{{{{ content.sender | default('mei') }}}}\"\n      every: 1h\n      within: 2d\n"
    );
    bench.write("heedful.yaml", &channels);
    let file = Some(bench.path("heedful.yaml"));
    let read = Config::load(Flags { config: file, ..Flags::default() }, &|_: &str| None).unwrap();
    bench.config.channels = read.channels;
    let service = bench.start().await;
    bench.sign_up(&service, "ada").await;
    bench.until_decided(&service, 1).await;
    assert_eq!(sink.received(1).await.len(), 1);
    let waits = || service.store().confirming("ada").unwrap();
    bench.until("it waits", || !waits().is_empty()).await;
    let page = bench.get(&service, "/api/v1/customers/ada").await;
    let waiting = &page["confirming"][0];
    assert_eq!(waiting["by"], "mei", "{page}");
    assert_eq!(waiting["decision"], page["decisions"][0]["id"]);
    let (since, until) = (waiting["since"].as_str().unwrap(), waiting["until"].as_str().unwrap());
    let sentence = format!(
        "the message of `tips` on `email` waits for mei to confirm it since {since}; given up at {until}"
    );
    let told = bench.text(&service, "/api/v1/customers/ada/explain").await;
    assert!(told.contains(&sentence), "{told}");
    let told = bench.text(&service, "/api/v1/customers/ada/explain?trigger=tips").await;
    assert!(told.contains(&sentence), "{told}");

    // It counts while it waits, under a cap that the policy does not know.
    bench.sign_up(&service, "ada").await;
    bench.until_decided(&service, 2).await;
    let page = bench.get(&service, "/api/v1/customers/ada").await;
    assert_eq!(page["decisions"][0]["reason"], "capped", "{page}");
    assert_eq!(page["caps"][0]["cap"], "email: 1 per day, of the channel", "{page}");
    let told = bench.text(&service, "/api/v1/customers/ada/explain?trigger=tips").await;
    assert!(told.contains("`email: 1 per day, of the channel`"), "{told}");
    let before = waits();
    service.stop().await.unwrap();

    let service = bench.start().await;
    assert_eq!(service.store().confirming("ada").unwrap(), before, "over a restart");
    assert_eq!(service.store().confirming("bob").unwrap(), []);
    service.stop().await.unwrap();
}
