"""Which of the model's two heads learns."""

from clipsum.errors import UsageError
from clipsum.models.summarizer import ClipSum
from clipsum.training.objective import Objective


def choose_heads(model: ClipSum, objective: Objective) -> None:
    """Let only those weights learn that the objective asks something of: workers wait for the gradient of each.

    The temporal encoder learns from both heads, if it does. Raises: UsageError where there is no scorer to train.
    """
    if objective.lambda_video and model.scorer is None:
        raise UsageError(
            f"objective.lambda_video={objective.lambda_video:g} trains a scorer, and the model has none: add one with "
            "--set model.scorer.layers=2"
        )
    if model.scorer is not None and not objective.lambda_video:
        model.scorer.requires_grad_(False)
    if model.temporal is not None and not objective.learn_temporal:
        model.temporal.requires_grad_(False)
    if not objective.lambda_text:
        for part in (model.bart, model.project, model.fusion):
            part.requires_grad_(False)
