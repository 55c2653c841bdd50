"""One validated YAML file describes a run; it comes in here and is saved whole in the
checkpoint.
"""

from training.config.balance import BalanceConfig
from training.config.batch import REFERENCE_COMPOSITION, BatchConfig
from training.config.data import DataConfig
from training.config.model import ModelConfig
from training.config.optimizer import OptimizerConfig, StopConfig
from training.config.read import dump_config, parse_config, read_config
from training.config.run import RunConfig
from training.config.tasks import TaskConfig

__all__ = [
    "REFERENCE_COMPOSITION",
    "BalanceConfig",
    "BatchConfig",
    "DataConfig",
    "ModelConfig",
    "OptimizerConfig",
    "RunConfig",
    "StopConfig",
    "TaskConfig",
    "dump_config",
    "parse_config",
    "read_config",
]
