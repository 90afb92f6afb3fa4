//! Files of the reference data as rows to learn from.

use std::path::{Path, PathBuf};

use heedful::stats::table::{Column, Table};

use crate::Fallible;

/// Where the reference data stands; it never becomes part of the project.
pub(crate) fn folder() -> Fallible<PathBuf> {
    let named =
        std::env::args().find_map(|argument| Some(argument.strip_prefix("--data=")?.into()));
    let folder: PathBuf =
        named.unwrap_or_else(|| Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared/data"));
    if folder.is_dir() {
        Ok(folder)
    } else {
        let folder = folder.display();
        Err(format!("the reference data is not at `{folder}`: name its folder with --data=DIR")
            .into())
    }
}

/// A file with a header line: the names and, column by column, the cells.
#[derive(Debug)]
pub(crate) struct Cells {
    names: Vec<String>,
    columns: Vec<Vec<String>>,
}

impl Cells {
    pub(crate) fn read(path: &str) -> Fallible<Self> {
        let path = folder()?.join(path);
        let mut reader =
            csv::Reader::from_path(&path).map_err(|e| format!("{}: {e}", path.display()))?;
        let names: Vec<String> = reader.headers()?.iter().map(str::to_owned).collect();
        let mut columns = vec![Vec::new(); names.len()];
        for record in reader.records() {
            for (column, cell) in columns.iter_mut().zip(record?.iter()) {
                column.push(cell.trim().to_owned());
            }
        }
        Ok(Self { names, columns })
    }

    pub(crate) fn names(&self) -> impl Iterator<Item = &str> {
        self.names.iter().map(String::as_str)
    }

    pub(crate) fn texts(&self, name: &str) -> Fallible<&[String]> {
        let at = self.names.iter().position(|known| known == name);
        let column = at.and_then(|at| self.columns.get(at));
        Ok(column.ok_or_else(|| format!("there is no column `{name}`"))?)
    }

    /// A column as numbers; what is not a number is missing.
    pub(crate) fn numbers(&self, name: &str) -> Fallible<Vec<f64>> {
        Ok(self.texts(name)?.iter().map(|cell| cell.parse().unwrap_or(f64::NAN)).collect())
    }

    pub(crate) fn column(&self, name: &str, kind: Kind) -> Fallible<Column> {
        Ok(match kind {
            Kind::Number => Column::numbers(name, self.numbers(name)?),
            Kind::Category => {
                let texts = self.texts(name)?.iter();
                Column::categories(name, texts.map(|text| (!text.is_empty()).then_some(&**text)))
            }
        })
    }
}

/// What a column holds.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Kind {
    Number,
    Category,
}

/// Telco: 19 features, the given folds.
pub(crate) fn telco() -> Fallible<(Table, Vec<usize>)> {
    let cells = Cells::read("telco/Telco-Customer-Churn.csv")?;
    let folds = Cells::read("telco/telco_folds.csv")?;
    let mut table = Table {
        labels: cells
            .texts("Churn")?
            .iter()
            .map(|text| f64::from(u8::from(text == "Yes")))
            .collect(),
        ..Table::default()
    };
    for name in cells.names().filter(|name| !["customerID", "Churn"].contains(name)) {
        let number = ["tenure", "MonthlyCharges", "TotalCharges"].contains(&name);
        let kind = if number { Kind::Number } else { Kind::Category };
        table.columns.push(cells.column(name, kind)?);
    }
    // As the reference does: who has no total yet has paid nothing.
    if let Some(total) = table.columns.iter_mut().find(|column| &*column.name == "TotalCharges")
        && let heedful::stats::table::Values::Numbers(values) = &mut total.values
    {
        values.iter_mut().filter(|value| value.is_nan()).for_each(|value| *value = 0.0);
    }
    Ok((table, fold_numbers(&folds)?))
}

/// Online shoppers: 17 features, the given folds.
pub(crate) fn shoppers() -> Fallible<(Table, Vec<usize>)> {
    let cells = Cells::read("online_shoppers/online_shoppers_intention.csv")?;
    let folds = Cells::read("online_shoppers/online_shoppers_folds.csv")?;
    let mut table = Table { labels: folds.numbers("y")?, ..Table::default() };
    for name in cells.names().filter(|name| *name != "Revenue") {
        let category = ["Month", "OperatingSystems", "Browser", "Region", "TrafficType"];
        let category = category.contains(&name) || ["VisitorType", "Weekend"].contains(&name);
        let kind = if category { Kind::Category } else { Kind::Number };
        table.columns.push(cells.column(name, kind)?);
    }
    Ok((table, fold_numbers(&folds)?))
}

pub(crate) fn fold_numbers(cells: &Cells) -> Fallible<Vec<usize>> {
    Ok(cells.texts("fold")?.iter().map(|cell| cell.parse()).collect::<Result<_, _>>()?)
}
