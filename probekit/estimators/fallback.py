"""What is done where Newton steps get stuck: the exact objective and gradient, walked down by L-BFGS."""

from __future__ import annotations

import numpy as np

from probekit.estimators.descent import Descent
from probekit.estimators.objective import Float, evaluate
from probekit.estimators.rows import Rows

PATIENCE = 20  # evaluations, as a multiple of the passes that a descent may take


def finish(rows: Rows, descent: Descent, *, tol: float, max_iter: int) -> None:
    """Take a descent that stopped short of its tolerance to the minimum, in place.

    The penalty makes the objective strongly convex in the weights, so that half the squared gradient bounds how far it
    lies above its minimum: ``excess`` is that bound as a share of the objective, which is looser than a descent's own.
    """
    from scipy.optimize import minimize

    shape = descent.best.shape

    def look(flat: Float) -> tuple[float, Float]:
        point = flat.reshape(shape)
        [found] = evaluate(rows, [descent.labels], [point])
        descent.n_iter += 1
        if found.value <= descent.value:
            descent.best, descent.value, descent.gradient = point.copy(), found.value, found.gradient.copy()
        return float(found.value), np.asarray(found.gradient, dtype=np.float64).ravel()

    def enough(_flat: Float) -> None:
        if 0.5 * float((descent.gradient**2).sum()) <= tol * descent.value:
            raise StopIteration

    minimize(
        look,
        descent.best.ravel(),
        jac=True,
        method="L-BFGS-B",
        callback=enough,
        options={"maxfun": PATIENCE * max_iter, "maxiter": PATIENCE * max_iter, "ftol": 1e-10, "gtol": 0.0},
    )
    bound = 0.5 * float((descent.gradient**2).sum()) / max(descent.value, 1e-300)
    descent.excess = min(descent.excess, bound)
    descent.converged = descent.excess <= tol
