//! Faults that tests plant to see that they are found. Outside of tests there are none, and asking
//! for one costs nothing.

/// A fault of the kind that people really make.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fault {
    /// A contact whose outcome is unknown does not count.
    UnknownIsForgotten,
    /// A rolling window lets one more contact in just before the oldest has left it.
    WindowEndsEarly,
    /// Calendar periods are those of UTC.
    CalendarOfUtc,
    /// Quiet hours over midnight end at midnight.
    NightEndsAtMidnight,
    /// The wall clock is taken to run on evenly through a change of daylight saving.
    ClockNeverChanges,
    /// A send that was certainly not made keeps its place in the ledger.
    ReservationStays,
    /// A no to everything is not taken as a no to each purpose.
    NoToAllOverheard,
    /// Who is held out is forgotten while the outreach waits.
    HoldoutForgotten,
    /// What waits is not in what is written down.
    WaitingLost,
    /// The check just before a late call lets everything pass.
    GateStandsOpen,
    /// A call that was under way when the program ended is taken as not made.
    DoubtForgotten,
    /// The orders of operators are forgotten at a restart.
    OrdersForgotten,
    /// A message that takes another channel forgets the caps there.
    MovesPastCaps,
    /// A purpose that is exempt from caps fills them all the same.
    ExemptFillsCaps,
    /// That a customer answered is not in what is written down.
    AnswerLost,
    /// Whom a trigger has come to is drawn anew for each part of its ramp.
    RampDrawnAnew,
    /// What customers share is not asked for.
    PoolNotAsked,
    /// What was granted and is not used is not given back.
    GrantKept,
}

#[cfg(test)]
impl Fault {
    pub(crate) const ALL: [Self; 16] = [
        Self::UnknownIsForgotten,
        Self::WindowEndsEarly,
        Self::CalendarOfUtc,
        Self::NightEndsAtMidnight,
        Self::ClockNeverChanges,
        Self::ReservationStays,
        Self::NoToAllOverheard,
        Self::HoldoutForgotten,
        Self::WaitingLost,
        Self::GateStandsOpen,
        Self::DoubtForgotten,
        Self::ExemptFillsCaps,
        Self::OrdersForgotten,
        Self::MovesPastCaps,
        Self::AnswerLost,
        Self::RampDrawnAnew,
    ];
}

/// Whether a fault is planted.
#[cfg(not(test))]
#[inline(always)]
pub(crate) const fn is_planted(_: Fault) -> bool {
    false
}

#[cfg(test)]
thread_local! {
    static PLANTED: std::cell::Cell<Option<Fault>> = const { std::cell::Cell::new(None) };
}

/// Whether a fault is planted in this thread.
#[cfg(test)]
pub(crate) fn is_planted(fault: Fault) -> bool {
    PLANTED.get() == Some(fault)
}

/// Runs something with a fault planted in this thread, or none.
#[cfg(test)]
pub(crate) fn with<T>(fault: Option<Fault>, run: impl FnOnce() -> T) -> T {
    PLANTED.set(fault);
    let out = run();
    PLANTED.set(None);
    out
}
