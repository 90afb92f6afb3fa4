//! Tables and recorded lines on their way in: what is taken, as what, and what is refused.

use std::fs;
use std::path::Path;

use insta::assert_snapshot;

use crate::cli::{heedful, write};

const TRIGGER: &str = "trigger: thanks
kind: behavior
about: Says thank you to good customers.
owner: ops@shop.example
when: {event: Order Completed}
if:
  - customer.tier == \"gold\"
  - customer.orders_before > 1.5
  - count(\"Order Completed\", \"90d\") > 1
send:
  purpose: marketing
  via: [email]
  unsubscribe: provider
  message:
    en: {subject: Thank you, body: See you soon.}
";

const CUSTOMERS: &str =
    "\u{feff}ID;First Name;email;tier;orders_before;zip;member since;consent_marketing
c1;Ann;ann@x.example;gold;2,5;01067;01.03.2024;yes
c2;Bo;bo@x.example;silver;1;10115;31.12.2025;no
;Nobody;n@x.example;gold;3;1;01.01.2026;yes
c3;Cy;cy@x.example;gold;4;20095;02.01.2026;maybe
c4;Di;di@x.example;gold
";

fn shop() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    write(folder.path(), "triggers/thanks.yaml", TRIGGER);
    folder
}

fn import(folder: &Path, args: &[&str]) -> (i32, String) {
    let said = heedful(folder, &[&["import"], args].concat());
    (said.code, said.out + &said.err)
}

#[test]
fn a_table_of_customers_sets_traits_of_the_right_kind() {
    let folder = shop();
    write(folder.path(), "customers.csv", CUSTOMERS);
    let (code, text) = import(folder.path(), &["customers.csv"]);
    assert_eq!(code, 1, "{text}");
    assert_snapshot!(text, @r"
    customers.csv: 2 customers
      columns: ID (customer), first_name (text), email (text), tier (text), orders_before (number), zip (text), member_since (date), consent_marketing (consent to marketing)
    3 rows refused: see rejects.csv
    ");
    let rejects = fs::read_to_string(folder.path().join("rejects.csv")).unwrap();
    assert_snapshot!(rejects, @r#"
    file,line,reason,what,row
    customers.csv,4,bad_row,it does not say whose it is,",Nobody,n@x.example,gold,3,1,01.01.2026,yes"
    customers.csv,5,bad_cell,`maybe` in `consent_marketing` is neither yes nor no,"c3,Cy,cy@x.example,gold,4,20095,02.01.2026,maybe"
    customers.csv,6,bad_row,"it has 4 cells, the heading 8","c4,Di,di@x.example,gold"
    "#);
    let explain = heedful(folder.path(), &["explain", "c1", "--trigger", "thanks"]);
    assert!(explain.out.contains("yes to `marketing` ("), "{}", explain.out);
    assert_snapshot!(told(&explain.out), @r#"
    customer c1

    nothing was decided

    trigger thanks  (triggers/thanks.yaml:1:10)
      Says thank you to good customers.

      it waits for
        the event `Order Completed`

      its conditions, as they stand
        yes  customer.tier == "gold"
             customer.tier = "gold"
        yes  customer.orders_before > 1.5
             customer.orders_before = 2.5
        no   count("Order Completed", "90d") > 1
             count("Order Completed", "90d") = 0; the first that does not hold

      if it fired now: not sent: unknown_zone (a rule needs the customer's time zone and it is unknown)
        yes  enabled
        yes  expiry
        yes  suppression
        yes  once_per
        yes  consent
        yes  channel      reachable on `email`
        yes  holdout
        yes  arbitration
        no   quiet_hours
      next free instant: none while this stands
    "#);
}

/// Without what depends on when the test runs.
fn told(text: &str) -> String {
    let timeless = |line: &&str| {
        !["now", "first seen", "last seen", "consent "]
            .iter()
            .any(|word| line.trim_start().starts_with(word))
    };
    text.lines().filter(timeless).collect::<Vec<_>>().join("\n")
}

#[test]
fn events_from_tables_and_lines_count_and_old_ones_send_nothing() {
    let folder = shop();
    let customers = "id,email,tier,orders_before,timezone,consent_marketing\n\
                     c1,ann@x.example,gold,2,Europe/Berlin,yes\n";
    write(folder.path(), "customers.csv", customers);
    let events = "customer,event,at,total,id\n\
                  c1,Order Completed,2026-01-02 10:00,19.5,e1\n\
                  c1,Order Completed,2026-01-03T10:00:00+01:00,20,e2\n\
                  c1,,2026-01-03,20,e3\n\
                  c1,Order Completed,yesterday,20,e4\n";
    write(folder.path(), "events.csv", events);
    let lines = "{\"type\":\"track\",\"userId\":\"c1\",\"event\":\"Page Viewed\",\"messageId\":\"p1\",\"timestamp\":\"2026-01-04T00:00:00Z\"}\n\
                 not json\n\
                 {\"customer\":\"c2\",\"event\":\"Order Completed\",\"at\":\"2026-01-05T00:00:00Z\"}\n";
    write(folder.path(), "lines.ndjson", lines);
    let (code, text) = import(folder.path(), &["customers.csv", "events.csv", "lines.ndjson"]);
    assert_eq!(code, 1, "{text}");
    assert_snapshot!(text, @r"
    customers.csv: 1 customer
      columns: id (customer), email (text), tier (text), orders_before (number), timezone (text), consent_marketing (consent to marketing)
    events.csv: 2 events, all of them history
      columns: customer (customer), event (event), at (time), total (number), id (id)
    lines.ndjson: 2 events, all of them history
    3 rows refused: see rejects.csv
    ");
    let rejects = fs::read_to_string(folder.path().join("rejects.csv")).unwrap();
    assert_snapshot!(rejects, @r#"
    file,line,reason,what,row
    events.csv,4,bad_row,it does not name an event,"c1,,2026-01-03,20,e3"
    events.csv,5,bad_cell,`yesterday` is not a time like `2026-03-01 12:00`,"c1,Order Completed,yesterday,20,e4"
    lines.ndjson,2,malformed_json,at byte 0: this character cannot stand here,not json
    "#);
    let explain = heedful(folder.path(), &["explain", "c1", "--trigger", "thanks"]);
    assert!(explain.out.contains("nothing was decided"), "{}", explain.out);
    let c2 = heedful(folder.path(), &["explain", "c2"]);
    assert!(c2.out.contains("customer c2"), "{}", c2.out);
}

#[test]
fn the_same_file_may_be_imported_twice() {
    let folder = shop();
    let events = format!("customer,event,at\nc1,Order Completed,{}\n", an_hour_ago());
    write(folder.path(), "events.csv", &events);
    let line = "{\"customer\":\"c2\",\"event\":\"Order Completed\"}\n";
    write(folder.path(), "lines.ndjson", line);
    for _ in 0..2 {
        assert_eq!(import(folder.path(), &["events.csv", "lines.ndjson"]).0, 0);
    }
    for customer in ["c1", "c2"] {
        let said = heedful(folder.path(), &["explain", customer, "--trigger", "thanks"]);
        assert!(said.out.contains("count(\"Order Completed\", \"90d\") = 1\n"), "{}", said.out);
    }
}

#[test]
fn what_is_history_can_be_said() {
    let folder = shop();
    let customers = "id,email,tier,orders_before,timezone,consent_marketing\n\
                     c1,ann@x.example,gold,2,Europe/Berlin,yes\n";
    write(folder.path(), "customers.csv", customers);
    let event = |at: &str| format!("c1,Order Completed,{at}\n");
    let old = an_hour_ago().replace("T", " ").get(..16).unwrap().to_owned();
    write(
        folder.path(),
        "events.csv",
        &format!("customer,event,at\n{}{}", event(&old), event(&old)),
    );
    let all = import(folder.path(), &["customers.csv", "events.csv", "--history", "all"]);
    assert!(all.1.contains("2 events, all of them history"), "{}", all.1);
    let decided = || heedful(folder.path(), &["explain", "c1"]).out;
    assert!(decided().contains("nothing was decided"), "{}", decided());
    write(folder.path(), "more.csv", &format!("customer,event,at\n{}", event(&an_hour_ago())));
    let nothing = import(folder.path(), &["more.csv", "--history", "nothing"]);
    assert!(nothing.1.contains("more.csv: 1 event\n"), "{}", nothing.1);
    assert!(decided().contains("expired (too_old)"), "{}", decided());
}

/// An instant that is history for triggers that act within the hour, and still within 90 days.
#[expect(clippy::disallowed_methods, reason = "the program under test reads the clock as well")]
fn an_hour_ago() -> String {
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap();
    let seconds = i64::try_from(now.as_secs()).unwrap() - 3_700;
    jiff::Timestamp::from_second(seconds).unwrap().to_string()
}

#[test]
fn tables_in_other_encodings_are_read_when_named() {
    let folder = shop();
    // 张伟 in GB18030.
    let mut table = b"id,name\nc1,".to_vec();
    table.extend([0xd5, 0xc5, 0xce, 0xb0, b'\n']);
    fs::write(folder.path().join("customers.csv"), &table).unwrap();
    let (code, text) = import(folder.path(), &["customers.csv"]);
    assert_eq!(code, 1, "{text}");
    let rejects = fs::read_to_string(folder.path().join("rejects.csv")).unwrap();
    assert!(rejects.contains("not_utf8") && rejects.contains("--encoding gb18030"), "{rejects}");
    let (code, text) = import(folder.path(), &["customers.csv", "--encoding", "gb18030"]);
    assert_eq!(code, 0, "{text}");
    let explain = heedful(folder.path(), &["explain", "c1"]);
    assert!(explain.out.starts_with("customer c1  张伟\n"), "{}", explain.out);
}

#[test]
fn tables_that_do_not_say_enough_are_refused_whole() {
    let folder = shop();
    write(folder.path(), "a.csv", "name,plan\nAnn,pro\n");
    let (code, text) = import(folder.path(), &["a.csv"]);
    assert_eq!((code, text.contains("--column customer=HEADING")), (2, true), "{text}");
    write(folder.path(), "b.csv", "customer,event\nc1,Paid\n");
    let (code, text) = import(folder.path(), &["b.csv"]);
    assert_eq!((code, text.contains("--column at=HEADING")), (2, true), "{text}");
    let (code, text) = import(folder.path(), &["a.csv", "--column", "customer=name"]);
    assert_eq!(code, 0, "{text}");
}
