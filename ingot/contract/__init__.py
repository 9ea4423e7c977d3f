"""Data contracts: one ODCS file a stream, and all that is compiled from it."""

from ingot.contract.model import Column, Contract, Property, load_contract, read_contract

__all__ = ["Column", "Contract", "Property", "load_contract", "read_contract"]
