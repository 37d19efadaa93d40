"""Probes as scikit-learn estimators, and the solvers beneath them: arrays in, arrays out."""

from probekit.estimators.linear import LinearProbe, LinearProbeRegressor
from probekit.estimators.logistic import LinearSolution, Problem, solve_logistic
from probekit.estimators.logits import linear_logits, margins
from probekit.estimators.mlp import MLPProbe, MLPProbeRegressor
from probekit.estimators.networks import NetProblem, NetSolution, net_outputs, solve_mlp
from probekit.estimators.ridge import RidgeProblem, RidgeSolution, solve_ridge
from probekit.estimators.save import load_probe, save_probe
from probekit.estimators.scalar_mix import ScalarMixProbe, ScalarMixProbeRegressor

__all__ = [
    "LinearProbe",
    "LinearProbeRegressor",
    "LinearSolution",
    "MLPProbe",
    "MLPProbeRegressor",
    "NetProblem",
    "NetSolution",
    "Problem",
    "RidgeProblem",
    "RidgeSolution",
    "ScalarMixProbe",
    "ScalarMixProbeRegressor",
    "linear_logits",
    "load_probe",
    "margins",
    "net_outputs",
    "save_probe",
    "solve_logistic",
    "solve_mlp",
    "solve_ridge",
]
