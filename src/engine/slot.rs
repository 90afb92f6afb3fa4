//! Dense numbers that stand for names after loading, so that the hot path compares integers.

/// Declares a newtype over `u16` that indexes one table of the catalog.
macro_rules! slots {
    ($($(#[$doc:meta])* $name:ident;)*) => {$(
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(pub u16);

        impl $name {
            /// The index into the table.
            pub const fn index(self) -> usize {
                self.0 as usize
            }
        }
    )*};
}

slots! {
    /// An event name: below `Catalog::events.len()` when some file refers to it, above for names
    /// that only arrived (kept by `Names` for the timeline).
    EventSlot;
    /// A top-level trait name, numbered like event names.
    TraitSlot;
    /// A property path that some file refers to.
    PropertySlot;
    /// A history series that some file refers to.
    SeriesSlot;
    /// A trigger, in order of its id.
    TriggerSlot;
    /// A score: a scorecard's, or one pushed in from outside.
    ScoreSlot;
    /// A purpose of the policy (`marketing`, `service`, ...).
    PurposeSlot;
    /// A channel named in some file (`email`, `in_app`, ...).
    ChannelSlot;
    /// A tag of triggers.
    TagSlot;
}
