//! The words of teams, in the policy file.

use super::policy::WeekdayWord;
use crate::declare::fault::Located;
use crate::declare::read::{Entries, Need, OneOrMany, record};
use crate::declare::scalar::{Clock, Name, Whole};
use crate::engine::time::Zone;

record! {
    /// A team of people, who get tasks with `team:` by what they can, when they work, and how much
    /// they can take.
    TeamWords {
        /// In whose time its hours and days are counted. Default: the policy's.
        timezone: Option<Zone>,
        /// When it works. Default: always.
        hours: Option<HoursWords>,
        /// Tasks that it can take in a day; those of less worth wait. Default: no limit.
        tasks_per_day: Option<Located<Whole>>,
        /// Its people, by the name or address under which tasks are assigned to them.
        members: Need<Entries<MemberWords>>,
    }

    /// Working hours.
    HoursWords {
        /// From.
        from: Need<Located<Clock>>,
        /// To; earlier than `from` runs over midnight.
        to: Need<Located<Clock>>,
        /// Days on which they begin. Default: Monday to Friday.
        days: Option<OneOrMany<WeekdayWord>>,
    }

    /// Somebody of a team.
    MemberWords {
        /// What they know to do, asked for by `skills` of a task.
        skills: Option<OneOrMany<Name>>,
        /// The languages they speak: `[de, en]`. Default: any.
        languages: Option<OneOrMany<Name>>,
        /// Their own hours, where they differ from the team's.
        hours: Option<HoursWords>,
        /// Tasks that they can take in a day. Default: no limit.
        tasks_per_day: Option<Located<Whole>>,
        /// Tasks that they can have open at a time. Default: no limit.
        open_at_most: Option<Located<Whole>>,
    }
}
