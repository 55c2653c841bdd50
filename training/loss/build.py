"""What a configuration says of one task, and its class weights, come in; its loss goes out."""

from torch import Tensor

from training.config import TaskConfig
from training.loss.corn import Corn
from training.loss.cross_entropy import CrossEntropy
from training.loss.loss import TaskLoss
from training.loss.ordinal_log_loss import OrdinalLogLoss


def build_loss(task: TaskConfig, weights_C: Tensor) -> TaskLoss:
    """The loss that the configuration names. weights_C: float32, (C,), where the logits will be."""
    if task.loss == "ordinal_log_loss":
        return OrdinalLogLoss(weights_C)
    if task.loss == "corn":
        return Corn(weights_C)
    return CrossEntropy(weights_C, task.label_smoothing)
