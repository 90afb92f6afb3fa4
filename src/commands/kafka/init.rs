//! `heedful kafka init`: what has to be done so that every topic is as it must be, and does it.

use serde::Serialize;

use super::{Source, block_on, failed};
use crate::commands::console::{BAD, Console, Error, Format, GOOD, WARM};
use crate::commands::{Ending, plural};
use crate::kafka::admin::Admin;
use crate::kafka::topics::{Names, Step, plan};

/// Show, and with --apply do, what has to be done so that every topic is as it must be
///
/// An events topic that is there already keeps its partitions, and the other topics get as many.
#[derive(Debug, clap::Args)]
#[command(after_help = crate::commands::EXIT_CODES)]
pub(super) struct Args {
    /// Do it; without it, it is only shown
    #[arg(long, conflicts_with = "dry_run")]
    apply: bool,
    /// Only show it, which is the default
    #[arg(long)]
    dry_run: bool,
    /// How it is written
    #[arg(long, value_enum, default_value_t, value_name = "FORMAT")]
    format: Format,
    #[command(flatten)]
    source: Source,
}

/// What was found and done.
#[derive(Debug, Serialize)]
struct Answer {
    partitions: u16,
    steps: Vec<Line>,
    applied: bool,
}

#[derive(Debug, Serialize)]
struct Line {
    topic: String,
    step: String,
    /// Whether `--apply` can do it.
    can_be_done: bool,
}

pub(super) fn run(args: &Args, console: &mut Console) -> Result<Ending, Error> {
    let settings = args.source.settings()?;
    let config = settings.config();
    let admin = Admin::new(&settings).map_err(|error| failed(&error))?;
    let brokers = admin.brokers().map_err(|error| failed(&error))?;
    let names = Names::new(config);
    let found = block_on(admin.find(&names.all()))?;
    let there = found.get(&names.events).map(|events| events.partitions);
    let partitions = there.unwrap_or(config.partitions);
    let steps = plan(&names.wanted(partitions, config.replication), &found);
    let makes = steps.iter().any(|step| matches!(step, Step::Create(_)));
    if makes && brokers < usize::from(config.replication) {
        let brokers_are = if brokers == 1 { "there is" } else { "there are" };
        let copies = config.replication;
        let brokers_told = plural(brokers, "broker");
        let what = format!(
            "{copies} copies of each topic are asked for, and {brokers_are} {brokers_told}"
        );
        let help =
            format!("start more brokers, or set `kafka.replication: {brokers}` in heedful.yaml");
        return Err(Error::refused(what, help));
    }
    if args.apply {
        for step in steps.iter().filter(|step| can_be_done(step)) {
            block_on(admin.apply(step))?;
        }
    }
    let answer =
        Answer { partitions, steps: steps.iter().map(line).collect(), applied: args.apply };
    match args.format {
        Format::Json => console.json(&answer)?,
        Format::Human => show(&answer, console)?,
    }
    let left = steps.iter().any(|step| !can_be_done(step));
    Ok(if left { Ending::Faults } else { Ending::Clean })
}

fn can_be_done(step: &Step) -> bool {
    !matches!(step, Step::Partitions { .. })
}

fn line(step: &Step) -> Line {
    let topic = match step {
        Step::Create(wanted) => &wanted.name,
        Step::Alter { topic, .. } | Step::Partitions { topic, .. } => topic,
    };
    Line { topic: topic.clone(), step: step.to_string(), can_be_done: can_be_done(step) }
}

fn show(answer: &Answer, console: &mut Console) -> Result<(), Error> {
    for line in &answer.steps {
        match (line.can_be_done, answer.applied) {
            (true, true) => console.line(format_args!("{GOOD}done{GOOD:#}  {}", line.step))?,
            (true, false) => console.line(format_args!("{WARM}to do{WARM:#} {}", line.step))?,
            (false, _) => console.line(format_args!("{BAD}wrong{BAD:#} {}", line.step))?,
        }
    }
    let partitions = answer.partitions;
    let to_do = answer.steps.iter().filter(|line| line.can_be_done).count();
    if answer.steps.is_empty() {
        console.line(format_args!(
            "{GOOD}all topics are as they must be{GOOD:#}, {partitions} partitions each"
        ))
    } else if !answer.applied && to_do != 0 {
        let steps = plural(to_do, "step");
        console.line(format_args!("{steps}; nothing was changed: `--apply` does it"))
    } else {
        Ok(())
    }
}
