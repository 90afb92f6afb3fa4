//! The files the demo runs on: the repository's own triggers, policy and models, built in.

use std::path::Path;
use std::{fs, io};

/// Every file, by its path below the demo's folder.
pub const FILES: [(&str, &str); 11] = [
    ("triggers/checkout-hesitation.yaml", include_str!("../../triggers/checkout-hesitation.yaml")),
    ("triggers/mail/renewal.html", include_str!("../../triggers/mail/renewal.html")),
    ("triggers/outage-notice.yaml", include_str!("../../triggers/outage-notice.yaml")),
    ("triggers/policy.yaml", include_str!("../../triggers/policy.yaml")),
    ("triggers/renewal-offer.yaml", include_str!("../../triggers/renewal-offer.yaml")),
    ("triggers/shipment-delayed.yaml", include_str!("../../triggers/shipment-delayed.yaml")),
    ("triggers/trial-tips.yaml", include_str!("../../triggers/trial-tips.yaml")),
    ("triggers/vip-churn-risk.yaml", include_str!("../../triggers/vip-churn-risk.yaml")),
    ("models/churn.yaml", include_str!("../../models/churn.yaml")),
    ("models/health.yaml", include_str!("../../models/health.yaml")),
    ("models/silence.yaml", include_str!("../../models/silence.yaml")),
];

/// Writes the files below a folder.
///
/// # Errors
/// When the folder cannot be written.
pub fn write(folder: &Path) -> io::Result<()> {
    for (path, text) in FILES {
        let path = folder.join(path);
        if let Some(parent) = path.parent() {
            fs::create_dir_all(parent)?;
        }
        fs::write(path, text)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;
    use std::sync::Arc;

    use super::*;
    use crate::catalog::Folders;
    use crate::declare::load;
    use crate::demo::shop::Shop;
    use crate::engine::catalog::Sending;
    use crate::engine::decision::{Reason, VerdictKind};
    use crate::engine::time::{Span, Timestamp};
    use crate::worker::replay::Replay;

    #[test]
    fn two_days_of_the_shop_show_every_trigger_and_every_way_to_hold_back() {
        let start = Timestamp::parse("2026-03-02T06:00:00Z").unwrap();
        let folder = tempfile::tempdir().unwrap();
        write(folder.path()).unwrap();
        let (triggers, models) = (folder.path().join("triggers"), folder.path().join("models"));
        let sources = Folders { triggers, models }.read().unwrap();
        let catalog = Arc::new(load(&sources, Sending::DryRun).unwrap().catalog);
        let mut replay = Replay::new(&catalog, 1, |_| {});
        let mut shop = Shop::open(7, 400, start, Span::DAY.times(30));
        for one in shop.until(start + Span::DAY.times(2)) {
            replay.line(one.json.to_string().as_bytes()).unwrap();
        }
        let report = replay.finish().unwrap();
        let fired: BTreeSet<_> =
            report.rulings.keys().map(|(trigger, ..)| trigger.as_str()).collect();
        assert_eq!(fired.len(), 6, "{fired:?}");
        let seen: BTreeSet<_> =
            report.rulings.keys().map(|(_, kind, reason)| (*kind, *reason)).collect();
        for wanted in [
            (VerdictKind::Send, None),
            (VerdictKind::Task, None),
            (VerdictKind::HoldOut, Some(Reason::Holdout)),
            (VerdictKind::Suppress, Some(Reason::NoConsent)),
            (VerdictKind::Suppress, Some(Reason::Suppressed)),
            (VerdictKind::Defer, Some(Reason::QuietHours)),
            (VerdictKind::Defer, Some(Reason::Capped)),
            (VerdictKind::Defer, Some(Reason::Spread)),
        ] {
            assert!(seen.contains(&wanted), "{wanted:?} is not among {seen:?}");
        }
        for funnel in report.funnels.values() {
            let sum = funnel.sent
                + funnel.task
                + funnel.held_out
                + funnel.suppressed
                + funnel.deferred
                + funnel.expired
                + funnel.cancelled
                + funnel.unknown;
            assert_eq!(funnel.matched, sum, "{funnel:?}");
        }
    }
}
