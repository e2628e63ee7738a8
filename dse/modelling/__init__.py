"""Modelled figures: counts and measurements combined with latencies of the parameter table."""

from dse.modelling.latency import PARAMETERS, Parameter, backend_read, frame, parameter, share

__all__ = ["PARAMETERS", "Parameter", "backend_read", "frame", "parameter", "share"]
