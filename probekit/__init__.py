"""probekit: what a Transformer knows about language, in which layer, and how sure you may be.

Names are flat and loaded when they are first used: importing probekit loads neither numpy nor torch.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

_HOMES = {
    "Activations": "probekit.activations.activations",
    "AdaptProblem": "probekit.adaptation.problem",
    "Corpus": "probekit.data.corpus",
    "Edit": "probekit.models.hooks.edit",
    "Eraser": "probekit.erasure.eraser",
    "FeatureExtract": "probekit.adaptation.feature_extract",
    "FineTune": "probekit.adaptation.fine_tune",
    "Inlp": "probekit.erasure.inlp",
    "Leace": "probekit.erasure.leace",
    "LinearProbe": "probekit.estimators.linear",
    "LinearProbeRegressor": "probekit.estimators.linear",
    "Links": "probekit.attention.links",
    "LogOdds": "probekit.erasure.log_odds",
    "MLPProbe": "probekit.estimators.mlp",
    "MLPProbeRegressor": "probekit.estimators.mlp",
    "MeanDifference": "probekit.erasure.mean_difference",
    "Measurement": "probekit.results.measurement",
    "ModelRef": "probekit.models.ref",
    "OracleLeace": "probekit.erasure.oracle_leace",
    "PatchPair": "probekit.erasure.patch_pairs",
    "PcaErasure": "probekit.erasure.pca_erasure",
    "ProbeOutput": "probekit.erasure.probe_output",
    "ProbekitError": "probekit.errors",
    "QuadraticLeace": "probekit.erasure.quadratic_leace",
    "RandomErasure": "probekit.erasure.random_erasure",
    "Rlace": "probekit.erasure.rlace",
    "Run": "probekit.results.run",
    "ScalarMixProbe": "probekit.estimators.scalar_mix",
    "ScalarMixProbeRegressor": "probekit.estimators.scalar_mix",
    "Scrubber": "probekit.erasure.scrub",
    "Sentence": "probekit.data.sentence",
    "Store": "probekit.activations.store",
    "StoredMaps": "probekit.attention.stored_maps",
    "Suite": "probekit.data.suite",
    "Task": "probekit.data.task",
    "ablate_dimensions": "probekit.erasure.dimension_ablation",
    "ablate_heads": "probekit.erasure.head_ablation",
    "ablate_layers": "probekit.erasure.layer_ablation",
    "ablate_neurons": "probekit.erasure.neuron_ablation",
    "ablation_curve": "probekit.erasure.ablation_curve",
    "activation_text": "probekit.geometry.activation_text",
    "agreement_suite": "probekit.data.agreement_suite",
    "align_heads": "probekit.attention.relations",
    "align_links": "probekit.attention.relations",
    "analogies": "probekit.geometry.analogies",
    "average_vectors": "probekit.geometry.word_vectors",
    "angles": "probekit.erasure.removed",
    "attention_flow": "probekit.attention.flow",
    "attention_map": "probekit.attention.attention_map",
    "attentions": "probekit.models.attention",
    "attention_view": "probekit.attention.view",
    "attribute_links": "probekit.attention.links",
    "capture": "probekit.models.hooks.capture",
    "cca": "probekit.maths.cca",
    "cka": "probekit.maths.cka",
    "compare": "probekit.results.compare",
    "compare_maps": "probekit.attention.compare_maps",
    "compare_strategies": "probekit.adaptation.compare",
    "dimension_importance": "probekit.erasure.dimension_importance",
    "edit": "probekit.models.hooks.edit",
    "edit_all": "probekit.models.hooks.edit",
    "explain": "probekit.experiment.explain",
    "extract": "probekit.activations.extract",
    "fit_tuned_lens": "probekit.behavior.tuned_lens",
    "generate_agreement": "probekit.data.agreement",
    "generate_corpus": "probekit.data.grammar",
    "head_distances": "probekit.attention.head_distances",
    "head_statistics": "probekit.attention.head_statistics",
    "integrated_gradients": "probekit.erasure.attribution",
    "guard": "probekit.erasure.guard",
    "guardedness": "probekit.erasure.guardedness",
    "intrinsic_dimension": "probekit.geometry.intrinsic_dimension",
    "isotropy": "probekit.geometry.isotropy",
    "judge": "probekit.behavior.judge",
    "judge_checkpoints": "probekit.behavior.checkpoints",
    "list_suites": "probekit.data.read_suite",
    "list_tasks": "probekit.data.task",
    "load_adapted": "probekit.adaptation.saved",
    "load_model": "probekit.models.load",
    "load_probe": "probekit.estimators.save",
    "load_suite": "probekit.data.read_suite",
    "load_task": "probekit.data.task",
    "make_scorer": "probekit.models.scoring.make",
    "model_similarity": "probekit.geometry.model_similarity",
    "norm_maps": "probekit.attention.norms",
    "neuron_activity": "probekit.geometry.neuron_activity",
    "open_maps": "probekit.attention.stored_maps",
    "offset_accuracies": "probekit.attention.offsets",
    "neuron_selectivity": "probekit.geometry.neuron_selectivity",
    "neighbours": "probekit.geometry.neighbours",
    "outlier_dimensions": "probekit.geometry.outlier_dimensions",
    "output_divergence": "probekit.behavior.divergence",
    "output_reference": "probekit.behavior.divergence",
    "parameter_table": "probekit.adaptation.parameter_table",
    "parse_with_attention": "probekit.attention.parser_probe",
    "patch_effects": "probekit.erasure.patching",
    "perplexity": "probekit.behavior.perplexity",
    "plot": "probekit.report.plot",
    "procrustes": "probekit.maths.procrustes",
    "project": "probekit.geometry.projection",
    "prediction_units": "probekit.activations.places",
    "probe_layers": "probekit.probing.sweep",
    "random_twin": "probekit.models.twins",
    "random_twins": "probekit.models.twins",
    "rank_neurons": "probekit.probing.neuron_ranking",
    "read_analogies": "probekit.data.read_analogies",
    "read_cola": "probekit.data.read_cola",
    "read_columns": "probekit.data.read_columns",
    "read_conllu": "probekit.data.read_conllu",
    "read_contexts": "probekit.data.read_contexts",
    "read_corpus": "probekit.data.read_corpus",
    "read_dpr": "probekit.data.read_dpr",
    "read_hub": "probekit.data.read_hub",
    "read_sst": "probekit.data.read_sst",
    "read_table": "probekit.data.read_table",
    "read_text": "probekit.data.read_text",
    "read_trec": "probekit.data.read_trec",
    "read_wic": "probekit.data.read_wic",
    "register_family": "probekit.models.families",
    "removed": "probekit.erasure.removed",
    "rollout": "probekit.attention.rollout",
    "rsa": "probekit.maths.rsa",
    "run_experiment": "probekit.experiment.run",
    "save_probe": "probekit.estimators.save",
    "score_pieces": "probekit.models.scoring.make",
    "sense_separation": "probekit.geometry.senses",
    "similarity": "probekit.geometry.layer_similarity",
    "site_means": "probekit.erasure.reference",
    "scrub": "probekit.erasure.scrub",
    "store_maps": "probekit.attention.stored_maps",
    "static_vectors": "probekit.geometry.word_vectors",
    "train": "probekit.models.training.train",
    "tree_heads": "probekit.attention.tree_heads",
    "try_it": "probekit.experiment.widgets",
    "unit_importance": "probekit.erasure.unit_importance",
    "value_zeroing": "probekit.attention.value_zeroing",
    "what_changed": "probekit.experiment.what_changed",
    "word_importance": "probekit.erasure.word_importance",
    "word_in_context": "probekit.geometry.word_in_context",
    "word_states": "probekit.erasure.scrub",
    "write_conllu": "probekit.data.write_conllu",
    "write_report": "probekit.report.write",
}

__all__ = sorted([*_HOMES, "__version__"])


def __getattr__(name: str) -> Any:
    if name == "__version__":
        from importlib.metadata import version

        return version("probekit-nlp")
    if name not in _HOMES:
        from probekit.errors import did_you_mean

        raise AttributeError(f"probekit has no {name!r}; {did_you_mean(name, _HOMES)}")
    value = getattr(importlib.import_module(_HOMES[name]), name)
    globals()[name] = value  # the next look-up does not come here
    return value


def __dir__() -> list[str]:
    return __all__


if TYPE_CHECKING:
    __version__: str
