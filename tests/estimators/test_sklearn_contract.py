"""scikit-learn's own contract for estimators, check by check."""

from __future__ import annotations

import pytest
from sklearn.utils.estimator_checks import parametrize_with_checks

from probekit.estimators import LinearProbe, LinearProbeRegressor, MLPProbe, MLPProbeRegressor

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.SkipTestWarning")


@parametrize_with_checks([LinearProbe(), LinearProbeRegressor(), MLPProbe(), MLPProbeRegressor()])
def test_scikit_learn_contract(estimator, check):
    check(estimator)
