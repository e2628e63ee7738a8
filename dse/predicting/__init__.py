"""Prediction for many CPUs: operations are traced one at a time, and simulated side by side (:mod:`kernels.queueing`)."""

from dse.predicting.predicting import Curve, Point, Prediction, predict

__all__ = ["Curve", "Point", "Prediction", "predict"]
