"""The exceptions of the contract.

ContractError
├── BundleError       a bundle's files, digests or manifest do not hold together
└── TokenizerError    a tokenizer file that cannot be read or used
"""


class ContractError(Exception):
    """Something does not keep to the contract that training, export and service share."""


class BundleError(ContractError):
    """A bundle's files, digests or manifest do not hold together; nothing was loaded."""


class TokenizerError(ContractError):
    """A tokenizer file cannot be read, or its settings cannot be used."""
