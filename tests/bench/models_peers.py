"""Fits scikit-learn and LightGBM, one thread, on the rows of the models bench; prints figures.

Called by `cargo bench --bench models -- --python=PROGRAM speed` with the data folder as argument;
needs numpy, pandas, scikit-learn and, for trees, lightgbm. Each line: name, tab, number.
"""

import os
import sys
import time

for variable in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ[variable] = "1"

try:
    import numpy as np
    import pandas as pd
    from sklearn.linear_model import LogisticRegression
    from sklearn.preprocessing import StandardScaler
except ImportError as error:
    sys.exit(f"the peers are not measured: {error}")


def quickest(run, rounds):
    """The least time of some rounds, in milliseconds, and the last result."""
    least, result = float("inf"), None
    for _ in range(rounds):
        start = time.perf_counter()
        result = run()
        least = min(least, 1e3 * (time.perf_counter() - start))
    return least, result


def logistic(name, columns, labels):
    """Times lbfgs as it comes and at an optimum to 1e-6, and says that optimum."""
    rows = StandardScaler().fit_transform(columns)
    for label, tolerance, rounds in (("", 1e-4, 9), (" to 1e-6", 1e-8, 3)):
        fit = lambda: LogisticRegression(C=1, max_iter=20_000, tol=tolerance).fit(rows, labels)
        least, model = quickest(fit, rounds)
        print(f"{name} lbfgs{label} ms\t{least}")
    logits = model.decision_function(rows)
    loss = (np.logaddexp(0, logits) - labels * logits).sum()
    print(f"{name} objective\t{loss + 0.5 * (model.coef_ ** 2).sum()!r}".replace("np.float64(", "").replace(")", ""))


folder = sys.argv[1]
telco = pd.read_csv(f"{folder}/telco/telco_onehot.csv")
logistic("telco", telco.drop(columns=["fold", "y"]).values.astype(float), telco.y.values)
cdnow = pd.read_csv(f"{folder}/cdnow/cdnow_pit_1998-01-01_h90.csv")
features = cdnow.drop(columns=["customer_id", "y", "future_amount"]).values.astype(float)
logistic("cdnow", np.sign(features) * np.log1p(np.abs(features)), cdnow.y.values)
try:
    import lightgbm
except ImportError as error:
    sys.exit(f"LightGBM is not measured: {error}")
ordinal = pd.read_csv(f"{folder}/telco/telco_ordinal.csv")
settings = dict(n_estimators=600, learning_rate=0.02, num_leaves=6, colsample_bytree=0.4)
settings |= dict(reg_lambda=10, min_child_samples=20, n_jobs=1, verbose=-1, random_state=1)
fit = lambda: lightgbm.LGBMClassifier(**settings).fit(ordinal.drop(columns=["fold", "y"]), ordinal.y)
print(f"telco lightgbm ms\t{quickest(fit, 5)[0]}")
